//! `lumen retract`: takes a notification back.

use super::server;
use super::term::{Out, count, shown};
use crate::cli::global::Global;
use crate::cli::retract::Options;
use crate::client::api;
use crate::exit::Exit;

/// # Errors
/// The server was not asked, or refused.
pub async fn run(options: &Options, global: &Global) -> anyhow::Result<Exit> {
    let server = server::endpoint(global)?;
    let outcome = api::retract(&server, &options.user, &options.key).await;
    let retracted = server::explained(&server, outcome).await?;
    let user = shown(options.user.as_str());
    let line = if global.json {
        serde_json::to_string(&retracted)?
    } else if retracted.removed {
        format!("taken back, {} unread left for {user}", count(retracted.counts.unread))
    } else {
        format!("nothing to take back: {user} has no notification with this key; it is free")
    };
    Out::stdout().line(&line).await?;
    Ok(Exit::Ok)
}
