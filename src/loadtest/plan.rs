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

    /// How long it publishes.
    pub fn length(&self) -> Duration {
        match &self.schedule {
            Schedule::Even { rate, messages } => Duration::from_secs_f64(f64::from(*messages) / rate),
            Schedule::Replay(lines) => lines.last().map_or(Duration::ZERO, |line| line.due),
        }
    }

    /// The users that a message goes to, each once.
    pub fn recipients(&self, message: u32) -> impl Iterator<Item = u32> + use<> {
        let (first, several) = match (&self.schedule, self.mode) {
            (Schedule::Replay(lines), _) => (lines[message as usize].user, 1),
            (_, Mode::Audience(several)) => (self.pick(message), several.min(self.users)),
            _ => (self.pick(message), 1),
        };
        let users = u64::from(self.users);
        // What is below a u32 fits.
        (0..u64::from(several)).map(move |next| ((u64::from(first) + next) % users) as u32)
    }

    /// Whether a message goes to a user.
    pub fn is_for(&self, message: u32, user: u32) -> bool {
        message < self.messages() && self.recipients(message).any(|to| to == user)
    }

    pub fn is_warmup(&self, message: u32) -> bool {
        self.due(message) < self.warmup
    }

    pub fn user_of(&self, stream: u32) -> u32 {
        stream % self.users
    }

    /// How many streams a user has.
    pub fn devices(&self, user: u32) -> u32 {
        self.streams / self.users + u32::from(user < self.streams % self.users)
    }

    pub fn is_slow(&self, stream: u32) -> bool {
        match self.scenario {
            Scenario::Slow { share } => dice::chosen(self.seed, SLOW, u64::from(stream), share),
            _ => false,
        }
    }

    fn pick(&self, message: u32) -> u32 {
        dice::pick(self.seed, WHO, u64::from(message), self.users)
    }
}
