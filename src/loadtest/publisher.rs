//! Puts messages in, each at its time: one that is answered late holds up no other.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode, redirect};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::awaited::Awaited;
use super::busy::Thread;
use super::fleet::orders::Told;
use super::measured::Sent;
use super::pace::{Due, Letter};
use super::plan::Plan;
use super::profile::{Profile, Request};
use super::tally::{Tally, record};
use super::timeline::Timeline;

/// How long an answer is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Pauses between tries of a message.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How much of a refusal is told.
const REFUSAL_CHARS: usize = 120;
/// Different refusals that are told apart.
const REFUSALS: usize = 100;

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
}

/// What each message needs on its way.
struct Post {
    plan: Arc<Plan>,
    profile: Arc<Profile>,
    timeline: Timeline,
    awaited: Arc<Awaited>,
    tally: Arc<Tally>,
    client: Client,
    /// Requests at a time: connections are descriptors.
    places: Semaphore,
    outcome: Mutex<Outcome>,
}

impl Publisher {
    /// Puts in what is due, with so many requests at a time, until it is told that the run is over.
    ///
    /// # Errors
    /// The thread, or what requests need, cannot be had.
    pub fn launch(
        plan: Arc<Plan>,
        profile: Arc<Profile>,
        timeline: Timeline,
        awaited: Arc<Awaited>,
        places: usize,
        due: Due,
        told: Told,
    ) -> io::Result<Self> {
        // What goes to a server under test goes there directly and is not answered by another.
        let client = Client::builder().redirect(redirect::Policy::none()).no_proxy().tcp_nodelay(true).build();
        let client = client.map_err(io::Error::other)?;
        let tally = Arc::new(Tally::default());
        let outcome = Outcome { sent: vec![Sent::NOT; plan.messages() as usize], refusals: BTreeMap::new() };
        let (outcome, places) = (Mutex::new(outcome), Semaphore::new(places));
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

impl Post {
    async fn all(self: Arc<Self>, mut due: Due, mut told: Told) -> Outcome {
        let mut posts = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                over = told.wait_for(|orders| orders.end) => {
                    drop(over);
                    break;
                }
                Some(letter) = due.recv() => {
                    posts.spawn(self.clone().publish(letter));
                    while posts.try_join_next().is_some() {}
                }
            }
        }
        // What is still tried will not be known to have come.
        posts.shutdown().await;
        std::mem::take(&mut *self.outcome())
    }

    fn outcome(&self) -> std::sync::MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries until a message is in, or until another try would make it two.
    async fn publish(self: Arc<Self>, letter: Letter) {
        let Letter { message, request } = letter;
        let due = self.plan.due(message);
        let number = message as usize;
        let mut pause = FIRST_PAUSE;
        let mut first = true;
        loop {
            // The semaphore is never closed.
            let Ok(place) = self.places.acquire().await else { return };
            let now = Instant::now();
            if std::mem::take(&mut first) {
                self.begin(message, due, now);
            }
            let tried = match &request {
                Ok(request) => self.try_once(request.clone()).await,
                Err(fault) => Err(Refused { why: fault.to_string(), again: false }),
            };
            drop(place);
            match tried {
                Ok(()) => {
                    let now = Instant::now();
                    self.outcome().sent[number].answered = self.timeline.moment(now);
                    self.tally.answered.fetch_add(1, Ordering::Relaxed);
                    self.awaited.accepted(message, self.plan.deliveries(message));
                    if !self.plan.is_warmup(message) {
                        let took = self.timeline.since(now).saturating_sub(due);
                        record(&mut self.tally.histograms().all.answer, took);
                    }
                    break;
                }
                Err(refused) => {
                    self.note(refused.why);
                    if !refused.again {
                        break;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        self.tally.done.fetch_add(1, Ordering::Relaxed);
    }

    fn begin(&self, message: u32, due: Duration, now: Instant) {
        self.outcome().sent[message as usize].begun = self.timeline.moment(now);
        self.tally.sent.fetch_add(1, Ordering::Relaxed);
        if !self.plan.is_warmup(message) {
            let lag = self.timeline.since(now).saturating_sub(due);
            record(&mut self.tally.histograms().all.send_lag, lag);
        }
    }

    fn note(&self, why: String) {
        let mut outcome = self.outcome();
        let why = if outcome.refusals.len() < REFUSALS { why } else { "others".to_owned() };
        *outcome.refusals.entry(why).or_default() += 1;
    }

    async fn try_once(&self, request: Request) -> Result<(), Refused> {
        let mut ask = self.client.request(request.method, request.url).body(request.body);
        for (name, value) in request.headers {
            ask = ask.header(name, value);
        }
        let asked = timeout(ANSWER_WITHIN, async {
            let answer = ask.send().await?;
            let status = answer.status();
            // Read to its end, so that the connection serves the next.
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
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
    if text.is_empty() { String::new() } else { format!(": {}", text.chars().take(REFUSAL_CHARS).collect::<String>()) }
}
