//! Streams against a server that plays a script.

use super::*;
use crate::client::access::Access;
use crate::client::script::{answer, hold, play, play_to, problem};
use crate::domain::change::Counts;
use crate::domain::ids::Rev;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n";

fn open(server: Endpoint, from: Beginning) -> Stream {
    let mut stream = Stream::open(server, None, Options { from, snapshot: 0 });
    stream.backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
    stream
}

fn counts(rev: Rev) -> Counts {
    Counts { unread: 1, unseen: 1, rev }
}

fn ready(id: &str) -> String {
    let id = if id.is_empty() { String::new() } else { format!("id: {id}\n") };
    let counts = serde_json::to_string(&counts(1)).unwrap();
    let rest = r#""user":"ann","stream":"s","resumed":true,"missed":0,"heartbeat_s":15"#;
    format!("event: ready\n{id}retry: 1\ndata: {{{rest},{}\n\n", &counts[1..])
}

fn other(head: &str) -> String {
    answer(head, "")
}

/// The steps up to the failure that ends the stream.
async fn all(stream: &mut Stream) -> (Vec<Step>, Failure) {
    let mut steps = Vec::new();
    loop {
        match stream.next().await {
            Ok(step) => steps.push(step),
            Err(end) => return (steps, end),
        }
    }
}

fn cursors(heads: &[String]) -> Vec<Option<&str>> {
    let cursor = |head: &String| head.find("last-event-id: ").map(|at| at + "last-event-id: ".len());
    heads.iter().map(|head| cursor(head).and_then(|at| head[at..].lines().next())).collect()
}

#[tokio::test]
async fn the_cursor_survives_blocks_without_id_without_data_and_cut_short() {
    let (server, heads) = play(vec![
        format!("{HEAD}{}id: k3f9q2-7\n\n", ready("k3f9q2-5")),
        format!("{HEAD}{}event: ping\ndata: {{}}\n\nid: k3f9q2-8\ndata: cut", ready("")),
        other("204 No Content"),
    ])
    .await;
    let mut stream = open(server, Beginning::Head);
    let (steps, end) = all(&mut stream).await;
    assert!(matches!(end, Failure::NotLumen { .. }), "{end}");
    assert_eq!(cursors(&heads.await.unwrap()), [None, Some("k3f9q2-7"), Some("k3f9q2-7")]);
    assert_eq!(stream.cursor(), Some("k3f9q2-7"));
    let told: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Event(told) => Some((told.name.as_str(), told.id.as_deref())),
            Step::Reconnecting { .. } => None,
        })
        .collect();
    assert_eq!(told, [("ready", Some("k3f9q2-5")), ("ready", None), ("ping", None)]);
}

#[tokio::test]
async fn a_place_is_asked_for() {
    let after = Beginning::After("k3f9q2-3".parse().unwrap());
    for (place, cursor) in [(Beginning::Head, None), (Beginning::Start, Some("000000-0")), (after, Some("k3f9q2-3"))] {
        let (server, heads) = play(vec![other("204 No Content")]).await;
        all(&mut open(server, place)).await;
        assert_eq!(cursors(&heads.await.unwrap()), [cursor]);
    }
    let (server, heads) = play(vec![other("204 No Content")]).await;
    all(&mut Stream::open(server, None, Options { from: Beginning::Head, snapshot: 7 })).await;
    assert!(heads.await.unwrap()[0].starts_with("get /api/v1/notifications/stream?snapshot=7 "));
}

#[tokio::test]
async fn data_comes_as_it_was_sent() {
    let data = r#"{"a":"\u0001 ü\\n"}"#;
    let block = format!("event: later\r\ndata:{data}\r\ndata: second\r\n\r\n");
    let (server, _) = play(vec![format!("{HEAD}{block}"), other("204 No Content")]).await;
    let told = open(server, Beginning::Head).next().await.unwrap();
    let Step::Event(told) = told else { panic!("{told:?}") };
    assert_eq!((told.name.as_str(), told.data), ("later", format!("{data}\nsecond")));
    assert_eq!(told.event, Event::Other);
}

