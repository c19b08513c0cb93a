//! Whether writes go through, as the last one showed.

use std::sync::atomic::{AtomicBool, Ordering};

/// Set by whoever writes: the writer, and while its writes fail the caretaker, who goes on trying. A server that nobody
/// sends writes to, since it says that it cannot take them, would else say so for ever.
#[derive(Debug, Default)]
pub(super) struct Writable {
    failing: AtomicBool,
}

impl Writable {
    /// A write went through; whether that is news.
    pub fn worked(&self) -> bool {
        self.failing.swap(false, Ordering::Relaxed)
    }

    /// A write failed, and not by its own fault; whether that is news.
    pub fn failed(&self) -> bool {
        !self.failing.swap(true, Ordering::Relaxed)
    }

    pub fn is_so(&self) -> bool {
        !self.failing.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_turn_is_news() {
        let writable = Writable::default();
        assert!(writable.is_so());
        assert_eq!((writable.worked(), writable.is_so()), (false, true));
        assert_eq!((writable.failed(), writable.is_so()), (true, false));
        assert_eq!((writable.failed(), writable.is_so()), (false, false));
        assert_eq!((writable.worked(), writable.is_so()), (true, true));
    }
}
