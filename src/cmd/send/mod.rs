//! `lumen send`: one notification, or many.

mod batch;
mod lines;
mod many;
mod one;
mod pace;
mod source;
mod tally;

use crate::cli::global::Global;
use crate::cli::send::Options;
use crate::exit::Exit;

/// # Errors
/// What kept a notification from being sent.
pub async fn run(options: &Options, global: &Global) -> anyhow::Result<Exit> {
    match &options.file {
        Some(file) => many::run(file, options, global).await,
        None => one::run(&options.one, global).await,
    }
}
