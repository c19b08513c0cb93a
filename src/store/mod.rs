//! Inboxes on disk: the truth. What was acknowledged is fsynced, what is read is one view.
//!
//! One writer takes every change from one bounded queue, in groups with one commit each; a few readers serve pages.
//! Each committed change goes out by [`Commits`], in commit order, and its caller is answered from there. The rooms
//! above know no SQL, and this one knows no stream and no request.

mod commit;
mod error;
mod job;
mod queue;
mod sqlite;
mod view;
mod writable;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

pub use self::commit::{Appended, Commit, Commits, Marked};
pub use self::error::{Conflict, Error, Fatal, OpenError};
pub use self::job::{Mark, Selection};
pub use self::view::{List, ListQuery, Opening, Page, Standing, View};

use self::job::Job;
use self::queue::Queue;
use self::sqlite::cache::Cache;
use self::sqlite::caretaker::{Caretaker, Rounds};
use self::sqlite::reader::Readers;
use self::writable::Writable;
use crate::clock::Clock;
use crate::domain::change::{Counts, Item};
use crate::domain::cursor::Presented;
use crate::domain::ids::{NotificationId, Rev, UserId};
use crate::domain::notification::Addressed;

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
        let opened = sqlite::open::open(path, config.readers).await?;
        let (queue, jobs) = Queue::new();
        let (commits_in, commits) = commit::channel();
        let (failed_in, failed) = watch::channel(None);
        let cache = Arc::new(Cache::default());
        let writable = Arc::<Writable>::default();
        let rounds = Rounds { files: opened.files.clone(), writable: writable.clone(), failed: failed_in.clone() };
        let caretaker = Caretaker::start(opened.caretaker, rounds);
        let writer = sqlite::writer::Writer {
            jobs,
            commits: commits_in,
            cache: cache.clone(),
            clock,
            generation: opened.generation,
            secret: opened.secret.clone(),
            files: opened.files,
            writable: writable.clone(),
            failed: failed_in.clone(),
        };
        writer.start(opened.writer);
        let readers = Readers::new(opened.readers, opened.secret, failed_in);
        let write_timeout = config.write_timeout;
        let inner = Inner { queue, readers, caretaker, cache, writable, failed, write_timeout };
        Ok((Store(Arc::new(inner)), commits))
    }

    /// Stores each draft for each of its users, all or none. Results: drafts in order, in each its users in order.
    ///
    /// # Errors
    /// [`Error::Conflict`] names every user whose key holds another body; the others are the store's own.
    pub async fn append(&self, drafts: Vec<Addressed>) -> Result<Vec<Appended>, Error> {
        self.submit(|reply| Job::append(drafts, reply)).await
    }

    /// Marks, or removes, rows of one inbox: at most one change, one rev.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one id that is not in the inbox; the others are the store's own.
    pub async fn mark(&self, user: UserId, mark: Mark, origin: Option<Arc<str>>) -> Result<Marked, Error> {
        self.submit(|reply| Job::mark(user, mark, origin, reply)).await
    }

    async fn submit<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Job) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.0.queue.admit(job(reply))?;
        match tokio::time::timeout(self.0.write_timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Error::Down),
            Err(_) => Err(Error::OutcomeUnknown),
        }
    }

    /// What a stream that opens at `presented` is told first, in one view: where it stands, what it missed up to a page,
    /// and the newest `snapshot` items where they are wanted (a cursor that is replayed wants none).
    pub async fn open_at(&self, user: &UserId, presented: Presented, snapshot: usize) -> Result<Opening, Error> {
        self.0.readers.open_at(user.clone(), presented, snapshot).await
    }

    /// The next entries after `rev`, with the view that they were read in.
    pub async fn page_after(&self, user: &UserId, rev: Rev) -> Result<Page, Error> {
        self.0.readers.page_after(user.clone(), rev).await
    }

    pub async fn list(&self, user: &UserId, query: ListQuery) -> Result<List, Error> {
        self.0.readers.list(user.clone(), query).await
    }

    pub async fn get(&self, user: &UserId, id: NotificationId) -> Result<Option<Item>, Error> {
        self.0.readers.get(user.clone(), id).await
    }

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
        if self.0.queue.finish(reply).is_ok()
            && let Ok(closed) = done.await
        {
            return closed;
        }
        self.0.failed.borrow().clone().map_or(Ok(()), Err)
    }
}
