//! Inboxes on disk: the truth. What was acknowledged is fsynced, what is read is one view.
//!
//! One writer takes every change from one bounded queue, in groups with one commit each; a few readers serve pages.
//! Each committed change goes out by [`Commits`], in commit order, and its caller is answered from there. The rooms
//! above know no SQL, and this one knows no stream and no request.

mod commit;
mod error;
mod job;
mod queue;
mod refusals;
mod sqlite;
mod view;
mod writable;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

pub use self::commit::{Appended, Commit, Commits, Ended, Marked, Retracted, Swept};
pub use self::error::{Conflict, Error, Fatal, OpenError};
pub use self::job::{Mark, Selection};
pub use self::view::{List, ListQuery, Opening, Page, Standing, View};

use self::commit::Answer;
use self::job::{Job, Task};
use self::queue::Queue;
use self::refusals::Refusals;
use self::sqlite::cache::Cache;
use self::sqlite::caretaker::{Caretaker, Rounds};
use self::sqlite::group::Context;
use self::sqlite::overfull::Overfull;
use self::sqlite::reader::Readers;
use self::writable::Writable;
use crate::clock::Clock;
use crate::domain::change::{Counts, Item};
use crate::domain::cursor::Presented;
use crate::domain::ids::{Millis, NotificationId, Rev, UserId};
use crate::domain::notification::{Addressed, Key};

/// How inboxes are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Connections that read.
    pub readers: usize,
    /// Rows of an inbox, exceeded until the next sweep.
    pub inbox_rows: u64,
    /// Age from which on a row is swept.
    pub max_age: Duration,
    /// Time after which a caller of the writer is told that the outcome is unknown.
    pub write_timeout: Duration,
}

/// The inboxes. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    queue: Queue,
    readers: Readers,
    caretaker: Caretaker,
    cache: Arc<Cache>,
    refusals: Arc<Refusals>,
    writable: Arc<Writable>,
    failed: watch::Receiver<Option<Fatal>>,
    write_timeout: Duration,
}

impl Store {
    /// Opens the database, making it where there is none, and starts its writer.
    ///
    /// # Errors
    /// A file that cannot be opened, is foreign, newer, or damaged, each with its cure.
    pub async fn open(path: &Path, config: Config, clock: Clock) -> Result<(Store, Commits), OpenError> {
        let opened = sqlite::open::open(path, &config).await?;
        let (queue, jobs) = Queue::new();
        let (commits_in, commits) = commit::channel();
        let (failed_in, failed) = watch::channel(None);
        let cache = Arc::new(Cache::default());
        let refusals = Arc::new(Refusals::new(opened.survey.not_before));
        let writable = Arc::<Writable>::default();
        let rounds = Rounds { files: opened.files.clone(), writable: writable.clone(), failed: failed_in.clone() };
        let caretaker = Caretaker::start(opened.caretaker, rounds);
        let context = Context {
            cache: cache.clone(),
            refusals: refusals.clone(),
            overfull: Overfull::new(config.inbox_rows, opened.survey.overfull),
            secret: opened.secret.clone(),
            generation: opened.generation,
            max_age: i64::try_from(config.max_age.as_millis()).unwrap_or(i64::MAX),
        };
        let writer = sqlite::writer::Writer {
            jobs,
            commits: commits_in,
            context,
            clock,
            files: opened.files,
            writable: writable.clone(),
            failed: failed_in.clone(),
        };
        writer.start(opened.writer);
        let readers = Readers::new(opened.readers, opened.secret, failed_in);
        let write_timeout = config.write_timeout;
        let inner = Inner { queue, readers, caretaker, cache, refusals, writable, failed, write_timeout };
        Ok((Store(Arc::new(inner)), commits))
    }

    /// Stores each draft for each of its users, all or none. Results: drafts in order, in each its users in order.
    ///
    /// # Errors
    /// [`Error::Conflict`] names every user whose key holds another body; the others are the store's own.
    pub async fn append(&self, drafts: Vec<Addressed>) -> Result<Vec<Appended>, Error> {
        match self.submit(Task::Append(drafts)).await? {
            Answer::Appended(results) => Ok(results),
            other => Err(anothers(&other)),
        }
    }

    /// Marks, or removes, rows of one inbox: at most one change, one rev.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one id that is not in the inbox; the others are the store's own.
    pub async fn mark(&self, user: UserId, mark: Mark, origin: Option<Arc<str>>) -> Result<Marked, Error> {
        match self.submit(Task::Mark { user, mark, origin }).await? {
            Answer::Marked(marked) => Ok(marked),
            other => Err(anothers(&other)),
        }
    }

    /// Takes back the notification that has this key, and frees the key, which may outlive its row: after that the same
    /// key notifies anew. An unknown user or key is no fault: then nothing was removed.
    ///
    /// # Errors
    /// The store's own.
    pub async fn retract(&self, user: UserId, key: Key) -> Result<Retracted, Error> {
        match self.submit(Task::Retract { user, key }).await? {
            Answer::Retracted(retracted) => Ok(retracted),
            other => Err(anothers(&other)),
        }
    }

