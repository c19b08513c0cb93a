//! What of a run fits into the limit of open files, asked before anything starts.

use std::time::Duration;

use rlimit::Resource;

use super::Plan;
use super::publisher::ANSWER_WITHIN;

/// Descriptors that are no stream's, no request's and no thread's: files, the terminal, the command's own runtime.
const REST: u64 = 64;
/// What a thread takes that reads streams, and the one that publishes: its runtime's epoll, twice, and what wakes it.
const THREAD: u64 = 4;
/// With fewer a late answer would hold up the next message.
const PLACES_LEAST: u64 = 64;
/// Each is a connection. Of a load that comes faster than [`CALM`], more would be a storm of connections, which no backend
/// makes: what is due then waits.
const PLACES_MOST: u64 = 2 * 1024;
/// Messages within a second for which connections may be opened one by one, and so as many as are needed.
const CALM: u32 = 1_000;
const SECOND: Duration = Duration::from_secs(1);

/// More was asked for than fits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{streams} streams do not fit into the limit of open files, which is {limit} a process: at most {most} do; raise the \
     hard limit (ulimit -Hn, LimitNOFILE= of a unit) or open fewer with --streams"
)]
pub struct TooFew {
    pub streams: u32,
    pub limit: u64,
    pub most: u64,
}

/// The limit, raised as far as it goes.
pub fn raised() -> u64 {
    // One that cannot be raised is used as it is.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    Resource::NOFILE.get_soft().unwrap_or(256)
}

/// Requests that may be under way at a time beside a plan's streams. An answer is waited for no longer than
/// [`ANSWER_WITHIN`]: more than are due within that are never needed, and so many connections at most.
///
/// # Errors
/// [`TooFew`].
pub fn places(plan: &Plan, limit: u64) -> Result<usize, TooFew> {
    let streams = plan.streams;
    let threads = plan.threads as u64 + 1;
    let left = limit.saturating_sub(REST + THREAD * threads);
    match left.checked_sub(u64::from(streams)) {
        Some(left @ PLACES_LEAST..) => {
            let needed = u64::from(plan.busiest(ANSWER_WITHIN)).max(PLACES_LEAST);
            let most = if plan.busiest(SECOND) <= CALM { needed } else { PLACES_MOST };
            Ok(left.min(needed).min(most) as usize)
        }
        _ => Err(TooFew { streams, limit, most: left.saturating_sub(PLACES_LEAST) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtest::by_hand;
    use crate::loadtest::plan::Schedule;

    fn of(streams: u32, threads: usize, rate: f64, limit: u64) -> Result<usize, TooFew> {
        let schedule = Schedule::Even { rate, messages: 1_000_000 };
        places(&Plan { threads, schedule, ..by_hand::plan(streams, streams, 1) }, limit)
    }

    #[test]
    fn what_does_not_fit_is_said_before() {
        assert_eq!(of(1_000, 1, 1_001.0, 20_000), Ok(2_048), "ten seconds would be a storm");
        assert_eq!(of(1_000, 1, 1_000.0, 20_000), Ok(10_000), "all of ten seconds");
        assert_eq!(of(19_000, 1, 500.0, 20_000), Ok(928));
        assert_eq!(of(800, 3, 500.0, 1024), Ok(144));
        assert_eq!(of(800, 1, 1.0, 20_000), Ok(64));
        let fault = of(1_000, 1, 500.0, 1024).unwrap_err();
        assert_eq!(fault, TooFew { streams: 1_000, limit: 1024, most: 888 });
        assert_eq!((of(888, 1, 500.0, 1024), of(888, 2, 500.0, 1024).is_err()), (Ok(64), true));
    }
}
