//! Every refusal, word by word: what a caller is told for each code that the source has, as snapshots to be read.
//!
//! A changed text shows as a changed snapshot; `INSTA_UPDATE=always cargo test --test it -- problems` accepts it, and
//! whoever reviews reads it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use insta::assert_snapshot;
use lumen_inbox::config::Config;
use lumen_inbox::domain::limits::{BODY_BYTES, HEAD_BYTES, JSON_VALUES, REQUEST_ROWS};
use lumen_inbox::wire::api::{BATCH, NDJSON, NOTIFICATIONS, STREAM, USERS};
use lumen_inbox::wire::event::{CloseReason, close};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::http::{Api, ok};
use crate::support::link::Link;
use crate::support::patience;
use crate::support::responses::Head;
use crate::support::server::Server;
use crate::support::signer::Signer;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const JSON: &str = "application/json";
/// Headers that are part of what is said.
const HEADERS: [&str; 3] = ["allow", "retry-after", "www-authenticate"];

/// Refusals as a page to be read.
#[derive(Default)]
struct Page(String);

impl Page {
    /// Asks for what is refused, which `what` says.
    async fn ask(&mut self, what: &str, request: RequestBuilder) {
        let answer = patience::within(request.send()).await.expect("an answer in time").expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let value = |name: &str| Some((name.to_owned(), headers.get(name)?.to_str().ok()?.to_owned()));
        let headers = ["content-type"].iter().chain(&HEADERS).filter_map(|name| value(name)).collect();
        self.tell(what, &Head { status, headers }, &answer.text().await.expect("a body"));
    }

    /// The same over a bare connection, of what no client would send.
    async fn ask_raw(&mut self, what: &str, server: &Server, bytes: impl AsRef<[u8]>) {
        let mut link = Link::connect(server.addr()).await.unwrap();
        link.send(bytes.as_ref()).await.unwrap();
        let [(head, body)] = &link.answers().await[..] else { panic!("{what}: one answer") };
        self.tell(what, head, body);
    }

    fn tell(&mut self, what: &str, head: &Head, body: &str) {
        let status = head.status;
        assert!(status >= 400 && head.header("content-type") == Some("application/problem+json"), "{what}: {head:?}");
        let body: Value = body.parse().unwrap_or_else(|fault| panic!("{what}: {fault}: {body}"));
        for name in ["title", "detail", "code", "cure"] {
            assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{what}: no {name} in {body}");
        }
        let said = HEADERS.iter().filter_map(|name| Some(format!("\n{name}: {}", head.header(name)?)));
        self.0 += &format!("## {what}\n{status}{}\n{body:#}\n\n", said.collect::<String>());
    }
}

fn post(api: &Api, path: &str, media: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    api.request(Method::POST, path).header(CONTENT_TYPE, media).body(body)
}

#[tokio::test]
async fn of_callers() {
    let mut config = Config::defaults();
    let site = Signer::hs256(&[7; 32]).named("site");
    let files = tempfile::tempdir().unwrap();
    config.auth.keys = vec![site.write(files.path(), "site")];
    (config.auth.issuer, config.auth.audience) = (Some("https://site".to_owned()), vec!["lumen".to_owned()]);
    let server = Server::start_with(config).await;
    let now = server.tokens.clock.now() / 1000;
    let good = json!({"sub": "ada", "exp": now + 60, "iat": now, "iss": "https://site", "aud": "lumen"});
    let with = |name: &str, claim: Value| {
        let mut claims = good.clone();
        claims[name] = claim;
        site.sign(&claims)
    };
    let url = format!("http://{}{NOTIFICATIONS}", server.addr());
    let (bare, list) =
        (reqwest::Client::new(), |token: &str| server.api().with(token).request(Method::GET, NOTIFICATIONS));
    assert_eq!(server.api().send(list(&site.sign(&good))).await.0, 200);

    let mut page = Page::default();
    page.ask("no token", bare.get(&url)).await;
    page.ask("another scheme", bare.get(&url).basic_auth("ada", Some("x"))).await;
    page.ask("a token in the address", bare.get(format!("{url}?token=x"))).await;
    page.ask("a header twice", list("a.b.c").header("authorization", "Bearer a.b.c")).await;
    page.ask("no JWT", list("nonsense")).await;
    page.ask("another algorithm", list(&site.sign_as(&json!({"alg": "HS512", "kid": "site"}), &good))).await;
    page.ask("another key", list(&Signer::hs256(&[8; 32]).named("site").sign(&good))).await;
    page.ask("another issuer", list(&with("iss", json!("https://else")))).await;
    page.ask("another audience", list(&with("aud", json!(["else"])))).await;
    page.ask("ended", list(&with("exp", json!(now - 1)))).await;
    page.ask("not begun", list(&with("nbf", json!(now + 60)))).await;
    for (what, claim, value) in [
        ("no end", "exp", Value::Null),
        ("an end in words", "exp", json!("tomorrow")),
        ("nobody", "sub", json!("")),
        ("a number for a user", "sub", json!(42)),
        ("scopes in an array", "scope", json!(["admin"])),
    ] {
        page.ask(what, list(&with(claim, value))).await;
    }
    let old = server.tokens.user("ada");
    let operator = server.api().with(server.tokens.admin());
    ok::<Value>(operator.send(operator.request(Method::DELETE, &format!("{USERS}/ada/streams"))).await);
    page.ask("ended by an operator", list(&old)).await;
    page.ask("a producer where a user is asked for", list(&server.tokens.producer())).await;
    let user = server.api().with(server.tokens.user("ben"));
    page.ask("a user where a producer is asked for", user.request(Method::POST, BATCH)).await;
    page.ask("a user where an operator is asked for", user.request(Method::DELETE, &format!("{USERS}/ada"))).await;
    assert_snapshot!(page.0);
    server.stop().await;
}

