//! One stream's life: opened, read, lost, opened again from where it was, until the run is over.
//!
//! It behaves as a browser's EventSource does: it comes back after the pause that the server set, with the last id, and
//! gives up for good on any answer that is no event stream.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::{sleep, sleep_until, timeout};
use tracing::debug;

use super::Shared;
use super::opening::{self, OpeningFault};
use super::orders::Told;
use super::witness::Witness;
use crate::loadtest::dice;
use crate::loadtest::link::answer::{self, AnswerFault};
use crate::loadtest::link::body::Body;
use crate::loadtest::link::head::Head;
use crate::loadtest::link::{Link, LinkFault, READ_BYTES, request};
use crate::loadtest::measured::Track;
use crate::loadtest::profile::{Heard, Seat};
use crate::loadtest::reason;
use crate::loadtest::scenario::SLOW_BYTES;
use crate::loadtest::tally::record;
use crate::wire::sse::{Block, Splitter};

const SECOND: Duration = Duration::from_secs(1);
/// How long a connection and the head of its answer may take.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// The pause of Chromium where a server has set none.
const RETRY: Duration = Duration::from_secs(3);
/// The pause before a stream that has never been open is tried again.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// The longest pause, and the longest silence, that a server is granted: none asks for more that means well.
const ASKED_MOST: Duration = Duration::from_secs(300);
/// Question to the dice: which streams a storm cuts; the storm's number is added.
const STORM: u64 = 1 << 32;

/// Why a connection is over.
enum End {
    /// The run is.
    Over,
    /// We cut it.
    Storm,
    Lost {
        why: String,
        /// What the server asked for.
        pause: Option<Duration>,
    },
    /// Nothing helps.
    Failed(String),
}

/// Lives from its turn to be opened, which has come, to the end of the run.
pub async fn live(number: u32, turn: Instant, shared: Arc<Shared>, told: Told) -> Track {
    Stream::new(number, turn, shared, told).live().await
}

struct Stream {
    number: u32,
    slow: bool,
    shared: Arc<Shared>,
    told: Told,
    witness: Witness,
    cursor: Option<String>,
    /// The pause that the server asked for last.
    retry: Option<Duration>,
    /// Silence after which the link counts as dead, where the server says how often it would be heard.
    patience: Option<Duration>,
    /// Storms that it has seen.
    storms: u32,
    /// Since when it was to be open; nothing once its answer began.
    wanted: Option<Instant>,
}

impl Stream {
    fn new(number: u32, turn: Instant, shared: Arc<Shared>, told: Told) -> Self {
        let witness = Witness::new(number, &shared);
        let (slow, wanted) = (shared.plan.is_slow(number), Some(turn));
        Self { number, slow, shared, told, witness, cursor: None, retry: None, patience: None, storms: 0, wanted }
    }

    async fn live(mut self) -> Track {
        loop {
            let end = self.connection().await;
            if !matches!(end, End::Over) {
                self.witness.closed(&self.shared, Instant::now());
            }
            match &end {
                End::Lost { why, .. } | End::Failed(why) => debug!(stream = self.number, fault = why, "a stream ended"),
                End::Storm => debug!(stream = self.number, "a stream was cut by the storm"),
                End::Over => {}
            }
            match end {
                End::Over => return self.witness.into_track(),
                End::Storm => {
                    self.witness.fault("cut by the storm, and not back".to_owned());
                    self.wanted = Some(Instant::now());
                }
                End::Lost { why, pause } => {
                    let usual = if self.witness.was_open() { self.retry.unwrap_or(RETRY) } else { FIRST_RETRY };
                    self.witness.fault(why);
                    self.shared.tally.lost.fetch_add(1, Ordering::Relaxed);
                    let pause = pause.unwrap_or(usual);
                    if self.over_within(pause).await {
                        return self.witness.into_track();
                    }
                    // Of attempts in vain the first counts.
                    self.wanted.get_or_insert_with(Instant::now);
                }
                End::Failed(why) => {
                    self.witness.fault(why);
                    self.shared.tally.failed.fetch_add(1, Ordering::Relaxed);
                    return self.witness.into_track();
                }
            }
        }
    }

