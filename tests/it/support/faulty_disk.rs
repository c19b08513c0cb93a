//! A disk that fails as a test says, under a child that runs on it. How is told at the head of `faulty_disk.c`.

use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use super::child::Launch;
use super::gcc;
use super::patience;

pub struct FaultyDisk {
    /// Has the line that the disk goes by, while it fails.
    control: TempDir,
}

impl FaultyDisk {
    /// One that works still.
    pub fn new() -> Self {
        Self { control: tempfile::tempdir().expect("a directory") }
    }

    /// Puts a child on it, for all its lives.
    pub fn under(&self, launch: Launch) -> Launch {
        static SHIM: OnceLock<std::path::PathBuf> = OnceLock::new();
        let shim = SHIM.get_or_init(|| gcc::build("faulty_disk.c", "faulty_disk.so", &["-shared", "-fPIC"]));
        launch.env("LD_PRELOAD", shim).env("FAULTY_DISK", self.control.path().join("line"))
    }

    /// From now on it fails so, such as `sync *lumen.db EIO 1 1`.
    pub fn fails(&self, line: &str) {
        let (new, known) = (self.control.path().join("new"), self.control.path().join("line"));
        std::fs::write(&new, line).expect("a line is written");
        std::fs::rename(new, known).expect("a line is put in place");
        // What was held goes on, and the next one says so again.
        let _ = std::fs::remove_file(self.control.path().join("line.held"));
    }

    pub fn heals(&self) {
        std::fs::remove_file(self.control.path().join("line")).expect("a disk that failed");
    }

    /// Waits until a call is held, as `sync *lumen.db-wal HOLD` has it.
    pub async fn until_held(&self) {
        let held = self.control.path().join("line.held");
        let until = async {
            while !held.exists() {
                patience::pause(Duration::from_millis(1)).await;
            }
        };
        patience::within(until).await.expect("a call that is held");
    }
}
