//! The data directory's own key: a file that is made once, for this user alone, and never shown.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::error::KeyError;
use super::file::SECRET_EXPOSED;
use crate::random;

/// Bytes of a key that is made, and the fewest of one that is taken: HS256 has 256 bits.
pub(super) const KEY_BYTES: usize = 32;
/// A file over this is no key but a mistake.
pub(super) const KEY_BYTES_MAX: u64 = 4096;

/// Reads the key at `path`.
///
/// # Errors
/// A file that is missing, cannot be read, is no key by its size, or is open to others.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeyError::Missing { path: path.to_owned() },
        _ => KeyError::Unreadable { path: path.to_owned(), source },
    };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & SECRET_EXPOSED != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    let mut secret = Vec::with_capacity(KEY_BYTES);
    file.take(KEY_BYTES_MAX + 1).read_to_end(&mut secret).map_err(unreadable)?;
    let bytes = secret.len() as u64;
    if secret.len() < KEY_BYTES || bytes > KEY_BYTES_MAX {
        return Err(KeyError::Size { path: path.to_owned(), bytes });
    }
    Ok(secret)
}

/// Reads the key at `path`, and makes a random one first where there is none. It is on disk before it is used: a key
/// that a power cut took back would end every token signed with it.
///
/// # Errors
/// As [`read`], or a file that cannot be made.
pub(super) fn read_or_make(path: &Path) -> Result<Vec<u8>, KeyError> {
    match read(path) {
        Err(KeyError::Missing { .. }) => {
            make(path).map_err(|source| KeyError::Unwritable { path: path.to_owned(), source })?;
            read(path)
        }
        found => found,
    }
}

/// Makes a key file whole or not at all: it is written and fsynced under another name, then linked to its own, which
/// fails where another process was first. That one's key is then the key.
fn make(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = dir.join(format!(".key-{:016x}", u64::from_le_bytes(random::bytes())));
    let made = write_new(&draft).and_then(|()| match fs::hard_link(&draft, path) {
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&draft);
    made?;
    removed?;
    File::open(dir)?.sync_all()
}

fn write_new(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // Whatever the umask took away or left.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(&random::bytes::<KEY_BYTES>())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_is_made_once_and_for_its_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(matches!(read(&path), Err(KeyError::Missing { .. })));
        let first = read_or_make(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(first.len(), 32);
        assert_eq!(read_or_make(&path).unwrap(), first);
        assert_eq!(read(&path).unwrap(), first);
        let left: Vec<_> = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["key"]);
    }

    #[test]
    fn whoever_makes_it_at_once_has_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let start = std::sync::Barrier::new(8);
        let keys: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        read_or_make(&path).unwrap()
                    })
                })
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_key_that_is_no_secret_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, [7; 31]).unwrap();
        set_mode(&path, 0o600);
        assert!(matches!(read_or_make(&path), Err(KeyError::Size { bytes: 31, .. })));
        fs::write(&path, [7; 4097]).unwrap();
        assert!(matches!(read_or_make(&path), Err(KeyError::Size { bytes: 4097, .. })));
        fs::write(&path, [7; 32]).unwrap();
        for mode in [0o644, 0o604, 0o602, 0o620, 0o601] {
            set_mode(&path, mode);
            assert!(matches!(read_or_make(&path), Err(KeyError::Exposed { mode: told, .. }) if told == mode));
        }
        set_mode(&path, 0o640);
        assert!(read_or_make(&path).is_ok());
        assert!(matches!(read_or_make(dir.path()), Err(KeyError::Exposed { .. } | KeyError::Unreadable { .. })));
        assert!(matches!(read_or_make(&dir.path().join("no/key")), Err(KeyError::Unwritable { .. })));
        let told = read(&dir.path().join("no/key")).unwrap_err().to_string();
        assert!(told.contains("no/key") && told.contains("`lumen serve` makes it"), "{told}");
    }
}
