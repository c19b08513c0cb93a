//! What a public server must bear of requests: those that are slow, endless, or not what they seem; and what it writes of
//! them.

use std::time::Duration;

use lumen_inbox::config::Config;
use lumen_inbox::domain::limits::{BODY_BYTES, HEAD_BYTES};
use lumen_inbox::wire::api::{NOTIFICATIONS, STREAM};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::child::{Child, Launch};
use crate::support::link::Link;
use crate::support::patience;
use crate::support::server::Server;

/// The most memory that it ever had, in KiB.
fn peak_kib(server: &Child) -> usize {
    let pid = server.pid().expect("a running server");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    peak.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Faults row 20, the slow.
#[tokio::test]
async fn a_slow_head_is_closed_and_a_slow_body_is_told() {
    let mut config = Config::defaults();
    config.http.head_timeout = Duration::from_millis(200);
    config.http.body_timeout = Duration::from_millis(200);
    let server = Server::start_with(config).await;
    for begun in ["", "G", "GET /healthz HTTP/1.1\r\nHost: "] {
        let mut link = Link::connect(server.addr()).await.unwrap();
        link.send(begun.as_bytes()).await.unwrap();
        let answers = patience::within(link.answers()).await.unwrap_or_else(|| panic!("{begun:?} is waited for"));
        assert_eq!(answers, [], "{begun:?}");
    }
    let head = format!(
        "POST {NOTIFICATIONS} HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n",
        server.tokens.producer()
    );
    for (framing, begun) in
        [("Content-Length: 100\r\n\r\n", "{"), ("Transfer-Encoding: chunked\r\n\r\n", "1\r\n{\r\n5")]
    {
        let mut link = Link::connect(server.addr()).await.unwrap();
        link.send(format!("{head}{framing}{begun}").as_bytes()).await.unwrap();
        let answers = patience::within(link.answers()).await.expect("an end of the wait for the body");
        let [(answer, body)] = &answers[..] else { panic!("one answer, not {answers:?}") };
        assert_eq!((answer.status, code(body).as_str()), (408, "body_too_slow"));
    }
    server.stop().await;
}

fn code(body: &str) -> String {
    let problem: Value = body.parse().unwrap_or_else(|fault| panic!("{fault}: {body}"));
    for name in ["title", "detail", "cure"] {
        assert!(problem[name].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    }
    problem["code"].as_str().unwrap().to_owned()
}

/// Faults row 20: what follows a request is the next one, or nothing; never a part of a body.
#[tokio::test]
async fn requests_on_one_connection_are_told_apart() {
    let server = Server::start().await;
    let last = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let sneaked = "GET /sneaked HTTP/1.1\r\nHost: a\r\n\r\n";
    let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n";
    let post = "POST /healthz HTTP/1.1\r\nHost: a\r\n";
    let length = sneaked.len();
    for (sent, statuses) in [
        // One behind the other, in order.
        (format!("{get}\r\n").repeat(20), vec![200; 20]),
        (format!("{get}\r\nGET /x HTTP/1.1\r\n\r\n").repeat(10), [200, 404].repeat(10)),
        (format!("\r\n\r\n{get}\r\n\r\n{get}\r\n"), vec![200, 200]),
        // A body that nobody asked for is passed over.
        (format!("{get}Content-Length: {length}\r\n\r\n{sneaked}"), vec![200]),
        (format!("{post}Content-Length: {length}\r\n\r\n{sneaked}"), vec![405]),
        (format!("{get}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{sneaked}\r\n0\r\n\r\n"), vec![200]),
        (format!("{get}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"), vec![200]),
        // Nobody is connected through, and nothing is upgraded.
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".to_owned(), vec![404]),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), vec![404]),
        ("GET http://elsewhere/healthz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), vec![200]),
        (format!("{get}Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"), vec![200]),
        // Lines may end in a mere LF, as ever; and nothing else is read from them.
        (format!("{}\n", get.replace("\r\n", "\n")), vec![200]),
    ] {
        let heard = hear(&server, &format!("{sent}{last}")).await;
        assert_eq!(heard, [statuses, vec![404]].concat(), "{sent}");
    }
    // What two readers may read in two ways ends the connection, so that what comes behind is no request.
    let chunks = format!("0\r\n\r\n{sneaked}");
    for (sent, statuses) in [
        (format!("{post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"), [405]),
        (format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n{chunks}"), [405]),
        (format!("{post}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{sneaked}"), [400]),
        (format!("{post}Content-Length: 0, {length}\r\n\r\n{sneaked}"), [400]),
        (format!("{post}Content-Length: +{length}\r\n\r\n{sneaked}"), [400]),
        (format!("{post}Content-Length: 0x0\r\n\r\n{sneaked}"), [400]),
        (format!("{post}Content-Length: -1\r\n\r\n{sneaked}"), [400]),
        (format!("{post}Content-Length:\r\n\r\n{sneaked}"), [400]),
        (format!("{post}Content-Length: 18446744073709551617\r\n\r\n{sneaked}"), [400]),
        (format!("{post}Transfer-Encoding: xchunked\r\n\r\n{chunks}"), [400]),
        (format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n{chunks}"), [400]),
        (format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n{chunks}"), [400]),
        (format!("{}Transfer-Encoding: chunked\r\n\r\n{chunks}", post.replace("1.1", "1.0")), [400]),
        (format!("{post}Content-Length : {length}\r\n\r\n{sneaked}"), [400]),
        (format!("{post}X: a\r\n Content-Length: {length}\r\n\r\n{sneaked}"), [400]),
        (format!("{post}X: a\rContent-Length: {length}\r\n\r\n{sneaked}"), [400]),
        (format!("{post}X: \0\r\n\r\n{sneaked}"), [400]),
        (format!("{post}: x\r\n\r\n{sneaked}"), [400]),
        (format!("GET /healthz\r\n\r\n{sneaked}"), [400]),
        (format!("GET  /healthz HTTP/1.1\r\n\r\n{sneaked}"), [400]),
    ] {
        assert_eq!(hear(&server, &format!("{sent}{last}")).await, statuses, "{sent}");
    }
    server.stop().await;
}

/// The statuses of what is answered to these bytes; each refusal is a whole problem.
async fn hear(server: &Server, sent: &str) -> Vec<u16> {
    let mut link = Link::connect(server.addr()).await.unwrap();
    link.send(sent.as_bytes()).await.unwrap();
    let answers = patience::within(link.answers()).await.unwrap_or_else(|| panic!("no end of the answers to {sent}"));
    for (head, body) in &answers {
        if head.status >= 400 {
            assert_eq!(head.header("content-type"), Some("application/problem+json"), "{sent}");
            code(body);
        }
    }
    answers.into_iter().map(|(head, _)| head.status).collect()
}

/// Faults row 38: a token is in no log, also where nothing became a request of it, or where it was put by mistake.
#[tokio::test]
async fn a_token_is_not_logged_wherever_it_was_put() {
    let mut server = Launch::new().arg("-vv").env("RUST_LOG", "trace").start().await;
    let (token, producer) = (server.tokens().user("ada"), server.tokens().producer());
    let long = "x".repeat(HEAD_BYTES);
    let get = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    let post = format!("POST {NOTIFICATIONS} HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {producer}\r\n");
    for sent in [
        format!("GET {STREAM}?token={token} HTTP/9.9\r\n\r\n"),
        format!("GET {STREAM}?token={token}\r\n\r\n"),
        format!("GET {STREAM}?token={token} HTTP/1.1\r\nX: {long}\r\n\r\n"),
        format!("GET {STREAM}?last_event_id={token} HTTP/1.1\r\nConnection: close\r\n\r\n"),
        format!("GET {STREAM}?snapshot={token}&token={token} HTTP/1.1\r\nConnection: close\r\n\r\n"),
        format!("GET http://ada:{token}@elsewhere/healthz?token={token} HTTP/1.1\r\nConnection: close\r\n\r\n"),
        format!("{get}Authorization: Bearer {token}\r\nX : y\r\n\r\n"),
        format!("{get}Authorization: {token}\r\nCookie: lumen={token}\r\nReferer: https://a/?token={token}\r\n\r\n"),
        format!("{get}X-Forwarded-For: {token}\r\nLast-Event-ID: {token}\r\nLumen-Stream: {token}\r\n\r\n"),
        format!("{post}Content-Type: {token}\r\nContent-Length: 2\r\n\r\n{{}}"),
        format!("{post}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{\"user\":\"{token}\""),
        format!("{post}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{token}\r\n"),
        format!("Bearer {token}\r\n\r\n"),
    ] {
        let mut link = Link::connect(server.addr()).await.unwrap();
        link.send(sent.as_bytes()).await.unwrap();
        // A body that is not whole ends with its sender.
        link.close_own_half().await.unwrap();
        assert!(patience::within(link.answers()).await.is_some(), "{sent}");
    }
    server.terminate();
    let ended = server.wait().await;
    assert!(ended.stderr.contains("DEBUG"), "it is loud: {}", ended.stderr);
    for secret in [&token, &producer] {
        let signature = secret.rsplit_once('.').unwrap().1;
        let line = ended.stderr.lines().find(|line| line.contains(signature) || line.contains("eyJ"));
        assert_eq!(line, None);
    }
}

/// Faults row 28: a body without an end is refused as it passes the limit, and none of it is kept.
#[tokio::test]
async fn a_gigabyte_is_refused_at_its_beginning() {
    const GIGABYTE: usize = 1024 * 1024 * 1024;
    let server = Child::start().await;
    let api = server.api();
    api.publish("ada", "before").await;
    let base = peak_kib(&server);
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let mut link = Link::connect(server.addr()).await.unwrap();
    let head = format!(
        "POST {NOTIFICATIONS} HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        server.tokens().producer()
    );
    link.send(head.as_bytes()).await.unwrap();
    let mut sent = 0;
    while sent < BODY_BYTES + chunk.len() {
        link.send(&chunk).await.unwrap();
        sent += chunk.len();
    }
    let refused = patience::within(link.head()).await.expect("an answer while it is still sent").unwrap();
    assert_eq!(refused.status, 413);
    // Who does not listen is cut off.
    while sent < GIGABYTE && link.send(&chunk).await.is_ok() {
        sent += chunk.len();
    }
    assert!(sent < GIGABYTE / 10, "{sent} bytes were taken");
    let grown = peak_kib(&server) - base;
    assert!(grown < 16 * 1024, "{grown} KiB more");
    api.publish("ada", "after").await;
}

/// Bodies that are still sent share one room: who finds it taken is told to come back.
#[tokio::test]
async fn bodies_that_wait_leave_room_or_the_next_is_told() {
    let mut config = Config::defaults();
    config.buffer_bytes = BODY_BYTES;
    let server = Server::start_with(config).await;
    let (api, token) = (server.api(), server.tokens.producer());
    // Room is left for the ends of these two, and for no draft.
    let half = " ".repeat(BODY_BYTES / 2 - 8);
    let mut senders = Vec::new();
    for _ in 0..2 {
        let mut link = Link::connect(server.addr()).await.unwrap();
        let head = format!(
            "POST {NOTIFICATIONS} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{half}",
            half.len() + 2
        );
        link.send(head.as_bytes()).await.unwrap();
        senders.push(link);
    }
    let small =
        || api.request(Method::POST, NOTIFICATIONS).json(&json!({"user": "ada", "type": "like", "content": "x"}));
    let busy = patience::within(async {
        loop {
            let answer = small().send().await.unwrap();
            if answer.status() == 503 {
                return answer;
            }
            assert_eq!(answer.status(), 201);
        }
    });
    let busy = busy.await.expect("the senders' bodies to be taken in");
    assert_eq!(busy.headers()["retry-after"], "1");
    assert_eq!(code(&busy.text().await.unwrap()), "busy");

    // The end of a body, or its sender's, gives its room back.
    let mut first = senders.pop().unwrap();
    first.send(b"{}").await.unwrap();
    assert_eq!(first.head().await.unwrap().status, 422);
    assert_eq!(small().send().await.unwrap().status(), 201);
    drop(senders);
    let large = " ".repeat(BODY_BYTES - 1024);
    let freed = patience::within(async {
        let whole = || api.request(Method::POST, NOTIFICATIONS).header("content-type", "application/json");
        while whole().body(format!("{{}}{large}")).send().await.unwrap().status() == 503 {
            patience::pause(Duration::from_millis(5)).await;
        }
    });
    assert!(freed.await.is_some(), "a body that was cut short keeps its room");
    server.stop().await;
}
