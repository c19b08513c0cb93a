//! Faults row 36, before a request is one: whatever bytes come, the connection ends, and what is answered is no fault of
//! the server's.

use std::fmt;

use lumen_inbox::wire::api::{NOTIFICATIONS, STREAM};
use lumen_inbox::wire::problem::{MEDIA_TYPE, Problem};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{TestCaseError, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::patience;
use crate::support::responses::{Piece, Responses};
use crate::support::server::Server;

const CONNECTIONS: u32 = 10_000;

/// What is sent on one connection.
#[derive(Clone)]
struct Sent(Vec<u8>);

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// One to three requests behind each other, with slips.
fn heads(token: &str) -> impl Strategy<Value = Sent> + use<> {
    let draft = r#"{"user":"ada","type":"like","content":"x"}"#;
    let request =
        |line: &str, rest: &str| format!("{line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{rest}");
    let length = format!("Content-Length: {}\r\n\r\n{draft}", draft.len());
    let chunks = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{draft}\r\n0\r\n\r\n", draft.len());
    let json = "Content-Type: application/json\r\n";
    let whole = [
        request(&format!("GET {NOTIFICATIONS}?limit=1"), "\r\n"),
        request(&format!("GET {STREAM}"), "Last-Event-ID: 000000-0\r\n\r\n"),
        request(&format!("POST {NOTIFICATIONS}"), &format!("{json}{length}")),
        request(&format!("POST {NOTIFICATIONS}"), &format!("{json}{chunks}")),
        request("OPTIONS *", "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"),
        request("CONNECT a:80", "Upgrade: h2c\r\nConnection: upgrade, close\r\n\r\n"),
        "GET http://a/healthz HTTP/1.0\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ];
    let slip = prop_oneof![
        3 => vec(any::<u8>(), 0..6),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r\nContent-Length: 5".to_vec()),
        1 => Just(b"\r\nTransfer-Encoding: chunked".to_vec()),
        1 => Just(vec![b'x'; 17_000]),
    ];
    let slips = prop_oneof![1 => Just(vec![]), 4 => vec((any::<Index>(), 0..6_usize, slip), 1..4)];
    (vec(select(whole.to_vec()), 1..4), slips).prop_map(|(requests, slips)| {
        let mut bytes = requests.concat().into_bytes();
        for (at, length, slip) in slips {
            let at = at.index(bytes.len() + 1);
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, slip);
        }
        Sent(bytes)
    })
}

/// Sends it all, says that nothing more comes, and hears the server out. A stream is left once it is open: to a peer that
/// only listens it may go on.
async fn talk(server: &Server, sent: &Sent) -> Vec<u8> {
    let mut link = TcpStream::connect(server.addr()).await.unwrap();
    let mut heard = Vec::new();
    // A server that has had enough need not take the rest, and may end as harshly as it likes.
    if link.write_all(&sent.0).await.is_ok() && link.shutdown().await.is_ok() {
        while let Ok(1..) = link.read_buf(&mut heard).await {
            if heard.windows(13).any(|bytes| bytes == b"event: ready\n") {
                break;
            }
        }
    }
    heard
}

fn judge(heard: &[u8]) -> Result<(), String> {
    let (mut responses, mut pieces) = (Responses::default(), Vec::new());
    heard.iter().for_each(|byte| responses.push(*byte, &mut pieces));
    let mut pieces = pieces.into_iter().peekable();
    while let Some(piece) = pieces.next() {
        let Piece::Head(head) = piece else { return Err(format!("{piece:?} is no head")) };
        let mut body = Vec::new();
        while let Some(Piece::Body(byte)) = pieces.next_if(|piece| !matches!(piece, Piece::Head(_))) {
            body.push(byte);
        }
        match (head.status, head.header("content-type")) {
            (100 | 200 | 201, _) => {}
            (400..500, Some(MEDIA_TYPE)) => {
                serde_json::from_slice::<Problem>(&body).map_err(|fault| format!("{head:?}: {fault}"))?;
            }
            _ => return Err(format!("{head:?}")),
        }
    }
    Ok(())
}

#[test]
fn whatever_bytes_come_the_connection_ends_in_good_order() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start());
    let config = ProptestConfig {
        cases: CONNECTIONS,
        max_shrink_time: 60_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let strategy = (heads(&server.tokens.producer()), heads(&server.tokens.user("ada")));
    let outcome = TestRunner::new(config).run(&prop_oneof![strategy.0, strategy.1], |sent| {
        let heard = runtime.block_on(patience::within(talk(&server, &sent)));
        let heard = heard.ok_or_else(|| TestCaseError::fail("no end"))?;
        judge(&heard).map_err(TestCaseError::fail)
    });
    if let Err(fault) = outcome {
        panic!("{fault}");
    }
    runtime.block_on(async {
        assert!(!server.user("ada").list_all().await.items.is_empty(), "none of it was good");
        server.reader("ada").await.expect_ready().await;
        server.stop().await;
    });
}
