//! What is refused, at each door with its status and code: and every refusal says what, why and the cure.

use bytes::Bytes;
use futures_util::stream;
use lumen_inbox::clock::Clock;
use lumen_inbox::domain::limits::{BATCH_BYTES, BODY_BYTES, MARK_IDS, REQUEST_ROWS};
use lumen_inbox::wire::api::{BATCH, NDJSON, NOTIFICATIONS, STREAM, USERS};
use reqwest::header::{ALLOW, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use reqwest::{Body, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::http::Api;
use crate::support::patience;
use crate::support::server::Server;
use crate::support::tokens::Tokens;

/// Of a notification that nobody has.
const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const JSON: &str = "application/json";

/// A method and a path.
type Call = (Method, String);

/// The calls of a user, those of a producer, and those of an operator.
fn calls() -> [Vec<Call>; 3] {
    let below = |path: &str| format!("{NOTIFICATIONS}/{path}");
    let users = vec![
        (Method::GET, NOTIFICATIONS.to_owned()),
        (Method::GET, STREAM.to_owned()),
        (Method::GET, below("unread-count")),
        (Method::POST, below("read")),
        (Method::POST, below("seen")),
        (Method::GET, below(ID)),
        (Method::DELETE, below(ID)),
        (Method::POST, below(&format!("{ID}/read"))),
        (Method::POST, below(&format!("{ID}/unread"))),
    ];
    let producers = vec![
        (Method::POST, NOTIFICATIONS.to_owned()),
        (Method::POST, BATCH.to_owned()),
        (Method::DELETE, NOTIFICATIONS.to_owned()),
    ];
    let operators = vec![
        (Method::GET, format!("{USERS}/ada/presence")),
        (Method::DELETE, format!("{USERS}/ada/streams")),
        (Method::DELETE, format!("{USERS}/ada")),
    ];
    [users, producers, operators]
}

struct Refusal {
    status: u16,
    code: String,
    headers: HeaderMap,
    body: Value,
}

impl Refusal {
    fn header(&self, name: impl reqwest::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The field and the code of each of its faults.
    fn faults(&self) -> Vec<(&str, &str)> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|fault| (fault["field"].as_str().unwrap(), fault["code"].as_str().unwrap())).collect()
    }
}

/// Sends what must be refused, and in the way in which everything is.
async fn refusal(request: RequestBuilder) -> Refusal {
    let asked = format!("{request:?}");
    let answer = patience::within(async {
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        (status, headers, answer.text().await.expect("a body"))
    });
    let (status, headers, text) = answer.await.unwrap_or_else(|| panic!("no answer to {asked}"));
    let body: Value = text.parse().unwrap_or_else(|fault| panic!("{fault} in {status} {text} to {asked}"));
    assert_eq!(headers.get(CONTENT_TYPE).unwrap(), "application/problem+json", "{asked}");
    assert_eq!((body["status"].as_u64(), (400..500).contains(&status)), (Some(status.into()), true), "{text}: {asked}");
    for name in ["type", "title", "detail", "code", "cure"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "no {name} in {text} to {asked}");
    }
    Refusal { status, code: body["code"].as_str().unwrap().to_owned(), headers, body }
}

/// As [`refusal`], and with this status and code.
async fn refused(request: RequestBuilder, status: u16, code: &str) -> Refusal {
    let asked = format!("{request:?}");
    let refusal = refusal(request).await;
    assert_eq!((refusal.status, refusal.code.as_str()), (status, code), "{} to {asked}", refusal.body);
    refusal
}

fn post(api: &Api, path: &str, media: &str, body: impl Into<Body>) -> RequestBuilder {
    api.request(Method::POST, path).header(CONTENT_TYPE, media).body(body)
}

