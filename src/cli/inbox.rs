//! `lumen inbox`: whose, and which of the notifications.

use std::num::NonZeroUsize;

use clap::Args;

use super::tail::kind;
use crate::domain::ids::{Rev, UserId};
use crate::domain::limits::LIST_PAGE;
use crate::domain::notification::Kind;

const EXAMPLES: &str = "\
Examples:
  lumen inbox --user alice                        the newest 20
  lumen inbox --user alice --unread --type like   the newest likes that are unread
  lumen inbox --user alice --before 128           and what is older than rev 128
  lumen inbox --user alice --all --json           everything, a JSON object a line

A * marks what is unread.";

/// Look into a user's inbox: the notifications, the newest first, and the counts.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// Whose inbox. A token that is handed in says it by itself.
    #[arg(long, value_name = "ID")]
    pub user: Option<UserId>,

    /// Only what is unread.
    #[arg(long)]
    pub unread: bool,

    /// Only notifications of this type.
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    pub kind: Option<Kind>,

    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(LIST_PAGE).unwrap_or(NonZeroUsize::MIN),
        value_parser = several)]
    pub limit: NonZeroUsize,

    /// All of them.
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,

    /// Only what is older than this rev, by which a list that was cut short says how to go on.
    #[arg(long, value_name = "REV")]
    pub before: Option<Rev>,
}

fn several(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "a whole number of notifications, at least 1".to_owned())
}
