//! The one clock of a run: all threads count from the moment at which its first message is due.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::measured::Moment;

/// Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Timeline(Arc<OnceLock<Instant>>);

impl Timeline {
    /// Says when the first message is due. Only the first word counts.
    pub fn begin_at(&self, start: Instant) {
        let _ = self.0.set(start);
    }

    /// When something is due, once the beginning is known.
    pub fn instant(&self, due: Duration) -> Option<Instant> {
        self.0.get().map(|start| *start + due)
    }

    /// How far the run is; nothing before its beginning.
    pub fn since(&self, now: Instant) -> Duration {
        self.0.get().map_or(Duration::ZERO, |start| now.saturating_duration_since(*start))
    }

    pub fn moment(&self, now: Instant) -> Moment {
        Moment::at(self.since(now))
    }
}
