//! A stream's bounded queue. It holds no memory while it is empty, and nobody ever waits to put something in.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::admission::Arrival;
use crate::budget::{Budget, Share, Use};
use crate::domain::cursor::Cursor;
use crate::domain::ids::Rev;
use crate::domain::limits::{MAILBOX_BYTES, MAILBOX_CHANGES};
use crate::wire::event::CloseReason;

/// What a mailbox has for its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mail {
    /// A change, framed.
    News(Cursor, Bytes),
    /// It overflowed, or news may have been lost: the store has the rest.
    Lagged,
    /// Nothing was sent for a heartbeat.
    Ping,
    Close(CloseReason),
}

pub(super) struct Mailbox {
    /// Whose it is.
    pub arrival: Arrival,
    state: Mutex<State>,
    /// The last rev that the stream has told, for the head check.
    told: AtomicU64,
    /// The tick at which the stream last sent something.
    sent_at: AtomicU64,
}

struct State {
    news: VecDeque<(Cursor, Bytes)>,
    /// As many bytes of the budget as its news have.
    room: Share,
    lagged: bool,
    ping: bool,
    close: Option<CloseReason>,
    /// The highest rev that the stream heard of: a read that ends below it is older than the news.
    heard: Rev,
    /// There while the stream has taken all that there was, and waits for more.
    waker: Option<Waker>,
    /// Ticks since it last took something, or all, while there was more.
    untaken: u64,
}

/// For how many ticks a stream has taken nothing of what there was for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untaken {
    News(u64),
    /// Neither its close, though that goes before all else.
    Close(u64),
}

impl Mailbox {
    pub fn new(arrival: Arrival, budget: &Budget, tick: u64) -> Self {
        let state = State {
            news: VecDeque::new(),
            room: budget.share(Use::Mailbox),
            lagged: false,
            ping: false,
            close: None,
            heard: 0,
            waker: None,
            untaken: 0,
        };
        Self { arrival, state: Mutex::new(state), told: AtomicU64::new(0), sent_at: AtomicU64::new(tick) }
    }

    /// Takes news, or notes that it could not: then the stream reads on from the store. Says whether the stream lives.
    pub fn offer(&self, cursor: Cursor, frame: &Bytes) -> bool {
        let mut state = self.state();
        if state.close.is_some() {
            return false;
        }
        state.heard = state.heard.max(cursor.rev);
        if !state.lagged {
            let full = state.news.len() >= MAILBOX_CHANGES || state.room.bytes() + frame.len() > MAILBOX_BYTES;
            if full || !state.room.grow(frame.len()) {
                state.lag();
            } else {
                state.news.push_back((cursor, frame.clone()));
            }
        }
        wake(state);
        true
    }

    /// Sends the stream to the store, since the inbox's head is `head` and the stream does not know it.
    pub fn nudge(&self, head: Rev) {
        let mut state = self.state();
        state.heard = state.heard.max(head);
        state.lag();
        wake(state);
    }

    /// Has the stream ping, unless something else is sent first.
    pub fn ring(&self) {
        let mut state = self.state();
        state.ping = true;
        wake(state);
    }

    /// Ends the stream, and says whether it was not ended before. The first reason counts.
    pub fn close(&self, reason: CloseReason) -> bool {
        let mut state = self.state();
        let is_first = state.close.is_none();
        if is_first {
            state.close = Some(reason);
            // What waits is told to whoever comes back.
            state.empty();
            state.untaken = 0;
        }
        wake(state);
        is_first
    }

    pub fn closing(&self) -> Option<CloseReason> {
        self.state().close
    }

    /// Takes what comes next. A close goes before all else.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<Mail> {
        let mut state = self.state();
        if let Some(reason) = state.close {
            return Poll::Ready(Mail::Close(reason));
        }
        if std::mem::take(&mut state.lagged) {
            return Poll::Ready(Mail::Lagged);
        }
        if let Some((cursor, frame)) = state.news.pop_front() {
            state.room.shrink(frame.len());
            if state.news.is_empty() {
                state.news = VecDeque::new();
            }
            return Poll::Ready(Mail::News(cursor, frame));
        }
        state.poll_ping(context)
    }

    /// Takes what does not wait until the stream has read: a close or a ping.
    pub fn poll_while_reading(&self, context: &mut Context<'_>) -> Poll<Mail> {
        let mut state = self.state();
        match state.close {
            Some(reason) => Poll::Ready(Mail::Close(reason)),
            None => state.poll_ping(context),
        }
    }

    pub fn heard(&self) -> Rev {
        self.state().heard
    }

    /// Forgets that it heard of `heard`, since the inbox's head is `head` again; unless it heard more meanwhile.
    pub fn unhear(&self, heard: Rev, head: Rev) {
        let mut state = self.state();
        if state.heard == heard {
            state.heard = head;
        }
    }

    /// Notes that the stream sends something, and how far it is told with that; unless it is to end, and why.
    pub fn sent(&self, told: Rev, tick: u64) -> Option<CloseReason> {
        let mut state = self.state();
        if state.close.is_none() {
            self.told.store(told, Ordering::Relaxed);
            self.sent_at.store(tick, Ordering::Relaxed);
            (state.ping, state.untaken) = (false, 0);
        }
        state.close
    }

    /// Lets `ticks` pass: for how many by now nothing was taken of what there is.
    pub fn pass(&self, ticks: u64) -> Untaken {
        let mut state = self.state();
        if state.close.is_some() || state.waker.is_none() {
            state.untaken += ticks;
        }
        if state.close.is_some() { Untaken::Close(state.untaken) } else { Untaken::News(state.untaken) }
    }

    pub fn told(&self) -> Rev {
        self.told.load(Ordering::Relaxed)
    }

    pub fn sent_at(&self) -> u64 {
        self.sent_at.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lag(&mut self) {
        self.empty();
        self.lagged = true;
    }

    fn empty(&mut self) {
        self.news = VecDeque::new();
        self.room.shrink(self.room.bytes());
    }

    fn poll_ping(&mut self, context: &mut Context<'_>) -> Poll<Mail> {
        if std::mem::take(&mut self.ping) {
            return Poll::Ready(Mail::Ping);
        }
        match &mut self.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        self.untaken = 0;
        Poll::Pending
    }
}

