//! `lumen tail`: whose stream, from where, until when.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;

use super::duration;
use crate::client::stream::Beginning;
use crate::domain::ids::UserId;
use crate::domain::notification::Kind;

const EXAMPLES: &str = "\
Examples:
  lumen tail --user alice                     what comes from now on
  lumen tail --user alice --from start        and all that is still there
  lumen tail --user alice --from k3f9q2-128   and what came after that cursor
  lumen tail --user alice --types like --exit-after 3 --timeout 30s
                                              exit 0 after three likes, 1 without them in 30 s
  LUMEN_TOKEN=$(cat token) lumen tail --json  whose the token is; a JSON line an event

The stream comes back by itself, from where it was, when the server restarts or the link is cut.";

/// Be a user: print the stream as it comes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// Whose stream. A token that is handed in says it by itself.
    #[arg(long, value_name = "ID")]
    pub user: Option<UserId>,

    /// Begin after this cursor, or with all that is still there; of more than 1,000 changes nothing is told again but
    /// that. Without it, with what comes from now on.
    #[arg(long, value_name = "CURSOR|start", value_parser = place)]
    pub from: Option<Beginning>,

    /// End after so many notifications.
    #[arg(long, value_name = "N", value_parser = several)]
    pub exit_after: Option<NonZeroU64>,

    /// End after this time, like 30s; with exit code 1 if no stream was open by then, or without the N notifications
    /// of --exit-after.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub timeout: Option<Duration>,

    /// Only notifications of these types, joined by commas.
    #[arg(long, value_name = "TYPES", value_delimiter = ',', value_parser = kind)]
    pub types: Vec<Kind>,
}

fn place(text: &str) -> Result<Beginning, String> {
    if text == "start" {
        return Ok(Beginning::Start);
    }
    text.parse().map(Beginning::After).map_err(|fault| format!("{fault}; or the word start"))
}

fn several(text: &str) -> Result<NonZeroU64, String> {
    text.parse().map_err(|_| "a whole number of notifications, at least 1".to_owned())
}

pub(super) fn kind(text: &str) -> Result<Kind, String> {
    Kind::parse(text).ok_or_else(|| "a type is a lower-case letter and up to 63 of a-z, 0-9, _ . -".to_owned())
}
