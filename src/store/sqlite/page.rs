//! The questions that a reader answers, each in one read transaction.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, Rows as SqlRows, params};

use super::group::load;
use crate::domain::change::{Entry, Item, Logged, Rows, What};
use crate::domain::cursor::{Cursor, Epoch, EpochSecret, Presented, Reason, judge};
use crate::domain::ids::{NotificationId, Rev, UserId};
use crate::domain::limits::{PAGE_BYTES, PAGE_ENTRIES, REPLAY_ENTRIES, SNAPSHOT_BYTES};
use crate::domain::notification::{Body, Kind};
use crate::store::view::{List, ListQuery, Opening, Page, Standing, View};

/// Bytes of an event beside its texts.
const EVENT_BYTES: usize = 256;

const ITEM: &str = "id, rev, type, body, read, created_at";

pub(super) fn open_at(
    connection: &Connection,
    secret: &EpochSecret,
    user: &UserId,
    presented: Presented,
    snapshot: usize,
) -> rusqlite::Result<Opening> {
    let (inbox, view) = view(connection, secret, user)?;
    let standing = standing(connection, secret, inbox, &view, presented)?;
    let page = match (standing, presented) {
        (Standing::Resumed { .. }, Presented::Cursor(Cursor { rev, .. })) => entries(connection, inbox, view, rev)?,
        _ => Page { view, entries: Vec::new(), more: false },
    };
    let wanted = snapshot > 0 && !matches!(standing, Standing::Resumed { .. });
    let items = wanted.then(|| newest(connection, inbox, snapshot)).transpose()?;
    Ok(Opening { standing, page, items })
}

pub(super) fn page_after(
    connection: &Connection,
    secret: &EpochSecret,
    user: &UserId,
    rev: Rev,
) -> rusqlite::Result<Page> {
    let (inbox, view) = view(connection, secret, user)?;
    entries(connection, inbox, view, rev)
}

pub(super) fn list(
    connection: &Connection,
    secret: &EpochSecret,
    user: &UserId,
    query: &ListQuery,
) -> rusqlite::Result<List> {
    let (inbox, view) = view(connection, secret, user)?;
    let mut select = connection.prepare_cached(&format!(
        "SELECT {ITEM} FROM notification
         WHERE inbox = ?1 AND rev < ?2 AND read <= ?3 AND (?4 IS NULL OR type = ?4) ORDER BY rev DESC LIMIT ?5"
    ))?;
    let before = query.before.map_or(i64::MAX, |rev| i64::try_from(rev).unwrap_or(i64::MAX));
    let kind = query.kind.as_ref().map(Kind::as_str);
    let rows = select.query_map(params![inbox, before, !query.unread, kind, query.limit as i64 + 1], item)?;
    let mut items = rows.collect::<rusqlite::Result<Vec<Item>>>()?;
    let more = items.len() > query.limit;
    items.truncate(query.limit);
    let next = items.last().filter(|_| more).map(|item| item.rev);
    Ok(List { items, next, counts: view.counts, cursor: view.head() })
}

pub(super) fn get(connection: &Connection, user: &UserId, id: NotificationId) -> rusqlite::Result<Option<Item>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {ITEM} FROM notification WHERE id = ?1 AND inbox = (SELECT id FROM inbox WHERE user = ?2)"
    ))?;
    select.query_row(params![id.as_bytes(), user.as_str()], item).optional()
}

/// The inbox's integer (0, which none has, before its first write) and how it stands.
pub(super) fn view(connection: &Connection, secret: &EpochSecret, user: &UserId) -> rusqlite::Result<(i64, View)> {
    let Some(inbox) = load(connection, secret, user)? else { return Ok((0, View::EMPTY)) };
    Ok((inbox.id, View { epoch: inbox.epoch, counts: inbox.counts(), log_floor: inbox.log_floor }))
}

