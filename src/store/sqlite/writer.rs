//! The one writer: a long closure on a thread of its own, group after group.
//!
//! No timer gathers a group: while one is being fsynced the next one collects in the queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::append::append;
use super::checkpoint::{Extent, fold, save_lost_log};
use super::erase::{erase, refuse_before};
use super::fault::{Fault, survived};
use super::files::InPlace;
use super::group::{Context, Group};
use super::mark::mark;
use super::retract::retract;
use super::sweep::sweep;
use crate::clock::Clock;
use crate::store::commit::{Answer, Commit, CommitsIn, Committed, Outcome, Reply};
use crate::store::error::{Error, Fatal};
use crate::store::job::{Job, Task};
use crate::store::queue::Jobs;
use crate::store::writable::Writable;

/// Rows after which a group is committed even if more wait: its callers wait for the whole of it.
const GROUP_ROWS: usize = 1_024;
/// Size of the log at which the writer folds it in itself: a cap, for when the caretaker cannot keep up.
const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub(in crate::store) struct Writer {
    pub jobs: Jobs,
    pub commits: CommitsIn,
    pub context: Context,
    pub clock: Clock,
    pub files: InPlace,
    pub writable: Arc<Writable>,
    pub failed: watch::Sender<Option<Fatal>>,
}

/// A job's own outcome: a fault of its draft is its alone.
type JobResult = Result<Outcome, Error>;

impl Writer {
    /// Runs until the last job. The connection's thread is the writer's for all that time.
    pub fn start(self, connection: tokio_rusqlite::Connection) {
        let failed = self.failed.clone();
        tokio::spawn(async move {
            let run = connection.call(move |connection| {
                self.run(connection);
                Ok::<_, rusqlite::Error>(())
            });
            if let Err(fault) = run.await {
                // The jobs went with it: their callers are told by their closed channels.
                failed.send_replace(Some(Fatal::WriterEnded(fault.to_string())));
            }
            // Dropped with this task, not closed by a call: the crate's thread panics when nobody waits for the answer
            // to that any more, as at the end of the process.
        });
    }

    fn run(mut self, connection: &mut Connection) {
        while let Some(first) = self.jobs.blocking_next() {
            let (group, finish) = self.gather(first);
            if let Err(fatal) = self.commit(connection, group) {
                error!(%fatal, "nothing more is acknowledged");
                self.writable.failed();
                save_lost_log(connection, &self.files);
                self.jobs.refuse_all(&Error::Down);
                self.failed.send_replace(Some(fatal));
                return;
            }
            if let Some(reply) = finish {
                self.jobs.refuse_all(&Error::Down);
                match self.finish(connection) {
                    Ok(()) => drop(reply.send(Ok(Answer::Done))),
                    Err(fatal) => {
                        self.failed.send_replace(Some(fatal));
                        let _ = reply.send(Err(Error::Down));
                    }
                }
                return;
            }
        }
    }

    /// What waits, up to a group's size; the reply of the last job of all if it is among them.
    fn gather(&mut self, first: Job) -> (Vec<Job>, Option<Reply>) {
        let mut group = Vec::new();
        let mut rows = 0;
        let mut next = Some(first);
        while let Some(job) = next {
            rows += job.rows();
            match job {
                Job { task: Task::Finish, reply } => return (group, Some(reply)),
                job => group.push(job),
            }
            next = if rows < GROUP_ROWS { self.jobs.next_waiting() } else { None };
        }
        (group, None)
    }

    /// Commits a group and sends it to the announcer. One that fails by the fault of a job runs again, job by job.
    ///
    /// # Errors
    /// The disk failed: nothing may be acknowledged any more.
    fn commit(&self, connection: &mut Connection, group: Vec<Job>) -> Result<(), Fatal> {
        if group.is_empty() {
            return Ok(());
        }
        let committed = match self.failed.borrow().clone() {
            Some(fatal) => Err(fatal),
            None => survived(self.attempt(connection, &group)),
        };
        // Nobody may be told of a commit that nobody finds again.
        match committed.and_then(|results| self.settle(connection).map(|()| results)) {
            Err(fatal) => {
                refuse(group, &Error::Down);
                return Err(fatal);
            }
            Ok(Ok(results)) => {
                if self.writable.worked() {
                    info!("writes go through again");
                }
                self.announce(group, results);
            }
            Ok(Err(Fault::Job(why))) if group.len() > 1 => {
                warn!(why, jobs = group.len(), "a group failed by one of its jobs; running them one by one");
                for job in group {
                    self.commit(connection, vec![job])?;
                }
            }
            Ok(Err(fault)) => {
                // The fault of a job says nothing of the next write; that of the disk is told once.
                if !matches!(fault, Fault::Job(_)) && self.writable.failed() {
                    warn!(?fault, "writes fail; one is tried every second");
                }
                refuse(group, &fault.into());
            }
        }
        Ok(())
    }

