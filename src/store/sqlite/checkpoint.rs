//! Folds the write-ahead log into the database. All who do it do it here, so that nobody takes a failed fsync lightly.

use rusqlite::Connection;
use tracing::{info, warn};

use super::fault::Fault;
use super::files::InPlace;

/// How far a folding goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Waits for nobody, and nobody for it: what a reader or the writer is at stays for the next time.
    Passing,
    /// Waits for readers, and leaves an empty log.
    Whole,
}

/// Whether nothing stood in its way.
pub(super) fn fold(connection: &Connection, extent: Extent) -> Result<bool, Fault> {
    let pragma = match extent {
        Extent::Passing => "PRAGMA wal_checkpoint(PASSIVE)",
        Extent::Whole => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    let busy: i64 = connection.query_row(pragma, [], |row| row.get(0))?;
    Ok(busy == 0)
}

/// Saves a log that was deleted, as long as it is open: what was acknowledged is in it.
pub(super) fn save_lost_log(connection: &Connection, files: &InPlace) {
    if !files.only_the_log_is_lost() {
        return;
    }
    match fold(connection, Extent::Whole) {
        Ok(true) => info!("the database's log was deleted; what it held is saved into the database"),
        Ok(false) => warn!("the database's log was deleted, and a part of it stayed there, since a reader held it"),
        Err(fault) => warn!(?fault, "the database's log was deleted, and what it held is lost"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::store::sqlite::files::Files;
    use crate::store::sqlite::schema;

    /// A database whose log nobody folds in by himself, with a table of weights beside ours, and its files.
    pub fn database(dir: &Path) -> (Connection, InPlace) {
        let path = dir.join("lumen.db");
        let mut connection = Connection::open(&path).unwrap();
        connection.busy_timeout(Duration::ZERO).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        schema::migrate(&mut connection).unwrap();
        connection.execute("CREATE TABLE weight (bytes BLOB)", []).unwrap();
        (connection, Files::of(&path).opened().unwrap())
    }

    pub fn weigh(connection: &Connection, bytes: u32) {
        connection.execute("INSERT INTO weight VALUES (zeroblob(?1))", [bytes]).unwrap();
    }

    #[test]
    fn it_says_whether_a_reader_stood_in_its_way() {
        let dir = tempfile::tempdir().unwrap();
        let (connection, files) = database(dir.path());
        let reader = Connection::open(dir.path().join("lumen.db")).unwrap();
        let reading = reader.unchecked_transaction().unwrap();
        reading.query_row("SELECT COUNT(*) FROM weight", [], |_| Ok(())).unwrap();
        weigh(&connection, 1);
        assert!(!fold(&connection, Extent::Whole).unwrap());
        assert!(files.log_bytes().unwrap() > 0);
        reading.rollback().unwrap();
        assert!(fold(&connection, Extent::Whole).unwrap());
        assert_eq!(files.log_bytes(), Ok(0));
    }

    #[test]
    fn only_a_log_that_was_deleted_is_saved() {
        let dir = tempfile::tempdir().unwrap();
        let (connection, files) = database(dir.path());
        weigh(&connection, 1);
        let log_bytes = files.log_bytes();
        save_lost_log(&connection, &files);
        assert_eq!(files.log_bytes(), log_bytes, "one that is in its place is left as it is");

        fs::remove_file(dir.path().join("lumen.db-wal")).unwrap();
        save_lost_log(&connection, &files);
        fs::copy(dir.path().join("lumen.db"), dir.path().join("copy.db")).unwrap();
        let copy = Connection::open(dir.path().join("copy.db")).unwrap();
        let weights: i64 = copy.query_row("SELECT COUNT(*) FROM weight", [], |row| row.get(0)).unwrap();
        assert_eq!(weights, 1, "the database alone has what the log held");
    }
}
