//! How much of what, and when.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::whole;
use crate::cli::duration;
use crate::cli::rate::Rate;
use crate::domain::limits::REQUEST_ROWS;

/// The longest run: what it measures is noted in tens of microseconds, of which a word holds 11 hours.
pub const LONGEST: Duration = Duration::from_secs(10 * 3600);
/// A stream with longer lines is not read.
const PAYLOAD_BYTES: u32 = 1_000_000;

/// How much of what, and when.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub struct Load {
    /// Streams to open. Any two of --streams, --users and --devices say the third [default: 1000].
    #[arg(long, value_name = "N", value_parser = whole(u32::MAX, "streams"))]
    pub streams: Option<u32>,

    /// Users that messages go to; more users than streams are partly away [default: one a stream].
    #[arg(long, value_name = "N", value_parser = whole(u32::MAX, "users"))]
    pub users: Option<u32>,

    /// Streams of each user [default: 1; with --mode fanout 25].
    #[arg(long, value_name = "N", value_parser = whole(u32::MAX, "devices"))]
    pub devices: Option<u32>,

    /// Whom a message goes to.
    #[arg(long, value_enum, value_name = "MODE", default_value_t, conflicts_with = "replay")]
    pub mode: ModeName,

    /// Users of a message, with --mode audience [default: all of them, 10000 at most].
    #[arg(long, value_name = "N", value_parser = whole(REQUEST_ROWS as u32, "users"), conflicts_with = "replay")]
    pub audience: Option<u32>,

    /// Messages in a time, evenly spread; they are sent when they are due, however late answers are.
    #[arg(long, value_name = "RATE", default_value = "100/s", conflicts_with = "replay")]
    pub rate: Rate,

    /// How long messages are sent.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = length)]
    pub duration: Duration,

    /// Streams opened in a time, before the first message.
    #[arg(long, value_name = "RATE", default_value = "1000/s")]
    pub ramp: Rate,

    /// Time at the beginning whose messages must arrive, but count in no latency [default: 1s, or a quarter of a shorter
    /// run].
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub warmup: Option<Duration>,

    /// Bytes of a message's content: the mark, and what fills it up.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole(PAYLOAD_BYTES, "bytes"))]
    pub payload_bytes: u32,

    /// Send who wrote to whom as it once was: a file with a line a message, `src dst time`. The users who get the most
    /// of it have the streams.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["users", "devices"])]
    pub replay: Option<PathBuf>,

    /// How many times faster than it once was; what comes after --duration is left out [default: so that all of it fits
    /// into --duration].
    #[arg(long, value_name = "FACTOR", requires = "replay", value_parser = speed)]
    pub speed: Option<f64>,

    /// Repeats the chances of another run: who gets what, which streams are cut or slow [default: a random one, which is
    /// told].
    #[arg(long, value_name = "N", value_parser = seed, allow_hyphen_values = true)]
    pub seed: Option<u64>,

    /// Threads that read streams [default: half of the cores].
    #[arg(long, value_name = "N", value_parser = whole(1024, "threads"))]
    pub threads: Option<u32>,
}

/// Whom a message goes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ModeName {
    /// One user.
    #[default]
    Unicast,
    /// One user with many devices.
    Fanout,
    /// Many users in one request.
    Audience,
}

fn length(text: &str) -> Result<Duration, String> {
    let length = duration::parse(text)?;
    if length.is_zero() || length > LONGEST {
        return Err(format!("a run takes from 1ms to {}", duration::shown(LONGEST)));
    }
    Ok(length)
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("a whole number from 0 to {}, like the one that a run tells", u64::MAX))
}

fn speed(text: &str) -> Result<f64, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let factor = text.parse().ok().filter(|factor: &f64| digits && factor.is_finite() && *factor > 0.0);
    factor.ok_or_else(|| "a number over 0, like 60, at which a minute takes a second".to_owned())
}
