//! Faults row 36: whatever is asked, on whatever route, nothing panics, nothing is a fault of the server's, nothing
//! hangs, and each refusal says what, why and the cure.
//!
//! Requests are handed to the router as the door would hand them, without sockets, so that a hundred thousand take no
//! longer than a coffee. What a head may be before it is a request is another story (`tests/it/raw_heads.rs`).

mod requests;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use jsonwebtoken::{EncodingKey, Header};
use proptest::collection::vec;
use proptest::test_runner::{Config as Rules, TestCaseError, TestRunner};
use serde_json::Value;
use tempfile::TempDir;

use self::requests::{Asked, Bearer, CALLS, ID, Sending, USERS};
use super::door::peer::Peer;
use super::*;
use crate::auth::Claims;
use crate::domain::ids::UserId;
use crate::hub;
use crate::store::{self, ListQuery};

const REQUESTS: usize = 100_000;
/// Requests that are under way together at the most, half as many on the average.
const AT_ONCE: usize = 128;
/// Far over what any answer takes; a guard against hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server without its door.
struct Site {
    app: App,
    service: TowerToHyperService<Router>,
    forger: Keys,
    /// Signs what lumen itself would not.
    secret: EncodingKey,
    told: Mutex<Told>,
    _dir: TempDir,
}

/// What came of it all.
#[derive(Default)]
struct Told {
    answers: usize,
    /// How many were answered with success, by call.
    served: [usize; CALLS.len()],
    refused: BTreeMap<String, usize>,
    /// Ids of notifications that were made, a few.
    made: Vec<String>,
}

type Verdict<T = ()> = Result<T, String>;

#[test]
fn whatever_is_asked_is_answered_in_good_order() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let site = runtime.block_on(Site::open());
    let rules = Rules {
        // With room for what is no request at all.
        cases: u32::try_from(REQUESTS * 11 / 10 / (AT_ONCE / 2)).unwrap(),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        max_shrink_time: 60_000,
        ..Rules::default()
    };
    let outcome = TestRunner::new(rules).run(&vec(requests::asked(), 1..=AT_ONCE), |asked| {
        let together = join_all(asked.iter().map(|asked| site.ask(asked)));
        let verdicts = runtime.block_on(async { tokio::time::timeout(PATIENCE, together).await });
        let verdicts = verdicts.map_err(|_| TestCaseError::fail("no answer"))?;
        verdicts.into_iter().collect::<Verdict>().map_err(TestCaseError::fail)
    });
    if let Err(fault) = outcome {
        panic!("{fault}");
    }
    runtime.block_on(site.assert_sound());
    let told = site.told.into_inner().unwrap();
    assert!(told.answers >= REQUESTS, "{}", told.answers);
    for (call, served) in CALLS.iter().zip(told.served) {
        assert!(served > 0, "{call:?} was never reached: {:?}", told.refused);
    }
    assert!(told.refused.len() >= 25, "{:?}", told.refused);
}

#[test]
fn every_route_is_asked() {
    let routes = include_str!("api/routes.rs");
    let paths: std::collections::BTreeSet<&str> = CALLS.iter().map(|(_, path)| *path).collect();
    assert_eq!(routes.matches(".route(").count(), paths.len(), "a route is not among {paths:?}");
}