    /// Waits for the pause; whether the run ended meanwhile.
    async fn over_within(&mut self, pause: Duration) -> bool {
        let mut pause = pin!(sleep(pause));
        loop {
            tokio::select! {
                changed = self.told.changed() => if changed.is_err() || self.told.borrow().end { return true },
                () = &mut pause => return false,
            }
        }
    }

    async fn connection(&mut self) -> End {
        let orders = *self.told.borrow_and_update();
        if orders.end {
            return End::Over;
        }
        self.storms = orders.storms;
        // Boxed: what opening needs is not kept for as long as the stream is read.
        match Box::pin(self.open_in_time()).await {
            Ok((mut link, mut reading)) => match self.heard_early(&mut reading) {
                Some(end) => end,
                None => self.read(&mut link, &mut reading).await,
            },
            Err(end) => {
                if let End::Lost { why, .. } | End::Failed(why) = &end {
                    self.shared.tally.histograms().in_vain(why.clone());
                }
                end
            }
        }
    }

    /// Opens it, unless the server takes too long or the run ends meanwhile.
    async fn open_in_time(&mut self) -> Result<(Link, Reading), End> {
        let mut told = self.told.clone();
        tokio::select! {
            biased;
            _ = told.wait_for(|orders| orders.end) => {
                self.witness.fault("it had not answered when the run was over".to_owned());
                Err(End::Over)
            }
            opened = timeout(OPEN_WITHIN, self.open()) => opened.unwrap_or_else(|_| {
                Err(End::Lost { why: format!("no answer within {} s", OPEN_WITHIN.as_secs()), pause: None })
            }),
        }
    }

    /// Asks, and reads the head of the answer.
    async fn open(&mut self) -> Result<(Link, Reading), End> {
        let lost = |why: String| End::Lost { why, pause: None };
        let token_ttl = self.shared.plan.token_ttl(self.shared.timeline.instant(Duration::ZERO).is_some());
        let seat = Seat { user: self.witness.user(), cursor: self.cursor.as_deref(), token_ttl };
        let ask = self.shared.profile.subscribe(&seat).map_err(|fault| End::Failed(fault.to_string()))?;
        let mut link = match Link::open(&self.shared.target, self.slow).await {
            Ok(link) => link,
            // Ports come back after a storm; while streams are opened, they only get fewer.
            Err(LinkFault::NoPort) if !self.witness.was_open() => {
                return Err(End::Failed(LinkFault::NoPort.to_string()));
            }
            Err(fault) if fault.is_final() => return Err(End::Failed(fault.to_string())),
            Err(fault) => return Err(lost(fault.to_string())),
        };
        link.send(&request::bytes(&ask)).await.map_err(|fault| lost(format!("the request was cut: {fault}")))?;
        let answered = answer::head(&mut link).await;
        let (head, early) = answered.map_err(|fault| match fault {
            AnswerFault::Ended | AnswerFault::Broken(_) => lost(fault.to_string()),
            AnswerFault::Head(_) | AnswerFault::Body(_) => End::Failed(fault.to_string()),
        })?;
        let now = Instant::now();
        if let Err(fault) = opening::check(&head) {
            return Err(End::Failed(refused(&fault, &mut link, &head, &early).await));
        }
        debug!(stream = self.number, "a stream was answered");
        if let Some(wanted) = self.wanted.take() {
            record(&mut self.shared.tally.histograms().all.connect, now.saturating_duration_since(wanted));
        }
        Ok((link, Reading::new(head.body, early, now)))
    }

    /// What came in one piece with the head.
    fn heard_early(&mut self, reading: &mut Reading) -> Option<End> {
        let early = std::mem::take(&mut reading.early);
        let now = reading.begun;
        if !self.shared.profile.greets() {
            self.witness.opened(&self.shared, now);
        }
        self.take(&early, reading, now)
    }

