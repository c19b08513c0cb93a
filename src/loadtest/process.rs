//! A process as /proc shows it: its CPU time, its memory, its descriptors.

use std::fs;

use super::measured::ServerNow;

/// The kernel counts CPU time in hundredths of a second.
const TICK_US: u64 = 10_000;

/// A process now; `None` where there is none, or none that may be looked at.
pub fn now(pid: u32) -> Option<ServerNow> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything; the fields after it do not.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().ok()?;
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| entries.count() as u64);
    Some(ServerNow { cpu_us: (ticks(11)? + ticks(12)?) * TICK_US, rss_bytes: kilobytes * 1024, descriptors })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_and_none_is_not() {
        let seen = now(std::process::id()).unwrap();
        assert!(seen.rss_bytes > 1_000_000 && seen.descriptors > 3, "{seen:?}");
        assert_eq!(now(u32::MAX), None);
    }
}
