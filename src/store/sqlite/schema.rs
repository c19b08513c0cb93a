//! The tables, and how an older database becomes today's.

use rusqlite::{Connection, TransactionBehavior};

use crate::random;

/// "LuMn": whose file it is, in the database's own header.
pub(super) const APPLICATION_ID: i64 = 0x4c75_4d6e;

/// Each step brings the schema from its index to the next number, in a transaction of its own.
const MIGRATIONS: [&str; 2] = [FIRST, INDEXES_OF_SWEEPS];

/// The version that this program reads and writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Rows are appended to a rowid table and found by two small indexes: clustering them by (inbox, rev) instead took
/// 48,000 rows/s where this takes 186,000 (two cores, batches of 1,024, an fsync each).
///
/// - `inbox.id` is AUTOINCREMENT: the integer of an erased inbox is never used again, so neither is its epoch.
/// - `inbox.user` is NULL once the name is unlinked.
/// - `inbox.seen` is the seen mark; `logged` counts the rows of `log`; `log_floor` is the rev of the newest one dropped.
/// - `notification.key_hash` finds the key of a row that goes away.
/// - `key.lapses` is set when the row is gone: until then the key lives as long as its row.
const FIRST: &str = "
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    secret BLOB NOT NULL
) STRICT;

CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user TEXT UNIQUE,
    head INTEGER NOT NULL DEFAULT 0,
    unread INTEGER NOT NULL DEFAULT 0,
    unseen INTEGER NOT NULL DEFAULT 0,
    seen INTEGER NOT NULL DEFAULT 0,
    rows INTEGER NOT NULL DEFAULT 0,
    logged INTEGER NOT NULL DEFAULT 0,
    log_floor INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER
) STRICT;

CREATE TABLE generation (
    inbox INTEGER NOT NULL,
    first_rev INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    PRIMARY KEY (inbox, first_rev)
) STRICT, WITHOUT ROWID;

CREATE TABLE notification (
    number INTEGER PRIMARY KEY,
    inbox INTEGER NOT NULL,
    rev INTEGER NOT NULL,
    id BLOB NOT NULL UNIQUE,
    type TEXT NOT NULL,
    body TEXT NOT NULL,
    read INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    key_hash INTEGER,
    UNIQUE (inbox, rev)
) STRICT;

CREATE TABLE log (
    inbox INTEGER NOT NULL,
    rev INTEGER NOT NULL,
    what TEXT NOT NULL,
    up_to INTEGER,
    ids BLOB,
    origin TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (inbox, rev)
) STRICT, WITHOUT ROWID;

CREATE TABLE key (
    inbox INTEGER NOT NULL,
    hash INTEGER NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    notification BLOB NOT NULL,
    lapses INTEGER,
    PRIMARY KEY (inbox, hash, key)
) STRICT, WITHOUT ROWID;
";

/// What a sweep looks for, none of it in the way of a post: a row with a life is the rare one, and a row is made unread.
/// Rows too old are found by the index of their ids, which begin with the time; inboxes too full by the writer, which
/// knows them; erased ones by the index of users.
const INDEXES_OF_SWEEPS: &str = "
CREATE INDEX notification_expires ON notification (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX notification_read ON notification (inbox, rev) WHERE read = 1;
CREATE INDEX log_at ON log (at);
CREATE INDEX key_lapses ON key (lapses) WHERE lapses IS NOT NULL;
";

/// Writes a page as it was: what shows whether writes go through.
pub(super) fn touch(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", VERSION)
}

/// Brings a database to [`VERSION`].
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    run(connection, &MIGRATIONS)
}

/// Whatever ends it on the way leaves the step before it whole.
fn run(connection: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let from: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (step, sql) in steps.iter().enumerate().skip(usize::try_from(from).unwrap_or(usize::MAX)) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        if step == 0 {
            transaction.execute("INSERT INTO meta (id, secret) VALUES (1, ?1)", [random::bytes::<32>()])?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        }
        transaction.pragma_update(None, "user_version", step as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::ErrorCode;

    use super::*;

    /// Faults row 6: the disk fills up in the midst of a step, whichever page of it finds no room.
    #[test]
    fn a_step_without_room_leaves_the_one_before_it_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lumen.db");
        let steps = [FIRST, "CREATE TABLE more (x INTEGER) STRICT; CREATE TABLE yet_more (x INTEGER) STRICT"];
        let number = |connection: &Connection, pragma: &str| {
            connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).unwrap()
        };
        run(&mut Connection::open(&path).unwrap(), &steps[..1]).unwrap();
        let schema = |connection: &Connection| {
            let mut select = connection.prepare("SELECT sql FROM sqlite_schema ORDER BY name").unwrap();
            let rows = select.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
            rows.map(Result::unwrap).collect::<Vec<_>>()
        };
        let (old, pages) = {
            let connection = Connection::open(&path).unwrap();
            (schema(&connection), number(&connection, "page_count"))
        };
        let mut refused = 0;
        loop {
            let mut connection = Connection::open(&path).unwrap();
            connection.pragma_update(None, "max_page_count", pages + refused).unwrap();
            let Err(fault) = run(&mut connection, &steps) else { break };
            assert_eq!(fault.sqlite_error_code(), Some(ErrorCode::DiskFull), "{refused}: {fault}");
            let next = Connection::open(&path).unwrap();
            assert_eq!((number(&next, "user_version"), schema(&next)), (1, old.clone()));
            refused += 1;
        }
        let next = Connection::open(&path).unwrap();
        assert_eq!((refused > 1, number(&next, "user_version"), schema(&next).len()), (true, 2, old.len() + 2));
    }
}
