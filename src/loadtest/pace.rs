//! The pacing thread: lets each message go at its time, whatever became of the others. Its request is made before, so that
//! making it delays nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::busy::Thread;
use super::plan::Plan;
use super::profile::{Profile, ProfileFault, Request};
use super::stamp::Stamp;
use super::timeline::Timeline;

/// Messages that may wait to be taken, each with its request. Beyond it the pacer waits, which the lag of sending shows.
const WAITING: usize = 4 * 1024;
/// The longest sleep: so soon it hears that it is to stop.
const NAP: Duration = Duration::from_millis(100);

pub struct Pacer {
    pub thread: Thread,
    stop: Arc<AtomicBool>,
    work: JoinHandle<()>,
}

/// A message, and the request that puts it in.
pub struct Letter {
    pub message: u32,
    pub request: Result<Request, ProfileFault>,
}

/// Messages, each at its time.
pub type Due = mpsc::Receiver<Letter>;

impl Pacer {
    /// Begins when the timeline does.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn launch(plan: Arc<Plan>, profile: Arc<Profile>, timeline: Timeline) -> io::Result<(Self, Due)> {
        let (now, due) = mpsc::channel(WAITING);
        let (thread, name) = Thread::waiting("pacer".to_owned());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let work = thread::Builder::new().name(thread.name.clone()).spawn(move || {
            name.tell();
            for message in 0..plan.messages() {
                let letter = Letter { message, request: request(&plan, &profile, message) };
                if !wait(&timeline, plan.due(message), &stopped) || now.blocking_send(letter).is_err() {
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

fn request(plan: &Plan, profile: &Profile, message: u32) -> Result<Request, ProfileFault> {
    let due_us = u64::try_from(plan.due(message).as_micros()).unwrap_or(u64::MAX);
    let users: Vec<u32> = plan.recipients(message).collect();
    profile.publish(Stamp { run: plan.run, number: message, due_us }, &users)
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