fn standing(
    connection: &Connection,
    secret: &EpochSecret,
    inbox: i64,
    view: &View,
    presented: Presented,
) -> rusqlite::Result<Standing> {
    let cursor = match presented {
        Presented::Nothing => return Ok(Standing::New),
        Presented::Unreadable => return Ok(Standing::Resync(Reason::Unknown)),
        Presented::Cursor(cursor) => cursor,
    };
    let generations = generations(connection, secret, inbox)?;
    if let Err(reason) = judge(cursor, &generations, view.counts.rev, view.log_floor) {
        return Ok(Standing::Resync(reason));
    }
    let missed = missed(connection, inbox, cursor.rev)?;
    let replayed = missed <= REPLAY_ENTRIES;
    Ok(if replayed { Standing::Resumed { missed } } else { Standing::Resync(Reason::TooMany) })
}

/// The inbox's epochs with the first rev of each, oldest first.
fn generations(connection: &Connection, secret: &EpochSecret, inbox: i64) -> rusqlite::Result<Vec<(Epoch, Rev)>> {
    let mut select = connection
        .prepare_cached("SELECT generation, first_rev FROM generation WHERE inbox = ?1 ORDER BY first_rev")?;
    let rows = select
        .query_map([inbox], |row| Ok((secret.epoch(row.get(0)?, inbox), row.get::<_, i64>(1)?.unsigned_abs())))?;
    rows.collect()
}

/// Entries after `rev`, counted to one over the limit of a replay.
fn missed(connection: &Connection, inbox: i64, rev: Rev) -> rusqlite::Result<usize> {
    let mut select = connection.prepare_cached(
        "SELECT COUNT(*) FROM (
             SELECT rev FROM (SELECT rev FROM notification WHERE inbox = ?1 AND rev > ?2 ORDER BY rev LIMIT ?3)
             UNION ALL
             SELECT rev FROM (SELECT rev FROM log WHERE inbox = ?1 AND rev > ?2 ORDER BY rev LIMIT ?3))",
    )?;
    let most = REPLAY_ENTRIES as i64 + 1;
    let count: i64 = select.query_row(params![inbox, rev as i64, most], |row| row.get(0))?;
    Ok(usize::try_from(count.min(most)).unwrap_or_default())
}

/// Rows and logged changes after `rev`, merged by rev; read only as far as the page goes.
fn entries(connection: &Connection, inbox: i64, view: View, rev: Rev) -> rusqlite::Result<Page> {
    let mut rows = connection
        .prepare_cached(&format!("SELECT {ITEM} FROM notification WHERE inbox = ?1 AND rev > ?2 ORDER BY rev"))?;
    let mut log = connection
        .prepare_cached("SELECT rev, what, up_to, ids, origin FROM log WHERE inbox = ?1 AND rev > ?2 ORDER BY rev")?;
    let after = params![inbox, rev as i64];
    let mut rows = rows.query(after)?;
    let mut log = log.query(after)?;
    let made = |rows: &mut SqlRows| rows.next()?.map(item).transpose().map(|item| item.map(Arc::new).map(Entry::Made));
    let told = |log: &mut SqlRows| log.next()?.map(logged).transpose();
    let (mut row, mut change) = (made(&mut rows)?, told(&mut log)?);
    let (mut entries, mut bytes) = (Vec::new(), 0);
    loop {
        let row_first = match (&row, &change) {
            (None, None) => return Ok(Page { view, entries, more: false }),
            (Some(row), Some(change)) => row.rev() < change.rev(),
            (row, _) => row.is_some(),
        };
        let next = if row_first { row.take() } else { change.take() };
        let Some(entry) = next else { return Ok(Page { view, entries, more: false }) };
        bytes += weight(&entry);
        if entries.len() == PAGE_ENTRIES || (bytes > PAGE_BYTES && !entries.is_empty()) {
            return Ok(Page { view, entries, more: true });
        }
        entries.push(entry);
        if row_first {
            row = made(&mut rows)?;
        } else {
            change = told(&mut log)?;
        }
    }
}

