//! One step of a sweep: a bounded part of what has outlived itself goes, found by indexes, never by a scan.
//!
//! What goes from an inbox in a step is one change of it, with one rev, like any other. What goes from the log, lapsed
//! keys and what erased inboxes left are no changes.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{OptionalExtension, Params, params};

use super::fault::Fault;
use super::group::Group;
use super::rows::{Found, delete, remove};
use super::{cache::Inbox, keys};
use crate::domain::change::{Change, Rows, What};
use crate::domain::ids::{NotificationId, UserId};
use crate::domain::limits::{LOG_AGE_MS, SWEEP_INBOXES, SWEEP_ROWS};
use crate::store::commit::{Answer, Outcome, Swept};

const EXPIRED: &str = "SELECT number, id, rev, read, key_hash, inbox FROM notification
    WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
/// Ids begin with the time at which they were made, so that their index is one of ages too.
const AGED: &str = "SELECT number, id, rev, read, key_hash, inbox FROM notification WHERE id < ?1 ORDER BY id LIMIT ?2";
/// By the index of all its rows this would walk over the unread ones, which may be a million.
pub(super) const OLDEST_READ: &str =
    "SELECT number, id, rev, read, key_hash, inbox FROM notification INDEXED BY notification_read
    WHERE inbox = ?1 AND read = 1 ORDER BY rev LIMIT ?2";
pub(super) const OLDEST_UNREAD: &str = "SELECT number, id, rev, read, key_hash, inbox FROM notification
    WHERE inbox = ?1 AND read = 0 ORDER BY rev LIMIT ?2";
const OLD_LOG: &str = "SELECT inbox, MAX(rev), COUNT(*)
    FROM (SELECT inbox, rev FROM log WHERE at <= ?1 ORDER BY at LIMIT ?2) GROUP BY inbox";
const OLD_LOG_OF: &str = "DELETE FROM log WHERE inbox = ?1 AND rev <= ?2";
const ERASED: &str = "SELECT id FROM inbox WHERE user IS NULL LIMIT 1";
/// What an erased inbox left, its rows first.
const LEFT: [&str; 4] = [
    "DELETE FROM notification WHERE number IN (SELECT number FROM notification WHERE inbox = ?1 LIMIT ?2)",
    "DELETE FROM log WHERE inbox = ?1 AND rev IN (SELECT rev FROM log WHERE inbox = ?1 LIMIT ?2)",
    "DELETE FROM key WHERE inbox = ?1 AND (hash, key) IN (SELECT hash, key FROM key WHERE inbox = ?1 LIMIT ?2)",
    "DELETE FROM generation WHERE inbox = ?1
     AND first_rev IN (SELECT first_rev FROM generation WHERE inbox = ?1 LIMIT ?2)",
];

pub(super) fn sweep(group: &mut Group) -> Result<Outcome, Fault> {
    let mut step = Step::new();
    step.choose_ended(group)?;
    step.choose_of_overfull(group)?;
    let changes = step.remove_chosen(group)?;
    step.drop_old_log(group)?;
    step.drop_lapsed_keys(group)?;
    step.drop_what_erased_left(group)?;
    let swept = Swept { rows: step.rows, more: step.room == 0 };
    Ok(Outcome { changes, ended: None, answer: Answer::Swept(swept) })
}

struct Step {
    /// How much may still go.
    room: usize,
    /// How many went.
    rows: u64,
    /// Rows that go, by their inbox.
    chosen: BTreeMap<i64, Vec<Found>>,
    /// The numbers of all of them.
    numbers: HashSet<i64>,
}

impl Step {
    fn new() -> Self {
        Self { room: SWEEP_ROWS, rows: 0, chosen: BTreeMap::new(), numbers: HashSet::new() }
    }

    /// Rows past the life that their producer gave them, and those that are too old.
    fn choose_ended(&mut self, group: &Group) -> Result<(), Fault> {
        let limit = SWEEP_ROWS as i64;
        self.choose(group, EXPIRED, params![group.now, limit], SWEEP_ROWS)?;
        let oldest_kept = group.now.saturating_sub(group.context.max_age).saturating_add(1);
        if oldest_kept > 0 {
            let first_kept = NotificationId::at(oldest_kept, &[0; 10]);
            self.choose(group, AGED, params![first_kept.as_bytes(), limit], SWEEP_ROWS)?;
        }
        Ok(())
    }

    /// Of inboxes that are too full the oldest read rows, and where these are not enough, the oldest unread.
    fn choose_of_overfull(&mut self, group: &mut Group) -> Result<(), Fault> {
        let overfull = &group.context.overfull;
        let mut next = overfull.from(i64::MIN);
        while let Some(id) = next.filter(|_| self.room > 0) {
            // One without an owner was erased in this very transaction.
            if let Some((user, inbox)) = owned(group, id)? {
                let excess = overfull.excess(inbox.rows).min(SWEEP_ROWS as u64) as usize;
                for oldest in [OLDEST_READ, OLDEST_UNREAD] {
                    // The unread ones are found by walking over the read ones, which are few only where all of them go.
                    if self.chosen.get(&id).map_or(0, Vec::len) < excess {
                        self.choose(group, oldest, params![id, excess as i64], excess)?;
                    }
                }
                // So that it is looked at, when this is committed, whether it is still too full.
                group.keep(&user, inbox);
            }
            next = overfull.from(id + 1);
        }
        Ok(())
    }

