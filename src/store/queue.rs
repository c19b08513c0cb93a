//! The bounded queue before the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::commit::Reply;
use super::error::Error;
use super::job::{Job, Task};
use crate::domain::limits::{QUEUE_BYTES, QUEUE_ROWS};

/// The way in: a job is let in while fewer rows and bytes wait than the bounds, whatever its own size, so that the
/// largest job is never refused by an idle writer.
pub(super) struct Queue {
    sender: mpsc::UnboundedSender<Job>,
    waiting: Arc<Waiting>,
}

/// The writer's end.
pub(super) struct Jobs {
    receiver: mpsc::UnboundedReceiver<Job>,
    waiting: Arc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    rows: AtomicUsize,
    bytes: AtomicUsize,
}

impl Queue {
    pub fn new() -> (Queue, Jobs) {
        #[allow(clippy::disallowed_methods, reason = "the bound is in rows and bytes, and is kept by `admit`")]
        let (sender, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::<Waiting>::default();
        (Queue { sender, waiting: waiting.clone() }, Jobs { receiver, waiting })
    }

    /// # Errors
    /// [`Error::QueueFull`] at the bounds, [`Error::Down`] when the writer has ended.
    pub fn admit(&self, job: Job) -> Result<(), Error> {
        let Waiting { rows, bytes } = &*self.waiting;
        if rows.load(Ordering::Relaxed) >= QUEUE_ROWS || bytes.load(Ordering::Relaxed) >= QUEUE_BYTES {
            return Err(Error::QueueFull);
        }
        rows.fetch_add(job.rows(), Ordering::Relaxed);
        bytes.fetch_add(job.bytes(), Ordering::Relaxed);
        self.sender.send(job).map_err(|_| Error::Down)
    }

    /// Queues the last job.
    pub fn finish(&self, reply: Reply) -> Result<(), Error> {
        self.sender.send(Job { task: Task::Finish, reply }).map_err(|_| Error::Down)
    }
}

impl Jobs {
    /// Waits for the next job; `None` when no caller is left. Only for the writer's own thread.
    pub fn blocking_next(&mut self) -> Option<Job> {
        let job = self.receiver.blocking_recv()?;
        Some(self.taken(job))
    }

    /// The next job if one waits.
    pub fn next_waiting(&mut self) -> Option<Job> {
        let job = self.receiver.try_recv().ok()?;
        Some(self.taken(job))
    }

    /// Refuses all that wait and all that come.
    pub fn refuse_all(&mut self, error: &Error) {
        self.receiver.close();
        while let Some(job) = self.next_waiting() {
            job.refuse(error.clone());
        }
    }

    fn taken(&self, job: Job) -> Job {
        self.waiting.rows.fetch_sub(job.rows(), Ordering::Relaxed);
        self.waiting.bytes.fetch_sub(job.bytes(), Ordering::Relaxed);
        job
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::domain::draft::check;
    use crate::store::job::{Mark, Selection};

    fn job(users: usize) -> Job {
        let users: Vec<String> = (0..users).map(|n| format!("u{n}")).collect();
        let draft = check(serde_json::json!({"users": users, "type": "like", "content": "x"})).unwrap();
        Job { task: Task::Append(vec![draft]), reply: oneshot::channel().0 }
    }

    #[test]
    fn jobs_are_let_in_below_the_bound_whatever_their_size() {
        let (queue, mut jobs) = Queue::new();
        queue.admit(job(QUEUE_ROWS - 9_999)).unwrap();
        queue.admit(job(10_000)).unwrap();
        assert_eq!(queue.admit(job(1)), Err(Error::QueueFull));
        jobs.next_waiting().unwrap();
        queue.admit(job(1)).unwrap();
    }

    #[test]
    fn bytes_are_bounded_as_rows_are() {
        let (queue, mut jobs) = Queue::new();
        let draft = check(serde_json::json!({"user": "u", "type": "like", "content": "x".repeat(4096)})).unwrap();
        let heavy = || Job { task: Task::Append(vec![draft.clone(); 1_000]), reply: oneshot::channel().0 };
        let admitted = std::iter::repeat_with(|| queue.admit(heavy())).take_while(Result::is_ok).count();
        assert_eq!(admitted, QUEUE_BYTES.div_ceil(heavy().bytes()));
        while jobs.next_waiting().is_some() {}
        assert_eq!(std::iter::repeat_with(|| queue.admit(heavy())).take_while(Result::is_ok).count(), admitted);
    }

    /// Each may look at a whole inbox: as many of them as of single rows would hold the writer, and all callers, for long.
    #[test]
    fn a_mark_up_to_a_rev_weighs_more_than_a_row() {
        let (queue, _jobs) = Queue::new();
        let mark = |selection| {
            let task = Task::Mark { user: "u".parse().unwrap(), mark: Mark::Read(selection), origin: None };
            Job { task, reply: oneshot::channel().0 }
        };
        for selection in [Selection::All, Selection::UpTo(1)] {
            assert!(mark(selection).rows() >= 50);
        }
        let admitted = std::iter::repeat_with(|| queue.admit(mark(Selection::All))).take_while(Result::is_ok).count();
        assert!((10..=QUEUE_ROWS / 50).contains(&admitted), "{admitted}");
    }

    #[test]
    fn a_writer_that_ended_is_down() {
        let (queue, mut jobs) = Queue::new();
        queue.admit(job(1)).unwrap();
        jobs.refuse_all(&Error::Down);
        assert_eq!(queue.admit(job(1)), Err(Error::Down));
    }
}
