//! The heart: one stream's events, replay and live joined without a hole and without a repetition.
//!
//! The mailbox is registered first, then pages are read from the cursor, then the mailbox is drained, dropping what the
//! pages had. A stream at n takes n+1 from its mailbox; anything else sends it back to the store. What it cannot be
//! told is told by `resync`, and its end by `close`.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::Inner;
use super::mailbox::{Mail, Mailbox};
use crate::domain::cursor::{Cursor, Presented, Reason};
use crate::domain::ids::Rev;
use crate::random;
use crate::store::{Error, Opening, Page, Standing};
use crate::wire::event::{self, CloseReason, Ready};

/// Pause before a read is repeated that ended below what the stream had heard of.
const BEHIND_PAUSE: Duration = Duration::from_millis(50);
/// How long such reads are repeated before the stream is ended.
const BEHIND_LIMIT: Duration = Duration::from_secs(5);

/// An open stream, as frames to send. Ends after its `close`.
pub struct Subscription {
    hub: Arc<Inner>,
    pub(super) mailbox: Arc<Mailbox>,
    state: State,
    /// Frames to send before anything else is looked at: at most a page.
    out: VecDeque<Bytes>,
    /// What the client has: what it came with, then what it was told.
    pub(super) cursor: Option<Cursor>,
    /// Items that it wants whenever it is told to fetch the list.
    snapshot: usize,
}

enum State {
    /// Reading from the store; what comes of it.
    Reading(Pin<Box<dyn Future<Output = Result<Read, Error>> + Send>>),
    /// Drawing from the mailbox.
    Live,
    /// A page stopped at a limit, and its frames go out before the next is read.
    More,
    Ended(CloseReason),
}

/// What was read.
enum Read {
    Opened(Opening),
    Page(Page),
    /// The stream's hole cannot be replayed: how the inbox stands now.
    Resync(Reason, Opening),
}

impl Subscription {
    /// Begins a stream whose mailbox is registered.
    pub(super) fn open(hub: Arc<Inner>, mailbox: Arc<Mailbox>, presented: Presented, snapshot: usize) -> Self {
        let (for_read, its_mailbox) = (hub.clone(), mailbox.clone());
        let read = async move {
            let opening = for_read.opening(&its_mailbox, presented, snapshot).await?;
            Ok(Read::Opened(opening))
        };
        let out = VecDeque::from([Bytes::from_static(event::HELLO)]);
        let cursor = match presented {
            Presented::Cursor(cursor) => Some(cursor),
            Presented::Nothing | Presented::Unreadable => None,
        };
        Self { hub, mailbox, state: State::Reading(Box::pin(read)), out, cursor, snapshot }
    }

    /// The last rev that the client was told.
    fn last(&self) -> Rev {
        self.cursor.map_or(0, |cursor| cursor.rev)
    }

    fn take_in(&mut self, read: Read) {
        match read {
            Read::Opened(opening) => self.take_opening(opening),
            Read::Page(page) => self.take_page(page),
            Read::Resync(reason, opening) => {
                self.tell_resync(reason, &opening);
                self.state = State::Live;
            }
        }
    }

    fn take_opening(&mut self, opening: Opening) {
        let view = opening.page.view;
        let head = view.head();
        let (id, resumed, missed, items) = match opening.standing {
            Standing::New => (Some(head), false, Some(0), opening.items.as_deref()),
            Standing::Resumed { missed } => (self.cursor, true, Some(missed), None),
            Standing::Resync(_) => (None, false, None, None),
        };
        let ready = Ready {
            user: self.mailbox.user(),
            counts: view.counts,
            stream: &stream_name(),
            resumed,
            missed,
            heartbeat_s: self.hub.config.heartbeat.as_secs(),
            items,
            id,
            retry_ms: self.hub.retry_ms(),
        };
        self.out.push_back(ready.encode());
        self.cursor = id;
        match opening.standing {
            Standing::New => self.state = State::Live,
            Standing::Resumed { .. } => self.take_page(opening.page),
            Standing::Resync(reason) => {
                self.tell_resync(reason, &opening);
                self.state = State::Live;
            }
        }
    }

    /// Frames a page after the cursor. One that ran out of entries brings the stream to the head of its view.
    fn take_page(&mut self, page: Page) {
        let Page { view, entries, more } = page;
        if self.last() < view.log_floor {
            return self.read_resync(Reason::TooMany);
        }
        if view.counts.rev < self.last() {
            return self.read_resync(Reason::Ahead);
        }
        for entry in &entries {
            let cursor = Cursor { epoch: view.epoch, rev: entry.rev() };
            self.out.push_back(event::replayed(cursor, entry, view.counts));
            self.cursor = Some(cursor);
        }
        if more {
            self.state = State::More;
            return;
        }
        if self.last() < view.counts.rev {
            self.out.push_back(event::step(view.head()));
            self.cursor = Some(view.head());
        }
        self.state = State::Live;
    }

