//! What a server says once it listens: where, and the lines to copy next.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{self, Path};

use serde_json::json;

use crate::cli::global::Global;
use crate::cmd::term::{ClosedPipe, Notes, Out};
use crate::home::{self, Home};
use crate::http::Address;

/// Where the other commands look for a server that nobody named.
const USUAL_URL: &str = "http://127.0.0.1:8080";

/// For machines an object on stdout, for people the ready lines and two commands on stderr.
///
/// # Errors
/// Stdout cannot be written. That nobody reads it is no reason not to serve.
pub async fn tell(addresses: &[Address], home: &Home, global: &Global) -> anyhow::Result<()> {
    let urls: Vec<_> = addresses.iter().map(url).collect();
    if global.json {
        let ready = json!({"listening": urls.first(), "addresses": urls, "pid": std::process::id()}).to_string();
        return match Out::stdout().line(&ready).await {
            Err(fault) if fault.is::<ClosedPipe>() => Ok(()),
            told => told,
        };
    }
    let notes = Notes::new(global.quiet);
    for url in &urls {
        notes.say(&format!("listening on {url}"));
    }
    // The commands speak to no Unix socket.
    let tcp = addresses.iter().find_map(|address| match address {
        Address::Tcp(addr) => Some(*addr),
        Address::Unix(_) => None,
    });
    if let Some(addr) = tcp {
        let command = command(std::env::args().next(), addr, home.path(), home::usual().as_deref());
        notes.say("in another shell, be a user:");
        notes.say(&format!("  {command} tail --user alice"));
        notes.say("and in a third, tell her something:");
        notes.say(&format!("  {command} send --user alice --type like --sender bob --content 点赞了你的作品"));
    }
    Ok(())
}

fn url(address: &Address) -> String {
    match address {
        Address::Tcp(addr) => format!("http://{addr}"),
        Address::Unix(_) => address.to_string(),
    }
}

/// The program as it was started, with what another shell would not find by itself.
fn command(program: Option<String>, addr: SocketAddr, dir: &Path, usual_dir: Option<&Path>) -> String {
    let program = program.unwrap_or_else(|| "lumen".to_owned());
    let mut command = quoted(&program).into_owned();
    let url = format!("http://{}", reachable(addr));
    if url != USUAL_URL {
        command.push_str(&format!(" --url {url}"));
    }
    if usual_dir != Some(dir) {
        // The other shell may stand in another directory.
        let dir = path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        command.push_str(&format!(" --data-dir {}", quoted(&dir.to_string_lossy())));
    }
    command
}

/// Who listens on all addresses is reached at the loopback one.
fn reachable(mut addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    addr
}

/// The word as a shell takes it for one.
fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || "_./:=@%+,-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(addr: &str, dir: &str) -> String {
        command(
            Some("target/release/lumen".into()),
            addr.parse().unwrap(),
            Path::new(dir),
            Some(Path::new("/home/a/d")),
        )
    }

    #[test]
    fn only_what_another_shell_would_not_find_is_named() {
        assert_eq!(line("127.0.0.1:8080", "/home/a/d"), "target/release/lumen");
        assert_eq!(line("0.0.0.0:8080", "/home/a/d"), "target/release/lumen");
        assert_eq!(line("127.0.0.1:43211", "/home/a/d"), "target/release/lumen --url http://127.0.0.1:43211");
        assert_eq!(
            line("[::]:80", "/tmp/it's here"),
            r"target/release/lumen --url http://[::1]:80 --data-dir '/tmp/it'\''s here'"
        );
    }
}
