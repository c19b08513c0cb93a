//! Words that cannot be meant, where clap alone could not see it.

use std::fmt::Display;

use clap::CommandFactory;
use clap::error::ErrorKind;

use crate::cli::Cli;

/// The error that clap would have made of it for this command.
pub fn error(command: &str, kind: ErrorKind, message: impl Display) -> clap::Error {
    let mut cli = Cli::command();
    cli.build();
    match cli.find_subcommand_mut(command) {
        Some(command) => command.error(kind, message),
        None => cli.error(kind, message),
    }
}
