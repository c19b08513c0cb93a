//! The three files of a database: whose they are before it is opened, and whether they are still the same after that.

use std::fs::{Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ownership::{Ownership, own_uid};
use crate::store::error::{Fatal, OpenError};

/// Write bits of a file's group and of others.
const OTHERS_WRITE: u32 = 0o022;

/// Where the database, its write-ahead log and the log's index lie.
#[derive(Debug)]
pub(super) struct Files {
    paths: [PathBuf; 3],
}

/// The files as they were opened. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::store) struct InPlace(Arc<[Part; 3]>);

#[derive(Debug)]
struct Part {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Files {
    pub fn of(database: &Path) -> Self {
        let beside = |ending: &str| {
            let mut path = database.as_os_str().to_owned();
            path.push(ending);
            PathBuf::from(path)
        };
        Self { paths: [database.to_owned(), beside("-wal"), beside("-shm")] }
    }

    /// Looks at those that are there.
    ///
    /// # Errors
    /// One that is no plain file, belongs to another user, can be written by others, or not by this one; a log alone.
    pub fn check(&self) -> Result<(), OpenError> {
        let own = own_uid();
        let mut bytes = [0; 3];
        for (path, bytes) in self.paths.iter().zip(&mut bytes) {
            match path.symlink_metadata() {
                Ok(facts) => {
                    check(path, &facts, own)?;
                    *bytes = facts.len();
                }
                Err(fault) if fault.kind() == ErrorKind::NotFound => {}
                Err(fault) => return Err(OpenError::unusable(path, fault)),
            }
        }
        match bytes {
            // SQLite writes and syncs the database's first page before there is a log; where it finds no page, it removes
            // the log.
            [0, log, _] if log > 0 => Err(OpenError::LogAlone { log: self.paths[1].clone() }),
            _ => Ok(()),
        }
    }

    /// Notes which they are. All are there as soon as something was read.
    pub fn opened(self) -> io::Result<InPlace> {
        let [database, log, index] = self.paths.map(|path| {
            let facts = path.symlink_metadata()?;
            Ok::<_, io::Error>(Part { path, device: facts.dev(), inode: facts.ino() })
        });
        Ok(InPlace(Arc::new([database?, log?, index?])))
    }
}

fn check(path: &Path, facts: &Metadata, own: Option<u32>) -> Result<(), OpenError> {
    let kind = facts.file_type();
    if !kind.is_file() {
        // Through a link the log would lie elsewhere, and another server's lock on that directory would not count.
        let what = match kind {
            _ if kind.is_symlink() => "a symbolic link",
            _ if kind.is_dir() => "a directory",
            _ if kind.is_fifo() || kind.is_socket() => "a pipe or a socket",
            _ => "a device",
        };
        return Err(OpenError::NotAFile { path: path.to_owned(), what });
    }
    if own.is_some_and(|own| own != facts.uid()) {
        return Err(OpenError::NotOurs { path: path.to_owned(), ownership: Ownership::of(path) });
    }
    if facts.mode() & OTHERS_WRITE != 0 {
        return Err(OpenError::OpenToOthers { path: path.to_owned(), ownership: Ownership::of(path) });
    }
    // SQLite would not say which one it is that it cannot open.
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map(drop).map_err(|fault| OpenError::unusable(path, fault))
}

impl InPlace {
    /// The size of the log in bytes, where all are in their places. Takes some three microseconds.
    ///
    /// # Errors
    /// One of them was replaced or is gone: what is written now nobody would find again.
    pub fn log_bytes(&self) -> Result<u64, Fatal> {
        let mut bytes = [0; 3];
        for (part, bytes) in self.0.iter().zip(&mut bytes) {
            *bytes = part.look()?;
        }
        Ok(bytes[1])
    }

    /// Whether the database is in its place and its log is nowhere: then the log, which is open still, can be saved.
    pub fn only_the_log_is_lost(&self) -> bool {
        let [database, log, _] = &*self.0;
        database.look().is_ok() && matches!(log.look(), Err(Fatal::Gone { replaced: false, .. }))
    }
}

impl Part {
    fn look(&self) -> Result<u64, Fatal> {
        let gone = |replaced| Err(Fatal::Gone { path: self.path.clone(), replaced });
        match self.path.symlink_metadata() {
            Ok(facts) if (facts.dev(), facts.ino()) == (self.device, self.inode) => Ok(facts.len()),
            Ok(_) => gone(true),
            Err(fault) if matches!(fault.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => gone(false),
            Err(fault) => Err(Fatal::Io(format!("{}: {fault}", self.path.display()))),
        }
    }
}
