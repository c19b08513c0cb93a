//! What a reader sees: always one view of one inbox.

use crate::domain::change::{Counts, Entry, Item};
use crate::domain::cursor::{Cursor, Epoch, Reason};
use crate::domain::ids::Rev;
use crate::domain::notification::Kind;

/// An inbox at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    pub epoch: Epoch,
    /// With the head as their rev.
    pub counts: Counts,
    /// The rev of the newest log entry that was dropped.
    pub log_floor: Rev,
}

impl View {
    /// An inbox before its first change.
    pub const EMPTY: View = View { epoch: Epoch::NONE, counts: Counts { unread: 0, unseen: 0, rev: 0 }, log_floor: 0 };

    pub fn head(&self) -> Cursor {
        Cursor { epoch: self.epoch, rev: self.counts.rev }
    }
}

/// Entries after a rev, oldest first, as they stand in `view`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub view: View,
    pub entries: Vec<Entry>,
    /// It stopped at a limit, and not at the head.
    pub more: bool,
}

/// Where a client stands that opens a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It came without a cursor, and starts at the head.
    New,
    /// Its cursor is good; so many entries were missed, counted to one over the limit of a replay.
    Resumed {
        missed: usize,
    },
    Resync(Reason),
}

/// The first page of a stream, and what `ready` says; all of one view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    pub standing: Standing,
    pub page: Page,
    /// The newest items, newest first, where a snapshot was wanted and nothing is replayed.
    pub items: Option<Vec<Item>>,
}

/// Which items of an inbox to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    pub limit: usize,
    /// Only those with a lower rev.
    pub before: Option<Rev>,
    pub unread: bool,
    pub kind: Option<Kind>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    pub items: Vec<Item>,
    /// The `before` of the next page, if there is one.
    pub next: Option<Rev>,
    pub counts: Counts,
    /// The head of the same view, to open a stream with.
    pub cursor: Cursor,
}
