//! One notification from flags: one try, since somebody sits there and sees what became of it.

use anyhow::Context;

use crate::cli::global::Global;
use crate::cli::send::One;
use crate::client::{Failure, api};
use crate::cmd::server;
use crate::cmd::term::{Out, count};
use crate::exit::Exit;
use crate::wire::api::Published;

pub async fn run(one: &One, global: &Global) -> anyhow::Result<Exit> {
    let server = server::endpoint(global)?;
    let published = match api::publish(&server, &one.draft()).await {
        Err(failure @ (Failure::Cut(_) | Failure::Silent { .. })) => {
            return Err(failure).context("not acknowledged, and stored or not: with --key it can be sent again safely");
        }
        published => published?,
    };
    let line = if global.json { serde_json::to_string(&published)? } else { told(&published) };
    Out::stdout().line(&line).await?;
    Ok(Exit::Ok)
}

fn told(published: &Published) -> String {
    let Published { id, rev, unread_count, streams, duplicate, .. } = published;
    let streams = match streams {
        1 => "1 stream".to_owned(),
        streams => format!("{} streams", count(*streams as u64)),
    };
    let duplicate = if *duplicate { ", a duplicate" } else { "" };
    format!("{id}  rev {rev}, {} unread, handed to {streams}{duplicate}", count(*unread_count))
}
