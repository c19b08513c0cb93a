//! What can be typed after `lumen serve`.

use std::path::PathBuf;

use clap::Args;

use crate::http::Address;

const EXAMPLES: &str = "\
Examples:
  lumen serve                           on 127.0.0.1:8080, and as ./lumen.toml says if it is there
  lumen serve --listen 127.0.0.1:0      on a port that is free
  lumen serve --listen '[::1]:8080' --listen unix:/run/lumen/lumen.sock
  lumen serve --config site.toml --print-config

All that can be set stands in the shipped lumen.toml, with its default and what it is for.
A variable goes over the file, as LUMEN_STREAM_HEARTBEAT=10s over heartbeat in [stream]; a
flag goes over both.

SIGTERM and SIGINT drain: every stream is told to come back, requests are finished; a second
one ends at once. SIGHUP reads the keys and the log's level again.";

/// Run the server: everything it needs is made in its data directory at the first start.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// Where to listen: an address and a port (0 takes any that is free, and the ready line names it), or unix:/path.
    /// May be given several times [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<Address>,

    /// The configuration file [default: ./lumen.toml, else /etc/lumen/lumen.toml, else none].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Check the configuration, show what holds and where it came from, and start nothing.
    #[arg(long)]
    pub print_config: bool,

    /// End when stdin, a pipe, does: for a load test's server, which is not to outlive it whatever ends that.
    #[arg(long, hide = true)]
    pub until_stdin_ends: bool,
}
