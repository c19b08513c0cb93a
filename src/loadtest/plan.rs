//! What a run is to do: who gets a stream, what is published when and to whom, and what happens meanwhile. Checked, and
//! the same for the same seed.

use std::time::Duration;

use super::dice;
use super::scenario::Scenario;
use super::stamp::RunId;

/// Questions to the dice.
const WHO: u64 = 1;
const SLOW: u64 = 2;

/// Messages of a run, at most: each takes a word of memory here, and one on each stream that gets it.
pub const MESSAGES_MAX: u32 = 100_000_000;

#[derive(Debug, Clone)]
pub struct Plan {
    pub run: RunId,
    pub seed: u64,
    pub streams: u32,
    /// Users that messages go to. Stream s is of user s modulo this: more streams than users are devices, more users
    /// than streams are away.
    pub users: u32,
    pub mode: Mode,
    pub schedule: Schedule,
    /// Streams opened in a second.
    pub ramp: f64,
    /// Time at the beginning whose messages count in the ledger but in no latency.
    pub warmup: Duration,
    /// How long after the last message streams and answers are waited for.
    pub settle: Duration,
    /// A delivery that took longer than this is late.
    pub late: Duration,
    pub payload_bytes: usize,
    pub scenario: Scenario,
    /// Threads that read streams.
    pub threads: usize,
}

/// Whom one message goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One user.
    Unicast,
    /// One user with many devices.
    Fanout,
    /// So many users in one request.
    Audience(u32),
}

/// When which message is due.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// So many a second, evenly.
    Even { rate: f64, messages: u32 },
    /// As it once was.
    Replay(Vec<Line>),
}

/// A message of a replay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    pub due: Duration,
    pub user: u32,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Unicast => "unicast",
            Mode::Fanout => "fanout",
            Mode::Audience(_) => "audience",
        }
    }

    /// The same, with an audience of no more than there are users.
    pub fn with_at_most(self, users: u32) -> Self {
        match self {
            Mode::Audience(several) => Mode::Audience(several.min(users)),
            mode => mode,
        }
    }
}

impl Plan {
    pub fn messages(&self) -> u32 {
        match &self.schedule {
            Schedule::Even { messages, .. } => *messages,
            // A file of more lines than that was refused.
            Schedule::Replay(lines) => lines.len() as u32,
        }
    }

    /// When a message is due, after the first.
    pub fn due(&self, message: u32) -> Duration {
        match &self.schedule {
            Schedule::Even { rate, .. } => Duration::from_secs_f64(f64::from(message) / rate),
            Schedule::Replay(lines) => lines[message as usize].due,
        }
    }

    /// The most messages that are due within so long.
    pub fn busiest(&self, within: Duration) -> u32 {
        match &self.schedule {
            // A float that is too large becomes the largest.
            Schedule::Even { rate, messages } => ((rate * within.as_secs_f64()).ceil() as u32).min(*messages),
            Schedule::Replay(lines) => {
                let mut first = 0;
                let until = lines.iter().enumerate().map(|(last, line)| {
                    while line.due - lines[first].due >= within {
                        first += 1;
                    }
                    last - first + 1
                });
                until.max().unwrap_or(0) as u32
            }
        }
    }

    /// How long it publishes.
    pub fn length(&self) -> Duration {
        match &self.schedule {
            Schedule::Even { rate, messages } => Duration::from_secs_f64(f64::from(*messages) / rate),
            Schedule::Replay(lines) => lines.last().map_or(Duration::ZERO, |line| line.due),
        }
    }

    /// The users that a message goes to, each once.
    pub fn recipients(&self, message: u32) -> impl Iterator<Item = u32> + use<> {
        let (first, several) = self.ring(message);
        let users = u64::from(self.users);
        // What is below a u32 fits.
        (0..u64::from(several)).map(move |next| ((u64::from(first) + next) % users) as u32)
    }

    /// Whether a message goes to a user.
    pub fn is_for(&self, message: u32, user: u32) -> bool {
        if message >= self.messages() || user >= self.users {
            return false;
        }
        let (first, several) = self.ring(message);
        // How far round the ring the user is.
        let after = (u64::from(user) + u64::from(self.users) - u64::from(first)) % u64::from(self.users);
        after < u64::from(several)
    }

    /// Users stand in a ring: the first that a message goes to, and how many from there on.
    fn ring(&self, message: u32) -> (u32, u32) {
        match (&self.schedule, self.mode) {
            (Schedule::Replay(lines), _) => (lines[message as usize].user, 1),
            (_, Mode::Audience(several)) => (self.pick(message), several.min(self.users)),
            _ => (self.pick(message), 1),
        }
    }

