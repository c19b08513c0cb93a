//! Whose a path is, with which mode, and who asks: what a refusal by the file system is told with.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Owner and mode of a path, or of the nearest directory above it that is there.
#[derive(Debug)]
pub struct Ownership(Option<(PathBuf, u32, u32)>);

impl Ownership {
    pub fn of(path: &Path) -> Self {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let found = whole.ancestors().find_map(|path| Some((path.to_owned(), path.metadata().ok()?)));
        Self(found.map(|(path, facts)| (path, facts.uid(), facts.mode() & 0o7777)))
    }
}

/// Whom this process runs as, if the system tells.
pub fn own_uid() -> Option<u32> {
    Path::new("/proc/self").metadata().ok().map(|own| own.uid())
}

/// Begins with a blank where there is something to tell.
impl fmt::Display for Ownership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((path, owner, mode)) = &self.0 else { return Ok(()) };
        write!(f, " ({} belongs to uid {owner} with mode {mode:04o}", path.display())?;
        match own_uid() {
            Some(asker) => write!(f, ", this is uid {asker})"),
            None => f.write_str(")"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_of_the_path_or_of_what_is_above_it() {
        let own = own_uid().unwrap();
        let told = |path: &str| Ownership::of(Path::new(path)).to_string();
        assert_eq!(
            told("/proc/version"),
            format!(" (/proc/version belongs to uid 0 with mode 0444, this is uid {own})")
        );
        assert_eq!(told("/proc/no/such"), format!(" (/proc belongs to uid 0 with mode 0555, this is uid {own})"));
        let here = std::env::current_dir().unwrap();
        assert!(told("no/where").starts_with(&format!(" ({} belongs to uid ", here.display())), "{}", told("no/where"));
    }
}
