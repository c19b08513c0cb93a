//! The pacing thread: lets each message go at its time, whatever became of the others. Its request is made before, so that
//! making it delays nothing, and it writes it by itself: another thread would have to wake first, a tenth of a millisecond
//! that would be taken for the server's.

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::thread::set_current_timer_slack;
use tokio::sync::mpsc;

use super::busy::Thread;
use super::link::request;
use super::plan::Plan;
use super::profile::{Profile, ProfileFault};
use super::publisher::lines::{Begun, Lines};
use super::stamp::Stamp;
use super::timeline::Timeline;

/// Messages that may wait to be taken, each with its request. Beyond it the pacer waits, which the lag of sending shows.
const WAITING: usize = 4 * 1024;
/// So long before its time a message's request is made: enough for the largest, and its token is not an old one.
const AHEAD: Duration = Duration::from_secs(1);
/// The longest sleep: so soon it hears that it is to stop.
const NAP: Duration = Duration::from_millis(100);

pub struct Pacer {
    pub thread: Thread,
    stop: Arc<AtomicBool>,
    work: JoinHandle<()>,
}

/// A message, and the bytes of the request that puts it in.
pub struct Letter {
    pub message: u32,
    pub request: Result<Vec<u8>, ProfileFault>,
    /// Where it is on its way already.
    pub begun: Option<Begun>,
}

/// Messages, each at its time.
pub type Letters = mpsc::Receiver<Letter>;

impl Pacer {
    /// Begins when the timeline does.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn launch(
        plan: Arc<Plan>,
        profile: Arc<Profile>,
        timeline: Timeline,
        lines: Arc<Lines>,
    ) -> io::Result<(Self, Letters)> {
        let (now, due) = mpsc::channel(WAITING);
        let (thread, name) = Thread::waiting("pacer".to_owned());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let work = thread::Builder::new().name(thread.name.clone()).spawn(move || {
            name.tell();
            // The kernel lets a thread sleep up to 50 µs longer, which would be a lag of sending. Where it keeps to that, it
            // is one.
            let _ = set_current_timer_slack(NonZeroU64::new(1));
            let wait = |message, ahead| wait(&timeline, plan.due(message), ahead, &stopped);
            let letter = |message| Letter { message, request: request(&plan, &profile, message), begun: None };
            let go = |mut letter: Letter| {
                letter.begun = letter.request.as_ref().ok().and_then(|request| lines.begin(request));
                now.blocking_send(letter).is_ok()
            };
            pace(plan.messages(), wait, letter, go);
        })?;
        Ok((Self { thread, stop, work }, due))
    }

    /// Lets nothing more go.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.work.join();
    }
}

/// Lets each message go at its time. `wait` waits until it is as near as that, and `go` takes it; false of either is the
/// end.
fn pace<L>(
    messages: u32,
    wait: impl Fn(u32, Duration) -> bool,
    letter: impl Fn(u32) -> L,
    mut go: impl FnMut(L) -> bool,
) {
    for message in 0..messages {
        if !wait(message, AHEAD) {
            return;
        }
        let letter = letter(message);
        if !wait(message, Duration::ZERO) || !go(letter) {
            return;
        }
    }
}

/// The bytes of the request of a message.
///
/// # Errors
/// As [`Profile::publish`].
pub fn request(plan: &Plan, profile: &Profile, message: u32) -> Result<Vec<u8>, ProfileFault> {
    let due_us = u64::try_from(plan.due(message).as_micros()).unwrap_or(u64::MAX);
    let users: Vec<u32> = plan.recipients(message).collect();
    let stamp = Stamp { run: plan.run, number: message, due_us };
    profile.publish(stamp, &users).map(|request| request::bytes(&request))
}

/// Waits until something is due, or will be after `ahead`; false when it is told to stop.
#[expect(clippy::disallowed_methods, reason = "it has a thread of its own, and waits for nothing but the time")]
fn wait(timeline: &Timeline, due: Duration, ahead: Duration, stopped: &AtomicBool) -> bool {
    loop {
        if stopped.load(Ordering::Relaxed) {
            return false;
        }
        let left = timeline.instant(due).map(|at| at.saturating_duration_since(Instant::now()).saturating_sub(ahead));
        match left {
            Some(Duration::ZERO) => return true,
            left => thread::sleep(left.unwrap_or(NAP).min(NAP)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::loadtest::fleet::Shared;
    use crate::loadtest::fleet::by_hand::shared;
    use crate::loadtest::link::Target;

    /// What is done, in its order, for so many messages of which `last` is waited for in vain.
    fn done(messages: u32, last: Option<u32>) -> String {
        let done = RefCell::new(Vec::new());
        let wait = |message: u32, ahead: Duration| {
            done.borrow_mut().push(format!("{}s before {message}", ahead.as_secs()));
            Some(message) != last || ahead > Duration::ZERO
        };
        let letter = |message| {
            done.borrow_mut().push("made".to_owned());
            message
        };
        pace(messages, wait, letter, |message| {
            done.borrow_mut().push(format!("{message} goes"));
            true
        });
        done.into_inner().join(", ")
    }

    #[tokio::test]
    async fn what_is_due_goes_at_once_where_a_connection_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target { addresses: Arc::new([listener.local_addr().unwrap()]), tls: None };
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut came = vec![0; 4 * 1024];
            let first = socket.read(&mut came).await.unwrap();
            socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            (socket.read(&mut came[first..]).await.unwrap(), came[first..].starts_with(b"POST /api/v1/notifications "))
        });
        let lines = Arc::new(Lines::new(target, 2));
        lines.ask(b"POST / HTTP/1.1\r\n\r\n", None).await.unwrap();
        let Shared { plan, profile, timeline, .. } = shared();
        timeline.begin_at(Instant::now());
        let (pacer, mut letters) = Pacer::launch(plan, profile, timeline, lines).unwrap();
        let letter = letters.recv().await.unwrap();
        let (length, is_it) = server.await.unwrap();
        assert!(letter.message == 0 && letter.begun.is_some() && is_it);
        assert_eq!(letter.request.unwrap().len(), length);
        pacer.stop();
    }

    #[test]
    fn a_request_is_made_shortly_before_its_time_and_no_earlier() {
        let first = "1s before 0, made, 0s before 0, 0 goes";
        assert_eq!(done(2, None), format!("{first}, 1s before 1, made, 0s before 1, 1 goes"));
        assert_eq!(done(3, Some(1)), format!("{first}, 1s before 1, made, 0s before 1"));
    }
}
