//! Power cuts: a process whose disk forgets what was not fsynced. The model is told at the head of `powercut.c`.
//!
//! ```text
//! Shim::build().apply(&mut command, &dir, &image, Some(seed));   // then spawn it, and work it
//! child.kill(); child.wait();                                    // the power goes
//! cut(&dir, &image);                                             // dir is what the disk held; start again
//! ```

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::gcc;

/// The library that is loaded in front of the process.
pub struct Shim {
    library: PathBuf,
}

impl Shim {
    /// Builds it, once in a run.
    pub fn build() -> &'static Shim {
        static SHIM: OnceLock<Shim> = OnceLock::new();
        SHIM.get_or_init(|| Shim {
            library: gcc::build("powercut.c", "powercut.so", &["-shared", "-fPIC", "-pthread"]),
        })
    }

    /// Puts the command, once started, on a disk at `image` as far as files directly in `dir` go. Both folders are made
    /// if missing; for a first start they are empty.
    ///
    /// With a seed, some writes reach the disk without an fsync, whole or torn; while only one thread writes, the seed
    /// alone decides which.
    pub fn apply(&self, command: &mut Command, dir: &Path, image: &Path, seed: Option<u64>) {
        command.envs(self.variables(dir, image, seed));
    }

    /// What [`Shim::apply`] gives to a command, for one that is built elsewhere.
    pub fn variables(&self, dir: &Path, image: &Path, seed: Option<u64>) -> Vec<(&'static str, OsString)> {
        for folder in [dir, image] {
            fs::create_dir_all(folder).expect("the folder can be made");
        }
        let [library, dir, image] = [&self.library, dir, image].map(|path| path.as_os_str().to_owned());
        let mut variables = vec![("LD_PRELOAD", library), ("POWERCUT_DIR", dir), ("POWERCUT_IMAGE", image)];
        variables.extend(seed.map(|seed| ("POWERCUT_SEED", seed.to_string().into())));
        variables
    }
}

/// Puts what the disk held in the place of what `dir` holds. The process must be gone.
pub fn cut(dir: &Path, image: &Path) {
    for file in list(dir) {
        fs::remove_file(file).expect("a file can be removed");
    }
    for file in list(&image.join("names")) {
        let name = file.file_name().expect("a listed file has a name");
        fs::copy(&file, dir.join(name)).expect("a file can be copied");
    }
    // Contents that no name leads to are out of reach, as on a disk.
    for file in list(&image.join("contents")) {
        fs::remove_file(file).expect("a file can be removed");
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|fault| panic!("{}: {fault}", folder.display()));
    entries.map(|entry| entry.expect("a folder can be listed").path()).collect()
}
