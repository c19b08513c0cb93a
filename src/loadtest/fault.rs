//! Why a run has nothing to report.

use std::collections::BTreeMap;
use std::io;

use super::descriptors;
use super::measured::Track;

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
pub enum RunFault {
    #[error(transparent)]
    OpenFiles(#[from] descriptors::TooFew),
    #[error("{open} of {streams} streams were opened, and nothing was published: {}{}", told(why), cure(why))]
    NotOpened { open: u64, streams: u32, why: BTreeMap<String, u64> },
    #[error("{0}; nothing was published: see what `lumen serve` says by itself")]
    Gone(String),
    #[error("it was interrupted before all streams were open: nothing was published")]
    Interrupted,
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// Why streams were not open, and how many for each reason.
pub fn reasons(tracks: &[Track]) -> BTreeMap<String, u64> {
    let mut reasons = BTreeMap::new();
    for fault in tracks.iter().filter_map(|track| track.fault.clone()) {
        *reasons.entry(fault).or_default() += 1;
    }
    reasons
}

/// What helps against the most frequent.
fn cure(reasons: &BTreeMap<String, u64>) -> &'static str {
    let most = reasons.iter().max_by_key(|(_, count)| **count).map_or("", |(why, _)| why);
    match most {
        why if why.contains("answered 401") => {
            "; see that the key is that server's: --data-dir or --key-file says which, and --tokens for another --profile"
        }
        // Those say themselves what helps.
        why if ["; if it ", "; write ", "; raise ", "; wait ", "(it may speak"]
            .iter()
            .any(|cure| why.contains(cure)) =>
        {
            ""
        }
        why if why.contains("it answered") => {
            "; see that --url and --profile, or --subscribe-url, are those of its streams, and that it lets so many in"
        }
        why if why.contains("too_many_streams") => {
            "; raise that server's caps (limits.streams_per_user, limits.streams_per_address, limits.streams), open fewer \
             with --streams, or load one of its own with --spawn"
        }
        _ => {
            "; see that the server runs there, is of this --profile and lets so many in, or load one of its own with --spawn"
        }
    }
}

/// The most frequent first.
fn told(reasons: &BTreeMap<String, u64>) -> String {
    let mut reasons: Vec<_> = reasons.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let told: Vec<String> = reasons.iter().take(3).map(|(why, count)| format!("{count} × {why}")).collect();
    told.join("; ")
}
