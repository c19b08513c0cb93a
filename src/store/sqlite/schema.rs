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
    to_version(connection, MIGRATIONS.len())
}

fn to_version(connection: &mut Connection, version: usize) -> rusqlite::Result<()> {
    let from: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let steps = MIGRATIONS.iter().take(version).enumerate();
    for (step, sql) in steps.skip(usize::try_from(from).unwrap_or(usize::MAX)) {
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
    use std::path::Path;

    use rusqlite::ErrorCode;

    use super::*;

    fn version(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    fn tables_and_indexes(connection: &Connection) -> Vec<String> {
        let mut select = connection.prepare("SELECT type || ' ' || name FROM sqlite_schema ORDER BY 1").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// What says that a database is lumen's, and which.
    fn whose(connection: &Connection) -> (i64, Vec<u8>) {
        let secret = connection.query_row("SELECT secret FROM meta", [], |row| row.get(0)).unwrap();
        (connection.pragma_query_value(None, "application_id", |row| row.get(0)).unwrap(), secret)
    }

    /// A database as the first version left it, with so many rows.
    fn of_the_first_version(path: &Path, rows: i64) -> Connection {
        let mut connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        to_version(&mut connection, 1).unwrap();
        let transaction = connection.transaction().unwrap();
        transaction.execute("INSERT INTO inbox (user, head, rows) VALUES ('ada', ?1, ?1)", [rows]).unwrap();
        let mut insert = transaction
            .prepare(
                "INSERT INTO notification (inbox, rev, id, type, body, created_at, expires_at, read)
                 VALUES (1, ?1, CAST(?1 AS BLOB), 'like', '{}', 0, ?1, ?1 % 2)",
            )
            .unwrap();
        (1..=rows).for_each(|rev| assert_eq!(insert.execute([rev]), Ok(1)));
        drop(insert);
        transaction.commit().unwrap();
        connection
    }

    #[test]
    fn an_older_database_becomes_what_a_new_one_is() {
        let dir = tempfile::tempdir().unwrap();
        let mut new = Connection::open_in_memory().unwrap();
        migrate(&mut new).unwrap();
        let mut old = of_the_first_version(&dir.path().join("old.db"), 100);
        assert_ne!(tables_and_indexes(&old), tables_and_indexes(&new));
        let made_first = whose(&old);
        assert_eq!(made_first.0, APPLICATION_ID);
        migrate(&mut old).unwrap();
        assert_eq!(whose(&old), made_first, "its cursors are good still");
        assert_eq!((version(&old), tables_and_indexes(&old)), (VERSION, tables_and_indexes(&new)));
        let rows: i64 = old.query_row("SELECT COUNT(*) FROM notification", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 100);
        migrate(&mut old).unwrap();
        assert_eq!(version(&old), VERSION, "today's stays as it is");
    }

    /// Faults row 11: what a kill in the midst of a step leaves on disk is the step before it, and it is run again.
    #[test]
    fn a_killed_migration_is_run_again() {
        let (dir, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let old = of_the_first_version(&dir.path().join("lumen.db"), 5_000);
        // So small that the step is written to the log long before it is committed.
        let log_bytes = || std::fs::metadata(dir.path().join("lumen.db-wal")).unwrap().len();
        old.execute_batch("PRAGMA cache_size = 10; PRAGMA wal_checkpoint(TRUNCATE); BEGIN IMMEDIATE").unwrap();
        assert_eq!(log_bytes(), 0);
        old.execute_batch(INDEXES_OF_SWEEPS).unwrap();
        assert!(log_bytes() > 0);
        for entry in std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
            std::fs::copy(entry.path(), killed.path().join(entry.file_name())).unwrap();
        }
        let mut left = Connection::open(killed.path().join("lumen.db")).unwrap();
        assert_eq!(version(&left), 1);
        migrate(&mut left).unwrap();
        assert_eq!(version(&left), VERSION);
        let verdict: String = left.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok");
    }

    /// Faults row 6: the old schema is whole, and the step is run once there is room.
    #[test]
    fn a_migration_on_a_full_disk_leaves_the_old_schema() {
        let dir = tempfile::tempdir().unwrap();
        let mut old = of_the_first_version(&dir.path().join("lumen.db"), 5_000);
        let before = tables_and_indexes(&old);
        let pages: i64 = old.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        old.query_row(&format!("PRAGMA max_page_count = {}", pages + 3), [], |_| Ok(())).unwrap();
        let full = migrate(&mut old).unwrap_err();
        assert_eq!(full.sqlite_error_code(), Some(ErrorCode::DiskFull));
        assert_eq!((version(&old), tables_and_indexes(&old)), (1, before));
        old.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(())).unwrap();
        migrate(&mut old).unwrap();
        assert_eq!(version(&old), VERSION);
    }
}
