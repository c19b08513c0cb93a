//! What can be wrong with a data directory, each with the way out.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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
    #[error(
        "{} cannot be used as the data directory: {source}{standing}: give this user the right to write there, or name \
         another directory with --data-dir", .path.display()
    )]
    Unusable { path: PathBuf, source: io::Error, standing: Standing },
    #[error(
        "the data directory's file {} cannot be used: {source}{standing}: give it to this user (chown), or name another \
         directory with --data-dir", .path.display()
    )]
    UnusableFile { path: PathBuf, source: io::Error, standing: Standing },
    #[error(
        "the data directory {} is in use by {}: end that `lumen serve`, or name another directory with --data-dir",
        .path.display(), owner(*.pid)
    )]
    InUse { path: PathBuf, pid: Option<u32> },
}

impl HomeError {
    pub(super) fn unusable(path: &Path, source: io::Error) -> Self {
        HomeError::Unusable { path: path.to_owned(), source, standing: Standing::of(path) }
    }

    /// Of a file in `dir`: at fault is the file if it is there, else the directory in which it cannot be made.
    pub(super) fn unusable_file(dir: &Path, path: &Path, source: io::Error) -> Self {
        if path.symlink_metadata().is_ok() {
            HomeError::UnusableFile { path: path.to_owned(), source, standing: Standing::of(path) }
        } else {
            HomeError::unusable(dir, source)
        }
    }
}

fn owner(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("pid {pid}"))
}

/// Who owns a path, or the nearest directory above it that is there, and who asks: what a wrong owner or mode is
/// recognised by.
#[derive(Debug)]
pub struct Standing(Option<(PathBuf, u32, u32, Option<u32>)>);

impl Standing {
    fn of(path: &Path) -> Self {
        let found = path.ancestors().find_map(|path| Some((path.to_owned(), path.metadata().ok()?)));
        let asker = Path::new("/proc/self").metadata().ok().map(|own| own.uid());
        Self(found.map(|(path, facts)| (path, facts.uid(), facts.mode() & 0o7777, asker)))
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((path, owner, mode, asker)) = &self.0 else { return Ok(()) };
        write!(f, " ({} belongs to uid {owner} with mode {mode:04o}", path.display())?;
        match asker {
            Some(asker) => write!(f, ", this is uid {asker})"),
            None => f.write_str(")"),
        }
    }
}
