//! `lumen presence`: whose open streams.

use clap::Args;

use crate::domain::ids::UserId;

/// See where a user is: the open streams, since when, from where.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lumen presence --user alice")]
pub struct Options {
    /// Whose streams.
    #[arg(long, value_name = "ID")]
    pub user: UserId,
}
