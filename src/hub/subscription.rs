//! The heart: one stream's events, replay and live joined without a hole and without a repetition.
//!
//! The mailbox is registered first, then pages are read from the cursor, then the mailbox is drained, dropping what the
//! pages had. A stream at n takes n+1 from its mailbox; anything else sends it back to the store. What it cannot be
//! told is told by `resync`, and its end by `close`. How it was let in is `admission`'s, how it reads `catch_up`'s.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use tracing::{debug, warn};

use super::admission::Place;
use super::catch_up::Roomy;
use super::mailbox::Mail;
use crate::budget::Share;
use crate::domain::cursor::{Cursor, Presented, Reason};
use crate::domain::ids::Rev;
use crate::store::{Error, Opening, Page, Standing};
use crate::wire::event::{self, CloseReason, Ready};

/// An open stream, as frames to send. Ends after its `close`.
pub struct Subscription {
    pub(super) place: Place,
    state: State,
    /// Frames to send before anything but a close is looked at: at most a page.
    out: VecDeque<Frame>,
    /// The room of a page's frames, given back as they are handed out.
    room: Option<Share>,
    /// What the client has: what it came with, then what it was handed.
    told: Option<Cursor>,
    /// What it has once it was handed all of `out`.
    pub(super) cursor: Option<Cursor>,
    /// Items that it wants whenever it is told to fetch the list.
    snapshot: usize,
}

enum State {
    /// Reading from the store once `out` is handed out; what comes of it.
    Reading(Pin<Box<dyn Future<Output = Result<Roomy<Read>, Error>> + Send>>),
    /// Drawing from the mailbox.
    Live,
    Ended(CloseReason),
}

/// What was read.
enum Read {
    Opened(Opening),
    Page(Page),
    /// The stream's hole cannot be replayed: how the inbox stands now.
    Resync(Reason, Opening),
}

/// A block of bytes, and where a client is that has it, if that moves it.
struct Frame {
    bytes: Bytes,
    cursor: Option<Cursor>,
}

impl Subscription {
    /// Begins a stream whose mailbox is registered.
    pub(super) fn open(place: Place, presented: Presented, snapshot: usize) -> Self {
        let (hub, mailbox) = (place.hub.clone(), place.mailbox.clone());
        let read = async move {
            let (opening, room) = hub.opening(&mailbox, presented, snapshot, 0).await?;
            Ok((Read::Opened(opening), room))
        };
        let cursor = match presented {
            Presented::Cursor(cursor) => Some(cursor),
            Presented::Nothing | Presented::Unreadable => None,
        };
        let state = State::Reading(Box::pin(read));
        let mut stream = Self { place, state, out: VecDeque::new(), room: None, told: cursor, cursor, snapshot };
        stream.queue(Bytes::from_static(event::HELLO));
        stream
    }

    /// The last rev that the client was told, once it was handed all of `out`.
    fn last(&self) -> Rev {
        self.cursor.map_or(0, |cursor| cursor.rev)
    }

    fn queue(&mut self, bytes: Bytes) {
        self.out.push_back(Frame { bytes, cursor: None });
    }

    fn queue_at(&mut self, cursor: Cursor, bytes: Bytes) {
        self.out.push_back(Frame { bytes, cursor: Some(cursor) });
        self.cursor = Some(cursor);
    }

