//! The commands: what was typed becomes work, and its outcome becomes lines and an exit code. Alone prints.

mod disconnect;
mod erase;
mod inbox;
pub mod loadtest;
mod presence;
mod retract;
mod send;
mod serve;
mod server;
mod tail;
pub mod term;
mod token;
mod usage;

use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::telemetry::{self, Format};

/// Runs a command. A closed pipe is success: whoever read has had enough.
///
/// # Errors
/// What is to be told in the last line; see [`term::failure`].
pub async fn run(cli: Cli) -> anyhow::Result<Exit> {
    // The server's own log begins when its configuration is known.
    if !matches!(cli.command, Command::Serve(_)) {
        telemetry::init(cli.global.level().map_or("warn", |(_, level)| level), Format::Text);
    }
    let done = match &cli.command {
        Command::Serve(options) => serve::run(options, &cli.global).await,
        Command::Send(options) => send::run(options, &cli.global).await,
        Command::Tail(options) => tail::run(options, &cli.global).await,
        Command::Loadtest(options) => loadtest::run(options, &cli.global).await,
        Command::Token(options) => token::run(options, &cli.global).await,
        Command::Inbox(options) => inbox::run(options, &cli.global).await,
        Command::Retract(options) => retract::run(options, &cli.global).await,
        Command::Presence(options) => presence::run(options, &cli.global).await,
        Command::Disconnect(options) => disconnect::run(options, &cli.global).await,
        Command::Erase(options) => erase::run(options, &cli.global).await,
    };
    match done {
        Err(fault) if fault.is::<term::ClosedPipe>() => Ok(Exit::Ok),
        done => done,
    }
}
