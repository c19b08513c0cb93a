//! `lumen disconnect`: ends a user's streams and tokens.

use super::server;
use super::term::{Out, count, shown};
use crate::cli::disconnect::Options;
use crate::cli::global::Global;
use crate::client::operator;
use crate::exit::Exit;

/// # Errors
/// The server was not asked, or refused.
pub async fn run(options: &Options, global: &Global) -> anyhow::Result<Exit> {
    let server = server::endpoint(global)?;
    let outcome = operator::disconnect(&server, &options.user).await;
    let disconnected = server::explained(&server, outcome).await?;
    let line = if global.json {
        serde_json::to_string(&disconnected)?
    } else {
        let streams = match disconnected.closed {
            0 => "no stream was open".to_owned(),
            1 => "1 stream ended".to_owned(),
            several => format!("{} streams ended", count(several as u64)),
        };
        format!("{streams}; tokens of {} that were signed up to now are refused", shown(options.user.as_str()))
    };
    Out::stdout().line(&line).await?;
    Ok(Exit::Ok)
}