    async fn read(&mut self, link: &mut Link, reading: &mut Reading) -> End {
        let mut told = self.told.clone();
        let mut quiet = pin!(sleep(OPEN_WITHIN));
        loop {
            let slow = self.slow && !told.borrow().settling;
            let most = if slow { SLOW_BYTES } else { READ_BYTES };
            let read = link.read(most, |bytes| self.took(bytes, reading));
            tokio::select! {
                biased;
                changed = told.changed() => {
                    if changed.is_err() || told.borrow().end {
                        return End::Over;
                    }
                    let storms = told.borrow().storms;
                    if self.is_cut(storms) {
                        return End::Storm;
                    }
                }
                read = read => match read {
                    Ok(None) if slow => self.rest(&mut told).await,
                    Ok(None) => {}
                    Ok(Some(end)) => return end,
                    Err(fault) => return End::Lost { why: format!("the connection broke: {fault}"), pause: None },
                },
                () = &mut quiet => {
                    let heard = reading.heard;
                    match self.patience {
                        Some(patience) if heard.elapsed() >= patience => {
                            let why = format!("nothing was heard for {} s, not even a heartbeat", patience.as_secs());
                            return End::Lost { why, pause: None };
                        }
                        Some(patience) => quiet.as_mut().reset((heard + patience).into()),
                        None => quiet.as_mut().reset((Instant::now() + OPEN_WITHIN).into()),
                    }
                }
            }
        }
    }

    /// A slow reader rests for a second, or until it is over.
    async fn rest(&self, told: &mut Told) {
        let until = Instant::now() + SECOND;
        tokio::select! {
            () = sleep_until(until.into()) => {}
            _ = told.wait_for(|orders| orders.settling || orders.end) => {}
        }
        // Whoever waits for a change is to see this one too.
        told.mark_changed();
    }

    fn is_cut(&mut self, storms: u32) -> bool {
        if storms == self.storms {
            return false;
        }
        self.storms = storms;
        let plan = &self.shared.plan;
        let question = STORM + u64::from(storms);
        dice::chosen(plan.seed, question, self.number, plan.streams, plan.scenario.share())
    }

    /// Bytes of the connection, none at its end.
    fn took(&mut self, bytes: &[u8], reading: &mut Reading) -> Option<End> {
        if bytes.is_empty() {
            return Some(End::Lost { why: "the server ended the connection".to_owned(), pause: None });
        }
        self.take(bytes, reading, Instant::now())
    }

    fn take(&mut self, bytes: &[u8], reading: &mut Reading, now: Instant) -> Option<End> {
        let mut blocks = Vec::new();
        let mut split = Ok(());
        let framed = reading.body.take(bytes, |piece| {
            if split.is_ok() {
                split = reading.splitter.push(piece, &mut blocks);
            }
        });
        reading.heard = now;
        for block in blocks {
            if let Some(end) = self.hear(block, reading, now) {
                return Some(end);
            }
        }
        if let Err(fault) = split {
            return Some(End::Failed(format!("it sent {fault}")));
        }
        if let Err(fault) = framed {
            return Some(End::Failed(fault.to_string()));
        }
        let ended = reading.body == Body::Ended;
        ended.then(|| End::Lost { why: "the server ended the stream".to_owned(), pause: None })
    }

    fn hear(&mut self, block: Block, reading: &mut Reading, now: Instant) -> Option<End> {
        if let Some(retry) = block.retry {
            self.retry = Some(asked(Duration::from_millis(retry)));
        }
        let heard = if block.data.is_some() { self.shared.profile.hear(&block) } else { Heard::Other };
        if block.id.is_some() {
            self.cursor = block.id;
        }
        match heard {
            Heard::Ready(ready) => {
                if !std::mem::replace(&mut reading.greeted, true) {
                    record(&mut self.shared.tally.histograms().all.first_event, now - reading.begun);
                }
                self.patience = Some(asked(Duration::from_secs(ready.heartbeat_s.max(1))) * 5 / 2);
                self.witness.opened(&self.shared, now);
                self.witness.counts(ready.unread, ready.rev);
            }
            Heard::Message(message) => self.witness.message(message, &self.shared, now),
            Heard::Messages(messages) => {
                messages.into_iter().for_each(|message| self.witness.message(message, &self.shared, now));
            }
            Heard::Changed { unread, rev } => self.witness.changed(unread, rev),
            Heard::Resync => self.witness.resync(),
            Heard::Close(close) if close.reconnect => {
                let pause = Some(asked(Duration::from_millis(close.retry_ms)));
                return Some(End::Lost {
                    why: format!("the server closed it: {}", reason::short(&close.reason)),
                    pause,
                });
            }
            Heard::Close(close) => {
                return Some(End::Failed(format!("the server closed it for good: {}", reason::short(&close.reason))));
            }
            Heard::Other => {}
        }
        None
    }
}

