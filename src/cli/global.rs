//! What every command takes: where the server is, how to be let in, how to talk.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::client::endpoint::ServerUrl;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Where the server is.
    #[arg(
        long,
        value_name = "URL",
        env = "LUMEN_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8080",
        global = true
    )]
    pub url: ServerUrl,

    /// Whether a flag said so, and neither a variable nor the default.
    #[arg(skip)]
    pub url_is_typed: bool,

    /// The server's data directory, with the signing key in it [default: $STATE_DIRECTORY, else
    /// $XDG_DATA_HOME/lumen, else ~/.local/share/lumen].
    #[arg(long, value_name = "DIR", env = "LUMEN_DATA_DIR", hide_env_values = true, global = true)]
    pub data_dir: Option<PathBuf>,

    /// A file that holds a token, read anew whenever one is needed. Without it the token is $LUMEN_TOKEN, or is
    /// signed with the data directory's key.
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,

    /// Write for programs: JSON on stdout, a line an object.
    #[arg(long, global = true)]
    pub json: bool,

    /// Say nothing on stderr but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Log more to stderr: of a server what it does, of the others each request and how it was answered; -vv for
    /// everything there is.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
}

impl Global {
    /// The log's level, if a flag says one, and that flag.
    pub fn level(&self) -> Option<(&'static str, &'static str)> {
        match (self.quiet, self.verbose) {
            (true, _) => Some(("--quiet", "error")),
            (false, 0) => None,
            (false, 1) => Some(("-v", "debug")),
            (false, _) => Some(("-vv", "trace")),
        }
    }
}