    pub fn is_warmup(&self, message: u32) -> bool {
        self.due(message) < self.warmup
    }

    pub fn user_of(&self, stream: u32) -> u32 {
        stream % self.users
    }

    pub fn is_slow(&self, stream: u32) -> bool {
        match self.scenario {
            Scenario::Slow { share } => dice::chosen(self.seed, SLOW, stream, self.streams, share),
            _ => false,
        }
    }

    /// How long the token of a stream's next connection is to hold, where that matters. A token that ends before
    /// publishing has begun makes room for another that ends.
    pub fn token_ttl(&self, publishing: bool) -> Option<Duration> {
        match self.scenario {
            Scenario::Expire { ttl } if !publishing => Some(ttl),
            _ => None,
        }
    }

    /// When the scenario does what it does: in the middle of what is measured, or from the beginning on.
    pub fn midst(&self) -> Duration {
        match self.scenario {
            Scenario::Slow { .. } => Duration::ZERO,
            _ => self.warmup + self.length().saturating_sub(self.warmup) / 2,
        }
    }

    /// How many streams a message is for.
    pub fn deliveries(&self, message: u32) -> u64 {
        let (first, several) = self.ring(message);
        let (first, several, users) = (u64::from(first), u64::from(several), u64::from(self.users));
        let (streams, beyond) = (u64::from(self.streams), (first + several).saturating_sub(users));
        // Streams of the users below one of them.
        let below = |user: u64| streams / users * user + user.min(streams % users);
        below(first + several - beyond) - below(first) + below(beyond)
    }

    fn pick(&self, message: u32) -> u32 {
        dice::pick(self.seed, WHO, u64::from(message), self.users)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtest::by_hand;

    fn plan(streams: u32, users: u32, mode: Mode) -> Plan {
        Plan {
            mode,
            schedule: Schedule::Even { rate: 500.0, messages: 1000 },
            warmup: Duration::from_secs(1),
            ..by_hand::plan(streams, users, 1000)
        }
    }

    /// How many streams a user has.
    fn devices(plan: &Plan, user: u32) -> u64 {
        (0..plan.streams).filter(|stream| plan.user_of(*stream) == user).count() as u64
    }

    #[test]
    fn recipients_are_those_that_a_message_is_for() {
        for mode in [Mode::Unicast, Mode::Fanout, Mode::Audience(3), Mode::Audience(5), Mode::Audience(9)] {
            let plan = plan(5, 5, mode);
            for message in [0, 1, 2, 3, 999] {
                let mut told: Vec<u32> = plan.recipients(message).collect();
                let asked: Vec<u32> = (0..6).filter(|user| plan.is_for(message, *user)).collect();
                told.sort();
                assert_eq!(told, asked, "{mode:?}, message {message}");
            }
            assert!(!plan.is_for(1000, 0));
        }
    }

    #[test]
    fn a_message_is_for_every_stream_of_its_users() {
        for (streams, users) in [(10, 10), (10, 3), (3, 10), (23, 5)] {
            for mode in [Mode::Unicast, Mode::Audience(3), Mode::Audience(5), Mode::Audience(90)] {
                let plan = plan(streams, users, mode);
                for message in 0..100 {
                    let one_by_one: u64 = plan.recipients(message).map(|user| devices(&plan, user)).sum();
                    assert_eq!(plan.deliveries(message), one_by_one, "{streams} of {users}, {mode:?}, {message}");
                }
            }
        }
    }

    #[test]
    fn messages_are_due_at_the_rate() {
        let plan = plan(1, 1, Mode::Unicast);
        assert_eq!((plan.due(0), plan.due(250)), (Duration::ZERO, Duration::from_millis(500)));
        assert_eq!((plan.is_warmup(499), plan.is_warmup(500)), (true, false));
        assert_eq!(plan.length(), Duration::from_secs(2));
    }

    #[test]
    fn the_busiest_time_has_the_most_messages() {
        let second = Duration::from_secs(1);
        let even = plan(1, 1, Mode::Unicast);
        assert_eq!([second / 2, second, 10 * second].map(|within| even.busiest(within)), [250, 500, 1000]);
        let lines = [0, 1, 1, 2, 5, 9].map(|seconds| Line { due: seconds * second, user: 0 });
        let replay = Plan { schedule: Schedule::Replay(lines.to_vec()), ..even };
        assert_eq!([1, 2, 3, 10].map(|seconds| replay.busiest(seconds * second)), [2, 3, 4, 6]);
    }
}
