//! One server a data directory: a lock that the system lets go of when its process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::HomeError;

/// The data directory is this process's until this is dropped. The file stays; its lock is what counts.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(dir: &Path) -> Result<Self, HomeError> {
        let path = dir.join("lumen.lock");
        let unusable = |fault| HomeError::unusable_file(dir, &path, fault);
        // Not truncated: until the lock is ours, the pid in it is another's.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(HomeError::InUse { path: dir.to_owned(), pid: read_pid(&mut file) });
            }
            Err(TryLockError::Error(fault)) => return Err(unusable(fault)),
        }
        write_pid(&mut file).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Told of paths at which nobody may make or write a file, not even root.
    #[test]
    fn a_lock_that_cannot_be_taken_names_the_directory_or_the_file_that_is_at_fault() {
        let told = Lock::take(Path::new("/proc/self/fd")).unwrap_err().to_string();
        assert!(told.starts_with("/proc/self/fd cannot be used as the data directory: "), "{told}");
        assert!(told.contains("(/proc/self/fd belongs to uid ") && !told.contains("lumen.lock"), "{told}");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lumen.lock");
        std::fs::create_dir(&path).unwrap();
        let told = Lock::take(dir.path()).unwrap_err().to_string();
        let (path, begin) = (path.display(), "the data directory's file");
        assert!(told.starts_with(&format!("{begin} {path} cannot be used: ")), "{told}");
        assert!(told.contains(&format!("({path} belongs to uid ")) && told.contains("chown"), "{told}");
    }

    #[test]
    fn a_second_one_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        // What an earlier owner left is overwritten, also where it was longer.
        std::fs::write(dir.path().join("lumen.lock"), "123456789012\n").unwrap();
        let first = Lock::take(dir.path()).unwrap();
        match Lock::take(dir.path()) {
            Err(HomeError::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(first);
        Lock::take(dir.path()).unwrap();
    }
}