#[tokio::test]
async fn what_somebody_must_change_ends_the_stream() {
    for status in ["401 Unauthorized", "403 Forbidden", "404 Not Found"] {
        let (server, _) = play(vec![problem(status, "", "")]).await;
        let (steps, end) = all(&mut open(server, Beginning::Head)).await;
        assert_eq!((steps.len(), end.to_string()), (0, "No: why; do it".to_owned()));
    }
    for answer in [
        other("204 No Content"),
        other("404 Not Found"),
        other("302 Found\r\nlocation: http://127.0.0.1:1/elsewhere"),
        other("307 Temporary Redirect\r\nlocation: /elsewhere"),
        other("200 OK\r\ncontent-type: text/html"),
        other("200 OK"),
    ] {
        let (server, _) = play(vec![answer]).await;
        let (steps, end) = all(&mut open(server, Beginning::Head)).await;
        assert!(steps.is_empty() && matches!(end, Failure::NotLumen { .. }), "{end}");
    }
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let answers = vec![
        problem("503 Service Unavailable", "retry-after: 0", ""),
        other("502 Bad Gateway\r\nretry-after: 0"),
        format!("{HEAD}{}", ready("")),
        String::new(),
        other("204 No Content"),
    ];
    let (server, heads) = play(answers).await;
    let (steps, _) = all(&mut open(server, Beginning::Head)).await;
    let whys: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Reconnecting { why, .. } => Some(why),
            Step::Event(_) => None,
        })
        .collect();
    assert!(
        matches!(
            whys[..],
            [Failure::Problem(_), Failure::Gateway { status: 502, .. }, Failure::Cut(_), Failure::Cut(_)]
        ),
        "{whys:?}"
    );
    assert_eq!(heads.await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_close_says_when_to_come_back() {
    let close = |reason: &str, reconnect: bool| {
        format!("{HEAD}event: close\ndata: {{\"reason\":\"{reason}\",\"reconnect\":{reconnect},\"retry_ms\":3}}\n\n")
    };
    let (server, _) = play(vec![close("draining", true), close("banned", false)]).await;
    let (steps, end) = all(&mut open(server, Beginning::Head)).await;
    let [Step::Event(_), Step::Reconnecting { why, pause }, Step::Event(_)] = &steps[..] else {
        panic!("{steps:?}");
    };
    assert_eq!((why, *pause), (&Failure::Closed { reason: "draining".into() }, Duration::from_millis(3)));
    assert_eq!(end, Failure::ClosedForGood { reason: "banned".into() });
}

#[tokio::test]
async fn an_ended_token_is_replaced_where_there_is_another() {
    let ended = r#"data: {"reason":"token_expired","reconnect":true,"retry_ms":1}"#;
    let ended = format!("{HEAD}event: close\n{ended}\n\n");
    let (server, _) = play(vec![ended.clone()]).await;
    assert_eq!(all(&mut open(server, Beginning::Head)).await.1, Failure::TokenEnded);

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first").unwrap();
    let answers = vec![ended, other("204 No Content")];
    let (server, heads) = play_to(Access::File(file.path().to_owned()), answers).await;
    let mut stream = open(server, Beginning::Head);
    stream.next().await.unwrap();
    std::fs::write(file.path(), "second").unwrap();
    all(&mut stream).await;
    let heads = heads.await.unwrap();
    for (head, token) in heads.iter().zip(["first", "second"]) {
        assert!(head.contains(&format!("authorization: bearer {token}\r\n")), "{head}");
    }
}

#[tokio::test]
async fn a_link_that_is_silent_is_dead() {
    for begun in ["", HEAD] {
        let (server, holding) = hold(begun).await;
        let mut stream = open(server, Beginning::Head);
        stream.patience = Duration::from_millis(20);
        let step = stream.next().await.unwrap();
        assert!(matches!(step, Step::Reconnecting { why: Failure::Silent { .. }, .. }), "{step:?}");
        holding.abort();
    }
}

#[tokio::test]
async fn a_link_is_dead_after_two_and_a_half_of_the_servers_heartbeats() {
    let beats_in = |seconds: u64| ready("").replace("\"heartbeat_s\":15", &format!("\"heartbeat_s\":{seconds}"));
    let (server, _) = play(vec![format!("{HEAD}{}", beats_in(2))]).await;
    let mut stream = open(server, Beginning::Head);
    assert_eq!(stream.patience, Duration::from_millis(37_500));
    stream.next().await.unwrap();
    assert_eq!(stream.patience, Duration::from_secs(5));
}
