//! Which server is loaded, and how it is spoken to.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use http::{HeaderName, Method};

use crate::loadtest::profile::Words;

const MOST_PID: u32 = i32::MAX as u32;

/// Which server is loaded, and how it is spoken to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub struct Which {
    /// Start a server for this run alone, in a temporary directory and on a free port, with caps that let it through.
    #[arg(long, conflicts_with_all = ["key_file", "tokens", "token_file", "server_pid"])]
    pub spawn: bool,

    /// The server's process, on this host: its CPU, memory and descriptors are reported.
    #[arg(long, value_name = "PID", value_parser = process)]
    pub server_pid: Option<u32>,

    /// What kind of server it is.
    #[arg(long, value_enum, value_name = "PROFILE", default_value_t)]
    pub profile: ProfileName,

    /// The file of lumen's signing key, with which a token is signed for each stream [default: the data directory's].
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,

    /// Tokens for the streams of another server, one a line: a user each, and again from the first. What publishes is
    /// let in by --token-file or LUMEN_TOKEN.
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,

    #[command(flatten)]
    typed: Typed,
}

/// Requests as they are typed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Requests of a profile other than lumen, each a template")]
pub struct Typed {
    /// What opens a stream: a path below --url, or a whole URL.
    #[arg(long, value_name = "URL")]
    subscribe_url: Option<String>,

    /// Its method [default: GET].
    #[arg(long, value_name = "METHOD", value_parser = method)]
    subscribe_method: Option<Method>,

    /// A header of it, like 'X-Token: {token}', instead of the profile's; an empty one is left out. May be given several
    /// times. Everyone on this host sees what is typed: a secret goes into a file, and {token} into the header.
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    subscribe_header: Vec<Header>,

    /// Its body, JSON unless a header says otherwise [default: none].
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    subscribe_body: Option<String>,

    /// What publishes a message: a path below --url, or a whole URL.
    #[arg(long, value_name = "URL")]
    publish_url: Option<String>,

    /// Its method [default: POST].
    #[arg(long, value_name = "METHOD", value_parser = method)]
    publish_method: Option<Method>,

    /// A header of it, instead of the profile's. May be given several times.
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    publish_header: Vec<Header>,

    /// Its body, JSON unless a header says otherwise.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    publish_body: Option<String>,
}

/// A kind of server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ProfileName {
    /// `lumen serve`.
    #[default]
    Lumen,
    /// Any server that speaks SSE: say how by --subscribe-url, --publish-url and --publish-body.
    Generic,
    /// Nchan, with its locations at /sub/ID and /pub/ID.
    Nchan,
    /// A Mercure hub.
    Mercure,
    /// Centrifugo with uni_sse.
    Centrifugo,
}

pub type Header = (HeaderName, String);

impl Which {
    /// Whether any part of a request is typed.
    pub fn is_typed(&self) -> bool {
        [self.subscribe(), self.publish()].iter().any(|words| *words != Words::default())
    }

    pub fn subscribe(&self) -> Words {
        let Typed { subscribe_method, subscribe_url, subscribe_header, subscribe_body, .. } = &self.typed;
        Words {
            method: subscribe_method.clone(),
            url: subscribe_url.clone(),
            headers: subscribe_header.clone(),
            body: subscribe_body.clone(),
        }
    }

    pub fn publish(&self) -> Words {
        let Typed { publish_method, publish_url, publish_header, publish_body, .. } = &self.typed;
        Words {
            method: publish_method.clone(),
            url: publish_url.clone(),
            headers: publish_header.clone(),
            body: publish_body.clone(),
        }
    }
}

fn process(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(pid @ 1..=MOST_PID) => Ok(pid),
        _ => Err("a process is a whole number, at least 1, as ps shows it".to_owned()),
    }
}

fn method(text: &str) -> Result<Method, String> {
    match text.parse() {
        // The answer to the one has no body that its head tells of, and after the other's there is no HTTP any more.
        Ok(Method::HEAD | Method::CONNECT) => {
            Err("neither opens a stream nor puts a message in: GET, POST or PUT does".to_owned())
        }
        Ok(method) => Ok(method),
        Err(_) => Err("a method is a word like GET or POST".to_owned()),
    }
}

fn header(text: &str) -> Result<Header, String> {
    let fault = || "a header is a name, a colon and a value, like 'X-Room: {user}'".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(fault)?;
    Ok((name.trim().parse().map_err(|_| fault())?, value.trim().to_owned()))
}
