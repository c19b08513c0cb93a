//! Who was to get what: of each user with a stream, the messages that were sent to it.

use super::measured::{Arrival, Sent};
use super::{Measured, Plan};

/// The sent messages of each user, ascending. Of users without a stream nothing is kept.
pub struct Due {
    /// Where in `messages` a user's begin; its end is where the next one's begin.
    begins: Vec<usize>,
    messages: Vec<u32>,
}

impl Due {
    pub fn of(plan: &Plan, measured: &Measured) -> Self {
        let users = plan.users.min(plan.streams);
        // A message that was not sent must not arrive, and is in nobody's list.
        let sent = || {
            let begun = measured.sent.iter().map(|sent| sent.begun.happened());
            // Numbers are below plan.messages(), which is a u32.
            begun.take(plan.messages() as usize).zip(0u32..).filter(|(begun, _)| *begun).map(|(_, message)| message)
        };
        let pairs = || {
            let to = move |message| plan.recipients(message).map(move |user| (user, message));
            sent().flat_map(to).filter(move |(user, _)| *user < users)
        };
        let mut begins = vec![0; users as usize + 1];
        pairs().for_each(|(user, _)| begins[user as usize + 1] += 1);
        (1..begins.len()).for_each(|user| begins[user] += begins[user - 1]);
        let mut next = begins.clone();
        let mut messages = vec![0; begins[users as usize]];
        for (user, message) in pairs() {
            messages[next[user as usize]] = message;
            next[user as usize] += 1;
        }
        Self { begins, messages }
    }

    /// What was sent to a user that has a stream, accepted or not.
    pub fn to(&self, user: u32) -> &[u32] {
        let user = user as usize;
        &self.messages[self.begins[user]..self.begins[user + 1]]
    }
}

/// What came on one stream, by message. Its memory serves one stream after the other.
#[derive(Default)]
pub struct Came {
    /// A message and the place of its arrival, doubles too.
    sorted: Vec<(u32, u32)>,
}

impl Came {
    pub fn read(&mut self, arrivals: &[Arrival]) {
        self.sorted.clear();
        // A stream with 2³² arrivals would not fit into memory.
        self.sorted.extend(arrivals.iter().zip(0..).map(|(arrival, place)| (arrival.message, place)));
        self.sorted.sort_unstable();
    }

    /// Each message with the place of its first arrival, and how often it came.
    pub fn messages(&self) -> impl Iterator<Item = (u32, usize, u64)> {
        let same = self.sorted.chunk_by(|one, next| one.0 == next.0);
        same.map(|same| (same[0].0, same[0].1 as usize, same.len() as u64))
    }

    /// The place of a message's first arrival.
    pub fn first(&self, message: u32) -> Option<usize> {
        let at = self.sorted.partition_point(|(other, _)| *other < message);
        self.sorted.get(at).filter(|(other, _)| *other == message).map(|(_, place)| *place as usize)
    }
}

/// What became of a message on its way in; nothing, where the run ended before it.
pub fn sent(measured: &Measured, message: u32) -> Sent {
    measured.sent.get(message as usize).copied().unwrap_or(Sent::NOT)
}

pub fn accepted(measured: &Measured, message: u32) -> bool {
    sent(measured, message).answered.happened()
}
