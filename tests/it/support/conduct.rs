//! What a stream must keep to on one connection, as far as a client can see it: order, nothing twice, no news behind a
//! hole, the right beginning and end.
//!
//! What the events mean for the inbox is `device`'s.

use std::fmt::Debug;

use lumen_inbox::domain::cursor::Cursor;
use lumen_inbox::domain::ids::Rev;
use lumen_inbox::wire::event::{Event, ReadyData, ResyncData};

use super::reader::Received;

/// The conduct of one connection so far.
#[derive(Debug, Clone)]
pub struct Conduct {
    user: String,
    came_with: Option<String>,
    phase: Phase,
    /// The last rev that was told, or with which it began.
    at: Rev,
    breaches: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    /// The `ready` had no id: a `resync` must follow.
    ResyncDue,
    Open,
    Closed,
}

impl Conduct {
    /// Of a connection for which `user` named this cursor.
    pub fn new(user: &str, cursor: Option<&str>) -> Self {
        let came_with = cursor.map(str::to_owned);
        Self { user: user.to_owned(), came_with, phase: Phase::Opening, at: 0, breaches: Vec::new() }
    }

    /// Whether it was told where it begins, and has not ended.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// The last rev that it told.
    pub fn at(&self) -> Rev {
        self.at
    }

    pub fn breaches(&self) -> &[String] {
        &self.breaches
    }

    /// Notes another breach of this connection.
    pub fn breach(&mut self, what: &str, shown: impl Debug) {
        self.breaches.push(format!("{what}: {shown:?}"));
    }

    /// Takes the next block.
    pub fn take(&mut self, received: &Received) {
        if self.phase == Phase::Closed {
            return self.breach("something behind the close", &received.block);
        }
        match &received.event {
            Some(Event::Ready(ready)) => self.ready(ready, received),
            Some(Event::Resync(resync)) => self.resync(resync, received),
            Some(Event::Close(_)) => self.close(received),
            _ if self.phase == Phase::Opening => self.breach("something before the ready", &received.block),
            _ if self.phase == Phase::ResyncDue => self.breach("no resync after such a ready", &received.block),
            Some(Event::Message(message)) => {
                self.entry(received, message.counts.rev, message.replayed, message.counts_rev);
            }
            Some(Event::Inbox(change)) => self.entry(received, change.counts.rev, change.replayed, change.counts_rev),
            Some(Event::Ping) => {}
            Some(Event::Other) => self.breach("an unknown event", &received.block),
            None => self.step(received),
        }
    }

    fn ready(&mut self, ready: &ReadyData, received: &Received) {
        if self.phase != Phase::Opening {
            self.breach("a second ready", ready);
        }
        if ready.user != self.user {
            self.breach("the stream of another user", ready);
        }
        let id = received.block.id.as_deref();
        let right = match (ready.resumed, self.came_with.as_deref(), id) {
            (true, Some(came_with), Some(id)) => came_with == id && ready.items.is_none(),
            (false, None, Some(_)) => received.rev() == Some(ready.counts.rev),
            (false, Some(_), None) => ready.missed.is_none() && ready.items.is_none(),
            _ => false,
        };
        if !right {
            self.breach(&format!("a wrong ready for {:?}", self.came_with), &received.block);
        }
        self.phase = if id.is_some() { Phase::Open } else { Phase::ResyncDue };
        self.at = received.rev().unwrap_or(0);
    }

    /// An event with a rev of its own. What was missed comes with a `counts_rev`; news never stand behind a hole.
    fn entry(&mut self, received: &Received, rev: Rev, replayed: bool, counts_rev: Option<Rev>) {
        let at = self.at;
        if received.rev() != Some(rev) {
            self.breach("an id that is not the rev's", &received.block);
        }
        if rev <= at {
            self.breach(&format!("at {at}, again or out of order"), &received.block);
        }
        if !replayed && rev > at + 1 {
            self.breach(&format!("at {at}, news behind a hole"), &received.block);
        }
        if replayed != counts_rev.is_some_and(|counts_rev| counts_rev >= rev) {
            self.breach("counts of nobody knows when", &received.block);
        }
        self.at = at.max(rev);
    }

    fn resync(&mut self, resync: &ResyncData, received: &Received) {
        if self.phase == Phase::Opening {
            self.breach("a resync before the ready", resync);
        }
        if received.rev() != Some(resync.counts.rev) {
            self.breach("a resync that is not at the head", &received.block);
        }
        self.phase = Phase::Open;
        self.at = resync.counts.rev;
    }

