//! Puts messages in: one that is answered late holds up no other. The pacing thread lets each request go at its time; what
//! had no connection then, and what has to be tried again, goes from here.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::awaited::Awaited;
use super::busy::Thread;
use super::fleet::orders::Told;
use super::link::LinkFault;
use super::link::answer::AnswerFault;
use super::measured::Sent;
use super::pace::{self, Letter, Letters};
use super::plan::Plan;
use super::profile::{Profile, ProfileFault};
use super::reason;
use super::tally::{Tally, record};
use super::timeline::Timeline;
use lines::{AskFault, Begun, Lines, Place, Started};

pub mod lines;

/// How long an answer is waited for.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Pauses between tries of a message.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The thread that publishes.
pub struct Publisher {
    pub tally: Arc<Tally>,
    pub thread: Thread,
    work: JoinHandle<Outcome>,
}

/// What became of the messages, and why tries were refused.
#[derive(Debug, Default)]
pub struct Outcome {
    pub sent: Vec<Sent>,
    pub refusals: BTreeMap<String, u64>,
    /// Messages that waited for the answers to others, since no more requests could be under way.
    pub held_up: u64,
}

/// A message that has its turn.
struct Turn {
    message: u32,
    place: Place,
    /// Made before its time; nothing of one that was held up.
    request: Option<Result<Vec<u8>, ProfileFault>>,
    /// When the pacing thread let it go, and on what, if it did.
    begun: Option<(Instant, Started)>,
}

/// What each message needs on its way.
struct Post {
    plan: Arc<Plan>,
    profile: Arc<Profile>,
    timeline: Timeline,
    awaited: Arc<Awaited>,
    tally: Arc<Tally>,
    lines: Arc<Lines>,
    outcome: Mutex<Outcome>,
}

impl Publisher {
    /// Puts in what is due until it is told that the run is over.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn launch(
        plan: Arc<Plan>,
        profile: Arc<Profile>,
        timeline: Timeline,
        awaited: Arc<Awaited>,
        lines: Arc<Lines>,
        due: Letters,
        told: Told,
    ) -> io::Result<Self> {
        let tally = Arc::new(Tally::default());
        let outcome = Outcome { sent: vec![Sent::NOT; plan.messages() as usize], ..Outcome::default() };
        let outcome = Mutex::new(outcome);
        let post = Post { plan, profile, timeline, awaited, tally: tally.clone(), lines, outcome };
        let (thread, name) = Thread::waiting("publisher".to_owned());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = thread::Builder::new().name(thread.name.clone()).spawn(move || {
            name.tell();
            runtime.block_on(Arc::new(post).all(due, told))
        })?;
        Ok(Self { tally, thread, work })
    }

    /// What became of everything, once it was told that it is over.
    pub fn end(self) -> Outcome {
        self.work.join().unwrap_or_default()
    }
}

