//! What was committed, on its way to the announcer, and the answers that go back from there.

use tokio::sync::{mpsc, oneshot};

use super::error::Error;
use crate::domain::change::{Change, Counts};
use crate::domain::ids::{NotificationId, Rev, UserId};

/// Where a caller waits for its answer.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What became of one draft for one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Which of the drafts, from 0.
    pub draft: usize,
    pub id: NotificationId,
    pub user: UserId,
    /// The notification's rev; of a duplicate, the inbox's now.
    pub rev: Rev,
    pub unread: u64,
    /// How many streams it was handed to.
    pub streams: usize,
    pub duplicate: bool,
}

/// What a mark did: rows changed (for `seen`, how much the count fell), and the counts after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    pub changed: u64,
    pub counts: Counts,
}

/// Groups of committed jobs, in commit order.
pub struct Commits(mpsc::Receiver<Commit>);

/// The writer's end.
pub(super) type CommitsIn = mpsc::Sender<Commit>;

/// Groups that are committed and not told yet; beyond this the queue before the writer fills up, and says so.
const GROUPS: usize = 16;

pub(super) fn channel() -> (CommitsIn, Commits) {
    let (sender, receiver) = mpsc::channel(GROUPS);
    (sender, Commits(receiver))
}

impl Commits {
    /// The next group; `None` when the writer has ended and all was taken.
    pub async fn next(&mut self) -> Option<Commit> {
        self.0.recv().await
    }
}

/// One committed group.
pub struct Commit(pub(super) Vec<Done>);

impl Commit {
    /// Hands each change to `offer`, which says how many streams took it, and answers each caller.
    pub fn tell(self, mut offer: impl FnMut(&Change) -> usize) {
        for done in self.0 {
            let streams: Vec<usize> = done.changes.iter().map(&mut offer).collect();
            done.answer.send(&streams);
        }
    }
}

/// One committed job: its changes in rev order, and what its caller is told.
pub(super) struct Done {
    pub changes: Vec<Change>,
    pub answer: Answer,
}

pub(super) enum Answer {
    /// `results` that are no duplicates are in the order of the changes.
    Appended {
        results: Vec<Appended>,
        reply: Reply<Vec<Appended>>,
    },
    Marked {
        marked: Marked,
        reply: Reply<Marked>,
    },
}

impl Answer {
    /// A caller that hung up changes nothing.
    fn send(self, streams: &[usize]) {
        match self {
            Answer::Appended { mut results, reply } => {
                let made = results.iter_mut().filter(|result| !result.duplicate);
                for (result, streams) in made.zip(streams) {
                    result.streams = *streams;
                }
                let _ = reply.send(Ok(results));
            }
            Answer::Marked { marked, reply } => drop(reply.send(Ok(marked))),
        }
    }

    /// The commit did not happen after all.
    pub fn refuse(self, error: Error) {
        match self {
            Answer::Appended { reply, .. } => drop(reply.send(Err(error))),
            Answer::Marked { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}