    fn take_in(&mut self, (read, mut room): Roomy<Read>) {
        self.state = State::Live;
        match read {
            Read::Opened(opening) => self.take_opening(opening),
            Read::Page(page) => self.take_page(page),
            Read::Resync(reason, opening) => self.tell_resync(reason, &opening),
        }
        let framed: usize = self.out.iter().map(|frame| frame.bytes.len()).sum();
        room.shrink(room.bytes().saturating_sub(framed));
        self.room = Some(room);
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
            user: &self.place.mailbox.arrival.user,
            counts: view.counts,
            stream: &self.place.mailbox.arrival.name(),
            resumed,
            missed,
            heartbeat_s: self.place.hub.config.heartbeat.as_secs(),
            items,
            id,
            retry_ms: self.place.hub.retry_ms(None),
        };
        let ready = ready.encode();
        match id {
            Some(cursor) => self.queue_at(cursor, ready),
            None => self.queue(ready),
        }
        match opening.standing {
            Standing::New => {}
            Standing::Resumed { .. } => self.take_page(opening.page),
            Standing::Resync(reason) => self.tell_resync(reason, &opening),
        }
    }

    /// Frames a page after the cursor. One that ran out of entries brings the stream to the head of its view; one that
    /// stopped at a limit is followed by the next, once its frames are handed out.
    pub(super) fn take_page(&mut self, page: Page) {
        let Page { view, entries, more } = page;
        if self.last() < view.log_floor {
            return self.read_resync(Reason::TooMany);
        }
        if view.counts.rev < self.last() {
            return self.read_resync(Reason::Ahead);
        }
        for entry in &entries {
            let cursor = Cursor { epoch: view.epoch, rev: entry.rev() };
            self.queue_at(cursor, event::replayed(cursor, entry, view.counts));
        }
        if more {
            self.read_page();
        } else if self.last() < view.counts.rev {
            self.queue_at(view.head(), event::step(view.head()));
        }
    }

    fn tell_resync(&mut self, reason: Reason, opening: &Opening) {
        let view = opening.page.view;
        self.queue_at(view.head(), event::resync(view.head(), reason, view.counts, opening.items.as_deref()));
    }

    /// Reads how the inbox stands, to tell a hole that cannot be replayed.
    fn read_resync(&mut self, reason: Reason) {
        let (hub, mailbox) = (self.place.hub.clone(), self.place.mailbox.clone());
        let (snapshot, last) = (self.snapshot, self.last());
        self.state = State::Reading(Box::pin(async move {
            let (opening, room) = hub.opening(&mailbox, Presented::Nothing, snapshot, last).await?;
            Ok((Read::Resync(reason, opening), room))
        }));
    }

    fn read_page(&mut self) {
        let (hub, mailbox, last) = (self.place.hub.clone(), self.place.mailbox.clone(), self.last());
        self.state = State::Reading(Box::pin(async move {
            let (page, room) = hub.page(&mailbox, last).await?;
            Ok((Read::Page(page), room))
        }));
    }

    fn take_mail(&mut self, mail: Mail) {
        match mail {
            Mail::News(cursor, frame) if cursor.rev == self.last() + 1 => self.queue_at(cursor, frame),
            // A page had it already.
            Mail::News(cursor, _) if cursor.rev <= self.last() => {}
            Mail::News(..) => self.read_page(),
            Mail::Lagged => {
                let (user, rev) = (&self.place.mailbox.arrival.user, self.last());
                debug!(%user, rev, "a stream fell behind; reading on from the store");
                self.read_page();
            }
            Mail::Ping => self.queue(Bytes::from_static(event::PING)),
            Mail::Close(reason) => self.end(reason),
        }
    }

    /// Ends the stream where its client is: what still waits for it is told when it comes back.
    fn end(&mut self, reason: CloseReason) {
        self.out.clear();
        self.room = None;
        self.state = State::Ended(reason);
        self.queue(event::close(self.told, reason, self.place.hub.retry_ms(Some(reason))));
    }

    /// The next frame that is ready, or the close that was told meanwhile.
    fn hand_out(&mut self) -> Option<Bytes> {
        let told = self.out.front()?.cursor.or(self.told);
        let tick = self.place.hub.ticks.load(Ordering::Relaxed);
        match (self.place.mailbox.sent(told.map_or(0, |cursor| cursor.rev), tick), &self.state) {
            (None, _) | (_, State::Ended(_)) => self.told = told,
            (Some(reason), _) => self.end(reason),
        }
        let bytes = self.out.pop_front()?.bytes;
        if self.out.is_empty() {
            (self.out, self.room) = (VecDeque::new(), None);
        } else if let Some(room) = &mut self.room {
            room.shrink(bytes.len());
        }
        Some(bytes)
    }
}

impl Stream for Subscription {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        loop {
            if let Some(bytes) = this.hand_out() {
                return Poll::Ready(Some(bytes));
            }
            match &mut this.state {
                State::Ended(_) => return Poll::Ready(None),
                State::Live => {
                    let mail = ready!(this.place.mailbox.poll(context));
                    this.take_mail(mail);
                }
                State::Reading(read) => {
                    if let Poll::Ready(mail) = this.place.mailbox.poll_while_reading(context) {
                        this.take_mail(mail);
                        continue;
                    }
                    match ready!(read.as_mut().poll(context)) {
                        Ok(read) => this.take_in(read),
                        Err(fault) => {
                            let user = &this.place.mailbox.arrival.user;
                            warn!(%user, %fault, "a stream ends, since its inbox cannot be read");
                            this.place.mailbox.close(CloseReason::StoreDown);
                        }
                    }
                }
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let reason = match self.state {
            State::Ended(reason) => reason.as_str(),
            _ => "the client went",
        };
        debug!(user = %self.place.mailbox.arrival.user, rev = self.told.map_or(0, |cursor| cursor.rev), reason, "a stream ended");
    }
}
