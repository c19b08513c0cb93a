//! Why the store could not do what it was asked.

use std::path::PathBuf;

use crate::domain::ids::UserId;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a key holds another body")]
    Conflict(Vec<Conflict>),
    #[error("no such notification in the inbox")]
    NotFound,
    #[error("the write queue is full")]
    QueueFull,
    #[error("the write was queued, and its outcome is not known yet")]
    OutcomeUnknown,
    #[error("another process holds the database")]
    Locked,
    #[error("the disk is full")]
    DiskFull,
    /// The disk failed, or the store is closed: nothing more is acknowledged.
    #[error("the store is down")]
    Down,
    #[error("{0}")]
    Internal(String),
}

/// A user for whom a draft's key is taken by another body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Which of the drafts, from 0.
    pub draft: usize,
    pub user: UserId,
}

/// The disk failed: after a failed write or fsync its cache may lie, so the process must end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("storage I/O error: {0}")]
pub struct Fatal(pub String);

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot open the database {path}: {why}")]
    Unusable { path: PathBuf, why: String },
    #[error("{path} is not a database of lumen (application id {found:#x})")]
    Foreign { path: PathBuf, found: i64 },
    #[error("{path} was written by a newer lumen (schema {found}, this one knows {known})")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{path} is damaged: {why}")]
    Damaged { path: PathBuf, why: String },
    #[error("SQLite {found} can lose commits when its log is reset; 3.51.3 or newer is needed")]
    OldSqlite { found: &'static str },
}

impl OpenError {
    /// What to do about it.
    pub fn cure(&self) -> &'static str {
        match self {
            OpenError::Unusable { .. } => "check that the directory is this user's, writable, and has room",
            OpenError::Foreign { .. } => "give another --data-dir, or move that file away",
            OpenError::Newer { .. } => {
                "start the newer lumen again, or restore a copy of the whole data directory from before its upgrade"
            }
            OpenError::Damaged { .. } => {
                "restore a copy of the whole data directory that was made while no server ran, or move lumen.db* away \
                 to begin anew"
            }
            OpenError::OldSqlite { .. } => "build lumen with the SQLite that it bundles",
        }
    }
}