    fn tell_resync(&mut self, reason: Reason, opening: &Opening) {
        let view = opening.page.view;
        self.out.push_back(event::resync(view.head(), reason, view.counts, opening.items.as_deref()));
        self.cursor = Some(view.head());
    }

    /// Reads how the inbox stands, to tell a hole that cannot be replayed.
    fn read_resync(&mut self, reason: Reason) {
        let (hub, mailbox, snapshot) = (self.hub.clone(), self.mailbox.clone(), self.snapshot);
        self.state = State::Reading(Box::pin(async move {
            let opening = hub.opening(&mailbox, Presented::Nothing, snapshot).await?;
            Ok(Read::Resync(reason, opening))
        }));
    }

    fn read_page(&mut self) {
        let (hub, mailbox, last) = (self.hub.clone(), self.mailbox.clone(), self.last());
        self.state = State::Reading(Box::pin(async move { Ok(Read::Page(hub.page(&mailbox, last).await?)) }));
    }

    fn take_mail(&mut self, mail: Mail) {
        match mail {
            Mail::News(cursor, frame) if cursor.rev == self.last() + 1 => {
                self.out.push_back(frame);
                self.cursor = Some(cursor);
            }
            // A page had it already.
            Mail::News(cursor, _) if cursor.rev <= self.last() => {}
            Mail::News(..) => self.read_page(),
            Mail::Lagged => {
                debug!(user = %self.mailbox.user(), rev = self.last(), "a stream fell behind; reading on from the store");
                self.read_page();
            }
            Mail::Ping => self.out.push_back(Bytes::from_static(event::PING)),
            Mail::Close(reason) => self.end(reason),
        }
    }

    fn end(&mut self, reason: CloseReason) {
        self.out.push_back(event::close(self.cursor, reason, self.hub.retry_ms()));
        self.state = State::Ended(reason);
    }
}

impl Stream for Subscription {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        loop {
            if let Some(frame) = this.out.pop_front() {
                if this.out.is_empty() {
                    this.out = VecDeque::new();
                    this.mailbox.sent(this.last(), this.hub.ticks.load(Ordering::Relaxed));
                }
                return Poll::Ready(Some(frame));
            }
            match &mut this.state {
                State::Ended(_) => return Poll::Ready(None),
                State::Live => {
                    let mail = ready!(this.mailbox.poll(context));
                    this.take_mail(mail);
                }
                State::More => match this.mailbox.poll_close(context) {
                    Poll::Ready(reason) => this.end(reason),
                    Poll::Pending => this.read_page(),
                },
                State::Reading(read) => match (this.mailbox.poll_close(context), read.as_mut().poll(context)) {
                    (Poll::Ready(reason), _) => this.end(reason),
                    (Poll::Pending, read) => match ready!(read) {
                        Ok(read) => this.take_in(read),
                        Err(fault) => {
                            warn!(user = %this.mailbox.user(), %fault, "a stream ends, since its inbox cannot be read");
                            this.end(CloseReason::StoreDown);
                        }
                    },
                },
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.registry.remove(&self.mailbox);
        let reason = match self.state {
            State::Ended(reason) => reason.as_str(),
            _ => "the client went",
        };
        debug!(user = %self.mailbox.user(), rev = self.last(), reason, "a stream ended");
    }
}

impl Inner {
    async fn opening(&self, mailbox: &Mailbox, presented: Presented, snapshot: usize) -> Result<Opening, Error> {
        self.not_behind(
            mailbox,
            |opening: &Opening| opening.page.view.counts.rev,
            || self.store.open_at(mailbox.user(), presented, snapshot),
        )
        .await
    }

    async fn page(&self, mailbox: &Mailbox, last: Rev) -> Result<Page, Error> {
        let head = |page: &Page| page.view.counts.rev;
        self.not_behind(mailbox, head, || self.store.page_after(mailbox.user(), last)).await
    }

    /// Reads until the view is not older than what the stream had heard of before the read began.
    async fn not_behind<T, F: Future<Output = Result<T, Error>>>(
        &self,
        mailbox: &Mailbox,
        head: impl Fn(&T) -> Rev,
        read: impl Fn() -> F,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + BEHIND_LIMIT;
        loop {
            let heard = mailbox.heard();
            let answer = {
                let _permit = self.catch_up.acquire().await.map_err(|_| Error::Down)?;
                read().await?
            };
            if head(&answer) >= heard {
                return Ok(answer);
            }
            if Instant::now() >= deadline {
                return Err(Error::Internal(format!("reads end at {}, below news of {heard}", head(&answer))));
            }
            sleep(BEHIND_PAUSE).await;
        }
    }
}

/// What a request may call this stream by, to know its own changes when they come back.
fn stream_name() -> String {
    format!("{:016x}", u64::from_le_bytes(random::bytes()))
}
