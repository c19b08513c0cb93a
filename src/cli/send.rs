//! `lumen send`: one notification from flags, or many from a file.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use super::duration;
use super::rate::Rate;
use crate::domain::ids::UserId;
use crate::domain::limits::{KEY_BYTES, REQUEST_ROWS, TTL_MAX_S};

/// Bytes of a run's name, which leaves room in a key for a colon and the line's number.
const RUN_BYTES: usize = KEY_BYTES - 24;

const EXAMPLES: &str = "\
Examples:
  lumen send --user alice --type like --sender bob --content 'likes your post' --link /posts/9
  lumen send drafts.ndjson                a file with a draft a line
  export-drafts | lumen send - --rate 500/s

A draft is a JSON object: {\"user\": \"alice\", \"type\": \"like\", \"content\": \"…\"},
with \"users\" for several, and, if you like, \"sender\", \"link\", \"extra\", \"key\" and
\"ttl_s\". A draft without a key gets one of the run and its line number, so that
the same file can be sent again, after a fault or an interruption, and nothing is
sent twice.";

/// Put notifications in: one from flags, or many as NDJSON drafts.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, override_usage = USAGE)]
pub struct Options {
    /// A file with a draft a line; - is stdin.
    #[arg(value_name = "FILE", conflicts_with = "one")]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub one: One,

    /// At most so many lines in a time, like 500/s, evenly spread: of 5/m one goes each 12 s.
    #[arg(long, value_name = "RATE", requires = "file", conflicts_with = "one")]
    pub rate: Option<Rate>,

    /// Lines that go in one request, at most; each request is stored whole or not at all.
    #[arg(long, value_name = "LINES", requires = "file", conflicts_with = "one", default_value_t = 500,
        value_parser = batch)]
    pub batch: usize,

    /// The name by which lines are keyed [default: the hash of a file, a random one of a pipe].
    #[arg(long, value_name = "ID", requires = "file", conflicts_with = "one", value_parser = run)]
    pub run: Option<String>,
}

const USAGE: &str = "\
lumen send --user <ID> --type <TYPE> --content <TEXT> [OPTIONS]
       lumen send <FILE> [--rate <RATE>] [--batch <LINES>] [--run <ID>] [OPTIONS]
       … | lumen send - [--rate <RATE>] [--batch <LINES>] [--run <ID>] [OPTIONS]";

/// One draft, field by field.
#[derive(Debug, Args)]
#[group(id = "one", multiple = true)]
pub struct One {
    /// Who gets it.
    #[arg(long, value_name = "ID", required_unless_present = "file")]
    pub user: Option<UserId>,

    /// What it is: like, comment, follow, system, or a type of your own.
    #[arg(long = "type", value_name = "TYPE", required_unless_present = "file")]
    pub kind: Option<String>,

    /// What it says.
    #[arg(long, value_name = "TEXT", required_unless_present = "file", allow_hyphen_values = true)]
    pub content: Option<String>,

    /// Who it is from.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub sender: Option<String>,

    /// Where it leads: http://…, https://…, or a path of your site.
    #[arg(long, value_name = "LINK", allow_hyphen_values = true)]
    pub link: Option<String>,

    /// Its natural name: the same key for the same user is the same notification.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub key: Option<String>,

    /// How long it lives, like 30d.
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    pub ttl: Option<Duration>,
}

impl One {
    pub fn draft(&self) -> Value {
        let texts = [
            ("user", self.user.as_ref().map(UserId::as_str)),
            ("type", self.kind.as_deref()),
            ("content", self.content.as_deref()),
            ("link", self.link.as_deref()),
            ("key", self.key.as_deref()),
        ];
        let mut draft = Map::new();
        for (name, text) in texts {
            if let Some(text) = text {
                draft.insert(name.to_owned(), text.into());
            }
        }
        if let Some(sender) = &self.sender {
            draft.insert("sender".to_owned(), json!({ "username": sender }));
        }
        if let Some(ttl) = self.ttl {
            draft.insert("ttl_s".to_owned(), ttl.as_secs().into());
        }
        Value::Object(draft)
    }
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = duration::parse(text)?;
    if ttl.subsec_nanos() == 0 && (1..=TTL_MAX_S).contains(&ttl.as_secs()) {
        return Ok(ttl);
    }
    Err(format!("a notification lives 1s to {}d, in whole seconds", TTL_MAX_S / 86_400))
}

fn batch(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(lines @ 1..=REQUEST_ROWS) => Ok(lines),
        _ => Err(format!("a request has 1 to {REQUEST_ROWS} lines")),
    }
}

fn run(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > RUN_BYTES || text.chars().any(char::is_control) {
        return Err(format!("a run's name has 1 to {RUN_BYTES} bytes and no control characters"));
    }
    Ok(text.to_owned())
}
