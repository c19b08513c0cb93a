//! What of a run fits into the limit of open files, asked before anything starts.

use rlimit::Resource;

/// Descriptors that are no stream's and no request's: threads, files, the terminal.
const REST: u64 = 64;
/// Requests at a time, if there is room: a server that stalls for ten seconds at a hundred a second needs so many.
const PLACES_MOST: u64 = 1024;
/// With fewer a late answer would hold up the next message.
const PLACES_LEAST: u64 = 64;

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

/// Requests that may be under way at a time beside so many streams.
///
/// # Errors
/// [`TooFew`].
pub fn places(streams: u32, limit: u64) -> Result<usize, TooFew> {
    let left = limit.saturating_sub(REST + u64::from(streams));
    if left < PLACES_LEAST {
        return Err(TooFew { streams, limit, most: limit.saturating_sub(REST + PLACES_LEAST) });
    }
    // What is at most a thousand fits.
    Ok(left.min(PLACES_MOST) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_said_before() {
        assert_eq!(places(1_000, 20_000), Ok(1024));
        assert_eq!(places(19_000, 20_000), Ok(936));
        assert_eq!(places(800, 1024), Ok(160));
        assert_eq!(places(1_000, 1024), Err(TooFew { streams: 1_000, limit: 1024, most: 896 }));
    }
}
