//! `lumen erase`: erases a user's inbox, once somebody has said yes.

use std::io::IsTerminal;

use clap::error::ErrorKind;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::term::{Notes, Out, count, shown};
use super::{server, usage};
use crate::cli::erase::Options;
use crate::cli::global::Global;
use crate::client::access::Access;
use crate::client::inbox::{self, Wanted};
use crate::client::{Endpoint, Failure, operator};
use crate::domain::limits::LIST_PAGE_MAX;
use crate::exit::Exit;

/// Notifications that are counted before somebody is asked; of more it is said that there are more.
const COUNTED: usize = 1_000;

/// # Errors
/// The server was not asked, or refused.
pub async fn run(options: &Options, global: &Global) -> anyhow::Result<Exit> {
    if !options.yes && !std::io::stdin().is_terminal() {
        return Err(unasked().into());
    }
    let server = server::endpoint(global)?;
    let user = shown(options.user.as_str());
    if !options.yes && !is_meant(&question(&server, options).await?).await? {
        Notes::new(global.quiet).say("nothing was erased");
        return Ok(Exit::Failed);
    }
    let erased = server::explained(&server, operator::erase(&server, &options.user).await).await?;
    let line = if global.json {
        serde_json::to_string(&erased)?
    } else if erased.erased {
        format!("the inbox of {user} is erased")
    } else {
        format!("nothing to erase: {user} has no inbox")
    };
    Out::stdout().line(&line).await?;
    Ok(Exit::Ok)
}

fn unasked() -> clap::Error {
    let message = "what is erased does not come back, and here is nobody to ask (stdin is no terminal); say --yes";
    usage::error("erase", ErrorKind::MissingRequiredArgument, message)
}

async fn question(server: &Endpoint, options: &Options) -> Result<String, Failure> {
    let user = shown(options.user.as_str());
    // A token that was handed in is an operator's, who looks into no inbox.
    let Access::Key { .. } = server.access() else {
        return Ok(format!("erase the inbox of {user}? [y/N] "));
    };
    let mut wanted = Wanted::default();
    let mut rows = 0;
    while rows < COUNTED {
        let page = inbox::page(server, Some(&options.user), &wanted, LIST_PAGE_MAX).await;
        let page = server::explained(server, page).await?;
        rows += page.items.len();
        wanted.before = page.next;
        if page.next.is_none() {
            let rows =
                if rows == 1 { "1 notification".to_owned() } else { format!("{} notifications", count(rows as u64)) };
            return Ok(format!("erase the inbox of {user}, with {rows}? [y/N] "));
        }
    }
    Ok(format!("erase the inbox of {user}, with more than {} notifications? [y/N] ", count(COUNTED as u64)))
}

/// Whether the answer is yes. Anything else is no, the end of stdin too.
async fn is_meant(question: &str) -> std::io::Result<bool> {
    Notes::ask(question);
    let mut answer = String::new();
    BufReader::new(tokio::io::stdin()).read_line(&mut answer).await?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
