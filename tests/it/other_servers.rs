//! Servers that are not lumen, spoken to by the profiles of `lumen loadtest`: what is published is heard on the streams
//! that it is for. They are stand-ins, which speak the documented frames.

use bytes::Bytes;
use lumen_inbox::client::Access;
use lumen_inbox::client::access::Token;
use lumen_inbox::loadtest::profile::{Close, Dialect, Heard, Profile, Request, Seat, Server, Templated, Tokens, Words};
use lumen_inbox::loadtest::stamp::{RunId, Stamp};
use lumen_inbox::wire::sse::{Block, Splitter};
use reqwest::{Client, Response, StatusCode};

use crate::support::patience;
use crate::support::standin::{Speaks, Standin};

const RUN: [u8; 8] = [7; 8];

fn profile(dialect: Dialect, server: &Standin, tokens: bool, audience: bool) -> Profile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a.user.token\n").unwrap();
    let templated = Templated::new(Server {
        dialect,
        url: server.url().parse().unwrap(),
        subscribe: Words::default(),
        publish: Words::default(),
        tokens: tokens.then(|| Tokens::read(file.path()).unwrap()),
        producer: tokens.then(|| Access::Given(Token::parse("a.publisher", "it").unwrap())),
        audience,
        several_users: true,
        payload_bytes: 100,
    });
    Profile::templated(templated.unwrap(), RunId::new(RUN))
}

fn stamp(number: u32) -> Stamp {
    Stamp { run: RunId::new(RUN), number, due_us: 0 }
}

async fn send(request: Request) -> Response {
    let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let Request { method, url, headers, body } = request;
    let sending = client.request(method, url).headers(headers.into_iter().collect()).body(body).send();
    patience::within(sending).await.expect("an answer").unwrap()
}

async fn publish(profile: &Profile, number: u32, users: &[u32]) -> (StatusCode, Bytes) {
    let answer = send(profile.publish(stamp(number), users).unwrap()).await;
    (answer.status(), answer.bytes().await.unwrap())
}

/// An open stream, and what was read of it ahead.
struct Stream {
    answer: Response,
    splitter: Splitter,
    blocks: std::collections::VecDeque<Block>,
    cursor: Option<String>,
}

impl Stream {
    async fn open(profile: &Profile, user: u32, cursor: Option<&str>) -> Self {
        let answer = send(profile.subscribe(&Seat { user, cursor, token_ttl: None }).unwrap()).await;
        assert_eq!(
            (answer.status(), &answer.headers()["content-type"]),
            (StatusCode::OK, &"text/event-stream".parse().unwrap())
        );
        Self { answer, splitter: Splitter::default(), blocks: Default::default(), cursor: None }
    }

    /// What the next event says, other than nothing; `None` at the stream's end.
    async fn hear(&mut self, profile: &Profile) -> Option<Heard> {
        loop {
            while let Some(block) = self.blocks.pop_front() {
                self.cursor = block.id.clone().or(self.cursor.take());
                match profile.hear(&block) {
                    Heard::Other => {}
                    heard => return Some(heard),
                }
            }
            let chunk = patience::within(self.answer.chunk()).await.expect("an event").unwrap()?;
            let mut blocks = Vec::new();
            self.splitter.push(&chunk, &mut blocks).unwrap();
            self.blocks.extend(blocks);
        }
    }

    async fn number(&mut self, profile: &Profile) -> u32 {
        match self.hear(profile).await {
            Some(Heard::Message(message)) if message.stamp.run == RunId::new(RUN) => message.stamp.number,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_mercure_hub_tells_whom_it_is_for_and_what_was_missed() {
    let server = Standin::start(Speaks::Mercure).await;
    let profile = profile(Dialect::Mercure, &server, true, false);
    let (mut ann, mut ben) = (Stream::open(&profile, 0, None).await, Stream::open(&profile, 1, None).await);
    for (number, user) in [(0, 0), (1, 1), (2, 0)] {
        let (status, id) = publish(&profile, number, &[user]).await;
        assert!(status == StatusCode::OK && id.starts_with(b"urn:uuid:"), "{status}");
    }
    assert_eq!((ann.number(&profile).await, ben.number(&profile).await), (0, 1));
    let mut back = Stream::open(&profile, 0, ann.cursor.as_deref()).await;
    assert_eq!((back.number(&profile).await, ann.number(&profile).await), (2, 2));
}

#[tokio::test]
async fn a_mercure_hub_refuses_a_publisher_without_a_token() {
    let server = Standin::start(Speaks::Mercure).await;
    let profile = profile(Dialect::Mercure, &server, false, false);
    Stream::open(&profile, 0, None).await;
    assert_eq!(publish(&profile, 0, &[0]).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn centrifugo_tells_a_channel_and_several() {
    let server = Standin::start(Speaks::Centrifugo).await;
    for audience in [false, true] {
        let profile = profile(Dialect::Centrifugo, &server, true, audience);
        let (mut ann, mut ben) = (Stream::open(&profile, 0, None).await, Stream::open(&profile, 1, None).await);
        let told: [&[u32]; 3] = if audience { [&[0, 1], &[0], &[1]] } else { [&[0], &[1], &[0]] };
        for (number, users) in (0..).zip(told) {
            assert_eq!(publish(&profile, number, users).await.0, StatusCode::OK);
        }
        let both = (ann.number(&profile).await, ben.number(&profile).await);
        assert_eq!(both, if audience { (0, 0) } else { (0, 1) });
        assert_eq!(ann.number(&profile).await, if audience { 1 } else { 2 });
    }
}

#[tokio::test]
async fn centrifugo_ends_a_stream_that_it_does_not_let_in_and_says_why() {
    let server = Standin::start(Speaks::Centrifugo).await;
    let profile = profile(Dialect::Centrifugo, &server, false, false);
    let mut stream = Stream::open(&profile, 0, None).await;
    let ends = Close { reason: "invalid token (3500)".to_owned(), reconnect: false, retry_ms: 500 };
    assert_eq!(stream.hear(&profile).await, Some(Heard::Close(ends)));
    assert_eq!(stream.hear(&profile).await, None);
    assert_eq!(publish(&profile, 0, &[0]).await.0, StatusCode::UNAUTHORIZED);
}
