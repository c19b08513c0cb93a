//! What an error of SQLite means for whoever asked.

use rusqlite::ErrorCode;

use crate::store::error::{Error, Fatal};

/// SQLITE_IOERR_SHMSIZE: no room to grow the index of the write-ahead log, which is a full disk by another name.
const SHM_FULL: i32 = 4874;

/// Why a group of jobs did not commit.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing was written, and writing will work again once there is room.
    Full,
    /// Another process holds the lock for longer than we wait.
    Locked,
    /// The disk or the file failed: its cache may lie from now on.
    Disk(String),
    /// One of the jobs is to blame, and the others can go on without it.
    Job(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let Some(code) = error.sqlite_error_code() else { return Fault::Job(error.to_string()) };
        match code {
            _ if error.sqlite_error().is_some_and(|error| error.extended_code == SHM_FULL) => Fault::Full,
            ErrorCode::DiskFull => Fault::Full,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Fault::Locked,
            ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ReadOnly => {
                Fault::Disk(error.to_string())
            }
            _ => Fault::Job(error.to_string()),
        }
    }
}

/// Parts what must end the process from what is left by itself, or is somebody's own fault.
pub(super) fn survived<T>(result: Result<T, impl Into<Fault>>) -> Result<Result<T, Fault>, Fatal> {
    match result.map_err(Into::into) {
        Err(Fault::Disk(why)) => Err(Fatal::Io(why)),
        result => Ok(result),
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Full => Error::DiskFull,
            Fault::Locked => Error::Locked,
            Fault::Disk(_) => Error::Down,
            Fault::Job(why) => Error::Internal(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn what_is_left_by_itself_is_not_fatal() {
        let fault = |code| Fault::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert!(matches!(fault(ffi::SQLITE_FULL), Fault::Full));
        assert!(matches!(fault(ffi::SQLITE_IOERR_SHMSIZE), Fault::Full));
        assert!(matches!(fault(ffi::SQLITE_BUSY_SNAPSHOT), Fault::Locked));
        for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMMAP, ffi::SQLITE_CORRUPT] {
            assert!(matches!(survived(Err::<(), _>(fault(code))), Err(Fatal::Io(_))), "{code}");
        }
        assert!(matches!(survived(Err::<(), _>(fault(ffi::SQLITE_CONSTRAINT))), Ok(Err(Fault::Job(_)))));
    }
}
