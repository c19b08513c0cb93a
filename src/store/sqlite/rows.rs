//! One row of an inbox: how it is found, and what falls with it when it goes.

use rusqlite::{OptionalExtension, Row, params};

use super::cache::Inbox;
use super::fault::Fault;
use super::group::Group;
use crate::domain::ids::{NotificationId, Rev};

/// What is to be known of a row to mark it or to remove it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub number: i64,
    pub id: NotificationId,
    pub rev: Rev,
    pub read: bool,
    pub key_hash: Option<i64>,
}

impl Found {
    /// The columns from which [`Found::of`] reads.
    pub const COLUMNS: &str = "number, id, rev, read, key_hash";

    pub fn of(row: &Row) -> rusqlite::Result<Self> {
        let (number, id) = (row.get(0)?, NotificationId::from_bytes(row.get(1)?));
        let rev = row.get::<_, i64>(2)?.unsigned_abs();
        Ok(Self { number, id, rev, read: row.get(3)?, key_hash: row.get(4)? })
    }
}

/// The row with this id, if it is in the inbox.
pub(super) fn find(group: &Group, inbox: &Inbox, id: NotificationId) -> Result<Option<Found>, Fault> {
    let columns = Found::COLUMNS;
    let mut select =
        group.connection.prepare_cached(&format!("SELECT {columns} FROM notification WHERE id = ?1 AND inbox = ?2"))?;
    Ok(select.query_row(params![id.as_bytes(), inbox.id], Found::of).optional()?)
}

/// Removes a row, and what it counted for. Its key is another matter.
pub(super) fn remove(group: &Group, inbox: &mut Inbox, row: &Found) -> Result<(), Fault> {
    delete(group, row)?;
    if !row.read {
        uncount(inbox, row);
    }
    inbox.rows -= 1;
    Ok(())
}

/// Removes a row of an inbox that nobody counts any more.
pub(super) fn delete(group: &Group, row: &Found) -> Result<(), Fault> {
    let mut delete = group.connection.prepare_cached("DELETE FROM notification WHERE number = ?1")?;
    delete.execute([row.number])?;
    Ok(())
}

/// An unread row is no longer one.
pub(super) fn uncount(inbox: &mut Inbox, row: &Found) {
    inbox.unread -= 1;
    inbox.unseen -= u64::from(row.rev > inbox.seen);
}
