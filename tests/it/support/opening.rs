//! How a stream is asked for: where, with which token, cursor and odd bytes in the head; and what else came than one.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use lumen_inbox::wire::api::STREAM;

use super::link::Link;
use super::patience;
use super::reader::Reader;
use super::responses::Head;

/// A request for a stream. The token stands in `Authorization`, unless told otherwise.
#[derive(Debug, Clone)]
pub struct Opening {
    addr: SocketAddr,
    source: Option<IpAddr>,
    token: Token,
    query: Vec<String>,
    last_event_id: Option<Vec<u8>>,
    raw: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Token {
    Header(String),
    Query(String),
}

/// Why a stream did not open.
#[derive(Debug)]
pub enum Unopened {
    /// The link: refused, or ended before the head was there. An EventSource comes back.
    Network(io::Error),
    /// Anything but a 200 with an event stream. An EventSource gives up.
    Refused { head: Head, body: String },
}

impl Opening {
    pub fn new(addr: SocketAddr, token: impl Into<String>) -> Self {
        let token = Token::Header(token.into());
        Self { addr, source: None, token, query: Vec::new(), last_event_id: None, raw: Vec::new() }
    }

    /// Sent from this address of the host's.
    pub fn from(mut self, source: IpAddr) -> Self {
        self.source = Some(source);
        self
    }

    pub fn token_in_query(mut self) -> Self {
        let (Token::Header(token) | Token::Query(token)) = self.token;
        self.token = Token::Query(token);
        self
    }

    /// Sent in the header, as these bytes.
    pub fn last_event_id(mut self, id: impl Into<Vec<u8>>) -> Self {
        self.last_event_id = Some(id.into());
        self
    }

    /// Sent as `?last_event_id=`, which must be fit for a URL.
    pub fn last_event_id_in_query(self, id: &str) -> Self {
        self.query(&format!("last_event_id={id}"))
    }

    pub fn snapshot(self, items: usize) -> Self {
        self.query(&format!("snapshot={items}"))
    }

    /// Another parameter, as `name=value`.
    pub fn query(mut self, parameter: &str) -> Self {
        self.query.push(parameter.to_owned());
        self
    }

    /// More of the head, as these bytes: whole lines with their line ends.
    pub fn raw(mut self, lines: impl AsRef<[u8]>) -> Self {
        self.raw.extend_from_slice(lines.as_ref());
        self
    }

    /// # Panics
    /// With the answer, when it is not a stream.
    pub async fn open(self) -> Reader {
        self.try_open().await.unwrap_or_else(|unopened| panic!("the stream did not open: {unopened}"))
    }

    /// # Errors
    /// Any other answer than a stream.
    pub async fn try_open(self) -> Result<Reader, Unopened> {
        let (head, link) = self.ask(None).await?;
        Ok(Reader::new(self, head, link))
    }

    /// Has it bear another token, in the same place.
    pub fn renew(&mut self, token: impl Into<String>) {
        match &mut self.token {
            Token::Header(old) | Token::Query(old) => *old = token.into(),
        }
    }

    /// Sends it elsewhere.
    pub fn move_to(&mut self, addr: SocketAddr) {
        self.addr = addr;
    }

    /// The cursor that it names, as the server reads it, when `cursor` takes the place of its own header.
    pub(super) fn named(&self, cursor: Option<&str>) -> Option<String> {
        let own = self.last_event_id.as_deref().map(|id| String::from_utf8_lossy(id).into_owned());
        let queried = || self.query.iter().find_map(|parameter| parameter.strip_prefix("last_event_id="));
        let header = cursor.map(str::to_owned).or(own).filter(|id| !id.is_empty());
        header.or_else(|| queried().filter(|id| !id.is_empty()).map(str::to_owned))
    }