impl Site {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = |name: &str| Keys::load_or_create(&dir.path().join(name)).unwrap();
        let (clock, budget) = (Clock::System, Budget::new(256 * 1024 * 1024));
        let (store, commits) = Store::open(&dir.path().join("lumen.db"), store_config(), clock.clone()).await.unwrap();
        let hub = Hub::start(store.clone(), commits, clock.clone(), hub_config(), budget.clone());
        let parts = Parts { config: config(), budget, store, hub, keys: Arc::new(keys("key")), clock };
        let app = Arc::new(Shared { parts, shutdown: Shutdown::default() });
        let service = TowerToHyperService::new(api::routes::router(app.clone()));
        let forger = keys("forger");
        let secret = EncodingKey::from_secret(&std::fs::read(dir.path().join("key")).unwrap());
        Self { app, service, forger, secret, told: Mutex::default(), _dir: dir }
    }

    /// Asks, and judges the answer. What is no request at all is passed over.
    async fn ask(&self, asked: &Asked) -> Verdict {
        let Some(request) = self.request(asked) else { return Ok(()) };
        let is_head = request.method() == http::Method::HEAD;
        let response = match self.service.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let mut told = Answer { status: response.status(), is_head, code: None, made: None };
        told.judge(response).await?;
        self.note(asked.call, told);
        Ok(())
    }

    fn note(&self, call: usize, answer: Answer) {
        let mut told = self.told.lock().unwrap();
        told.answers += 1;
        told.served[call] += usize::from(answer.status.is_success());
        if let Some(code) = answer.code {
            *told.refused.entry(code).or_default() += 1;
        }
        if let Some(id) = answer.made {
            let place = told.answers % 64;
            told.made.truncate(place);
            told.made.push(id);
        }
    }

    fn request(&self, asked: &Asked) -> Option<Request> {
        let made = self.told.lock().unwrap().made.last().cloned();
        let with_id = |text: &str| match &made {
            Some(id) => text.replace(ID, id),
            None => text.replace(ID, "x"),
        };
        let mut target = with_id(&asked.target);
        let mut token = self.bearing(&asked.bearer);
        if asked.in_query
            && let Some(token) = token.take()
        {
            let token = String::from_utf8_lossy(&token).replace("Bearer ", "");
            target = format!("{target}{}token={token}", if target.contains('?') { '&' } else { '?' });
        }
        let peer = Peer { address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), cut: Shutdown::default() };
        let mut request = Request::builder().method(asked.method.as_str()).uri(target).extension(peer);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, HeaderValue::from_bytes(&token).ok()?);
        }
        for (name, value) in &asked.headers {
            let name: HeaderName = name.parse().ok()?;
            request = request.header(name, HeaderValue::from_bytes(value).ok()?);
        }
        request.body(sent(&asked.sending, with_id)).ok()
    }

    fn bearing(&self, bearer: &Bearer) -> Option<Vec<u8>> {
        let (now, ttl) = (self.app.clock.now(), Duration::from_secs(3600));
        let (keys, hour_ago) = (&self.app.keys, now - 3_600_000);
        let user = |user: &str| user.parse::<UserId>().unwrap();
        let token = match bearer {
            Bearer::Nobody => return None,
            Bearer::Claims(claims) => jsonwebtoken::encode(&Header::default(), claims, &self.secret).ok()?,
            Bearer::Raw(text) => return Some(text.clone()),
            // Issued as far ahead as is believed, so that no operator's random call has ended it.
            Bearer::User(name) => keys.sign(&Claims::user(&user(name), now + 5_000, ttl)),
            Bearer::Producer => keys.sign(&Claims::producer("site", now, ttl)),
            Bearer::Operator => keys.sign(&Claims::admin("site", now, ttl)),
            Bearer::Ended => keys.sign(&Claims::user(&user("ada"), hour_ago, Duration::from_secs(1))),
            Bearer::Forged => self.forger.sign(&Claims::user(&user("ada"), now, ttl)),
        };
        Some(format!("Bearer {token}").into_bytes())
    }

    /// Nothing is left of what was asked but what is in the inboxes, and their counts are those of their rows.
    async fn assert_sound(&self) {
        assert_eq!((self.app.hub.streams(), self.app.budget.taken()), (0, 0));
        for user in USERS {
            let user: UserId = user.parse().unwrap();
            let all = ListQuery { limit: 100_000, ..ListQuery::default() };
            let list = self.app.store.list(&user, all).await.unwrap();
            let unread = list.items.iter().filter(|item| !item.read).count() as u64;
            assert_eq!((list.counts.unread, list.counts.unseen <= unread), (unread, true), "{user}");
        }
    }
}

