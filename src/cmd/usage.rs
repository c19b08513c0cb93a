//! Words that cannot be meant, where clap alone could not see it.

use std::fmt::Display;

use clap::CommandFactory;
use clap::error::ErrorKind;

use crate::cli::Cli;

/// Whose inbox it is is known from the token, or has to be typed, which clap cannot know.
pub fn nobody(command: &str, what: &str) -> clap::Error {
    let message =
        format!("say whose {what} it is with --user ID, or hand over a user's token with --token-file or LUMEN_TOKEN");
    error(command, ErrorKind::MissingRequiredArgument, message)
}

/// The error that clap would have made of it for this command.
pub fn error(command: &str, kind: ErrorKind, message: impl Display) -> clap::Error {
    let mut cli = Cli::command();
    cli.build();
    match cli.find_subcommand_mut(command) {
        Some(command) => command.error(kind, message),
        None => cli.error(kind, message),
    }
}
