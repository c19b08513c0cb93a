//! One notification from flags: one try, since somebody sits there and sees what became of it.

use anyhow::Context;
use clap::error::ErrorKind;
use serde_json::Value;

use crate::cli::global::Global;
use crate::cli::send::One;
use crate::client::{Failure, api};
use crate::cmd::server;
use crate::cmd::term::{Out, count};
use crate::cmd::usage;
use crate::domain::draft;
use crate::exit::Exit;
use crate::wire::api::Published;

pub async fn run(one: &One, global: &Global) -> anyhow::Result<Exit> {
    let draft = checked(one)?;
    let server = server::endpoint(global)?;
    let published = match server::explained(&server, api::publish(&server, &draft).await).await {
        Err(failure @ (Failure::Cut(_) | Failure::Silent { .. })) => {
            return Err(failure).context("not acknowledged, and stored or not: with --key it can be sent again safely");
        }
        published => published?,
    };
    let line = if global.json { serde_json::to_string(&published)? } else { told(&published) };
    Out::stdout().line(&line).await?;
    Ok(Exit::Ok)
}

/// The draft, which no server needs to see to tell what is wrong with it.
fn checked(one: &One) -> Result<Value, clap::Error> {
    let draft = one.draft();
    let Err(faults) = draft::check(draft.clone()) else { return Ok(draft) };
    let told: Vec<String> = faults.iter().map(|fault| format!("{}: {}", flag(&fault.field), fault.detail)).collect();
    Err(usage::error("send", ErrorKind::ValueValidation, told.join("\n")))
}

/// The flag by which a field is typed.
fn flag(field: &str) -> String {
    match field {
        "sender.username" => "--sender".to_owned(),
        "ttl_s" => "--ttl".to_owned(),
        field => format!("--{field}"),
    }
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
