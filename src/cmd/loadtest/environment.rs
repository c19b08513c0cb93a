//! The machine that a run was made on, as far as figures depend on it.

use std::fs;
use std::thread::available_parallelism;

use crate::loadtest::report::document::Environment;

/// `spawned` is what was set for a server of the run's own.
pub fn read(open_files: u64, spawned: Option<Vec<String>>) -> Environment {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Environment {
        cores: available_parallelism().map_or(1, |cores| cores.get()),
        cpu: model.map_or("unknown", |(_, model)| model).to_owned(),
        system: format!("Linux {}", kernel.trim()).trim().to_owned(),
        open_files,
        spawned,
    }
}