/// Wakes the stream once the lock is let go, since it may run at once on another thread.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cursor::Epoch;

    fn mailbox() -> Mailbox {
        mailbox_of(&Budget::new(1024 * 1024))
    }

    fn mailbox_of(budget: &Budget) -> Mailbox {
        let user = "ada".parse().unwrap();
        let (stream, since, expires_at) = (0, 0, 0);
        let (issued_at, key, from, block, cut) = Default::default();
        Mailbox::new(Arrival { user, stream, since, expires_at, issued_at, key, from, block, cut }, budget, 0)
    }

    fn offer(mailbox: &Mailbox, rev: Rev, bytes: usize) -> bool {
        mailbox.offer(Cursor { epoch: Epoch::NONE, rev }, &Bytes::from(vec![b'x'; bytes]))
    }

    fn next(mailbox: &Mailbox) -> Option<Mail> {
        match mailbox.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(mail) => Some(mail),
            Poll::Pending => None,
        }
    }

    #[test]
    fn it_holds_its_number_and_one_more_sends_the_stream_to_the_store() {
        let mailbox = mailbox();
        for rev in 1..=MAILBOX_CHANGES as u64 {
            assert!(offer(&mailbox, rev, 1));
        }
        assert!(matches!(next(&mailbox), Some(Mail::News(cursor, _)) if cursor.rev == 1));
        offer(&mailbox, 65, 1);
        offer(&mailbox, 66, 1);
        assert_eq!(next(&mailbox), Some(Mail::Lagged));
        assert_eq!(next(&mailbox), None);
        assert_eq!(mailbox.heard(), 66);
    }

    #[test]
    fn it_holds_its_bytes() {
        let mailbox = mailbox();
        offer(&mailbox, 1, MAILBOX_BYTES - 1);
        offer(&mailbox, 2, 1);
        assert!(matches!(next(&mailbox), Some(Mail::News(..))));
        assert!(matches!(next(&mailbox), Some(Mail::News(..))));
        offer(&mailbox, 3, MAILBOX_BYTES + 1);
        assert_eq!(next(&mailbox), Some(Mail::Lagged));
    }

    #[test]
    fn empty_it_holds_no_memory() {
        let mailbox = mailbox();
        offer(&mailbox, 1, 1);
        assert!(mailbox.state().news.capacity() > 0);
        next(&mailbox);
        assert_eq!(mailbox.state().news.capacity(), 0);
    }

    #[test]
    fn a_close_goes_first_and_takes_nothing_after_it() {
        let budget = Budget::new(1024 * 1024);
        let mailbox = mailbox_of(&budget);
        offer(&mailbox, 1, 7);
        assert_eq!(budget.taken(), 7);
        mailbox.close(CloseReason::Draining);
        assert_eq!(budget.taken(), 0);
        mailbox.close(CloseReason::TokenExpired);
        assert!(!offer(&mailbox, 2, 1));
        assert_eq!(next(&mailbox), Some(Mail::Close(CloseReason::Draining)));
    }

    #[test]
    fn whoever_took_all_has_left_nothing_untaken() {
        let mailbox = mailbox();
        assert_eq!([mailbox.pass(1), mailbox.pass(1)], [Untaken::News(1), Untaken::News(2)]);
        assert_eq!(next(&mailbox), None);
        assert_eq!([mailbox.pass(1), mailbox.pass(1)], [Untaken::News(0); 2]);
        offer(&mailbox, 1, 1);
        assert_eq!([mailbox.pass(1), mailbox.pass(1)], [Untaken::News(1), Untaken::News(2)]);
        mailbox.sent(1, 0);
        assert_eq!([mailbox.pass(1), mailbox.pass(1)], [Untaken::News(1), Untaken::News(2)]);
        mailbox.close(CloseReason::TooSlow);
        assert_eq!(mailbox.pass(1), Untaken::Close(1));
        next(&mailbox);
        mailbox.sent(1, 0);
        assert_eq!(mailbox.pass(1), Untaken::Close(2));
    }

    #[test]
    fn a_ping_is_forgotten_when_something_is_sent() {
        let mailbox = mailbox();
        mailbox.ring();
        mailbox.sent(0, 1);
        assert_eq!(next(&mailbox), None);
        mailbox.ring();
        assert_eq!(next(&mailbox), Some(Mail::Ping));
    }
}
