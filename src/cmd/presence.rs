//! `lumen presence`: where a user is.

use super::server;
use super::term::style::TIME;
use super::term::{Notes, Out, count, local_time, shown};
use crate::cli::global::Global;
use crate::cli::presence::Options;
use crate::client::operator;
use crate::exit::Exit;

/// # Errors
/// The server was not asked, or refused.
pub async fn run(options: &Options, global: &Global) -> anyhow::Result<Exit> {
    let server = server::endpoint(global)?;
    let presence = server::explained(&server, operator::presence(&server, &options.user).await).await?;
    let mut out = Out::stdout();
    for open in &presence.streams {
        let line = if global.json {
            serde_json::to_string(open)?
        } else {
            let from = open.from.map_or_else(|| "from nobody knows where".to_owned(), |from| format!("from {from}"));
            format!("{}  {from}  {}", local_time(&open.since), out.styled(TIME, shown(&open.stream)))
        };
        out.line(&line).await?;
    }
    let user = shown(options.user.as_str());
    Notes::new(global.quiet).say(&match presence.streams.len() {
        0 => format!("{user} has no open stream"),
        1 => format!("{user} has 1 open stream"),
        several => format!("{user} has {} open streams", count(several as u64)),
    });
    Ok(Exit::Ok)
}