#[tokio::test]
async fn of_paths() {
    let server = Server::start().await;
    let (ada, site) = (server.user("ada"), server.api());
    let operator = site.with(server.tokens.admin());
    let mut page = Page::default();
    page.ask("no such path", ada.request(Method::GET, "/api/v1/notification")).await;
    for (method, path) in [
        (Method::PUT, NOTIFICATIONS.to_owned()),
        (Method::GET, BATCH.to_owned()),
        (Method::POST, format!("{NOTIFICATIONS}/{ID}")),
        (Method::POST, format!("{USERS}/ada/presence")),
        (Method::GET, format!("{USERS}/ada")),
    ] {
        page.ask(&format!("{method} {path}"), ada.request(method, &path)).await;
    }
    page.ask("another's notification", ada.request(Method::GET, &format!("{NOTIFICATIONS}/{ID}"))).await;
    for query in ["limit=0", "before=x", "unread=1", "type=Like", "page=2", "limit=1&limit=1"] {
        page.ask(query, ada.request(Method::GET, &format!("{NOTIFICATIONS}?{query}"))).await;
    }
    for query in ["snapshot=101", "last_event_id=abc", "last_event_id=k3f9q2--1"] {
        page.ask(query, ada.request(Method::GET, &format!("{STREAM}?{query}"))).await;
    }
    for query in ["user=ada", "user=a%00&key=k", "user=ada&key="] {
        page.ask(query, site.request(Method::DELETE, &format!("{NOTIFICATIONS}?{query}"))).await;
    }
    for user in ["%ff", "a%0Ab"] {
        page.ask(user, operator.request(Method::DELETE, &format!("{USERS}/{user}"))).await;
    }
    let mark = |name: &str, value: &str| {
        ada.request(Method::POST, &format!("{NOTIFICATIONS}/{ID}/read")).header(name.to_owned(), value.to_owned())
    };
    page.ask("no stream's name", mark("lumen-stream", "two words")).await;
    let keyed = post(site, NOTIFICATIONS, JSON, "{}").header("idempotency-key", "a").header("idempotency-key", "b");
    page.ask("two keys", keyed).await;
    assert_snapshot!(page.0);
    server.stop().await;
}

