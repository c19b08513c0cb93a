//! Marks and removals: each is one change with one rev, or none where neither a row nor a count changes.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::params;

use super::cache::Inbox;
use super::fault::Fault;
use super::group::Group;
use super::keys;
use super::rows::{Found, find, remove, uncount};
use crate::domain::change::{Counts, Rows, What};
use crate::domain::ids::{NotificationId, Rev, UserId};
use crate::store::commit::{Answer, Marked, Outcome};
use crate::store::error::Error;
use crate::store::job::{Mark, Selection};

/// Both walk over all rows of the inbox up to the rev, since read ones are told from others only by looking.
pub(super) const READ_UP_TO: &str = "UPDATE notification SET read = 1 WHERE inbox = ?1 AND rev <= ?2 AND read = 0";
pub(super) const COUNT_UNSEEN: &str =
    "SELECT COUNT(*) FROM notification WHERE inbox = ?1 AND rev > ?2 AND rev <= ?3 AND read = 0";

/// What a mark did to an inbox: so many rows or counts, told as this.
struct Effect {
    changed: u64,
    told: Option<(What, Rows)>,
}

const NOTHING: Effect = Effect { changed: 0, told: None };

/// Marks rows of the user's inbox. An inbox that is not there has no rows to mark, and is not made.
pub(super) fn mark(
    group: &mut Group,
    user: &UserId,
    mark: &Mark,
    origin: Option<&Arc<str>>,
) -> Result<Result<Outcome, Error>, Fault> {
    let Some(mut inbox) = group.inbox(user)? else {
        let one = matches!(mark, Mark::Read(Selection::One(_)) | Mark::Unread(_) | Mark::Delete(_));
        let none = Marked { changed: 0, counts: Counts::default() };
        return Ok(if one { Err(Error::NotFound) } else { Ok(Outcome::new(None, Answer::Marked(none))) });
    };
    let before = inbox;
    let done = match mark {
        Mark::Read(Selection::One(id)) => match find(group, &inbox, *id)? {
            Some(row) => read(group, &mut inbox, vec![row])?,
            None => return Ok(Err(Error::NotFound)),
        },
        Mark::Read(Selection::Ids(ids)) => {
            let rows = find_all(group, &inbox, ids)?;
            read(group, &mut inbox, rows)?
        }
        Mark::Read(Selection::UpTo(rev)) => read_up_to(group, &mut inbox, *rev)?,
        Mark::Read(Selection::All) => read_up_to(group, &mut inbox, Rev::MAX)?,
        Mark::Seen(rev) => seen(group, &mut inbox, *rev)?,
        Mark::Unread(id) | Mark::Delete(id) => {
            let Some(row) = find(group, &inbox, *id)? else { return Ok(Err(Error::NotFound)) };
            let removes = matches!(mark, Mark::Delete(_));
            if removes { delete(group, &mut inbox, row)? } else { unread(group, &mut inbox, row)? }
        }
    };
    let entry = done.told.map(|(what, rows)| group.log(&mut inbox, what, rows, origin)).transpose()?;
    let change = entry.map(|entry| group.change(user, &inbox, entry));
    if inbox != before {
        group.keep(user, inbox);
    }
    let marked = Marked { changed: done.changed, counts: inbox.counts() };
    Ok(Ok(Outcome::new(change, Answer::Marked(marked))))
}

/// Those of `ids` that are in the inbox, each once.
fn find_all(group: &Group, inbox: &Inbox, ids: &[NotificationId]) -> Result<Vec<Found>, Fault> {
    let mut looked_at = HashSet::with_capacity(ids.len());
    let mut found = Vec::new();
    for id in ids {
        if looked_at.insert(*id)
            && let Some(row) = find(group, inbox, *id)?
        {
            found.push(row);
        }
    }
    Ok(found)
}

fn set_read(group: &Group, number: i64, read: bool) -> Result<(), Fault> {
    let mut update = group.connection.prepare_cached("UPDATE notification SET read = ?2 WHERE number = ?1")?;
    update.execute(params![number, read])?;
    Ok(())
}

fn read(group: &Group, inbox: &mut Inbox, rows: Vec<Found>) -> Result<Effect, Fault> {
    let mut ids = Vec::new();
    for row in rows.into_iter().filter(|row| !row.read) {
        set_read(group, row.number, true)?;
        uncount(inbox, &row);
        ids.push(row.id);
    }
    let told = (!ids.is_empty()).then(|| (What::Read, Rows::Ids(ids.clone())));
    Ok(Effect { changed: ids.len() as u64, told })
}

fn unread(group: &Group, inbox: &mut Inbox, row: Found) -> Result<Effect, Fault> {
    if !row.read {
        return Ok(NOTHING);
    }
    set_read(group, row.number, false)?;
    inbox.unread += 1;
    inbox.unseen += u64::from(row.rev > inbox.seen);
    Ok(Effect { changed: 1, told: Some((What::Unread, Rows::Ids(vec![row.id]))) })
}

fn read_up_to(group: &Group, inbox: &mut Inbox, rev: Rev) -> Result<Effect, Fault> {
    if inbox.unread == 0 {
        return Ok(NOTHING);
    }
    let rev = rev.min(inbox.head);
    let unseen = count_unseen(group, inbox, rev)?;
    let mut update = group.connection.prepare_cached(READ_UP_TO)?;
    let changed = update.execute(params![inbox.id, rev as i64])? as u64;
    inbox.unread -= changed;
    inbox.unseen -= unseen;
    let told = (changed > 0).then_some((What::Read, Rows::UpTo(rev)));
    Ok(Effect { changed, told })
}

/// The mark rises also where no count falls, which takes no rev.
fn seen(group: &Group, inbox: &mut Inbox, rev: Rev) -> Result<Effect, Fault> {
    let rev = rev.min(inbox.head);
    if rev <= inbox.seen {
        return Ok(NOTHING);
    }
    let fell = count_unseen(group, inbox, rev)?;
    inbox.seen = rev;
    inbox.unseen -= fell;
    Ok(Effect { changed: fell, told: (fell > 0).then_some((What::Seen, Rows::UpTo(rev))) })
}

fn delete(group: &Group, inbox: &mut Inbox, row: Found) -> Result<Effect, Fault> {
    remove(group, inbox, &row)?;
    keys::outlive(group.connection, inbox.id, &row, group.now)?;
    Ok(Effect { changed: 1, told: Some((What::Deleted, Rows::Ids(vec![row.id]))) })
}

/// Unread rows over the seen mark, up to `rev`.
fn count_unseen(group: &Group, inbox: &Inbox, rev: Rev) -> Result<u64, Fault> {
    if inbox.unseen == 0 {
        return Ok(0);
    }
    let mut select = group.connection.prepare_cached(COUNT_UNSEEN)?;
    let count: i64 = select.query_row(params![inbox.id, inbox.seen as i64, rev as i64], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}