    /// Chooses of the selected rows those that are not chosen yet, while there is room, until so many of an inbox are.
    fn choose(&mut self, group: &Group, select: &str, these: impl Params, of_inbox: usize) -> Result<(), Fault> {
        let mut select = group.connection.prepare_cached(select)?;
        let mut rows = select.query(these)?;
        while self.room > 0
            && let Some(row) = rows.next()?
        {
            let found = Found::of(row)?;
            let inbox: i64 = row.get(5)?;
            if self.chosen.len() == SWEEP_INBOXES && !self.chosen.contains_key(&inbox) {
                self.room = 0;
                break;
            }
            let chosen = self.chosen.entry(inbox).or_default();
            if self.numbers.insert(found.number) {
                chosen.push(found);
                self.room -= 1;
            }
            if chosen.len() >= of_inbox {
                break;
            }
        }
        Ok(())
    }

    fn remove_chosen(&mut self, group: &mut Group) -> Result<Vec<Change>, Fault> {
        let mut changes = Vec::new();
        for (id, rows) in std::mem::take(&mut self.chosen) {
            self.rows += rows.len() as u64;
            match owned(group, id)? {
                Some((user, inbox)) => changes.push(remove_all(group, &user, inbox, &rows)?),
                None => rows.iter().try_for_each(|row| delete(group, row))?,
            }
        }
        Ok(changes)
    }

    /// All that is older than the newest entry that is too old goes with it: the log has no holes. That may be more than
    /// was counted for, where the clock once went back, but never more than the log of the last inbox.
    fn drop_old_log(&mut self, group: &mut Group) -> Result<(), Fault> {
        let mut select = group.connection.prepare_cached(OLD_LOG)?;
        let oldest_kept = group.now - LOG_AGE_MS;
        let found = select.query_map(params![oldest_kept, self.room as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (id, newest) in found.collect::<rusqlite::Result<Vec<(i64, i64)>>>()? {
            if self.room == 0 {
                break;
            }
            let dropped = group.connection.prepare_cached(OLD_LOG_OF)?.execute([id, newest])?;
            self.room = self.room.saturating_sub(dropped);
            if let Some((user, mut inbox)) = owned(group, id)? {
                inbox.logged -= dropped as u64;
                inbox.log_floor = newest.unsigned_abs();
                group.keep(&user, inbox);
            }
        }
        Ok(())
    }

    fn drop_lapsed_keys(&mut self, group: &Group) -> Result<(), Fault> {
        self.room -= keys::drop_lapsed(group.connection, group.now, self.room)?;
        Ok(())
    }

    fn drop_what_erased_left(&mut self, group: &Group) -> Result<(), Fault> {
        while self.room > 0 {
            let mut select = group.connection.prepare_cached(ERASED)?;
            let Some(id) = select.query_row([], |row| row.get::<_, i64>(0)).optional()? else { return Ok(()) };
            for (table, delete) in LEFT.into_iter().enumerate() {
                let dropped = group.connection.prepare_cached(delete)?.execute(params![id, self.room as i64])?;
                self.rows += if table == 0 { dropped as u64 } else { 0 };
                self.room -= dropped;
            }
            if self.room > 0 {
                // The integer is never used again: SQLite remembers the highest of an AUTOINCREMENT.
                self.room -= group.connection.prepare_cached("DELETE FROM inbox WHERE id = ?1")?.execute([id])?;
            }
        }
        Ok(())
    }
}

/// An inbox and whose it is, unless it was erased.
fn owned(group: &Group, id: i64) -> Result<Option<(UserId, Inbox)>, Fault> {
    let Some(user) = group.owner(id)? else { return Ok(None) };
    Ok(group.inbox(&user)?.map(|inbox| (user, inbox)))
}

/// Removes rows of one inbox, as one change of it.
fn remove_all(group: &mut Group, user: &UserId, mut inbox: Inbox, rows: &[Found]) -> Result<Change, Fault> {
    for row in rows {
        remove(group, &mut inbox, row)?;
        keys::outlive(group.connection, inbox.id, row, group.now)?;
    }
    let entry = group.log(&mut inbox, What::Deleted, Rows::Ids(rows.iter().map(|row| row.id).collect()), None)?;
    let change = group.change(user, &inbox, entry);
    group.keep(user, inbox);
    Ok(change)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::sqlite::schema;

    /// However many rows there are, a step looks at those that go.
    #[test]
    fn nothing_is_found_by_a_scan_or_sorted() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let found = [EXPIRED, AGED, OLDEST_READ, OLDEST_UNREAD, OLD_LOG, OLD_LOG_OF, ERASED, keys::LAPSED];
        for sql in found.iter().chain(&LEFT) {
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let wanted = explain.parameter_count();
            let plan = explain.query_map(rusqlite::params_from_iter(vec![1; wanted]), |row| row.get::<_, String>(3));
            let plan: Vec<String> = plan.unwrap().map(Result::unwrap).collect();
            assert!(plan.iter().any(|step| step.starts_with("SEARCH")), "{sql}: {plan:?}");
            // The one before the grouping has at most a step's rows.
            let dear = |step: &&String| {
                let of_step = step.as_str() == "SCAN (subquery-1)" || step.contains("GROUP BY");
                (step.starts_with("SCAN") || step.contains("TEMP B-TREE")) && !of_step
            };
            assert_eq!(plan.iter().find(dear), None, "{sql}: {plan:?}");
        }
    }
}