fn weight(entry: &Entry) -> usize {
    EVENT_BYTES
        + match entry {
            Entry::Made(item) => item.body.as_str().len(),
            Entry::Logged { logged, .. } => match &logged.rows {
                Rows::Ids(ids) => ids.len() * 39,
                Rows::UpTo(_) | Rows::Many => 0,
            },
        }
}

fn newest(connection: &Connection, inbox: i64, most: usize) -> rusqlite::Result<Vec<Item>> {
    let mut select = connection
        .prepare_cached(&format!("SELECT {ITEM} FROM notification WHERE inbox = ?1 ORDER BY rev DESC LIMIT ?2"))?;
    let mut rows = select.query(params![inbox, most as i64])?;
    let (mut items, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let item = item(row)?;
        bytes += EVENT_BYTES + item.body.as_str().len();
        if bytes > SNAPSHOT_BYTES && !items.is_empty() {
            break;
        }
        items.push(item);
    }
    Ok(items)
}

fn item(row: &Row) -> rusqlite::Result<Item> {
    Ok(Item {
        id: NotificationId::from_bytes(row.get(0)?),
        rev: row.get::<_, i64>(1)?.unsigned_abs(),
        kind: Kind::stored(row.get_ref(2)?.as_str()?),
        body: Body::stored(row.get_ref(3)?.as_str()?),
        read: row.get(4)?,
        created_at: row.get(5)?,
    })
}

fn logged(row: &Row) -> rusqlite::Result<Entry> {
    let what = What::parse(row.get_ref(1)?.as_str()?).unwrap_or(What::Changed);
    let rows = match (row.get::<_, Option<i64>>(2)?, row.get_ref(3)?.as_blob_or_null()?) {
        (Some(rev), _) => Rows::UpTo(rev.unsigned_abs()),
        (None, Some(ids)) => Rows::Ids(ids.as_chunks().0.iter().copied().map(NotificationId::from_bytes).collect()),
        (None, None) => Rows::Many,
    };
    let origin = row.get_ref(4)?.as_str_or_null()?.map(Arc::from);
    Ok(Entry::Logged { rev: row.get::<_, i64>(0)?.unsigned_abs(), logged: Arc::new(Logged { what, rows, origin }) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::draft::check;
    use crate::store::sqlite::append::append;
    use crate::store::sqlite::transactions::{ada, commit, desk};

    #[test]
    fn a_page_and_a_snapshot_may_be_full_to_the_byte() {
        const { assert!(PAGE_BYTES == SNAPSHOT_BYTES) };
        let desk = desk();
        let content = "x".repeat(PAGE_BYTES / 16 - EVENT_BYTES - r#"{"content":""}"#.len());
        let draft = check(serde_json::json!({"user": "ada", "type": "like", "content": content})).unwrap();
        commit(&desk, 1_000, |group| append(group, &vec![draft; 17]).unwrap().unwrap());
        let (connection, secret) = (&desk.0, &desk.1.secret);
        let page = page_after(connection, secret, &ada(), 0).unwrap();
        assert_eq!((page.entries.len(), page.more), (16, true));
        let opening = open_at(connection, secret, &ada(), Presented::Nothing, 100).unwrap();
        assert_eq!(opening.items.map(|items| items.len()), Some(16));
    }

    #[test]
    fn an_entry_weighs_what_its_event_will_about() {
        let id = NotificationId::from_bytes([0; 16]);
        let (kind, body) = (Kind::stored("like"), Body::stored("{\"content\":\"x\"}"));
        let made = Entry::Made(Arc::new(Item { id, rev: 1, kind, body, read: false, created_at: 0 }));
        assert_eq!(weight(&made), 256 + 15);
        for (rows, bytes) in [(Rows::Ids(vec![id; 3]), 256 + 3 * 39), (Rows::UpTo(7), 256), (Rows::Many, 256)] {
            let logged = Logged { what: What::Read, rows, origin: None };
            assert_eq!(weight(&Entry::Logged { rev: 1, logged: Arc::new(logged) }), bytes);
        }
    }
}
