//! `lumen erase`: whose inbox is erased, and whether to ask first.

use clap::Args;

use crate::domain::ids::UserId;

const EXAMPLES: &str = "\
Examples:
  lumen erase --user alice          asks first
  lumen erase --user alice --yes    as a script has to say it

Nothing brings an erased inbox back. Tokens of the user's stay good, and those are good again
that `lumen disconnect` had ended: of the name nothing is known any more. With one, or by the
next notification, a new and empty inbox begins.";

/// Erase a user's inbox, with every notification in it; its streams end.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// Whose inbox.
    #[arg(long, value_name = "ID")]
    pub user: UserId,

    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
}