    fn step(&mut self, received: &Received) {
        match received.rev() {
            Some(rev) if rev > self.at => self.at = rev,
            _ => self.breach(&format!("at {}, no step forward", self.at), &received.block),
        }
    }

    fn close(&mut self, received: &Received) {
        let id = received.block.id.as_deref();
        let right = match self.phase {
            // Refused: the cursor that it came with, if that is one.
            Phase::Opening => id == self.came_with.as_deref().filter(|id| id.parse::<Cursor>().is_ok()),
            Phase::ResyncDue => true,
            Phase::Open | Phase::Closed => received.rev() == Some(self.at),
        };
        if !right {
            self.breach(&format!("at {}, a close with another cursor", self.at), &received.block);
        }
        self.phase = Phase::Closed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::told::*;

    fn conduct_of(cursor: Option<&str>, text: &str) -> Vec<String> {
        let mut conduct = Conduct::new("ada", cursor);
        received(text).iter().for_each(|block| conduct.take(block));
        conduct.breaches
    }

    #[test]
    fn every_breach_is_noticed() {
        let first = message(1, false, &badge(1, 1, 1), None);
        let second = message(2, false, &badge(2, 2, 2), None);
        let cases = [
            ("again or out of order", [first.clone(), first.clone()].concat()),
            ("again or out of order", [first.clone(), second.clone(), first.clone()].concat()),
            ("behind a hole", second.clone()),
            ("counts of nobody knows when", message(3, false, &badge(1, 1, 3), Some(2))),
            ("not the rev's", first.replace("aaaaaa-1", "aaaaaa-2")),
            ("an unknown event", "event: other\ndata: {}\n\n".to_owned()),
            ("a second ready", ready(Some(0), false, &badge(0, 0, 0), "")),
            ("no step forward", "id: aaaaaa-0\n\n".to_owned()),
            ("no step forward", "id: x\n\n".to_owned()),
            ("another cursor", close(None)),
            ("another cursor", close(Some(1))),
            ("behind the close", [close(Some(0)), PING.to_owned()].concat()),
            ("not at the head", resync(3, &badge(0, 0, 4), "")),
        ];
        for (breach, text) in cases {
            let found = conduct_of(None, &[ready(Some(0), false, &badge(0, 0, 0), ""), text].concat());
            let [found] = &found[..] else { panic!("{breach}: {found:?}") };
            assert!(found.contains(breach), "{breach}: {found}");
        }
    }

    #[test]
    fn every_wrong_beginning_is_noticed() {
        let at = |rev: Rev| Some(format!("aaaaaa-{rev}"));
        let head = badge(0, 0, 5);
        let cases = [
            ("before the ready", None, message(6, false, &badge(1, 1, 6), None)),
            ("before the ready", None, PING.to_owned()),
            ("resync before the ready", at(3), resync(5, &head, "")),
            ("another user", None, ready(Some(5), false, &head, "").replace("ada", "bob")),
            ("a wrong ready", None, ready(Some(4), false, &head, "")),
            ("a wrong ready", None, ready(None, false, &head, "")),
            ("a wrong ready", None, ready(Some(5), true, &head, "")),
            ("a wrong ready", at(3), ready(Some(5), false, &head, "")),
            ("a wrong ready", at(3), ready(Some(4), true, &head, "")),
            ("a wrong ready", at(3), ready(None, true, &head, "")),
            ("a wrong ready", at(3), ready(None, false, &head, ",\"items\":[]")),
            ("a wrong ready", at(3), ready(Some(3), true, &head, ",\"items\":[]")),
            ("no resync", at(3), [ready(None, false, &head, ""), PING.to_owned()].concat()),
            (
                "again or out of order",
                at(3),
                [ready(Some(3), true, &head, ""), message(3, true, &badge(0, 0, 3), Some(5))].concat(),
            ),
            ("another cursor", at(3), close(None)),
            ("another cursor", Some("what".to_owned()), close(Some(0))),
        ];
        for (breach, cursor, text) in cases {
            let found = conduct_of(cursor.as_deref(), &text);
            assert!(found.iter().any(|found| found.contains(breach)), "{breach}: {found:?}");
        }
        for (cursor, refused) in [(None, None), (at(3), Some(3)), (Some("what".to_owned()), None)] {
            assert_eq!(conduct_of(cursor.as_deref(), &close(refused)), Vec::<String>::new());
        }
    }
}
