//! Natural keys: the same key for the same user is the same notification.

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::Found;
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

/// Lets the key of a row that is gone live on for a while, so that a late retry brings nothing back.
pub(super) fn outlive(connection: &Connection, inbox: i64, row: &Found, now: Millis) -> rusqlite::Result<()> {
    let Some(hash) = row.key_hash else { return Ok(()) };
    let mut update =
        connection.prepare_cached("UPDATE key SET lapses = ?4 WHERE inbox = ?1 AND hash = ?2 AND notification = ?3")?;
    update.execute(params![inbox, hash, row.id.as_bytes(), now + KEY_OUTLIVES_MS])?;
    Ok(())
}

/// Takes `key` from whoever has it, be it gone or not, and says who that was.
pub(super) fn free(connection: &Connection, inbox: i64, key: &Key) -> rusqlite::Result<Option<NotificationId>> {
    let mut delete = connection
        .prepare_cached("DELETE FROM key WHERE inbox = ?1 AND hash = ?2 AND key = ?3 RETURNING notification")?;
    let held =
        delete.query_row(params![inbox, hash(key), key.as_str()], |row| row.get(0).map(NotificationId::from_bytes));
    held.optional()
}

/// Removes the keys that lapsed first.
pub(super) const LAPSED: &str = "DELETE FROM key WHERE (inbox, hash, key) IN
    (SELECT inbox, hash, key FROM key WHERE lapses <= ?1 ORDER BY lapses LIMIT ?2)";

/// Removes up to so many keys that have lapsed; how many it were.
pub(super) fn drop_lapsed(connection: &Connection, now: Millis, most: usize) -> rusqlite::Result<usize> {
    connection.prepare_cached(LAPSED)?.execute(params![now, most as i64])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is in the files of every site: another one would find none of their keys.
    #[test]
    fn a_keys_hash_is_the_same_for_ever() {
        let sha_256_of_abc = 0xba78_16bf_8f01_cfea_u64;
        assert_eq!(hash(&Key::parse("abc").unwrap()) as u64, sha_256_of_abc);
    }
}
