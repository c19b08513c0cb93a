//! One budget for all buffers whose size others decide: what waits for readers, and what senders are still sending.
//!
//! As it runs low, the cheapest to lose goes first: news in mailboxes (the store has them, and their streams read on
//! from there), then lists (who asks is told to come back), so that they leave room for the pages of a replay (their
//! streams wait for it), and last the bodies of requests (their senders are told to come back).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a buffer is for. Each may fill the budget up to its own mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// News that wait in a mailbox: half of it.
    Mailbox,
    /// A list that waits for its client: five eighths.
    List,
    /// A page on its way to a reader: three quarters.
    Page,
    /// A request's body: all of it.
    Body,
}

/// Bytes that all buffers together may have. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bytes: usize,
    taken: AtomicUsize,
}

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    of: Use,
    bytes: usize,
}

impl Budget {
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Inner { bytes, taken: AtomicUsize::new(0) }))
    }

    /// A share with nothing in it yet.
    pub fn share(&self, of: Use) -> Share {
        Share { budget: self.clone(), of, bytes: 0 }
    }

    /// Whether so many bytes could be taken now.
    pub fn has_room(&self, of: Use, bytes: usize) -> bool {
        self.taken().checked_add(bytes).is_some_and(|sum| sum <= self.mark(of))
    }

    /// Bytes that are taken now.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    fn mark(&self, of: Use) -> usize {
        let bytes = self.0.bytes;
        match of {
            Use::Mailbox => bytes / 2,
            Use::List => bytes / 8 * 5,
            Use::Page => bytes / 4 * 3,
            Use::Body => bytes,
        }
    }
}

impl Share {
    /// Takes more bytes, or none of them: says whether there was room.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let mark = self.budget.mark(self.of);
        let room = |taken: usize| taken.checked_add(bytes).filter(|&sum| sum <= mark);
        let grown = self.budget.0.taken.try_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok();
        if grown {
            self.bytes += bytes;
        }
        grown
    }

    /// Gives back bytes that were taken.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.0.taken.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_to_lose_is_refused_first() {
        let budget = Budget::new(80);
        let [mut mailbox, mut list, mut page, mut body] =
            [Use::Mailbox, Use::List, Use::Page, Use::Body].map(|of| budget.share(of));
        assert!(mailbox.grow(40) && !mailbox.grow(1));
        assert!(list.grow(10) && !list.grow(1));
        assert!(page.grow(10) && !page.grow(1));
        assert!(body.grow(20) && !body.grow(1));
        assert_eq!(budget.taken(), 80);
        assert!(!budget.has_room(Use::Body, 1) && budget.has_room(Use::Body, 0));
        body.shrink(10);
        assert!(budget.has_room(Use::Body, 10) && !budget.has_room(Use::Page, 1));
        assert!(!mailbox.grow(1) && !list.grow(1) && !page.grow(1) && body.grow(10) && !body.grow(usize::MAX));
    }

    #[test]
    fn a_share_gives_back_what_it_had_and_no_more() {
        let budget = Budget::new(100);
        let mut share = budget.share(Use::Body);
        assert!(share.grow(60));
        share.shrink(100);
        assert_eq!((share.bytes(), budget.taken()), (0, 0));
        assert!(share.grow(7));
        drop(share);
        assert_eq!(budget.taken(), 0);
    }
}
