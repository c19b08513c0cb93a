//! A user's stream that comes back by itself: from its cursor, with a fresh token, after a pause that the server set.
//!
//! eventsource-client carries each attempt; between attempts this room decides, by [`Failure::may_pass`].

use std::time::Duration;

use eventsource_client::{BoxStream, Client as _, ClientBuilder, ReconnectOptions, SSE};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::backoff::Backoff;
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::transport::{self, Transport};
use crate::domain::cursor::{Cursor, Epoch};
use crate::domain::ids::UserId;
use crate::domain::limits::HEARTBEAT;
use crate::wire::api::STREAM;
use crate::wire::event::{self, CloseData, Event};
use crate::wire::sse::Block;

/// Pauses between attempts that do not get as far as `ready`.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// The longest pause that a server can ask for; a longer one is taken for a slip of units.
const LONGEST_WISH: Duration = Duration::from_secs(60);

/// Where a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// With what comes from now on.
    Head,
    /// With all that the inbox still has.
    Start,
    /// With what came after.
    After(Cursor),
}

#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub from: Beginning,
    /// Newest items that `ready` brings; 0 for none.
    pub snapshot: usize,
}

/// What happened on a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Event(Box<Told>),
    /// The stream was lost, and is opened again after the pause.
    Reconnecting {
        why: Failure,
        pause: Duration,
    },
}

/// An event as it was sent, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub name: String,
    /// The id that its own block set.
    pub id: Option<String>,
    pub data: String,
    /// [`Event::Other`] also where the data is not what the name promises.
    pub event: Event,
}

pub struct Stream {
    server: Endpoint,
    user: Option<UserId>,
    snapshot: usize,
    /// The last id that was told, whichever block it stood in.
    cursor: Option<String>,
    state: State,
    /// Silence after which the link counts as dead.
    patience: Duration,
    heard: Instant,
    /// The server's last wish for the pause before coming back.
    retry: Option<Duration>,
    backoff: Backoff,
}

enum State {
    Paused { until: Instant },
    Open(BoxStream<eventsource_client::Result<SSE>>),
    Lost(Failure),
}

impl Stream {
    /// A stream of `user`, or of whom the token names. Nothing is asked before [`Stream::next`].
    pub fn open(server: Endpoint, user: Option<UserId>, options: Options) -> Self {
        let cursor = match options.from {
            Beginning::Head => None,
            Beginning::Start => Some(Cursor { epoch: Epoch::NONE, rev: 0 }.to_string()),
            Beginning::After(cursor) => Some(cursor.to_string()),
        };
        let now = Instant::now();
        Self {
            server,
            user,
            snapshot: options.snapshot,
            cursor,
            state: State::Paused { until: now },
            patience: patience(HEARTBEAT),
            heard: now,
            retry: None,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
        }
    }

    /// The cursor after all that was told so far.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Waits for what happens next. A dropped call loses nothing.
    ///
    /// # Errors
    /// What does not pass by itself; the stream has ended.
    pub async fn next(&mut self) -> Result<Step, Failure> {
        loop {
            match &mut self.state {
                State::Paused { until } => {
                    sleep_until(*until).await;
                    self.heard = Instant::now();
                    self.state = State::Open(self.attempt()?);
                }
                State::Open(attempt) => match timeout_at(self.heard + self.patience, attempt.next()).await {
                    Ok(Some(Ok(SSE::Event(event)))) => {
                        if let Some(told) = self.take(transport::block(event)) {
                            return Ok(Step::Event(Box::new(told)));
                        }
                    }
                    Ok(Some(Ok(SSE::Connected(_) | SSE::Comment(_)))) => self.heard = Instant::now(),
                    Ok(Some(Err(error))) => self.state = State::Lost(self.failure(&error)),
                    Ok(None) => self.state = State::Lost(self.cut("it ended")),
                    Err(_) => self.state = State::Lost(self.silent()),
                },
                State::Lost(why) => {
                    let why = why.clone();
                    if !why.may_pass() {
                        return Err(why);
                    }
                    let pause = self.pause(&why);
                    self.state = State::Paused { until: Instant::now() + pause };
                    return Ok(Step::Reconnecting { why, pause });
                }
            }
        }
    }

