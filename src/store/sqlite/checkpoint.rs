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
