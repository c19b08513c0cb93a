//! What the writer is asked to do.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::commit::{Appended, Marked, Reply};
use super::error::{Error, Fatal};
use crate::domain::ids::{NotificationId, Rev, UserId};
use crate::domain::notification::Addressed;

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

/// A unit of work: done whole or not at all.
pub(super) enum Job {
    Append {
        drafts: Vec<Addressed>,
        reply: Reply<Vec<Appended>>,
    },
    Mark {
        user: UserId,
        mark: Mark,
        origin: Option<Arc<str>>,
        reply: Reply<Marked>,
    },
    /// The last one: everything before it is done, and nothing after it.
    Finish {
        reply: oneshot::Sender<Result<(), Fatal>>,
    },
    #[cfg(test)]
    Panic {
        reply: Reply<()>,
    },
}

/// A row's weight beside its texts, for the queue's bound in bytes.
const ROW_BYTES: usize = 128;

impl Job {
    pub fn append(drafts: Vec<Addressed>, reply: Reply<Vec<Appended>>) -> Self {
        Job::Append { drafts, reply }
    }

    pub fn mark(user: UserId, mark: Mark, origin: Option<Arc<str>>, reply: Reply<Marked>) -> Self {
        Job::Mark { user, mark, origin, reply }
    }

    /// Rows that it names, of which the queue holds a bounded number.
    pub fn rows(&self) -> usize {
        match self {
            Job::Append { drafts, .. } => drafts.iter().map(|draft| draft.users.len()).sum(),
            Job::Mark { mark: Mark::Read(Selection::Ids(ids)), .. } => ids.len().max(1),
            Job::Mark { .. } => 1,
            Job::Finish { .. } => 0,
            #[cfg(test)]
            Job::Panic { .. } => 1,
        }
    }

    pub fn bytes(&self) -> usize {
        let Job::Append { drafts, .. } = self else { return self.rows() * ROW_BYTES };
        let weigh = |draft: &Addressed| draft.notification.body.as_str().len() + draft.users.len() * ROW_BYTES;
        drafts.iter().map(weigh).sum()
    }

    /// Tells the caller that nothing was done.
    pub fn refuse(self, error: Error) {
        // A caller that hung up is told nothing.
        match self {
            Job::Append { reply, .. } => drop(reply.send(Err(error))),
            Job::Mark { reply, .. } => drop(reply.send(Err(error))),
            Job::Finish { .. } => {}
            #[cfg(test)]
            Job::Panic { reply } => drop(reply.send(Err(error))),
        }
    }
}
