//! What happens while messages are sent.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::duration;

/// What happens while messages are sent.
#[derive(Debug, Args)]
#[command(next_help_heading = "What happens meanwhile")]
pub struct Meanwhile {
    /// What happens to the server or its streams.
    #[arg(long, value_enum, value_name = "SCENARIO", default_value_t)]
    pub scenario: ScenarioName,

    /// The share of the streams that is cut by storm, or that reads slowly [default: 30%].
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    pub share: Option<f64>,

    /// How long tokens hold with --scenario expire [default: so that they end in mid-run].
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    pub token_ttl: Option<Duration>,
}

/// What happens to the server or its streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ScenarioName {
    /// Nothing.
    #[default]
    Steady,
    /// A share of the streams is cut at one moment, and comes back with its cursor.
    Storm,
    /// The server is told to end by SIGTERM, and started again; with --spawn.
    Deploy,
    /// The server is killed, and started again; with --spawn.
    Crash,
    /// A share of the streams reads a kilobyte a second.
    Slow,
    /// The tokens end in mid-run; each stream comes back with a fresh one.
    Expire,
}

/// From 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    match percent {
        Some(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err("a percentage over 0%, at most 100%".to_owned()),
    }
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = duration::parse(text)?;
    if ttl < Duration::from_secs(1) { Err("a token holds 1s at least".to_owned()) } else { Ok(ttl) }
}