    /// Asks, with `cursor` in the place of the header that it was made with.
    pub(super) async fn ask(&self, cursor: Option<&str>) -> Result<(Head, Link), Unopened> {
        let asked = patience::within(async {
            let connected = match self.source {
                Some(source) => Link::connect_from(source, self.addr).await,
                None => Link::connect(self.addr).await,
            };
            let mut link = connected.map_err(Unopened::Network)?;
            link.send(&self.request(cursor)).await.map_err(Unopened::Network)?;
            let head = link.head().await.map_err(Unopened::Network)?;
            if head.status == 200 && head.is_event_stream() {
                return Ok((head, link));
            }
            let body = String::from_utf8_lossy(&link.whole_body().await).into_owned();
            Err(Unopened::Refused { head, body })
        });
        asked.await.unwrap_or_else(|| panic!("no answer to {}", String::from_utf8_lossy(&self.request(cursor))))
    }

    fn request(&self, cursor: Option<&str>) -> Vec<u8> {
        let mut query = self.query.clone();
        let mut authorization = String::new();
        match &self.token {
            Token::Header(token) => authorization = format!("Authorization: Bearer {token}\r\n"),
            Token::Query(token) => query.push(format!("token={token}")),
        }
        let question = if query.is_empty() { "" } else { "?" };
        let mut request = format!("GET {STREAM}{question}{} HTTP/1.1\r\nHost: {}\r\n", query.join("&"), self.addr);
        request += "Accept: text/event-stream\r\n";
        request += &authorization;
        let mut request = request.into_bytes();
        if let Some(id) = cursor.map(str::as_bytes).or(self.last_event_id.as_deref()) {
            request.extend([b"Last-Event-ID: ", id, b"\r\n"].concat());
        }
        request.extend([&self.raw[..], b"\r\n"].concat());
        request
    }
}

impl fmt::Display for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unopened::Network(fault) => write!(f, "{fault}"),
            Unopened::Refused { head, body } => write!(f, "{} {:?} {body}", head.status, head.headers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::script::{Script, Then};

    #[tokio::test]
    async fn what_is_no_stream_is_handed_back() {
        let problem =
            "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}";
        let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>";
        let script = Script::start([(problem, Then::Hold), (page, Then::Close), ("HTTP/1.1 2", Then::Close)]).await;
        let opening = Opening::new(script.addr(), "t");
        for (status, kind, text) in [(401, "application/problem+json", "{}"), (200, "text/html", "<p>")] {
            let Err(Unopened::Refused { head, body }) = opening.clone().try_open().await else { panic!("it opened") };
            assert_eq!((head.status, head.header("content-type"), body.as_str()), (status, Some(kind), text));
        }
        let cut = opening.try_open().await;
        assert!(matches!(cut, Err(Unopened::Network(_))));
    }

    #[tokio::test]
    async fn a_head_is_as_odd_as_it_was_asked_to_be() {
        let script = Script::start([("HTTP/1.1 200 OK\r\n\r\n", Then::Close); 2]).await;
        let opening = Opening::new(script.addr(), "t");
        let odd = opening.clone().last_event_id("a b\t").snapshot(9).raw("Last-Event-ID: x\r\n").raw("Y:\r\n");
        let _ = odd.try_open().await;
        let mut plain = opening.token_in_query().last_event_id_in_query("aaaaaa-1");
        plain.renew("u");
        assert_eq!(plain.named(None).as_deref(), Some("aaaaaa-1"));
        assert_eq!(plain.named(Some("aaaaaa-2")).as_deref(), Some("aaaaaa-2"));
        assert_eq!(plain.clone().last_event_id("").named(None).as_deref(), Some("aaaaaa-1"));
        let _ = plain.try_open().await;
        let host = format!("Host: {}\r\nAccept: text/event-stream\r\n", script.addr());
        let expected = [
            format!(
                "GET {STREAM}?snapshot=9 HTTP/1.1\r\n{host}Authorization: Bearer t\r\nLast-Event-ID: a b\t\r\n\
                 Last-Event-ID: x\r\nY:\r\n\r\n"
            ),
            format!("GET {STREAM}?last_event_id=aaaaaa-1&token=u HTTP/1.1\r\n{host}\r\n"),
        ];
        assert_eq!(script.requests(), expected);
    }
}
