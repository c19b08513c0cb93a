//! Which inboxes have more rows than they should: in memory, so that a sweep needs neither a scan nor an index that
//! every post would keep.
//!
//! They are looked up once, when the database is opened; after that each commit shows the inboxes that it changed.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::cache::Inbox;

pub(in crate::store) struct Overfull {
    /// Rows that an inbox should have at most.
    inbox_rows: u64,
    /// Changed only after COMMIT returned.
    inboxes: RefCell<BTreeSet<i64>>,
}

impl Overfull {
    pub fn new(inbox_rows: u64, inboxes: Vec<i64>) -> Self {
        Self { inbox_rows, inboxes: RefCell::new(inboxes.into_iter().collect()) }
    }

    /// So many rows of this many are too many.
    pub(super) fn excess(&self, rows: u64) -> u64 {
        rows.saturating_sub(self.inbox_rows)
    }

    /// The next of them, from this integer on.
    pub(super) fn from(&self, from: i64) -> Option<i64> {
        self.inboxes.borrow().range(from..).next().copied()
    }

    pub(super) fn look_at<'a>(&self, committed: impl Iterator<Item = &'a Inbox>) {
        let mut inboxes = self.inboxes.borrow_mut();
        for inbox in committed {
            if self.excess(inbox.rows) > 0 {
                inboxes.insert(inbox.id);
            } else {
                inboxes.remove(&inbox.id);
            }
        }
    }

    /// These are nobody's any more.
    pub(super) fn forget(&self, erased: &[i64]) {
        self.inboxes.borrow_mut().retain(|inbox| !erased.contains(inbox));
    }
}
