//! `lumen token`: signs a token with the data directory's key.

use serde_json::json;

use super::term::Out;
use crate::auth::{Claims, Keys};
use crate::cli::global::Global;
use crate::cli::token::{Bearer, Options};
use crate::clock::Clock;
use crate::exit::Exit;
use crate::home::{self, Home};
use crate::wire::api::timestamp;

/// # Errors
/// There is no key to sign with, or stdout cannot be written.
pub async fn run(options: &Options, global: &Global) -> anyhow::Result<Exit> {
    let home = Home::existing(home::locate(global.data_dir.clone())?)?;
    let keys = Keys::load(&home.key())?;
    let claims = claims(options);
    let token = keys.sign(&claims);
    let line = if global.json {
        json!({"token": token, "expires_at": timestamp(claims.expires_at())}).to_string()
    } else {
        token
    };
    Out::stdout().line(&line).await?;
    Ok(Exit::Ok)
}

fn claims(options: &Options) -> Claims {
    let now = Clock::System.now();
    let ttl = options.ttl;
    match &options.bearer {
        Bearer { user: Some(user), .. } => Claims::user(user, now, ttl),
        Bearer { producer: Some(name), .. } => Claims::producer(name, now, ttl),
        // One of the three was typed, or clap would have refused the line.
        _ => Claims::admin("admin", now, ttl),
    }
}