#[tokio::test]
async fn of_bodies() {
    let mut config = Config::defaults();
    config.http.body_timeout = Duration::from_secs(1);
    config.buffer_bytes = BODY_BYTES / 2;
    let server = Server::start_with(config).await;
    let (site, ada) = (server.api(), server.user("ada"));
    let (read, seen) = (format!("{NOTIFICATIONS}/read"), format!("{NOTIFICATIONS}/seen"));
    let mut page = Page::default();
    page.ask("no body", site.request(Method::POST, NOTIFICATIONS)).await;
    page.ask("no type", site.request(Method::POST, NOTIFICATIONS).body("{}")).await;
    page.ask("another type", post(site, NOTIFICATIONS, "text/plain", "{}")).await;
    page.ask("JSON for a batch", post(site, BATCH, JSON, "{}")).await;
    page.ask("packed", post(site, NOTIFICATIONS, JSON, "{}").header("content-encoding", "gzip")).await;
    page.ask("too large", post(site, NOTIFICATIONS, JSON, vec![b' '; BODY_BYTES + 1])).await;
    page.ask("more than all buffers have", post(site, NOTIFICATIONS, JSON, vec![b' '; BODY_BYTES])).await;
    let head = format!(
        "POST {NOTIFICATIONS} HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Type: {JSON}\r\n",
        server.tokens.producer()
    );
    page.ask_raw("too slow", &server, format!("{head}Content-Length: 9\r\n\r\n{{")).await;
    page.ask_raw("broken", &server, format!("{head}Transfer-Encoding: chunked\r\n\r\nno chunk\r\n")).await;
    page.ask_raw("no HTTP", &server, "\x16\x03\x01 hello\r\n\r\n").await;
    page.ask_raw("a head too large", &server, format!("{head}X: {}\r\n\r\n", "x".repeat(HEAD_BYTES))).await;

    let deep = format!("{}1{}", "{\"extra\":".repeat(33), "}".repeat(33));
    for (what, text) in [
        ("empty", ""),
        ("a byte order mark", "\u{feff}{}"),
        ("cut", r#"{"user":"#),
        ("two", "{} {}"),
        ("no JSON", "{user: 1}"),
        ("a name twice", r#"{"user":"a","user":"b"}"#),
        ("U+0000", r#"{"user":"a\u0000"}"#),
        ("too deep", &deep),
        ("an integer too large", r#"{"extra":{"n":18446744073709551616}}"#),
        ("too many values", &format!("[{}1]", "1,".repeat(JSON_VALUES))),
    ] {
        page.ask(what, post(site, NOTIFICATIONS, JSON, text.to_owned())).await;
    }
    for body in [
        json!([]),
        json!({}),
        json!({"all": false}),
        json!({"up_to": -1}),
        json!({"ids": ["x", 1]}),
        json!({"ids": ["x", ID]}),
        json!({"id": [ID]}),
        json!({"ids": vec![ID; 1001]}),
    ] {
        let told: String = body.to_string().chars().take(40).collect();
        page.ask(&format!("read {told}"), post(&ada, &read, JSON, body.to_string())).await;
    }
    page.ask("seen {}", post(&ada, &seen, JSON, "{}")).await;
    assert_snapshot!(page.0);
    server.stop().await;
}

#[tokio::test]
async fn of_drafts() {
    let server = Server::start().await;
    let site = server.api();
    let draft = |draft: Value| post(site, NOTIFICATIONS, JSON, draft.to_string());
    let mut page = Page::default();
    page.ask("nothing in it", draft(json!({}))).await;
    page.ask("no object", draft(json!([1]))).await;
    page.ask(
        "everything of a wrong type",
        draft(json!({
            "user": 1, "type": 1, "sender": 1, "content": 1, "link": 1, "extra": 1, "key": 1, "ttl_s": "1"
        })),
    )
    .await;
    page.ask(
        "every field with a fault",
        draft(json!({
            "users": ["ada", "ada", "", 1], "type": "Like", "sender": {"username": "", "avatar": "//x"}, "content": "",
            "link": "javascript:alert(1)", "extra": {"a": "x".repeat(5000)}, "key": "", "ttl_s": 0,
            "group": "g", "all": true, "sendr": 1
        })),
    )
    .await;
    page.ask("one fault", draft(json!({"user": "a\n", "type": "like", "content": "x"}))).await;
    page.ask("for both", draft(json!({"user": "a", "users": [], "type": "like", "content": "x"}))).await;
    page.ask("for nobody", draft(json!({"users": [], "type": "like", "content": "x"}))).await;
    page.ask("too long", draft(json!({
        "user": "a", "type": "like", "sender": {}, "content": "x".repeat(4097), "link": format!("/{}", "x".repeat(2048))
    })))
    .await;
    page.ask("too large", draft(json!({"user": "a", "type": "like", "content": "x".repeat(17_000)}))).await;
    let batch = |lines: &str| post(site, BATCH, NDJSON, lines.to_owned());
    page.ask("no line", batch("\n\n")).await;
    page.ask("too many lines", batch(&"{}\n".repeat(REQUEST_ROWS + 1))).await;
    let good = r#"{"user":"ada","type":"like","content":"x","key":"k"}"#;
    page.ask("two bad lines", batch(&format!("{good}\n\n{{\"user\":\n{{\"user\":\"a\"}}"))).await;
    ok::<Value>(site.send(batch(good)).await);
    let other = good.replace('x', "y");
    page.ask("a key with another body", post(site, NOTIFICATIONS, JSON, other.clone())).await;
    page.ask("the same in a batch", batch(&format!("{good}\n{other}"))).await;
    assert_snapshot!(page.0);
    server.stop().await;
}

/// Of a server that is full, busy, ending or without its disk. What else its store may say is in `src/http/edge`.
#[tokio::test]
async fn of_the_server() {
    let mut config = Config::defaults();
    let pause = Duration::from_secs(3);
    (config.hub.retry, config.hub.drain_window, config.hub.streams_per_user) = (pause..=pause, Duration::ZERO, 1);
    let server = Server::start_with(config).await;
    let (site, ada) = (server.api(), server.user("ada"));
    let draft = || post(site, NOTIFICATIONS, JSON, r#"{"user":"ada","type":"like","content":"x"}"#);
    let ready = || site.request(Method::GET, "/readyz");
    let stream = || ada.request(Method::GET, STREAM);
    let mut page = Page::default();
    let mut open = server.reader("ada").await;
    open.expect_ready().await;
    page.ask("one stream too many", stream()).await;
    let other = Connection::open(server.store_path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    page.ask("another process holds the database", draft()).await;
    page.ask("and it is not ready", ready()).await;
    other.execute_batch("COMMIT").unwrap();
    server.hub.drain();
    open.expect_close().await;
    page.ask("a stream while it drains", stream()).await;
    server.store.close().await.unwrap();
    page.ask("a write when the store has ended", draft()).await;
    assert_snapshot!(page.0);
}

#[test]
fn of_streams_that_are_ended() {
    // One that is missing here does not compile.
    let next = |reason| match reason {
        CloseReason::TokenExpired => Some(CloseReason::Draining),
        CloseReason::Draining => Some(CloseReason::Busy),
        CloseReason::Busy => Some(CloseReason::TooManyStreams),
        CloseReason::TooManyStreams => Some(CloseReason::TooSlow),
        CloseReason::TooSlow => Some(CloseReason::Disconnected),
        CloseReason::Disconnected => Some(CloseReason::Erased),
        CloseReason::Erased => Some(CloseReason::StoreDown),
        CloseReason::StoreDown => None,
    };
    let cursor = "k3f9q2-128".parse().ok();
    let all = std::iter::successors(Some(CloseReason::TokenExpired), |reason| next(*reason));
    let told = all.map(|reason| String::from_utf8(close(cursor, reason, 2_345).to_vec()).unwrap());
    assert_snapshot!(told.collect::<String>());
}

/// No code stands in the source that is in no snapshot, and no snapshot has one that is in the source no more.
#[test]
fn every_code_of_the_source_is_told() {
    let mut told = BTreeSet::new();
    for folder in ["tests/it/snapshots", "src/http/edge/snapshots"] {
        for file in files(Path::new(folder)) {
            let text = fs::read_to_string(file).unwrap();
            let codes = text.split("\"code\": \"").skip(1).filter_map(|rest| rest.split('"').next());
            told.extend(codes.map(str::to_owned));
        }
    }
    let mut said = BTreeSet::new();
    for file in files(Path::new("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        // A code is the second thing that a problem is made of, and the first of a malformed one.
        said.extend(arguments(product, "Problem::new(").filter_map(|mut arguments| code(arguments.nth(1))));
        said.extend(arguments(product, "malformed(").filter_map(|mut arguments| code(arguments.next())));
        said.extend(arguments(product, "faults.add(").filter_map(|mut arguments| code(arguments.nth(1))));
        for function in product.split("code(").skip(1) {
            let signature = function.split('{').next().unwrap_or_default();
            if signature.contains("-> &'static str") {
                let body = function.split("\n}").next().unwrap_or_default();
                said.extend(body.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
        let constants = product.split("&str = ").skip(1).filter_map(|rest| code(rest.split(';').next()));
        said.extend(constants.filter(|code| ["draft_too_large", "not_yet"].contains(&code.as_str())));
        said.extend(product.split("code: ").skip(1).filter_map(|rest| code(rest.split([',', '.']).next())));
    }
    assert!(said.len() > 50, "{said:?}");
    assert_eq!(told, said);
}

/// The arguments of each call of that, as texts; good enough for literals without a comma.
fn arguments<'a>(text: &'a str, call: &'a str) -> impl Iterator<Item = std::str::Split<'a, char>> {
    text.split(call).skip(1).map(|rest| rest.split(','))
}

/// The code that an argument is, if it is a literal of one.
fn code(argument: Option<&str>) -> Option<String> {
    let code = argument?.trim().strip_prefix('"')?.strip_suffix('"')?;
    let is_code = code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (is_code && !code.is_empty()).then(|| code.to_owned())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
