//! The limit of open files: a stream is a descriptor, and the usual limit of a shell is 1,024.

use std::io;

use rlimit::Resource;
use tracing::{info, warn};

use crate::config::streams_that_fit;

/// A limit under which fewer streams fit is worth a word.
const FEW: usize = 1_000;

/// What the limit is, once it was raised as far as it goes.
pub struct OpenFiles {
    limit: u64,
    raised: io::Result<()>,
}

impl OpenFiles {
    pub fn raise() -> Self {
        let raised = rlimit::increase_nofile_limit(u64::MAX).map(drop);
        // One that cannot be asked for is what POSIX grants.
        let limit = Resource::NOFILE.get_soft().unwrap_or(256);
        Self { limit, raised }
    }

    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Says how many streams there is room for, and what to do if they are few.
    pub fn tell(&self, streams: usize) {
        let fit = streams_that_fit(self.limit);
        info!(open_files = self.limit, streams, "room for streams");
        if let Err(fault) = &self.raised {
            warn!(%fault, "the limit of open files cannot be raised");
        }
        if streams > fit || fit < FEW {
            let cure = "raise the hard limit of open files: LimitNOFILE= of a systemd unit, ulimit -Hn of a shell";
            warn!(open_files = self.limit, streams, "only {fit} streams fit into the limit of open files; {cure}");
        }
    }
}