/// Why an answer opens no stream, with what a refusal says beside its status, if that comes soon.
async fn refused(fault: &OpeningFault, link: &mut Link, head: &Head, early: &[u8]) -> String {
    let told = match fault {
        OpeningFault::Status(_) => timeout(SECOND, answer::rest(link, head, early)).await.ok(),
        OpeningFault::Type(_) | OpeningFault::Encoded(_) => None,
    };
    match told {
        Some(Ok(answer)) => OpeningFault::Status(answer.told).to_string(),
        _ => fault.to_string(),
    }
}

/// What a server asks for, as far as it is granted.
fn asked(time: Duration) -> Duration {
    time.min(ASKED_MOST)
}

/// A connection's answer while it is read.
struct Reading {
    body: Body,
    splitter: Splitter,
    early: Vec<u8>,
    /// When its head was there, and when something last came.
    begun: Instant,
    heard: Instant,
    /// Whether the server has greeted.
    greeted: bool,
}

impl Reading {
    fn new(body: Body, early: Vec<u8>, now: Instant) -> Self {
        Self { body, splitter: Splitter::default(), early, begun: now, heard: now, greeted: false }
    }
}

#[cfg(test)]
mod tests {
    use super::super::by_hand::shared;
    use super::super::orders;
    use super::*;

    /// A stream that has got its head, and what it answers to an event.
    fn told(blocks: &[(&str, &str)]) -> (Stream, Option<End>) {
        let now = Instant::now();
        let mut stream = Stream::new(0, now, Arc::new(shared()), orders::channel().1);
        let mut reading = Reading::new(Body::UntilClose, Vec::new(), now);
        let mut end = None;
        for (event, data) in blocks {
            let text = format!("retry: 99999999999\nevent: {event}\ndata: {data}\n\n");
            end = stream.take(text.as_bytes(), &mut reading, now);
        }
        (stream, end)
    }

    fn ready(heartbeat_s: u64) -> String {
        format!(r#"{{"unread_count":0,"rev":0,"heartbeat_s":{heartbeat_s}}}"#)
    }

    #[test]
    fn what_a_server_asks_for_has_an_end() {
        let (stream, _) = told(&[("ready", &ready(u64::MAX))]);
        assert_eq!((stream.patience, stream.retry), (Some(ASKED_MOST * 5 / 2), Some(ASKED_MOST)));
        assert_eq!(told(&[("ready", &ready(15))]).0.patience, Some(Duration::from_millis(37_500)));
        let reason = "x".repeat(1_000);
        for reconnect in [true, false] {
            let close = format!(r#"{{"reason":"{reason}","reconnect":{reconnect},"retry_ms":{}}}"#, u64::MAX);
            let (End::Lost { why, .. } | End::Failed(why)) = told(&[("close", &close)]).1.unwrap() else { panic!() };
            assert!(why.len() < 200, "{why}");
        }
        let close = format!(r#"{{"reason":"","reconnect":true,"retry_ms":{}}}"#, u64::MAX);
        let Some(End::Lost { pause, .. }) = told(&[("close", &close)]).1 else { panic!() };
        assert_eq!(pause, Some(ASKED_MOST));
    }

    #[test]
    fn the_first_event_is_the_greeting_and_comes_once() {
        let first_events = |blocks: &[(&str, &str)]| {
            let (stream, _) = told(blocks);
            stream.shared.tally.histograms().all.first_event.len()
        };
        assert_eq!(first_events(&[("ping", "{}"), ("message", "{}")]), 0);
        assert_eq!(first_events(&[("ping", "{}"), ("ready", &ready(1)), ("ready", &ready(1))]), 1);
    }
}
