//! A process as /proc shows it: its CPU time, its memory, its descriptors.

use std::fs;
use std::path::Path;

use super::measured::ServerNow;

/// The kernel counts CPU time in hundredths of a second.
const TICK_US: u64 = 10_000;

/// Where the times that a process took stand among the fields after its name, and those of its children that are gone.
const OWN: usize = 11;
const CHILDREN: usize = 13;

/// A process now; `None` where there is none, or none that may be looked at.
pub fn now(pid: u32) -> Option<ServerNow> {
    seen_in(Path::new(&format!("/proc/{pid}")))
}

fn seen_in(folder: &Path) -> Option<ServerNow> {
    let status = fs::read_to_string(folder.join("status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().ok()?;
    let (cpu_us, descriptors) = (cpu_us(folder, OWN)?, descriptors(&folder.join("fd")));
    Some(ServerNow { cpu_us, rss_bytes: kilobytes * 1024, descriptors })
}

/// How many are open; `None` where they are not to be seen, as those of another user's process.
fn descriptors(folder: &Path) -> Option<u64> {
    // Since Linux 6.2 the folder's size is their number. To list 15,000 takes a CPU for 13 ms, twice a second.
    match fs::metadata(folder).ok()?.len() {
        0 => Some(fs::read_dir(folder).ok()?.count() as u64),
        number => Some(number),
    }
}

/// The CPU time of all processes that this one started and that are gone.
pub fn gone_us() -> Option<u64> {
    cpu_us(Path::new("/proc/self"), CHILDREN)
}

/// User and system time, which stand side by side.
fn cpu_us(folder: &Path, user: usize) -> Option<u64> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // The name, in brackets, may hold anything; the fields after it do not.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some((ticks(user)? + ticks(user + 1)?) * TICK_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_and_none_is_not() {
        let seen = now(std::process::id()).unwrap();
        assert!(seen.rss_bytes > 1_000_000 && seen.descriptors.is_some_and(|open| open > 3), "{seen:?}");
        assert_eq!(now(u32::MAX), None);
    }

    #[test]
    fn descriptors_that_are_not_to_be_seen_are_not_none() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["stat", "status"] {
            fs::write(folder.path().join(name), fs::read(format!("/proc/self/{name}")).unwrap()).unwrap();
        }
        let seen = seen_in(folder.path()).unwrap();
        assert_eq!((seen.rss_bytes > 1_000_000, seen.descriptors), (true, None));
    }
}