#[tokio::test]
async fn each_call_is_let_in_by_its_own_kind_of_token() {
    let server = Server::start().await;
    let calls = calls();
    let elsewhere = tempfile::tempdir().unwrap();
    let forged = Tokens::of(elsewhere.path(), Clock::System);
    let ended = Tokens { clock: Clock::tokio(0), ..server.tokens.clone() }.user("ada");
    for (method, path) in calls.iter().flatten() {
        let bare = || reqwest::Client::new().request(method.clone(), format!("http://{}{path}", server.addr()));
        let missing = refused(bare(), 401, "token_missing").await;
        assert_eq!(missing.header(WWW_AUTHENTICATE), "Bearer realm=\"lumen\"");
        assert_eq!(missing.body["detail"], "the request has no token");
        let basic = refused(bare().header("authorization", "Basic YTpi"), 401, "token_missing").await;
        assert!(basic.body["detail"].as_str().unwrap().contains("`Bearer TOKEN`"), "{}", basic.body);
        for (token, code) in [
            ("nonsense", "token_malformed"),
            (&forged.user("ada"), "token_wrong_key"),
            (&forged.producer(), "token_wrong_key"),
            (&ended, "token_expired"),
        ] {
            let wrong = refused(server.api().with(token).request(method.clone(), path), 401, code).await;
            assert_eq!(wrong.header(WWW_AUTHENTICATE), "Bearer realm=\"lumen\", error=\"invalid_token\"");
        }
    }
    let (user, producer, admin) = (server.tokens.user("ada"), server.tokens.producer(), server.tokens.admin());
    let others = [[&producer, &admin], [&user, &admin], [&user, &producer]];
    for ((calls, others), code) in calls.iter().zip(others).zip(["not_a_user", "not_a_producer", "not_an_operator"]) {
        for (method, path) in calls {
            for other in others {
                refused(server.api().with(other).request(method.clone(), path), 403, code).await;
            }
        }
    }
    // A token in the address is for streams alone.
    let list = format!("http://{}{NOTIFICATIONS}?token={}", server.addr(), server.tokens.user("ada"));
    let in_address = refused(reqwest::Client::new().get(list), 401, "token_missing").await;
    assert!(in_address.body["detail"].as_str().unwrap().starts_with("only the stream"), "{}", in_address.body);
    server.stop().await;
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_told_apart() {
    let server = Server::start().await;
    let ada = server.user("ada");
    let unknown = ["/", "/api/v1", "/api/v1/notifications/", "/api/v2/notifications", "/healthz/", "/metrics"];
    let deeper = [format!("{NOTIFICATIONS}/{ID}/pin"), format!("{NOTIFICATIONS}/{ID}/read/x"), format!("/{STREAM}")];
    for path in unknown.into_iter().chain(deeper.iter().map(String::as_str)) {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            refused(ada.request(method, path), 404, "no_route").await;
        }
    }
    let calls = calls();
    let mut paths: Vec<String> = calls.iter().flatten().map(|(_, path)| path.clone()).collect();
    paths.extend(["/healthz".to_owned(), "/readyz".to_owned()]);
    for path in paths {
        let mut allowed: Vec<String> =
            calls.iter().flatten().filter(|(_, of)| *of == path).map(|(method, _)| method.to_string()).collect();
        if path.ends_with('z') {
            allowed.push("GET".to_owned());
        }
        if allowed.contains(&"GET".to_owned()) {
            allowed.push("HEAD".to_owned());
        }
        allowed.sort();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
            if allowed.iter().any(|allowed| allowed == method) {
                continue;
            }
            let wrong = refused(ada.request(method.parse().unwrap(), &path), 405, "no_method").await;
            let mut told: Vec<&str> = wrong.header(ALLOW).split(',').map(str::trim).collect();
            told.sort_unstable();
            assert_eq!(told, allowed, "{method} {path}");
            let cure = wrong.body["cure"].as_str().unwrap();
            let named = |method: &&String| *method != "HEAD";
            assert!(
                allowed.iter().filter(named).all(|method| cure.contains(method.as_str())),
                "{method} {path}: {cure}"
            );
        }
    }
    let bens = server.api().publish("ben", "his").await.id.to_string();
    for id in [ID, "x", "%00", "%ff", &bens] {
        for (method, verb) in
            [(Method::GET, ""), (Method::DELETE, ""), (Method::POST, "/read"), (Method::POST, "/unread")]
        {
            refused(ada.request(method, &format!("{NOTIFICATIONS}/{id}{verb}")), 404, "not_found").await;
        }
    }
    for query in [
        "limit=0",
        "limit=101",
        "limit=x",
        "before=-1",
        "unread=1",
        "type=Like",
        "type=a,b",
        "page=2",
        "limit=1&limit=1",
    ] {
        refused(ada.request(Method::GET, &format!("{NOTIFICATIONS}?{query}")), 400, "bad_parameter").await;
    }
    for query in ["snapshot=101", "snapshot=x", "last_event_id=abc", "last_event_id=k3f9q2--1"] {
        refused(ada.request(Method::GET, &format!("{STREAM}?{query}")), 400, "bad_parameter").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_is_of_its_type_and_within_its_size() {
    let server = Server::start().await;
    let (site, ada) = (server.api(), server.user("ada"));
    let draft = |content: &str| json!({"user": "ada", "type": "like", "content": content}).to_string();
    let (read, seen) = (format!("{NOTIFICATIONS}/read"), format!("{NOTIFICATIONS}/seen"));
    for (api, path, right) in
        [(site, NOTIFICATIONS, JSON), (site, BATCH, NDJSON), (&ada, &read, JSON), (&ada, &seen, JSON)]
    {
        for media in ["", "text/plain", "application/x-www-form-urlencoded", if right == JSON { NDJSON } else { JSON }]
        {
            let wrong = refused(post(api, path, media, draft("x")), 415, "unsupported_media_type").await;
            assert!(wrong.body["cure"].as_str().unwrap().contains(right), "{}", wrong.body);
        }
        refused(api.request(Method::POST, path).body(draft("x")), 415, "unsupported_media_type").await;
        let packed = post(api, path, right, draft("x")).header("content-encoding", "gzip");
        refused(packed, 415, "unsupported_encoding").await;

        let limit = if path == BATCH { BATCH_BYTES } else { BODY_BYTES };
        refused(post(api, path, right, vec![b' '; limit + 1]), 413, "body_too_large").await;
        let chunk = Bytes::from(vec![b' '; limit / 16 + 1]);
        let chunks = Body::wrap_stream(stream::iter(vec![chunk; 16].into_iter().map(Ok::<_, std::io::Error>)));
        refused(post(api, path, right, chunks), 413, "body_too_large").await;
    }
    // To the byte: white space around a draft counts for the body and not for the draft.
    for (path, media, limit) in [(NOTIFICATIONS, JSON, BODY_BYTES), (BATCH, NDJSON, BATCH_BYTES)] {
        for bytes in [limit - 1, limit] {
            let mut padded = draft("fits").into_bytes();
            padded.resize(bytes, b' ');
            assert_eq!(site.send(post(site, path, media, padded)).await.0, 201, "{bytes} to {path}");
        }
    }
    refused(post(site, NOTIFICATIONS, JSON, draft(&"x".repeat(16 * 1024))), 413, "draft_too_large").await;
    let long = refused(post(site, NOTIFICATIONS, JSON, draft(&"x".repeat(4 * 1024 + 1))), 422, "invalid_draft").await;
    assert_eq!(long.faults(), [("content", "too_long")]);
    let line = refused(post(site, BATCH, NDJSON, draft(&"x".repeat(16 * 1024))), 422, "invalid_draft").await;
    assert_eq!((line.faults(), &line.body["errors"][0]["line"]), (vec![("", "draft_too_large")], &json!(1)));
    refused(post(site, BATCH, NDJSON, "\n".repeat(REQUEST_ROWS)), 422, "empty_batch").await;
    refused(post(site, BATCH, NDJSON, "{}\n".repeat(REQUEST_ROWS + 1)), 422, "too_many_rows").await;
    assert_eq!(ada.list_all().await.items.len(), 4, "nothing of it was stored");
    server.stop().await;
}

#[tokio::test]
async fn a_body_is_json_and_says_what_it_can_mean() {
    let server = Server::start().await;
    let (site, ada) = (server.api(), server.user("ada"));
    let (read, seen) = (format!("{NOTIFICATIONS}/read"), format!("{NOTIFICATIONS}/seen"));
    let deep = [b"{\"extra\":".repeat(33), b"1".to_vec(), b"}".repeat(33)].concat();
    let malformed: [(&[u8], &str); 10] = [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"{} {}", "malformed_json"),
        (b"\xef\xbb\xbf{}", "malformed_json"),
        (br#"{"user":"\ud800"}"#, "malformed_json"),
        (b"{\"user\":\"\xff\"}", "malformed_json"),
        (br#"{"user":"ada","user":"ben"}"#, "json_doubled_name"),
        (br#"{"user":"a\u0000b"}"#, "json_nul"),
        (br#"{"a\u0000":1}"#, "json_nul"),
        (&deep, "json_too_deep"),
    ];
    for (text, code) in malformed {
        for (api, path) in [(site, NOTIFICATIONS), (&ada, &read), (&ada, &seen)] {
            let shown = String::from_utf8_lossy(text);
            let wrong = refused(post(api, path, JSON, text.to_vec()), 400, code).await;
            assert!(wrong.body["detail"].as_str().unwrap().contains("line 1 column"), "{shown}: {}", wrong.body);
        }
        if !text.is_empty() {
            let wrong = refused(post(site, BATCH, NDJSON, [b"\n", text].concat()), 422, "invalid_draft").await;
            assert_eq!((wrong.faults(), &wrong.body["errors"][0]["line"]), (vec![("", code)], &json!(2)));
        }
    }
    let good = json!({"user": "ada", "type": "like", "content": "x"});
    let with = |name: &str, value: Value| {
        let mut draft = good.clone();
        draft[name] = value;
        draft
    };
    let users: Vec<String> = (0..=REQUEST_ROWS).map(|user| user.to_string()).collect();
    for (draft, fault) in [
        (with("group", json!("g")), ("group", "not_yet")),
        (with("all", json!(true)), ("all", "not_yet")),
        (with("colour", json!("red")), ("colour", "unknown_field")),
        (with("users", json!(["ben"])), ("users", "user_and_users")),
        (with("link", json!("javascript:alert(1)")), ("link", "invalid")),
        (with("content", json!("")), ("content", "empty")),
        (with("a\n", json!(1)), ("a\\n", "unknown_field")),
        (with("user", json!("")), ("user", "invalid")),
        (with("user", json!("a\nb")), ("user", "invalid")),
        (with("ttl_s", json!(0)), ("ttl_s", "invalid")),
        (json!({"users": users, "type": "like", "content": "x"}), ("users", "count")),
        (json!({"users": ["ada", "ada"], "type": "like", "content": "x"}), ("users[1]", "duplicate_user")),
        (json!(null), ("", "type")),
    ] {
        let wrong = refused(post(site, NOTIFICATIONS, JSON, draft.to_string()), 422, "invalid_draft").await;
        assert_eq!(wrong.faults(), [fault]);
    }
    let id = server.api().publish("ada", "x").await.id.to_string();
    for body in [
        json!({}),
        json!([]),
        json!({"all": false}),
        json!({"all": true, "up_to": 1}),
        json!({"up_to": -1}),
        json!({"up_to": 1.5}),
        json!({"ids": ["x"]}),
        json!({"ids": vec![&id; MARK_IDS + 1]}),
        json!({"ids": [id], "colour": "red"}),
    ] {
        refused(post(&ada, &read, JSON, body.to_string()), 422, "invalid_body").await;
    }
    for body in [json!({}), json!({"up_to": "1"}), json!({"all": true})] {
        refused(post(&ada, &seen, JSON, body.to_string()), 422, "invalid_body").await;
    }
    for name in ["two words", ""] {
        let named = ada.request(Method::POST, &format!("{NOTIFICATIONS}/{id}/read")).header("lumen-stream", name);
        refused(named, 400, "bad_header").await;
    }
    let key = |value: &str| post(site, NOTIFICATIONS, JSON, good.to_string()).header("idempotency-key", value);
    assert_eq!(refused(key(""), 422, "invalid_draft").await.faults(), [("key", "invalid")]);
    assert_eq!(site.send(key("k")).await.0, 201);
    let other = post(site, NOTIFICATIONS, JSON, with("content", json!("y")).to_string()).header("idempotency-key", "k");
    refused(other, 409, "key_conflict").await;
    assert_eq!(ada.list_all().await.counts.rev, 2, "nothing else changed anything");
    server.stop().await;
}
