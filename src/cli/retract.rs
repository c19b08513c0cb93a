//! `lumen retract`: what is taken back.

use clap::Args;

use crate::domain::ids::UserId;
use crate::domain::notification::Key;

const EXAMPLES: &str = "\
Example:
  lumen send --user alice --type like --content 'likes your post' --key like:9:bob
  lumen retract --user alice --key like:9:bob

After that the key is free: the same like, sent again, notifies again.";

/// Take a notification back, by the key that it was sent with.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// Who got it.
    #[arg(long, value_name = "ID")]
    pub user: UserId,

    /// The key that it was sent with.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true, value_parser = Key::parse)]
    pub key: Key,
}
