//! A server that says to each connection, in turn, what it was told to say: for clients that must be proved against
//! answers which no right server gives, and for the proofs of this support itself.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::patience;

/// What follows the last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Close,
    /// The connection stays open, silent.
    Hold,
    Reset,
}

/// A running script, which ends with its handle.
pub struct Script {
    addr: SocketAddr,
    requests: watch::Receiver<Vec<String>>,
    serving: JoinHandle<()>,
}

impl Script {
    /// Serves a connection an answer; none after the last.
    pub async fn start<T: Into<Vec<u8>>>(answers: impl IntoIterator<Item = (T, Then)>) -> Self {
        let answers: Vec<_> = answers.into_iter().map(|(said, then)| (said.into(), then)).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let (taken, requests) = watch::channel(Vec::new());
        Self { addr, requests, serving: tokio::spawn(serve(listener, answers, taken)) }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The requests so far, each with its body if it has a `Content-Length`.
    pub fn requests(&self) -> Vec<String> {
        self.requests.borrow().clone()
    }

    pub async fn until_requests(&self, number: usize) {
        let mut requests = self.requests.clone();
        let reached = patience::within(requests.wait_for(|requests| requests.len() >= number)).await;
        assert!(reached.is_some(), "{number} requests were to come, there are {:?}", self.requests());
    }

    /// Waits until the last answer is said and the port is closed.
    pub async fn until_over(&self) {
        let mut requests = self.requests.clone();
        let over = async { while requests.changed().await.is_ok() {} };
        assert!(patience::within(over).await.is_some(), "the script goes on");
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, answers: Vec<(Vec<u8>, Then)>, taken: watch::Sender<Vec<String>>) {
    let mut held = Vec::new();
    for (said, then) in answers {
        let (mut client, _) = listener.accept().await.expect("a connection");
        let request = read_request(&mut client).await;
        taken.send_modify(|requests| requests.push(request));
        // A client may have enough before the end.
        let _ = client.write_all(&said).await;
        match then {
            Then::Close => drop(client),
            Then::Reset => client.set_zero_linger().expect("SO_LINGER"),
            Then::Hold => held.push(client),
        }
    }
    drop((listener, taken));
    std::future::pending().await
}

async fn read_request(client: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut left = None;
    while left != Some(0) {
        let Ok(byte) = client.read_u8().await else { break };
        bytes.push(byte);
        left = match left {
            Some(left) => Some(left - 1),
            None if bytes.ends_with(b"\r\n\r\n") => Some(content_length(&String::from_utf8_lossy(&bytes))),
            None => None,
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn content_length(head: &str) -> usize {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.map_or(0, |(_, length)| length.trim().parse().expect("a length"))
}
