//! One rev's worth of news of an inbox, and the counts that go with it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Epoch};
use super::ids::{Millis, NotificationId, Rev, UserId};
use super::notification::{Body, Kind};

/// The badge of an inbox as of `rev`; an older one is dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    #[serde(rename = "unread_count")]
    pub unread: u64,
    #[serde(rename = "unseen_count")]
    pub unseen: u64,
    pub rev: Rev,
}

/// A notification as it stands in an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub id: NotificationId,
    /// The change that made it, and its place in the list.
    pub rev: Rev,
    pub kind: Kind,
    pub body: Body,
    pub read: bool,
    pub created_at: Millis,
}

/// A change that made no row, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    pub what: What,
    pub rows: Rows,
    /// The stream that asked for it, as the request named it.
    pub origin: Option<Arc<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum What {
    Read,
    Unread,
    Seen,
    Deleted,
    /// More rows than an event lists: fetch the list.
    Changed,
}

impl What {
    pub fn as_str(self) -> &'static str {
        match self {
            What::Read => "read",
            What::Unread => "unread",
            What::Seen => "seen",
            What::Deleted => "deleted",
            What::Changed => "changed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [What::Read, What::Unread, What::Seen, What::Deleted, What::Changed]
            .into_iter()
            .find(|what| what.as_str() == text)
    }
}

impl TryFrom<String> for What {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        What::parse(&text).ok_or_else(|| format!("{text:?} is no change that is known"))
    }
}

impl From<What> for &'static str {
    fn from(what: What) -> Self {
        what.as_str()
    }
}

/// Which rows a logged change is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Those that it changed, at most [`super::limits::EVENT_IDS`]; of these, the ones with a rev below the change's.
    Ids(Vec<NotificationId>),
    /// Those with at most this rev.
    UpTo(Rev),
    /// Too many to say.
    Many,
}

/// What one rev did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Made(Arc<Item>),
    Logged { rev: Rev, logged: Arc<Logged> },
}

impl Entry {
    pub fn rev(&self) -> Rev {
        match self {
            Entry::Made(item) => item.rev,
            Entry::Logged { rev, .. } => *rev,
        }
    }
}

/// A committed change of one user's inbox: its entry, and the counts right after it.
#[derive(Debug, Clone)]
pub struct Change {
    pub user: UserId,
    pub epoch: Epoch,
    pub entry: Entry,
    pub counts: Counts,
}

impl Change {
    pub fn rev(&self) -> Rev {
        self.entry.rev()
    }

    pub fn cursor(&self) -> Cursor {
        Cursor { epoch: self.epoch, rev: self.rev() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_stands_where_its_entry_does() {
        let id = NotificationId::at(1, &[0; 10]);
        let item =
            Item { id, rev: 7, kind: Kind::stored("like"), body: Body::stored("{}"), read: false, created_at: 1 };
        let logged = Logged { what: What::Deleted, rows: Rows::Ids(vec![id]), origin: None };
        let entries = [Entry::Made(Arc::new(item)), Entry::Logged { rev: 8, logged: Arc::new(logged) }];
        let stands = entries.map(|entry| {
            let user = UserId::stored("ada");
            let change = Change { user, epoch: Epoch::NONE, entry, counts: Counts::default() };
            (change.entry.rev(), change.rev(), change.cursor().to_string())
        });
        assert_eq!(stands, [(7, 7, "000000-7".to_owned()), (8, 8, "000000-8".to_owned())]);
    }

    #[test]
    fn a_change_is_read_by_the_name_that_it_is_written_by() {
        for what in [What::Read, What::Unread, What::Seen, What::Deleted, What::Changed] {
            let text = serde_json::to_string(&what).unwrap();
            assert_eq!(text, format!("\"{}\"", what.as_str()));
            assert_eq!(serde_json::from_str::<What>(&text).unwrap(), what);
        }
        assert!(serde_json::from_str::<What>("\"other\"").is_err());
    }
}
