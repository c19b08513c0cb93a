//! What was committed, on its way to the announcer, and the answers that go back from there.

use tokio::sync::{mpsc, oneshot};

use super::error::Error;
use crate::domain::change::{Change, Counts};
use crate::domain::ids::{Millis, NotificationId, Rev, UserId};

/// Where a caller waits for its answer.
pub(super) type Reply = oneshot::Sender<Result<Answer, Error>>;

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

/// What a retraction did: whether a row went, and the counts after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retracted {
    pub removed: bool,
    pub counts: Counts,
}

/// What one step of a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Notifications that went.
    pub rows: u64,
    /// It stopped at its bound: there may be more to sweep at once.
    pub more: bool,
}

/// What a caller of the writer is told.
#[derive(Debug)]
pub(super) enum Answer {
    /// Those that are no duplicates are in the order of the changes.
    Appended(Vec<Appended>),
    Marked(Marked),
    Retracted(Retracted),
    /// Whether there was an inbox.
    Erased(bool),
    /// How many streams were ended for it.
    Refused(usize),
    Swept(Swept),
    Done,
}

/// What ends streams of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The inbox is the user's no more.
    Erased(UserId),
    /// The user's tokens that were signed up to this moment are refused.
    Refused(UserId, Millis),
}

/// What one job did, once it is committed.
pub(super) struct Outcome {
    /// In rev order.
    pub changes: Vec<Change>,
    pub ended: Option<Ended>,
    pub answer: Answer,
}

impl Outcome {
    /// Of a job that did at most one change.
    pub fn new(change: Option<Change>, answer: Answer) -> Self {
        Self { changes: change.into_iter().collect(), ended: None, answer }
    }
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
pub struct Commit(pub(super) Vec<Committed>);

/// One committed job, and where its caller waits.
pub(super) struct Committed {
    pub outcome: Outcome,
    pub reply: Reply,
}

impl Commit {
    /// Tells all in commit order: each change to `offer`, which says how many streams took it, what ends streams to
    /// `end`, which says how many it ended, and each caller its answer.
    pub fn tell(self, mut offer: impl FnMut(&Change) -> usize, mut end: impl FnMut(&Ended) -> usize) {
        for Committed { outcome: Outcome { changes, ended, mut answer }, reply } in self.0 {
            let streams: Vec<usize> = changes.iter().map(&mut offer).collect();
            let closed = ended.iter().map(&mut end).sum();
            match &mut answer {
                Answer::Appended(results) => {
                    let made = results.iter_mut().filter(|result| !result.duplicate);
                    made.zip(streams).for_each(|(result, streams)| result.streams = streams);
                }
                Answer::Refused(streams) => *streams = closed,
                _ => {}
            }
            // A caller that hung up changes nothing.
            let _ = reply.send(Ok(answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::change::{Entry, Logged, Rows, What};
    use crate::domain::cursor::Epoch;

    fn change(rev: Rev) -> Change {
        let logged = Logged { what: What::Read, rows: Rows::Many, origin: None };
        let entry = Entry::Logged { rev, logged: Arc::new(logged) };
        Change { user: "ada".parse().unwrap(), epoch: Epoch::NONE, entry, counts: Counts::default() }
    }

    /// The streams of a change are told with the row that it made, and a duplicate made none.
    #[test]
    fn each_caller_is_told_the_streams_of_what_it_did() {
        let appended = |duplicate| {
            let (id, user) = (NotificationId::from_bytes([0; 16]), "ada".parse().unwrap());
            Appended { draft: 0, id, user, rev: 1, unread: 1, streams: 0, duplicate }
        };
        let append = Answer::Appended(vec![appended(false), appended(true), appended(false)]);
        let ended = Ended::Refused("ada".parse().unwrap(), 7);
        let (first, mut appending) = oneshot::channel();
        let (second, mut refusing) = oneshot::channel();
        let commit = Commit(vec![
            Committed {
                outcome: Outcome { changes: vec![change(3), change(4)], ended: None, answer: append },
                reply: first,
            },
            Committed {
                outcome: Outcome { changes: vec![], ended: Some(ended.clone()), answer: Answer::Refused(0) },
                reply: second,
            },
        ]);
        let mut ends = Vec::new();
        commit.tell(
            |change| change.rev() as usize,
            |ended| {
                ends.push(ended.clone());
                9
            },
        );
        let Ok(Answer::Appended(results)) = appending.try_recv().unwrap() else { panic!("another's answer") };
        assert_eq!(results.iter().map(|result| result.streams).collect::<Vec<_>>(), [3, 0, 4]);
        assert!(matches!(refusing.try_recv().unwrap(), Ok(Answer::Refused(9))));
        assert_eq!(ends, [ended]);
    }
}
