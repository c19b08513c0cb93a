//! Puts messages in, each at its time: one that is answered late holds up no other.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use reqwest::{Client, Response, StatusCode, redirect};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::awaited::Awaited;
use super::busy::Thread;
use super::fault::RunFault;
use super::fleet::orders::Told;
use super::measured::Sent;
use super::pace::{self, Letters};
use super::plan::Plan;
use super::profile::{Profile, ProfileFault, Request};
use super::reason;
use super::tally::{Tally, record};
use super::timeline::Timeline;

/// How long an answer is waited for.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Pauses between tries of a message.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// What is kept of an answer: a problem of ordinary length. The rest is read and let go.
const ANSWER_BYTES: usize = 16 * 1024;

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

/// A message's request, made before its time; nothing of one that was held up.
type Prepared = Option<Result<Request, ProfileFault>>;

/// What each message needs on its way.
struct Post {
    plan: Arc<Plan>,
    profile: Arc<Profile>,
    timeline: Timeline,
    awaited: Arc<Awaited>,
    tally: Arc<Tally>,
    client: Client,
    /// Requests at a time: connections are descriptors.
    places: Arc<Semaphore>,
    outcome: Mutex<Outcome>,
}

impl Publisher {
    /// Puts in what is due, with so many requests at a time, until it is told that the run is over.
    ///
    /// # Errors
    /// The thread, or what TLS needs, cannot be had.
    pub fn launch(
        plan: Arc<Plan>,
        profile: Arc<Profile>,
        timeline: Timeline,
        awaited: Arc<Awaited>,
        places: usize,
        due: Letters,
        told: Told,
    ) -> Result<Self, RunFault> {
        let client = client(&profile)?;
        let tally = Arc::new(Tally::default());
        let outcome = Outcome { sent: vec![Sent::NOT; plan.messages() as usize], ..Outcome::default() };
        let (outcome, places) = (Mutex::new(outcome), Arc::new(Semaphore::new(places)));
        let post = Post { plan, profile, timeline, awaited, tally: tally.clone(), client, places, outcome };
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

fn client(profile: &Profile) -> Result<Client, RunFault> {
    // What goes to a server under test goes there directly and is not answered by another.
    let mut client = Client::builder().redirect(redirect::Policy::none()).no_proxy().tcp_nodelay(true);
    if !profile.publishes_over_tls() {
        // Without TLS a host needs no certificates.
        client = client.tls_certs_only([]);
    }
    client.build().map_err(|fault| {
        let why = std::error::Error::source(&fault).map_or_else(|| fault.to_string(), ToString::to_string);
        RunFault::Trust(why)
    })
}

impl Post {
    async fn all(self: Arc<Self>, mut due: Letters, mut told: Told) -> Outcome {
        let mut posts = JoinSet::new();
        // Those that wait for a place, by their numbers alone: what they need is made when there is one.
        let mut waiting = VecDeque::new();
        let mut next = pin!(self.places.clone().acquire_owned());
        loop {
            tokio::select! {
                biased;
                over = told.wait_for(|orders| orders.end) => {
                    drop(over);
                    break;
                }
                Ok(place) = &mut next, if !waiting.is_empty() => {
                    next.set(self.places.clone().acquire_owned());
                    if let Some(message) = waiting.pop_front() {
                        posts.spawn(self.clone().publish(message, None, place));
                    }
                }
                Some(letter) = due.recv() => match self.places.clone().try_acquire_owned() {
                    Ok(place) if waiting.is_empty() => {
                        posts.spawn(self.clone().publish(letter.message, Some(letter.request), place));
                    }
                    _ => {
                        self.outcome().held_up += 1;
                        waiting.push_back(letter.message);
                    }
                },
            }
            while posts.try_join_next().is_some() {}
        }
        // What is still tried will not be known to have come.
        posts.shutdown().await;
        std::mem::take(&mut *self.outcome())
    }

    fn outcome(&self) -> std::sync::MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries until a message is in, or until another try would make it two.
    async fn publish(self: Arc<Self>, message: u32, mut prepared: Prepared, mut place: OwnedSemaphorePermit) {
        self.begin(message, prepared.is_some());
        let mut pause = FIRST_PAUSE;
        loop {
            // Of what has waited the request is made only now: nothing of it was kept, and its token is a good one.
            let request = prepared.take().unwrap_or_else(|| pace::request(&self.plan, &self.profile, message));
            let tried = match request {
                // Boxed: what a try needs is not kept between two.
                Ok(request) => Box::pin(self.try_once(request)).await,
                Err(fault) => Err(Refused { why: fault.to_string(), again: false }),
            };
            drop(place);
            match tried {
                Ok(()) => {
                    self.answered(message);
                    break;
                }
                Err(refused) => {
                    reason::note(&mut self.outcome().refusals, refused.why, 1);
                    if !refused.again {
                        break;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            // The semaphore is never closed.
            let Ok(free) = self.places.clone().acquire_owned().await else { break };
            place = free;
        }
        self.tally.done.fetch_add(1, Ordering::Relaxed);
    }

    /// A request begins. One that was held up is late by the server's answers and not by what sends it.
    fn begin(&self, message: u32, in_time: bool) {
        let now = Instant::now();
        self.outcome().sent[message as usize].begun = self.timeline.moment(now);
        self.tally.sent.fetch_add(1, Ordering::Relaxed);
        if in_time && !self.plan.is_warmup(message) {
            let lag = self.timeline.since(now).saturating_sub(self.plan.due(message));
            record(&mut self.tally.histograms().all.send_lag, lag);
        }
    }

    fn answered(&self, message: u32) {
        let now = Instant::now();
        self.outcome().sent[message as usize].answered = self.timeline.moment(now);
        self.tally.answered.fetch_add(1, Ordering::Relaxed);
        self.awaited.accepted(message, self.plan.deliveries(message));
        if !self.plan.is_warmup(message) {
            let took = self.timeline.since(now).saturating_sub(self.plan.due(message));
            record(&mut self.tally.histograms().all.answer, took);
        }
    }

    async fn try_once(&self, request: Request) -> Result<(), Refused> {
        let mut ask = self.client.request(request.method, request.url).body(request.body);
        for (name, value) in request.headers {
            ask = ask.header(name, value);
        }
        let asked = timeout(ANSWER_WITHIN, async {
            let answer = ask.send().await?;
            Ok::<_, reqwest::Error>((answer.status(), beginning(answer).await?))
        });
        match asked.await {
            Ok(Ok((status, _))) if status.is_success() => Ok(()),
            Ok(Ok((status, body))) => {
                let again =
                    self.profile.resends() && (status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS);
                Err(Refused { why: format!("{status}{}", said(&body)), again })
            }
            // Where nothing was sent, nothing can be there twice.
            Ok(Err(fault)) if fault.is_connect() => Err(Refused { why: "no connection".to_owned(), again: true }),
            Ok(Err(_)) => Err(Refused { why: "cut before the answer".to_owned(), again: self.profile.resends() }),
            Err(_) => {
                let why = format!("no answer within {} s", ANSWER_WITHIN.as_secs());
                Err(Refused { why, again: self.profile.resends() })
            }
        }
    }
}

/// The beginning of an answer, which is read to its end, so that the connection serves the next.
async fn beginning(mut answer: Response) -> reqwest::Result<Vec<u8>> {
    let mut kept = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        let room = ANSWER_BYTES - kept.len();
        kept.extend_from_slice(&piece[..room.min(piece.len())]);
    }
    Ok(kept)
}

/// Why a try did not bring a message in.
struct Refused {
    why: String,
    /// Whether another try can help, and cannot make it two.
    again: bool,
}

/// The beginning of what a refusal says; of a problem its code.
fn said(body: &[u8]) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let code = problem.as_ref().and_then(|problem| problem.get("code")).and_then(|code| code.as_str());
    let text = match code {
        Some(code) => code.to_owned(),
        None => String::from_utf8_lossy(body).lines().next().unwrap_or_default().trim().to_owned(),
    };
    if text.is_empty() { String::new() } else { format!(": {}", reason::short(&text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_an_answer_so_much_is_kept_as_tells_why() {
        let long = http::Response::new(vec![b'x'; 10 * ANSWER_BYTES]);
        let kept = beginning(long.into()).await.unwrap();
        assert_eq!(kept.len(), ANSWER_BYTES);
        assert!(said(&kept).len() < 200);
        let short = http::Response::new(r#"{"code":"busy"}"#);
        assert_eq!(said(&beginning(short.into()).await.unwrap()), ": busy");
    }
}
