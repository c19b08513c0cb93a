//! Natural keys: the same key for the same user is the same notification.

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::ids::{Millis, NotificationId};
use crate::domain::limits::KEY_OUTLIVES_MS;
use crate::domain::notification::{Fingerprint, Key};

/// A key that is taken.
pub(super) struct Taken {
    pub fingerprint: Fingerprint,
    pub notification: NotificationId,
}

/// The first eight bytes of the key's SHA-256: a short, even index, beside which the text is compared.
pub(super) fn hash(key: &Key) -> i64 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_str().as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_ref()[..8]);
    i64::from_be_bytes(first)
}

/// Who has `key` now, if it has not lapsed.
pub(super) fn find(connection: &Connection, inbox: i64, key: &Key, now: Millis) -> rusqlite::Result<Option<Taken>> {
    let mut select = connection.prepare_cached(
        "SELECT fingerprint, notification FROM key
         WHERE inbox = ?1 AND hash = ?2 AND key = ?3 AND (lapses IS NULL OR lapses > ?4)",
    )?;
    let row = select.query_row(params![inbox, hash(key), key.as_str(), now], |row| {
        Ok(Taken { fingerprint: row.get(0)?, notification: NotificationId::from_bytes(row.get(1)?) })
    });
    row.optional()
}

/// Gives `key` to a new notification; one that has lapsed is written over.
pub(super) fn take(
    connection: &Connection,
    inbox: i64,
    key: &Key,
    fingerprint: &Fingerprint,
    id: NotificationId,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO key (inbox, hash, key, fingerprint, notification, lapses)
         VALUES (?1, ?2, ?3, ?4, ?5, NULL)",
    )?;
    insert.execute(params![inbox, hash(key), key.as_str(), fingerprint, id.as_bytes()])?;
    Ok(())
}

/// Lets the key of a row that its user removed live on for a while, so that a late retry brings nothing back.
pub(super) fn outlive(
    connection: &Connection,
    inbox: i64,
    hash: i64,
    id: NotificationId,
    now: Millis,
) -> rusqlite::Result<()> {
    let mut update =
        connection.prepare_cached("UPDATE key SET lapses = ?4 WHERE inbox = ?1 AND hash = ?2 AND notification = ?3")?;
    update.execute(params![inbox, hash, id.as_bytes(), now + KEY_OUTLIVES_MS])?;
    Ok(())
}
