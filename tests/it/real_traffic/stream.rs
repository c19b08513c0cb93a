//! A receiver's stream, read on to its last message and held against what it must have had.

use std::sync::Arc;

use lumen_inbox::domain::change::Counts;
use lumen_inbox::domain::ids::Rev;
use lumen_inbox::random;
use lumen_inbox::wire::event::{Event, MessageData};
use tokio::sync::watch;

use crate::support::chaos::{Chaos, End, Kind, Mode, Where};
use crate::support::follower::Follower;
use crate::support::link::Ended;

pub struct Stream {
    follower: Follower,
    /// What it is opened over, if that breaks: each opening is cut at another place.
    link: Option<Arc<Chaos>>,
}

impl Stream {
    pub fn new(follower: Follower, link: Option<Arc<Chaos>>) -> Self {
        Self { follower, link }
    }

    /// Reads on, and comes back where the link breaks, until it is at this rev; `had` counts the messages.
    pub async fn read_to(mut self, rev: Rev, had: watch::Sender<usize>) -> Self {
        while self.follower.device.at() < rev {
            match self.follower.reader.next_block().await {
                Some(received) => {
                    self.follower.device.apply(&received);
                    had.send_modify(|had| *had += usize::from(matches!(received.event, Some(Event::Message(_)))));
                }
                None => {
                    let link = self.link.as_ref().expect("only a link that breaks ends it");
                    link.for_new(somewhere());
                    self.follower.come_back().await;
                }
            }
        }
        self
    }

    /// Comes back once more, over a link that holds: at its cursor it must have missed nothing.
    pub async fn come_back_for_nothing(&mut self) {
        self.follower.come_back().await;
        let received = self.follower.reader.next().await;
        self.follower.device.apply(&received);
        let Some(Event::Ready(ready)) = received.event else { panic!("not ready but {received:?}") };
        assert_eq!((ready.resumed, ready.missed), (true, Some(0)), "{ready:?}");
    }

    /// Reads what comes up to the `close` of a server that drains.
    pub async fn read_to_the_end(&mut self) {
        let (rest, ended) = self.follower.reader.ended().await;
        rest.iter().for_each(|received| self.follower.device.apply(received));
        let last = rest.last().and_then(|received| received.event.as_ref());
        let drained = matches!(last, Some(Event::Close(close)) if close.reason == "draining");
        assert!(drained && ended == Ended::Whole, "{ended:?} after {last:?}");
    }

    /// Sees that over all its connections it had these messages in order, each once, each with its badge, and no word of
    /// a hole.
    pub fn assert_had(&self, user: &str, contents: &[&str]) {
        let Follower { device, reader, .. } = &self.follower;
        let mut messages: Vec<&MessageData> = Vec::new();
        for received in reader.received() {
            match &received.event {
                Some(Event::Message(message)) => messages.push(message),
                Some(Event::Ready(_) | Event::Ping | Event::Close(_)) | None => {}
                Some(other) => panic!("nobody did anything that makes this: {other:?}"),
            }
        }
        let had: Vec<&str> = messages.iter().map(|message| message.data.content.as_str()).collect();
        assert_eq!(had, contents, "on the stream of {user}");
        for (rev, message) in (1..).zip(messages) {
            // Nobody reads, so that the badge rises with the revs.
            let unread = message.counts_rev.unwrap_or(rev);
            assert_eq!(message.counts, Counts { unread, unseen: unread, rev }, "{message:?}");
        }
        let number = contents.len() as u64;
        assert_eq!(device.counts(), Counts { unread: number, unseen: number, rev: number });
        assert_eq!(device.violations(), Vec::<String>::new());
    }

    /// How often it was opened.
    pub fn openings(&self) -> usize {
        let received = self.follower.reader.received();
        received.iter().filter(|received| matches!(received.event, Some(Event::Ready(_)))).count()
    }
}

/// A place behind the head of an answer, so that whoever comes back gets at least a `ready`.
pub fn somewhere() -> Mode {
    let number = |range| random::within(range) as usize;
    let then = number(0..=80);
    let place = match random::within(0..=9) {
        0 => Where::Block { of: Kind::Event("ready"), nth: 1, then },
        _ => Where::Block { of: Kind::Id, nth: number(1..=30), then },
    };
    Mode::Cut(place, if random::within(0..=3) == 0 { End::Reset } else { End::Close })
}
