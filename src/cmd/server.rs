//! From what every command takes to the server: its address, and the token to be let in by.

use std::sync::Arc;

use anyhow::{Context, anyhow};

use crate::auth::{KeyError, Keys};
use crate::cli::global::Global;
use crate::client::access::Token;
use crate::client::{Access, Endpoint, Failure};
use crate::clock::Clock;
use crate::home::{self, Home, HomeError};

/// A token is handed over in this variable: the values of flags can be seen by every user of a host.
const TOKEN: &str = "LUMEN_TOKEN";

/// The server that was named, by `--token-file`, `LUMEN_TOKEN` or the data directory's key, whichever is first.
///
/// # Errors
/// No token is there to be used.
pub fn endpoint(global: &Global) -> anyhow::Result<Endpoint> {
    Ok(Endpoint::new(global.url.clone(), access(global)?)?)
}

/// What a call came to; if to nothing, as exactly as can be found out.
///
/// # Errors
/// The call's own.
pub async fn explained<T>(server: &Endpoint, outcome: Result<T, Failure>) -> Result<T, Failure> {
    match outcome {
        Err(failure) => Err(server.explain(failure).await),
        done => done,
    }
}

fn access(global: &Global) -> anyhow::Result<Access> {
    match handed_over(global)? {
        Some(access) => Ok(access),
        None => Ok(Access::Key { keys: own_keys(global)?, clock: Clock::System }),
    }
}

/// The token that was handed over, by `--token-file` or `LUMEN_TOKEN`, if one was.
///
/// # Errors
/// What was handed over is no token.
pub fn handed_over(global: &Global) -> anyhow::Result<Option<Access>> {
    if let Some(path) = &global.token_file {
        return Ok(Some(Access::File(path.clone())));
    }
    match std::env::var_os(TOKEN) {
        Some(token) if !token.is_empty() => Ok(Some(Access::Given(Token::parse(&token.to_string_lossy(), TOKEN)?))),
        _ => Ok(None),
    }
}

/// The data directory's key.
///
/// # Errors
/// There is none that may be read.
pub fn own_keys(global: &Global) -> anyhow::Result<Arc<Keys>> {
    let path = home::locate(global.data_dir.clone())?;
    let missing = || {
        anyhow!(
            "no token and no signing key: there is none in {}; run this on the host where `lumen serve` runs, say with \
             --data-dir where its data are, or hand over a token with --token-file or {TOKEN}",
            path.display()
        )
    };
    let home = match Home::existing(&path) {
        Err(HomeError::Missing { .. }) => return Err(missing()),
        home => home?,
    };
    match Keys::load(&home.key()) {
        Err(KeyError::Missing { .. }) => Err(missing()),
        keys => Ok(Arc::new(keys.context("no token")?)),
    }
}
