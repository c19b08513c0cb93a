//! The pacing thread: says of each message, at its time and whatever became of the others, that it is to go.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::busy::Thread;
use super::plan::Plan;
use super::timeline::Timeline;

/// Messages that may wait to be taken. Beyond it the pacer waits, which the lag of sending shows.
const WAITING: usize = 64 * 1024;
/// The longest sleep: so soon it hears that it is to stop.
const NAP: Duration = Duration::from_millis(100);

pub struct Pacer {
    pub thread: Thread,
    stop: Arc<AtomicBool>,
    work: JoinHandle<()>,
}

/// The numbers of messages, each at its time.
pub type Due = mpsc::Receiver<u32>;

impl Pacer {
    /// Begins when the timeline does.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn launch(plan: Arc<Plan>, timeline: Timeline) -> io::Result<(Self, Due)> {
        let (now, due) = mpsc::channel(WAITING);
        let (thread, name) = Thread::waiting("pacer".to_owned());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let work = thread::Builder::new().name(thread.name.clone()).spawn(move || {
            name.tell();
            for message in 0..plan.messages() {
                if !wait(&timeline, plan.due(message), &stopped) || now.blocking_send(message).is_err() {
                    return;
                }
            }
        })?;
        Ok((Self { thread, stop, work }, due))
    }

    /// Lets nothing more go.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.work.join();
    }
}

/// Waits until something is due; false when it is told to stop.
#[expect(clippy::disallowed_methods, reason = "it has a thread of its own, and waits for nothing but the time")]
fn wait(timeline: &Timeline, due: Duration, stopped: &AtomicBool) -> bool {
    loop {
        if stopped.load(Ordering::Relaxed) {
            return false;
        }
        let left = timeline.instant(due).map(|at| at.saturating_duration_since(Instant::now()));
        match left {
            Some(Duration::ZERO) => return true,
            left => thread::sleep(left.unwrap_or(NAP).min(NAP)),
        }
    }
}
