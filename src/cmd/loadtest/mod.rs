//! `lumen loadtest`: loads a server, says what became of every message, and judges it.

mod crowd;
mod meanwhile;
mod plan;
mod profile;
pub mod progress;
pub mod summary;

use std::fmt::Display;

use clap::error::ErrorKind;

use super::term::{Out, count};
use super::usage;
use crate::cli::global::Global;
use crate::cli::loadtest::Options;
use crate::exit::Exit;

pub async fn run(options: &Options, global: &Global) -> anyhow::Result<Exit> {
    let checked = plan::checked(options, global)?;
    let (plan, facts) = (&checked.plan, checked.facts("lumen", &global.url.to_string()));
    if !options.which.spawn {
        profile::build(options, global, plan, None)?;
    }
    let [streams, users, messages] = [plan.streams, plan.users, plan.messages()].map(|number| count(number.into()));
    let line = format!(
        "{streams} streams, {users} users, {messages} messages in {:.1} s, seed {}",
        facts.duration_s, plan.seed
    );
    Out::stdout().line(&line).await?;
    Ok(Exit::Ok)
}

/// Words that cannot be meant together.
fn conflict(message: impl Display) -> clap::Error {
    usage::error("loadtest", ErrorKind::ArgumentConflict, message)
}

/// A word that cannot be meant.
fn faulty(message: impl Display) -> clap::Error {
    usage::error("loadtest", ErrorKind::ValueValidation, message)
}
