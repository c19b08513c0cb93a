//! Builds the C files that lie beside this one: what must get between a process and its system.

use std::path::{Path, PathBuf};
use std::process::{self, Command};

/// Builds `support/<source>` into `target`, as `output`, and says where it is.
///
/// # Panics
/// With the compiler's words, when it will not.
pub fn build(source: &str, output: &str, flags: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Given its name in one step: another process of tests may be using the last one.
    let (made, built) = (folder.join(format!("{output}.{}", process::id())), folder.join(output));
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]).args(flags).arg("-o").arg(&made);
    gcc.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support").join(source));
    let result = gcc.output().expect("gcc is there, as scripts/test sees to");
    assert!(result.status.success(), "{source}: {}", String::from_utf8_lossy(&result.stderr));
    std::fs::rename(&made, &built).expect("what was built can be named");
    built
}
