//! Why the store could not do what it was asked.

use std::path::{Path, PathBuf};

use crate::domain::ids::UserId;
use crate::ownership::Ownership;

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

/// Why nothing may be acknowledged any more: the process must end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// After a failed write or fsync the system's cache may lie.
    #[error("storage I/O error: {0}: what was acknowledged is safe; see to the disk, then start again")]
    Io(String),
    /// What is written would go into a file that nobody finds again.
    #[error(
        "{} was {} while the server ran: nothing is acknowledged any more; whoever restores files ends the server first. \
         See that the right ones lie there, then start again", .path.display(),
        if *.replaced { "replaced" } else { "moved or deleted" }
    )]
    Gone { path: PathBuf, replaced: bool },
    /// The writer's thread is gone, and its jobs with it.
    #[error("the writer ended: {0}: start again")]
    WriterEnded(String),
}

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot open the database {}: {why}{ownership}", .path.display())]
    Unusable { path: PathBuf, why: String, ownership: Ownership },
    #[error("storage I/O error: cannot open the database {}: {why}", .path.display())]
    Io { path: PathBuf, why: String },
    #[error("{} is {what}, and no plain file", .path.display())]
    NotAFile { path: PathBuf, what: &'static str },
    #[error("{} belongs to another user{ownership}", .path.display())]
    NotOurs { path: PathBuf, ownership: Ownership },
    #[error("{} can be written by others{ownership}", .path.display())]
    OpenToOthers { path: PathBuf, ownership: Ownership },
    #[error("{} is there, but not the database that it is the log of", .log.display())]
    LogAlone { log: PathBuf },
    #[error("no room to open the database {}: the disk is full", .path.display())]
    Full { path: PathBuf },
    #[error("the database {} is held by another process", .path.display())]
    Locked { path: PathBuf },
    #[error("{} is not a database of lumen (application id {found:#x})", .path.display())]
    Foreign { path: PathBuf, found: i64 },
    #[error("{} was written by a newer lumen (schema {found}, this one knows {known})", .path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{} is damaged: {why}", .path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("SQLite {found} can lose commits when its log is reset; 3.51.3 or newer is needed")]
    OldSqlite { found: &'static str },
}

impl OpenError {
    /// Of a file that is at fault itself if it is there, else the directory in which it cannot be made.
    pub(super) fn unusable(path: &Path, why: impl ToString) -> Self {
        OpenError::Unusable { path: path.to_owned(), why: why.to_string(), ownership: Ownership::of(path) }
    }

    /// Of a database whose own files are all well: at fault is the directory.
    pub(super) fn unusable_directory(path: &Path, why: impl ToString) -> Self {
        let ownership = Ownership::of(path.parent().unwrap_or(path));
        OpenError::Unusable { path: path.to_owned(), why: why.to_string(), ownership }
    }

    /// What to do about it.
    pub fn cure(&self) -> &'static str {
        match self {
            OpenError::Unusable { .. } => {
                "let this user read and write it and its directory, on a disk that is mounted for writing"
            }
            OpenError::Io { .. } => "see to the disk, then start again; what was acknowledged is safe",
            OpenError::NotAFile { .. } => "name the directory that holds the database itself with --data-dir",
            OpenError::NotOurs { .. } => "run lumen as that user, or give the files to this one with `chown`",
            OpenError::OpenToOthers { .. } => "run `chmod 600` on it, once it is sure that nobody else wrote to it",
            OpenError::LogAlone { .. } => {
                "put the database back beside its log, or move lumen.db* away to begin anew: a log alone is of no use"
            }
            OpenError::Full { .. } => "make room there, then start again; what is stored is as it was",
            OpenError::Locked { .. } => "end that process (`fuser` on the file names it), then start again",
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_fault_has_its_own_cure() {
        let (path, why) = (PathBuf::from("lumen.db"), String::new());
        let ownership = || Ownership::of(&path);
        let faults = [
            OpenError::Unusable { path: path.clone(), why: why.clone(), ownership: ownership() },
            OpenError::Io { path: path.clone(), why: why.clone() },
            OpenError::NotAFile { path: path.clone(), what: "a directory" },
            OpenError::NotOurs { path: path.clone(), ownership: ownership() },
            OpenError::OpenToOthers { path: path.clone(), ownership: ownership() },
            OpenError::LogAlone { log: path.clone() },
            OpenError::Full { path: path.clone() },
            OpenError::Locked { path: path.clone() },
            OpenError::Foreign { path: path.clone(), found: 1 },
            OpenError::Newer { path: path.clone(), found: 2, known: 1 },
            OpenError::Damaged { path: path.clone(), why },
            OpenError::OldSqlite { found: "3.0.0" },
        ];
        let cures: HashSet<&str> = faults.iter().map(OpenError::cure).collect();
        assert_eq!(cures.len(), faults.len());
    }
}
