//! What only root can arrange for a child: files of another user, rights that count, mounts that nobody else sees.

use std::ffi::OsString;
use std::path::Path;

use lumen_inbox::ownership::own_uid;

/// Another user, whoever runs this.
pub const NOBODY: u32 = 65_534;

/// A wrapper for a child of root's without root's rights, to whom owners and modes are what they are to everyone.
pub const BOUND_BY_RIGHTS: [&str; 3] = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];

/// Whether this is root; says so where it is not, and the test is left out.
pub fn is_root() -> bool {
    let is_root = own_uid() == Some(0);
    if !is_root {
        eprintln!("left out: it takes root");
    }
    is_root
}

/// A wrapper for a child in mounts of its own, which are arranged by a line of sh that finds the directory in `$dir`.
pub fn mounts(dir: &Path, arranged: &str) -> [OsString; 7] {
    let script = format!("dir=$1 && shift && {arranged} && exec \"$@\"");
    let [unshare, private, sh, run] = ["unshare", "--mount", "sh", "-c"].map(OsString::from);
    [unshare, private, sh.clone(), run, script.into(), sh, dir.into()]
}
