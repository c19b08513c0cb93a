//! What can be wrong with a data directory, each with the way out.

use std::io;
use std::path::{Path, PathBuf};

use crate::ownership::Ownership;

/// Why a data directory cannot be used: what, why and the cure, in one line.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    #[error("no data directory is named and HOME is not set: give --data-dir DIR or set LUMEN_DATA_DIR")]
    Nowhere,
    #[error(
        "there is no data directory {}: `lumen serve` makes it; start that first, or say with --data-dir where it is",
        .path.display()
    )]
    Missing { path: PathBuf },
    #[error("{} is no directory: give the path of a directory with --data-dir", .path.display())]
    NotADirectory { path: PathBuf },
    #[error("{} cannot be used as the data directory: {source}{ownership}: {}", .path.display(), cure(source, DIRECTORY))]
    Unusable { path: PathBuf, source: io::Error, ownership: Ownership },
    #[error("the data directory's file {} cannot be used: {source}{ownership}: {}", .path.display(), cure(source, FILE))]
    UnusableFile { path: PathBuf, source: io::Error, ownership: Ownership },
    #[error(
        "the data directory {} lies on a network file system ({kind}), on whose locks and fsync no database can rely: name \
         a directory on a disk of this host with --data-dir", .path.display()
    )]
    OnNetwork { path: PathBuf, kind: &'static str },
    #[error(
        "the data directory {} is in use by {}: end that `lumen serve`, or name another directory with --data-dir",
        .path.display(), owner(*.pid)
    )]
    InUse { path: PathBuf, pid: Option<u32> },
}

const DIRECTORY: &str = "give this user the right to write there, or name another directory with --data-dir";
const FILE: &str = "give it to this user (chown), or name another directory with --data-dir";

/// What to do about a fault; `of_rights` where it is one of rights.
fn cure(fault: &io::Error, of_rights: &'static str) -> &'static str {
    match fault.kind() {
        io::ErrorKind::ReadOnlyFilesystem => "mount it for writing, or name another directory with --data-dir",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room there, then start again",
        _ => of_rights,
    }
}

impl HomeError {
    pub(super) fn unusable(path: &Path, source: io::Error) -> Self {
        HomeError::Unusable { path: path.to_owned(), source, ownership: Ownership::of(path) }
    }

    /// Of a file in `dir`: at fault is the file if it is there, else the directory in which it cannot be made.
    pub(super) fn unusable_file(dir: &Path, path: &Path, source: io::Error) -> Self {
        if path.symlink_metadata().is_ok() {
            HomeError::UnusableFile { path: path.to_owned(), source, ownership: Ownership::of(path) }
        } else {
            HomeError::unusable(dir, source)
        }
    }
}

fn owner(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("pid {pid}"))
}