    /// The size of the log, where all is in place and the disk did not fail under somebody else meanwhile.
    fn log_bytes(&self) -> Result<u64, Fatal> {
        match self.failed.borrow().clone() {
            Some(fatal) => Err(fatal),
            None => self.files.log_bytes(),
        }
    }

    /// Keeps the log below its cap.
    fn settle(&self, connection: &Connection) -> Result<(), Fatal> {
        if self.log_bytes()? >= LOG_BYTES_MAX {
            // What a reader holds, or a full disk, is left for the next time.
            let _ = survived(fold(connection, Extent::Passing))?;
        }
        Ok(())
    }

    /// Folds the log into the database, so that a copy of that file alone is whole. What keeps it from that is told, and
    /// costs nothing but the time of the next start, unless it is a disk that fails.
    fn finish(&self, connection: &Connection) -> Result<(), Fatal> {
        self.log_bytes()?;
        match survived(fold(connection, Extent::Whole))? {
            Ok(true) => info!("the database's log is folded in"),
            Ok(false) => info!("the database's log stays, since a reader holds it"),
            Err(fault) => warn!(?fault, "the database's log stays"),
        }
        Ok(())
    }

    /// One transaction. Nothing of it is in the cache or told before COMMIT returned.
    fn attempt(&self, connection: &mut Connection, jobs: &[Job]) -> Result<Vec<JobResult>, Fault> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut group = Group::new(&transaction, &self.context, self.clock.now());
        // A panic is a fault of the job that it happened in: the transaction is rolled back as it is dropped.
        let run = catch_unwind(AssertUnwindSafe(|| {
            let results = jobs.iter().map(|job| run(&mut group, &job.task)).collect::<Result<Vec<_>, Fault>>()?;
            group.flush()?;
            Ok::<_, Fault>(results)
        }));
        let results = run.map_err(|_| Fault::Job("the writer panicked in this job".into()))??;
        let news = group.into_news();
        transaction.commit()?;
        self.context.take_in(news);
        Ok(results)
    }

    fn announce(&self, group: Vec<Job>, results: Vec<JobResult>) {
        let mut done = Vec::with_capacity(group.len());
        for (job, result) in group.into_iter().zip(results) {
            match result {
                Ok(outcome) => done.push(Committed { outcome, reply: job.reply }),
                Err(error) => job.refuse(error),
            }
        }
        // Waits only while the announcer is behind by several groups, which it catches up without waiting for anyone.
        if let Err(unheard) = self.commits.blocking_send(Commit(done)) {
            // Nobody announces any more: the server is ending, and what it committed is told after the restart.
            unheard.0.0.into_iter().for_each(|done| drop(done.reply.send(Err(Error::OutcomeUnknown))));
        }
    }
}

fn run(group: &mut Group, task: &Task) -> Result<JobResult, Fault> {
    Ok(match task {
        Task::Append(drafts) => append(group, drafts)?,
        Task::Mark { user, mark: asked, origin } => mark(group, user, asked, origin.as_ref())?,
        Task::Retract { user, key } => Ok(retract(group, user, key)?),
        Task::RefuseBefore { user, not_before } => Ok(refuse_before(group, user, *not_before)?),
        Task::Erase(user) => Ok(erase(group, user)?),
        Task::Sweep => Ok(sweep(group)?),
        Task::Finish => Err(Error::Down),
        #[cfg(test)]
        Task::Panic => panic!("as asked"),
    })
}

fn refuse(group: Vec<Job>, error: &Error) {
    group.into_iter().for_each(|job| job.refuse(error.clone()));
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::domain::draft::check;
    use crate::store::commit;
    use crate::store::queue::Queue;
    use crate::store::sqlite::checkpoint::tests::database;
    use crate::store::sqlite::transactions::desk;

    #[test]
    fn a_group_has_jobs_until_its_rows_are_enough_or_the_last_job_comes() {
        let dir = tempfile::tempdir().unwrap();
        let (queue, jobs) = Queue::new();
        let mut writer = Writer {
            jobs,
            commits: commit::channel().0,
            context: desk().1,
            clock: Clock::System,
            files: database(dir.path()).1,
            writable: Arc::default(),
            failed: watch::Sender::default(),
        };
        let users: Vec<String> = (0..GROUP_ROWS - 1).map(|n| n.to_string()).collect();
        let large = check(serde_json::json!({"users": users, "type": "like", "content": "x"})).unwrap();
        let reply = || oneshot::channel().0;
        for _ in 0..GROUP_ROWS + 1 {
            queue.admit(Job { task: Task::Sweep, reply: reply() }).unwrap();
        }
        for _ in 0..2 {
            queue.admit(Job { task: Task::Append(vec![large.clone()]), reply: reply() }).unwrap();
        }
        queue.finish(reply()).unwrap();
        queue.admit(Job { task: Task::Sweep, reply: reply() }).unwrap();
        let mut next = || {
            let first = writer.jobs.next_waiting().unwrap();
            let (group, finish) = writer.gather(first);
            (group.len(), finish.is_some())
        };
        assert_eq!([next(), next(), next()], [(GROUP_ROWS, false), (2, false), (1, true)]);
    }
}