fn sent(sending: &Sending, with_id: impl Fn(&str) -> String) -> Body {
    let filled = |body: &[u8]| match std::str::from_utf8(body) {
        Ok(text) => Bytes::from(with_id(text)),
        Err(_) => Bytes::copy_from_slice(body),
    };
    match sending {
        Sending::Whole(body) => Body::from(filled(body)),
        Sending::Pieces(body, size) => {
            let body = filled(body);
            let pieces: Vec<_> = body.chunks(*size).map(|piece| Ok::<_, Infallible>(body.slice_ref(piece))).collect();
            Body::from_stream(stream::iter(pieces))
        }
        Sending::Broken(body) => {
            Body::from_stream(stream::iter([Ok(filled(body)), Err(std::io::Error::other("the peer is gone"))]))
        }
        Sending::TooMuch => {
            let piece = Ok::<_, Infallible>(Bytes::from_static(&[b' '; 64 * 1024]));
            Body::from_stream(stream::iter(std::iter::repeat_n(piece, 256)))
        }
    }
}

fn config() -> Config {
    Config {
        trusted_proxies: Vec::new(),
        query_token: true,
        head_timeout: PATIENCE,
        body_timeout: PATIENCE,
        drain_window: PATIENCE,
        connections: usize::MAX,
    }
}

fn store_config() -> store::Config {
    store::Config { readers: 4, inbox_rows: 1_000_000, max_age: PATIENCE * 10_000, write_timeout: PATIENCE }
}

/// No cap is met: being busy is a refusal of another story.
fn hub_config() -> hub::Config {
    hub::Config {
        heartbeat: Duration::from_secs(15),
        too_slow: PATIENCE,
        retry: Duration::from_secs(2)..=Duration::from_secs(5),
        drain_window: PATIENCE,
        streams_per_user: usize::MAX,
        streams_per_address: usize::MAX,
        streams: usize::MAX,
        connects_per_s: 1_000_000,
        sweep_pause: Duration::from_secs(1),
    }
}

/// What is judged of one answer.
struct Answer {
    status: StatusCode,
    is_head: bool,
    code: Option<String>,
    /// The id of the notification that was made.
    made: Option<String>,
}

impl Answer {
    async fn judge(&mut self, response: Response) -> Verdict {
        let status = self.status;
        if status.is_server_error() || status.is_informational() || status.is_redirection() {
            return Err(format!("{status}"));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED && !response.headers().contains_key(ALLOW) {
            return Err("405 without Allow".to_owned());
        }
        let media = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        match (status.is_success(), media.as_deref()) {
            (true, Some("text/event-stream")) => self.judge_stream(response).await,
            (true, Some("application/json")) | (false, Some("application/problem+json")) => {
                let body = response.into_body().collect().await.map_err(|fault| fault.to_string())?.to_bytes();
                // The answer to HEAD has the head alone.
                if self.is_head { Ok(()) } else { self.judge_json(&body) }
            }
            (_, other) => Err(format!("{status} with {other:?}")),
        }
    }

    fn judge_json(&mut self, body: &[u8]) -> Verdict {
        let body: Value = serde_json::from_slice(body).map_err(|fault| format!("{}: {fault}", self.status))?;
        if self.status.is_success() {
            self.made = body["id"].as_str().map(str::to_owned);
            return Ok(());
        }
        let says = |name: &str| body[name].as_str().is_some_and(|text| !text.trim().is_empty());
        if let Some(name) = ["type", "title", "detail", "code", "cure"].iter().find(|name| !says(name)) {
            return Err(format!("no {name} in {body}"));
        }
        if body["status"] != self.status.as_u16() {
            return Err(format!("{} is told as {body}", self.status));
        }
        self.code = body["code"].as_str().map(str::to_owned);
        Ok(())
    }

    /// Reads a stream up to its first event, and hangs up.
    async fn judge_stream(&self, response: Response) -> Verdict {
        let (mut body, mut text) = (response.into_body(), String::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|fault| fault.to_string())?;
            text.push_str(&String::from_utf8_lossy(frame.data_ref().map_or(&[][..], |data| data)));
            // An operator's call may end it before it has begun.
            let first = ["event: ready\n", "event: close\n"].iter().any(|event| text.contains(event));
            if first && text.ends_with("\n\n") {
                let begins = text.starts_with(": lumen\n\n") || text.starts_with("event: close\n");
                return if begins { Ok(()) } else { Err(format!("a stream began {text:?}")) };
            }
        }
        if self.is_head { Ok(()) } else { Err(format!("a stream without an event: {text:?}")) }
    }
}