    fn attempt(&self) -> Result<BoxStream<eventsource_client::Result<SSE>>, Failure> {
        let token = self.server.access().for_user(self.user.as_ref())?;
        let mut url = self.server.url().at(STREAM);
        if self.snapshot > 0 {
            url.query_pairs_mut().append_pair("snapshot", &self.snapshot.to_string());
        }
        let built = ClientBuilder::for_url(url.as_str()).map_err(|error| self.failure(&error))?;
        let once = ReconnectOptions::reconnect(false).retry_initial(false).build();
        let mut builder = built.reconnect(once).redirect_limit(0);
        if let Some(cursor) = &self.cursor {
            builder = builder.last_event_id(cursor.clone());
        }
        let (url, http) = (self.server.url().clone(), self.server.http().clone());
        Ok(builder.build_with_transport(Transport { url, http, token, patience: self.patience }).stream())
    }

    /// Notes what a block says of the stream itself, and returns the event in it.
    fn take(&mut self, block: Block) -> Option<Told> {
        self.heard = Instant::now();
        if let Some(id) = &block.id {
            self.cursor = Some(id.clone());
        }
        if let Some(retry) = block.retry {
            self.retry = Some(Duration::from_millis(retry));
        }
        let data = block.data?;
        let event = event::parse(&block.event, &data).unwrap_or_else(|fault| {
            tracing::warn!(event = block.event, %fault, "an event that this version cannot read");
            Event::Other
        });
        match &event {
            Event::Ready(ready) => {
                self.patience = patience(Duration::from_secs(ready.heartbeat_s.max(1)));
                self.backoff.reset();
            }
            Event::Close(close) => self.close(close),
            _ => {}
        }
        Some(Told { name: block.event, id: block.id, data, event })
    }

    fn close(&mut self, close: &CloseData) {
        self.retry = Some(Duration::from_millis(close.retry_ms));
        let reason = close.reason.clone();
        self.state = State::Lost(match (close.reconnect, reason.as_str()) {
            (true, "token_expired") if !self.server.access().renews() => Failure::TokenEnded,
            (true, _) => Failure::Closed { reason },
            (false, _) => Failure::ClosedForGood { reason },
        });
    }

    /// The pause before the next attempt. The wish of a stream that had been open holds once and alone; one that comes
    /// with a refusal only makes our own pause longer.
    fn pause(&mut self, why: &Failure) -> Duration {
        let pause = self.retry.take().unwrap_or_else(|| self.backoff.pause());
        pause.max(why.retry_after().unwrap_or_default()).min(LONGEST_WISH)
    }

    fn failure(&self, error: &eventsource_client::Error) -> Failure {
        match error {
            eventsource_client::Error::Transport(transport) => match transport.inner().downcast_ref::<Failure>() {
                Some(failure) => failure.clone(),
                None => self.cut(&transport.to_string()),
            },
            eventsource_client::Error::Eof | eventsource_client::Error::UnexpectedEof => self.cut("it ended"),
            other => self.cut(&other.to_string()),
        }
    }

    fn cut(&self, why: &str) -> Failure {
        tracing::debug!(url = %self.server.url(), fault = why, "the stream was cut");
        Failure::Cut(self.server.url().clone())
    }

    fn silent(&self) -> Failure {
        Failure::Silent { url: self.server.url().clone(), patience: self.patience }
    }
}

/// Two heartbeats that were lost, and half of one for the way.
fn patience(heartbeat: Duration) -> Duration {
    heartbeat * 5 / 2
}

#[cfg(test)]
mod tests;
