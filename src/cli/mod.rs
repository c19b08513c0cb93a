//! What can be typed: flags, their help, their first check. A file a command.

pub mod global;

use clap::{Parser, Subcommand};

use global::Global;

/// A site's message centre: notifications go in over HTTP, are on disk before the answer, and reach every open stream
/// of their user with the new unread count.
#[derive(Debug, Parser)]
#[command(name = "lumen", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {}
