//! Whether writes go through, as far as is known.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a failed write speaks against the next. A server that nobody sends writes to, since it says that it cannot
/// take them, would else say so for ever.
const REMEMBERED: Duration = Duration::from_secs(10);

/// When a write last failed, unless one went through since.
#[derive(Debug, Default)]
pub(super) struct Writable(Mutex<Option<Instant>>);

impl Writable {
    pub fn worked(&self) {
        self.set(None);
    }

    pub fn failed(&self) {
        self.set(Some(Instant::now()));
    }

    pub fn is_so(&self) -> bool {
        let failed = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_none_or(|failed| failed.elapsed() >= REMEMBERED)
    }

    fn set(&self, failed: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }
}
