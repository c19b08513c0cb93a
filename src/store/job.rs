//! What the writer is asked to do.

use std::sync::Arc;

use super::commit::Reply;
use super::error::Error;
use crate::domain::ids::{Millis, NotificationId, Rev, UserId};
use crate::domain::notification::{Addressed, Key};

/// What to do to rows of one inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    Read(Selection),
    Unread(NotificationId),
    /// Raises the seen mark; over the head it counts as the head.
    Seen(Rev),
    Delete(NotificationId),
}

/// Which rows to mark as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// One that must be there.
    One(NotificationId),
    /// Those of these that are there.
    Ids(Vec<NotificationId>),
    /// Those with at most this rev; over the head it counts as the head.
    UpTo(Rev),
    /// Those up to the head.
    All,
}

/// A unit of work, done whole or not at all, and where its caller waits.
pub(super) struct Job {
    pub task: Task,
    pub reply: Reply,
}

pub(super) enum Task {
    Append(Vec<Addressed>),
    Mark {
        user: UserId,
        mark: Mark,
        origin: Option<Arc<str>>,
    },
    Retract {
        user: UserId,
        key: Key,
    },
    RefuseBefore {
        user: UserId,
        not_before: Millis,
    },
    Erase(UserId),
    Sweep,
    /// The last one: everything before it is done, and nothing after it.
    Finish,
    #[cfg(test)]
    Panic,
}

/// A row's weight beside its texts, for the queue's bound in bytes.
const ROW_BYTES: usize = 128;

/// What a mark up to a rev weighs: it may look at all rows of an inbox, some 20 ms where those are 10,000 and lie far
/// apart. So eleven of them make a group of the writer.
const WALK_ROWS: usize = 100;

impl Job {
    /// Rows that it names, or as many as it weighs, of which the queue holds a bounded number.
    pub fn rows(&self) -> usize {
        match &self.task {
            Task::Append(drafts) => drafts.iter().map(|draft| draft.users.len()).sum(),
            Task::Mark { mark: Mark::Read(Selection::Ids(ids)), .. } => ids.len().max(1),
            Task::Mark { mark: Mark::Read(Selection::UpTo(_) | Selection::All), .. } => WALK_ROWS,
            Task::Finish => 0,
            _ => 1,
        }
    }

    pub fn bytes(&self) -> usize {
        let Task::Append(drafts) = &self.task else { return self.rows() * ROW_BYTES };
        let weigh = |draft: &Addressed| draft.notification.body.as_str().len() + draft.users.len() * ROW_BYTES;
        drafts.iter().map(weigh).sum()
    }

    /// Tells the caller that nothing was done.
    pub fn refuse(self, error: Error) {
        // A caller that hung up is told nothing.
        let _ = self.reply.send(Err(error));
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::domain::draft::check;

    #[test]
    fn a_job_weighs_its_rows_and_their_texts() {
        let user: UserId = "u".parse().unwrap();
        let id = NotificationId::from_bytes([0; 16]);
        let draft = |users: &[&str]| {
            check(serde_json::json!({"users": users, "type": "like", "content": "x".repeat(100)})).unwrap()
        };
        let text = draft(&["a"]).notification.body.as_str().len();
        let mark = |mark| Task::Mark { user: user.clone(), mark, origin: None };
        for (task, rows, bytes) in [
            (Task::Append(Vec::new()), 0, 0),
            (Task::Append(vec![draft(&["a", "b", "c"]), draft(&["a"])]), 4, 2 * text + 4 * ROW_BYTES),
            (mark(Mark::Read(Selection::Ids(vec![id; 7]))), 7, 7 * ROW_BYTES),
            (mark(Mark::Read(Selection::Ids(Vec::new()))), 1, ROW_BYTES),
            (mark(Mark::Read(Selection::One(id))), 1, ROW_BYTES),
            (mark(Mark::Read(Selection::All)), WALK_ROWS, WALK_ROWS * ROW_BYTES),
            (mark(Mark::Read(Selection::UpTo(1))), WALK_ROWS, WALK_ROWS * ROW_BYTES),
            (mark(Mark::Unread(id)), 1, ROW_BYTES),
            (Task::Retract { user: user.clone(), key: Key::parse("k").unwrap() }, 1, ROW_BYTES),
            (Task::Sweep, 1, ROW_BYTES),
            (Task::Finish, 0, 0),
        ] {
            let job = Job { task, reply: oneshot::channel().0 };
            assert_eq!((job.rows(), job.bytes()), (rows, bytes));
        }
    }
}
