//! Deliveries that are still to come: of each accepted message one on every stream that it is for, whichever is seen first.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// Beside the number of deliveries of a message: that it was accepted. There are fewer streams than that.
const ACCEPTED: u32 = 1 << 31;

/// Counted by all threads.
#[derive(Debug, Default)]
pub struct Awaited {
    /// Of each message how often it came, and [`ACCEPTED`].
    messages: Box<[AtomicU32]>,
    missing: AtomicI64,
}

impl Awaited {
    pub fn new(messages: u32) -> Self {
        Self { messages: (0..messages).map(|_| AtomicU32::new(0)).collect(), missing: AtomicI64::new(0) }
    }

    /// A message was accepted that is for so many streams.
    pub fn accepted(&self, message: u32, streams: u64) {
        let came = self.messages[message as usize].fetch_or(ACCEPTED, Ordering::Relaxed);
        // There are no more streams than descriptors.
        self.missing.fetch_add(streams.cast_signed() - i64::from(came), Ordering::Relaxed);
    }

    /// A message came to a stream, for the first time there.
    pub fn came(&self, message: u32) {
        if self.messages[message as usize].fetch_add(1, Ordering::Relaxed) & ACCEPTED != 0 {
            self.missing.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether no accepted message is missing anywhere.
    pub fn is_nothing(&self) -> bool {
        self.missing.load(Ordering::Relaxed) <= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_message_is_awaited_on_each_of_its_streams() {
        let awaited = Awaited::new(3);
        assert!(awaited.is_nothing());
        awaited.accepted(0, 2);
        awaited.came(0);
        assert!(!awaited.is_nothing());
        awaited.came(0);
        assert!(awaited.is_nothing());
    }

    #[test]
    fn it_may_come_before_its_answer() {
        let awaited = Awaited::new(2);
        awaited.came(1);
        assert!(awaited.is_nothing(), "it was not accepted yet");
        awaited.accepted(1, 2);
        assert!(!awaited.is_nothing());
        awaited.came(1);
        assert!(awaited.is_nothing());
    }

    #[test]
    fn what_nobody_accepted_stands_for_nothing_that_was() {
        let awaited = Awaited::new(2);
        awaited.came(0);
        awaited.accepted(1, 1);
        assert!(!awaited.is_nothing());
    }
}