    /// Notes that tokens of this user are refused that were signed up to this moment, which only rises, and says how many
    /// streams were ended for it. It is no change of the inbox.
    ///
    /// # Errors
    /// The store's own.
    pub async fn refuse_before(&self, user: UserId, not_before: Millis) -> Result<usize, Error> {
        match self.submit(Task::RefuseBefore { user, not_before }).await? {
            Answer::Refused(streams) => Ok(streams),
            other => Err(anothers(&other)),
        }
    }

    /// Up to when signed tokens of this user are refused. From memory.
    pub fn not_before(&self, user: &UserId) -> Option<Millis> {
        self.0.refusals.not_before(user)
    }

    /// Makes the user's inbox nobody's, at once and for good; whether there was one. Its cursors are of another inbox from
    /// then on, and the next draft makes a new one. What was in it goes with the next sweeps.
    ///
    /// # Errors
    /// The store's own.
    pub async fn erase(&self, user: UserId) -> Result<bool, Error> {
        match self.submit(Task::Erase(user)).await? {
            Answer::Erased(was_there) => Ok(was_there),
            other => Err(anothers(&other)),
        }
    }

    /// Sweeps one step of what has outlived itself: rows past their life or too old, inboxes that are too full, old
    /// entries of the log, keys that lapsed, what erased inboxes left. What goes from an inbox is one change of it.
    ///
    /// # Errors
    /// The store's own.
    pub async fn sweep(&self) -> Result<Swept, Error> {
        match self.submit(Task::Sweep).await? {
            Answer::Swept(swept) => Ok(swept),
            other => Err(anothers(&other)),
        }
    }

    async fn submit(&self, task: Task) -> Result<Answer, Error> {
        let (reply, answer) = oneshot::channel();
        self.0.queue.admit(Job { task, reply })?;
        match tokio::time::timeout(self.0.write_timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Error::Down),
            Err(_) => Err(Error::OutcomeUnknown),
        }
    }

    /// What a stream that opens at `presented` is told first, in one view: where it stands, what it missed up to a page,
    /// and the newest `snapshot` items where they are wanted (a cursor that is replayed wants none).
    ///
    /// # Errors
    /// The store's own: a file that cannot be read is [`Error::Down`], and the process must end.
    pub async fn open_at(&self, user: &UserId, presented: Presented, snapshot: usize) -> Result<Opening, Error> {
        self.0.readers.open_at(user.clone(), presented, snapshot).await
    }

    /// The next entries after `rev`, with the view that they were read in.
    ///
    /// # Errors
    /// As of [`Store::open_at`].
    pub async fn page_after(&self, user: &UserId, rev: Rev) -> Result<Page, Error> {
        self.0.readers.page_after(user.clone(), rev).await
    }

    /// A page of the inbox, newest first, with the counts and the cursor of the same view.
    ///
    /// # Errors
    /// As of [`Store::open_at`].
    pub async fn list(&self, user: &UserId, query: ListQuery) -> Result<List, Error> {
        self.0.readers.list(user.clone(), query).await
    }

    /// One item, `None` where it is not in the user's inbox.
    ///
    /// # Errors
    /// As of [`Store::open_at`].
    pub async fn get(&self, user: &UserId, id: NotificationId) -> Result<Option<Item>, Error> {
        self.0.readers.get(user.clone(), id).await
    }

    /// The counts, all zero before an inbox's first change.
    ///
    /// # Errors
    /// As of [`Store::open_at`].
    pub async fn counts(&self, user: &UserId) -> Result<Counts, Error> {
        Ok(self.0.readers.view(user.clone()).await?.counts)
    }

    /// The inbox's head as the writer has it in memory, if it does: what was committed last.
    pub fn head_in_memory(&self, user: &UserId) -> Option<Rev> {
        self.0.cache.head(user)
    }

    /// Whether writes go through, as the last one showed. While they do not, one is tried every second.
    pub fn is_writable(&self) -> bool {
        self.0.writable.is_so()
    }

    /// Waits until the disk failed in a way after which nothing may be acknowledged.
    pub async fn failed(&self) -> Fatal {
        let mut failed = self.0.failed.clone();
        match failed.wait_for(Option::is_some).await.map(|fatal| fatal.clone()) {
            Ok(Some(fatal)) => fatal,
            // The writer ended in good order: there is no failure to wait for.
            _ => std::future::pending().await,
        }
    }

    /// Finishes what is queued, folds the log of the database into its file, and refuses what comes later.
    ///
    /// # Errors
    /// The disk failed over it, or had failed before.
    pub async fn close(&self) -> Result<(), Fatal> {
        self.0.caretaker.stop().await;
        let (reply, done) = oneshot::channel();
        if self.0.queue.finish(reply).is_ok() {
            // How it went is told by the failure, or by none.
            let _ = done.await;
        }
        self.0.failed.borrow().clone().map_or(Ok(()), Err)
    }
}

/// A defect: told as one, rather than by a panic of the caller.
fn anothers(answer: &Answer) -> Error {
    Error::Internal(format!("a job got the answer of another: {answer:?}"))
}