impl Post {
    async fn all(self: Arc<Self>, mut due: Letters, mut told: Told) -> Outcome {
        let mut posts = JoinSet::new();
        // Those that wait for a place, by their numbers alone: what they need is made when there is one.
        let mut waiting = VecDeque::new();
        let mut next = pin!(self.lines.next_place());
        loop {
            tokio::select! {
                biased;
                over = told.wait_for(|orders| orders.end) => {
                    drop(over);
                    break;
                }
                Some(place) = &mut next, if !waiting.is_empty() => {
                    next.set(self.lines.next_place());
                    if let Some(message) = waiting.pop_front() {
                        posts.spawn(self.clone().publish(Turn { message, place, request: None, begun: None }));
                    }
                }
                Some(letter) = due.recv() => match self.turn(letter, waiting.is_empty()) {
                    Ok(turn) => {
                        posts.spawn(self.clone().publish(turn));
                    }
                    Err(message) => {
                        self.outcome().held_up += 1;
                        waiting.push_back(message);
                    }
                },
            }
            while posts.try_join_next().is_some() {}
        }
        // What is still tried will not be known to have come.
        let unanswered = self.lines.under_way() as u64;
        posts.shutdown().await;
        if unanswered > 0 {
            reason::note(&mut self.outcome().refusals, "still under way when the run was over".to_owned(), unanswered);
        }
        std::mem::take(&mut *self.outcome())
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a message that is due has its turn; its number, if it has to wait for one.
    fn turn(&self, letter: Letter, first: bool) -> Result<Turn, u32> {
        let Letter { message, request, begun } = letter;
        let (place, begun) = match begun {
            Some(Begun { at, started, place }) => (Some(place), Some((at, started))),
            None => (self.lines.place().filter(|_| first), None),
        };
        place.map(|place| Turn { message, place, request: Some(request), begun }).ok_or(message)
    }

    /// Tries until a message is in, or until another try would make it two.
    async fn publish(self: Arc<Self>, turn: Turn) {
        let Turn { message, mut place, mut request, begun } = turn;
        let (at, mut started) = begun.map_or_else(|| (Instant::now(), None), |(at, started)| (at, Some(started)));
        self.begin(message, at, request.is_some());
        let mut pause = FIRST_PAUSE;
        loop {
            // Of what has waited the request is made only now: nothing of it was kept, and its token is a good one.
            let made = request.take().unwrap_or_else(|| pace::request(&self.plan, &self.profile, message));
            let tried = match made {
                // Boxed: what a try needs is not kept between two.
                Ok(request) => Box::pin(self.try_once(&request, started.take())).await,
                Err(fault) => Err(Refused { why: fault.to_string(), again: false }),
            };
            drop(place);
            match tried {
                Ok(()) => {
                    self.answered(message);
                    break;
                }
                Err(refused) => {
                    debug!(message, fault = refused.why, again = refused.again, "a message was refused");
                    reason::note(&mut self.outcome().refusals, refused.why, 1);
                    if !refused.again {
                        break;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            // The semaphore is never closed.
            let Some(free) = self.lines.next_place().await else { break };
            place = free;
        }
        self.tally.done.fetch_add(1, Ordering::Relaxed);
    }

    /// A request begins. One that was held up is late by the server's answers and not by what sends it.
    fn begin(&self, message: u32, at: Instant, in_time: bool) {
        self.outcome().sent[message as usize].begun = self.timeline.moment(at);
        self.tally.sent.fetch_add(1, Ordering::Relaxed);
        if in_time && !self.plan.is_warmup(message) {
            let lag = self.timeline.since(at).saturating_sub(self.plan.due(message));
            record(&mut self.tally.histograms().all.send_lag, lag);
        }
    }

    fn answered(&self, message: u32) {
        let now = Instant::now();
        debug!(message, "a message was accepted");
        self.outcome().sent[message as usize].answered = self.timeline.moment(now);
        self.tally.answered.fetch_add(1, Ordering::Relaxed);
        self.awaited.accepted(message, self.plan.deliveries(message));
        if !self.plan.is_warmup(message) {
            let took = self.timeline.since(now).saturating_sub(self.plan.due(message));
            record(&mut self.tally.histograms().all.answer, took);
        }
    }

    async fn try_once(&self, request: &[u8], begun: Option<Started>) -> Result<(), Refused> {
        let resends = self.profile.resends();
        let (why, again) = match timeout(ANSWER_WITHIN, self.lines.ask(request, begun)).await {
            Ok(Ok(answer)) if answer.is_success() => return Ok(()),
            Ok(Ok(answer)) => {
                let again = resends && answer.is_passing();
                (answer.told, again)
            }
            Ok(Err(fault)) => {
                let again = match &fault {
                    // Where nothing was sent, nothing can be there twice.
                    AskFault::NoLink(fault) => !fault.is_final() || *fault == LinkFault::NoDescriptor,
                    AskFault::Kept | AskFault::NoAnswer(AnswerFault::Ended | AnswerFault::Broken(_)) => resends,
                    AskFault::NoAnswer(AnswerFault::Head(_) | AnswerFault::Body(_)) => false,
                };
                (fault.to_string(), again)
            }
            Err(_) => (format!("no answer within {} s", ANSWER_WITHIN.as_secs()), resends),
        };
        Err(Refused { why, again })
    }
}

/// Why a try did not bring a message in.
struct Refused {
    why: String,
    /// Whether another try can help, and cannot make it two.
    again: bool,
}
