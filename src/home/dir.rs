//! Where the data directory is, and what is in it under which name.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::HomeError;
use super::filesystem::network_kind;
use super::lock::Lock;

/// A data directory that is there.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

/// Where the data directory is: what was typed (`--data-dir`, LUMEN_DATA_DIR), else `$STATE_DIRECTORY` as systemd sets
/// it, else `$XDG_DATA_HOME/lumen`, else `~/.local/share/lumen`.
///
/// # Errors
/// [`HomeError::Nowhere`] without any of them.
pub fn locate(typed: Option<PathBuf>) -> Result<PathBuf, HomeError> {
    locate_by(typed, |name| std::env::var_os(name))
}

/// Where a command in a shell of this user looks when nothing is typed or set for it.
pub fn usual() -> Option<PathBuf> {
    // The state directory of a unit is set for that unit alone.
    locate_by(None, |name| if name == "STATE_DIRECTORY" { None } else { std::env::var_os(name) }).ok()
}

fn locate_by(typed: Option<PathBuf>, variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, HomeError> {
    // A relative one is ignored, as the XDG rules have it, and so is an empty one.
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // Several state directories of a unit are joined by colons; the first is ours.
    let state = || {
        let joined = variable("STATE_DIRECTORY")?;
        let first = joined.as_bytes().split(|&byte| byte == b':').next()?;
        Some(PathBuf::from(std::ffi::OsStr::from_bytes(first))).filter(|path| path.is_absolute())
    };
    typed
        .filter(|path| !path.as_os_str().is_empty())
        .or_else(state)
        .or_else(|| Some(absolute("XDG_DATA_HOME")?.join("lumen")))
        .or_else(|| Some(absolute("HOME")?.join(".local/share/lumen")))
        .ok_or(HomeError::Nowhere)
}

impl Home {
    /// Takes the directory, and makes it if it is missing, for this user alone.
    ///
    /// # Errors
    /// A path that is something else, that this user may not make, or that is on another host.
    pub fn prepare(dir: impl Into<PathBuf>) -> Result<Self, HomeError> {
        let dir = dir.into();
        match DirBuilder::new().recursive(true).mode(0o700).create(&dir) {
            Ok(()) => {}
            Err(fault) if is_in_the_way(&fault) => return Err(HomeError::NotADirectory { path: dir }),
            Err(fault) => return Err(HomeError::unusable(&dir, fault)),
        }
        match network_kind(&dir) {
            Some(kind) => Err(HomeError::OnNetwork { path: dir, kind }),
            None => Ok(Self(dir)),
        }
    }

    /// Takes a directory that a server has prepared.
    ///
    /// # Errors
    /// A path that is not there, is something else, or that this user may not look into.
    pub fn existing(dir: impl Into<PathBuf>) -> Result<Self, HomeError> {
        let dir = dir.into();
        match dir.metadata() {
            Ok(facts) if facts.is_dir() => Ok(Self(dir)),
            Ok(_) => Err(HomeError::NotADirectory { path: dir }),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Err(HomeError::Missing { path: dir }),
            Err(fault) => Err(HomeError::unusable(&dir, fault)),
        }
    }

    /// Takes the directory for this process alone, until the lock is dropped.
    ///
    /// # Errors
    /// [`HomeError::InUse`] while another has it.
    pub fn lock(&self) -> Result<Lock, HomeError> {
        Lock::take(&self.0)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn database(&self) -> PathBuf {
        self.0.join("lumen.db")
    }

    pub fn key(&self) -> PathBuf {
        self.0.join("key")
    }
}

fn is_in_the_way(fault: &io::Error) -> bool {
    matches!(fault.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_nearest_name_wins() {
        let set = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let all = set(&[("STATE_DIRECTORY", "/var/lib/lumen:/b"), ("XDG_DATA_HOME", "/xdg"), ("HOME", "/home/a")]);
        let at = |typed: Option<&str>, variables: &dyn Fn(&str) -> Option<OsString>| {
            locate_by(typed.map(PathBuf::from), variables).unwrap()
        };
        assert_eq!(at(Some("here"), &all), Path::new("here"));
        assert_eq!(at(None, &all), Path::new("/var/lib/lumen"));
        assert_eq!(at(Some(""), &set(&[("XDG_DATA_HOME", "/xdg"), ("HOME", "/home/a")])), Path::new("/xdg/lumen"));
        let relative = set(&[("STATE_DIRECTORY", ""), ("XDG_DATA_HOME", "xdg"), ("HOME", "/home/a")]);
        assert_eq!(at(None, &relative), Path::new("/home/a/.local/share/lumen"));
        assert!(matches!(locate_by(None, |_| None), Err(HomeError::Nowhere)));
    }

    #[test]
    fn a_missing_directory_is_made_for_its_user_alone() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/b");
        assert!(matches!(Home::existing(&dir), Err(HomeError::Missing { .. })));
        let home = Home::prepare(&dir).unwrap();
        assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        Home::prepare(&dir).unwrap();
        Home::existing(&dir).unwrap();
        assert_eq!(home.key(), dir.join("key"));
    }

    #[test]
    fn a_file_in_the_way_is_told() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(Home::prepare(&file), Err(HomeError::NotADirectory { .. })));
        assert!(matches!(Home::existing(&file), Err(HomeError::NotADirectory { .. })));
        assert!(matches!(Home::prepare(file.join("below")), Err(HomeError::NotADirectory { .. })));
    }

    #[test]
    fn a_directory_that_may_not_be_made_names_path_owner_and_mode() {
        let told = Home::prepare("/proc/lumen").unwrap_err().to_string();
        assert!(told.starts_with("/proc/lumen cannot be used as the data directory: "), "{told}");
        assert!(told.contains("(/proc belongs to uid 0 with mode 0555, this is uid "), "{told}");
    }
}
