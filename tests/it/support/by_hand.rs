//! HTTP/1.1 by hand, as far as the servers of the tests speak it: requests that are read, answers and streams that are
//! written. Each returns nothing where the client has gone.

use std::collections::HashMap;

use reqwest::Url;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Hands each client to a task of its own, until it is dropped.
pub async fn serve<C: Future<Output = Option<()>> + Send + 'static>(
    listener: TcpListener,
    connection: impl Fn(BufReader<TcpStream>) -> C,
) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("a connection");
        client.set_nodelay(true).expect("TCP_NODELAY");
        connections.spawn(connection(BufReader::new(client)));
    }
}

/// A request as it came in.
pub struct Asked {
    pub method: String,
    pub url: Url,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Asked {
    pub async fn read(client: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            client.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let mut words = lines[0].split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        let fields = lines[1..].iter().filter_map(|line| line.split_once(':'));
        let headers: HashMap<_, _> =
            fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; length];
        client.read_exact(&mut body).await.ok()?;
        let url = format!("http://standin{target}").parse().expect("a target");
        Some(Self { method, url, headers, body: String::from_utf8(body).expect("a text") })
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The fields of a form.
    pub fn form(&self) -> Url {
        let mut url = self.url.clone();
        url.set_query(Some(&self.body));
        url
    }
}

pub fn values(url: &Url, name: &str) -> Vec<String> {
    url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
}

/// An answer with its length, after which the connection goes on.
pub async fn answer(client: &mut BufReader<TcpStream>, status: &str, body: &str) -> Option<()> {
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    client.write_all(text.as_bytes()).await.ok()
}

/// Writes a stream in chunks, each as it comes; ends where nothing is to come any more.
pub async fn stream(mut client: BufReader<TcpStream>, mut frames: mpsc::Receiver<String>) -> Option<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: private, no-cache, no-store\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    client.write_all(head.as_bytes()).await.ok()?;
    loop {
        let frame = tokio::select! {
            frame = frames.recv() => frame.unwrap_or_default(),
            // A client that has gone, or says what no stream is told.
            _ = client.fill_buf() => return None,
        };
        let chunk = format!("{:x}\r\n{frame}\r\n", frame.len());
        client.write_all(chunk.as_bytes()).await.ok()?;
        if frame.is_empty() {
            return None;
        }
    }
}
