//! `lumen disconnect`: whose streams and tokens end.

use clap::Args;

use crate::domain::ids::UserId;

const EXAMPLES: &str = "\
Example:
  lumen disconnect --user alice

The inbox stays as it is. With a token that is signed a second later alice may come back, so
let the backend sign none for whom is to stay out. `lumen erase` makes the tokens that were
ended good again until they run out, since it forgets all that is known of the name.";

/// End a user's streams, and every token of the user's that was signed up to now.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// Whose streams and tokens.
    #[arg(long, value_name = "ID")]
    pub user: UserId,
}
