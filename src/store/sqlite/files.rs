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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A directory with three plain files of our own, the log with three bytes.
    fn whole() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        for (ending, text) in [("", "database"), ("-wal", "log"), ("-shm", "")] {
            let path = data.join(format!("lumen.db{ending}"));
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        (dir, data.join("lumen.db"))
    }

    #[test]
    fn plain_files_of_our_own_are_taken_and_so_are_none() {
        let (_dir, database) = whole();
        let [log, index] = ["lumen.db-wal", "lumen.db-shm"].map(|name| database.with_file_name(name));
        Files::of(&database).check().unwrap();
        fs::remove_file(&log).unwrap();
        fs::remove_file(index).unwrap();
        Files::of(&database).check().unwrap();
        fs::write(&log, "").unwrap();
        fs::remove_file(&database).unwrap();
        Files::of(&database).check().unwrap();
        fs::write(&log, "x").unwrap();
        for _ in 0..2 {
            let found = Files::of(&database).check();
            assert!(matches!(&found, Err(OpenError::LogAlone { log: told }) if *told == log), "{found:?}");
            fs::write(&database, "").unwrap();
        }
    }

    #[test]
    fn what_is_no_plain_file_is_named() {
        for (ending, what) in [("", "a symbolic link"), ("-wal", "a directory"), ("-shm", "a pipe or a socket")] {
            let (_dir, database) = whole();
            let path = database.with_file_name(format!("lumen.db{ending}"));
            fs::remove_file(&path).unwrap();
            match what {
                "a symbolic link" => symlink("/dev/null", &path).unwrap(),
                "a directory" => fs::create_dir(&path).unwrap(),
                _ => drop(UnixListener::bind(&path).unwrap()),
            }
            match Files::of(&database).check() {
                Err(OpenError::NotAFile { path: told, what: as_what }) => assert_eq!((told, as_what), (path, what)),
                other => panic!("{what}: {other:?}"),
            }
        }
        let device = Path::new("/dev/null");
        let found = check(device, &device.symlink_metadata().unwrap(), own_uid());
        assert!(matches!(found, Err(OpenError::NotAFile { what: "a device", .. })), "{found:?}");
    }

    #[test]
    fn what_others_may_write_or_own_is_refused() {
        let (_dir, database) = whole();
        for (mode, refused) in
            [(0o600, false), (0o644, false), (0o755, false), (0o620, true), (0o602, true), (0o666, true)]
        {
            fs::set_permissions(&database, fs::Permissions::from_mode(mode)).unwrap();
            let found = Files::of(&database).check();
            assert_eq!(matches!(found, Err(OpenError::OpenToOthers { .. })), refused, "{mode:o}: {found:?}");
            assert!(refused || found.is_ok(), "{mode:o}: {found:?}");
        }
        fs::set_permissions(&database, fs::Permissions::from_mode(0o600)).unwrap();
        let facts = database.symlink_metadata().unwrap();
        assert!(matches!(check(&database, &facts, Some(facts.uid() + 1)), Err(OpenError::NotOurs { .. })));
        for owner in [Some(facts.uid()), None] {
            check(&database, &facts, owner).unwrap();
        }
    }

    #[test]
    fn a_place_that_cannot_be_looked_at_is_unusable() {
        let (_dir, database) = whole();
        let below_a_file = Files::of(&database.join("lumen.db")).check();
        assert!(matches!(below_a_file, Err(OpenError::Unusable { .. })), "{below_a_file:?}");
    }

    /// The log's size, or what has become of which file; and whether only the log is lost.
    #[test]
    fn a_file_that_is_replaced_or_gone_is_told() {
        let found = |away: &[&str], back: &[&str]| {
            let (_dir, database) = whole();
            let files = Files::of(&database).opened().unwrap();
            let of = |name: &str, ending| PathBuf::from(format!("{}{ending}", database.with_file_name(name).display()));
            for ending in away {
                fs::rename(of("lumen.db", ending), of("away", ending)).unwrap();
            }
            for ending in back {
                fs::write(of("lumen.db", ending), "log").unwrap();
            }
            let bytes = files.log_bytes().map_err(|fault| match fault {
                Fatal::Gone { path, replaced } => (path.file_name().unwrap().to_owned(), replaced),
                other => panic!("{other}"),
            });
            (bytes, files.only_the_log_is_lost())
        };
        assert_eq!(found(&[], &[]), (Ok(3), false));
        for (away, back, named, replaced, only_the_log) in [
            (&[""][..], &[][..], "lumen.db", false, false),
            (&["-wal"], &[], "lumen.db-wal", false, true),
            (&["-shm"], &[], "lumen.db-shm", false, false),
            (&["", "-wal"], &[], "lumen.db", false, false),
            (&["", "-wal"], &[""], "lumen.db", true, false),
            (&["-wal"], &["-wal"], "lumen.db-wal", true, false),
        ] {
            let expected = (Err((named.into(), replaced)), only_the_log);
            assert_eq!(found(away, back), expected, "{away:?} away, {back:?} back");
        }
    }

    #[test]
    fn a_directory_that_is_gone_takes_its_files_with_it_and_one_that_cannot_be_entered_is_a_fault() {
        let (dir, database) = whole();
        let files = Files::of(&database).opened().unwrap();
        let data = database.parent().unwrap();
        fs::rename(data, dir.path().join("away")).unwrap();
        let gone = Err(Fatal::Gone { path: database.clone(), replaced: false });
        assert_eq!(files.log_bytes(), gone);
        fs::write(data, "a file in its place").unwrap();
        assert_eq!(files.log_bytes(), gone);
        fs::remove_file(data).unwrap();
        symlink(data, data).unwrap();
        let found = files.log_bytes();
        assert!(matches!(found, Err(Fatal::Io(_))), "{found:?}: nobody knows what has become of it");
    }
}
