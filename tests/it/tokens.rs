//! Who is let in over HTTP by a server with keys of every kind, and that all others are refused by a stable code, with
//! a cure, and without a word of a token or a key.

use std::fs;

use lumen_inbox::auth;
use lumen_inbox::clock::Clock;
use lumen_inbox::config::Config;
use lumen_inbox::wire::api::{NOTIFICATIONS, STREAM};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::http::Api;
use crate::support::opening::Unopened;
use crate::support::server::Server;
use crate::support::signer::Signer;

const ISSUER: &str = "https://site.example";
const SECRET: &[u8; 32] = b"this secret must be in no answer";

/// A server that takes tokens of four backends, each with a key of another kind, and of its own key.
struct Site {
    server: Server,
    backends: [Signer; 4],
    own: Signer,
    _files: TempDir,
}

impl Site {
    /// Takes tokens of these claims only: `iss` and `aud` if so configured.
    async fn start(issuer: Option<&str>, audience: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let backends = [
            Signer::hs256(SECRET).named("hs"),
            Signer::rs256().named("rs"),
            Signer::es256().named("es"),
            Signer::eddsa().named("ed"),
        ];
        let keys =
            backends.iter().enumerate().map(|(at, signer)| signer.write(files.path(), &at.to_string())).collect();
        let audience = audience.iter().map(|name| (*name).to_owned()).collect();
        let auth = auth::Config { keys, issuer: issuer.map(str::to_owned), audience, ..auth::Config::default() };
        let server = Server::start_with(Config { auth, ..Config::defaults() }).await;
        let own = Signer::hs256(&fs::read(server.key_path()).unwrap());
        Self { server, backends, own, _files: files }
    }

    fn with(&self, token: &str) -> Api {
        self.server.api().with(token)
    }

    /// Is refused at every kind of call, and on the stream in both places where a token may stand.
    async fn refuses(&self, what: &str, token: &str, code: &str) {
        let api = self.with(token);
        for (method, path) in [(Method::GET, NOTIFICATIONS), (Method::POST, NOTIFICATIONS), (Method::GET, STREAM)] {
            let (status, body) = api.send(api.request(method, path)).await;
            told(what, token, code, status, &body);
        }
        let in_address = reqwest::Client::new().get(format!("http://{}{STREAM}?token={token}", self.server.addr()));
        let (status, body) = api.send(in_address).await;
        told(what, token, code, status, &body);
    }
}

fn told(what: &str, token: &str, code: &str, status: u16, body: &Value) {
    assert_eq!((status, &body["code"]), (401, &json!(code)), "{what}: {body}");
    for name in ["title", "detail", "cure"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{what}: no {name} in {body}");
    }
    let text = body.to_string();
    let parts = token.split('.').filter(|part| part.len() > 8);
    let secret = std::str::from_utf8(SECRET).unwrap();
    let shown: Vec<&str> = parts.chain([secret, "odd-"]).filter(|part| text.contains(part)).collect();
    assert!(shown.is_empty(), "{what}: {shown:?} in {text}");
}

fn now() -> i64 {
    Clock::System.now() / 1000
}

/// Good claims of a user, with this among them; null takes one away.
fn claims(name: &str, value: Value) -> Value {
    let mut claims = json!({"sub": "ada", "exp": now() + 3600, "iss": ISSUER, "aud": "lumen"});
    claims[name] = value;
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

#[tokio::test]
async fn four_backends_and_the_own_key_are_let_in_at_once() {
    let site = Site::start(Some(ISSUER), &["lumen", "inbox"]).await;
    for signer in site.backends.iter().chain([&site.own]) {
        let user = site.with(&signer.sign(&claims("nbf", json!(now()))));
        assert_eq!(user.counts().await.0, 200, "{}", signer.header);
        let aud = json!(["others", "inbox"]);
        assert_eq!(site.with(&signer.sign(&claims("aud", aud))).counts().await.0, 200, "{}", signer.header);
        let producer = site.with(&signer.sign(&claims("scope", json!("notifications:write"))));
        producer.publish("ada", "hi").await;
    }
    // What `lumen token` signs on the server's host names no issuer and no audience.
    assert_eq!(site.server.user("ada").counts().await.1["unread_count"], 5);
    site.server.stop().await;
}

#[tokio::test]
async fn a_forged_token_is_refused() {
    let site = Site::start(Some(ISSUER), &["lumen"]).await;
    let good = claims("", Value::Null);
    let [hs, rs, es, ed] = &site.backends;
    for signer in &site.backends {
        let with = |name: &str, value: Value| {
            let mut header = signer.header.clone();
            header[name] = value;
            signer.sign_as(&header, &good)
        };
        let what = signer.header.to_string();
        let signed = signer.sign(&good);
        let (message, _) = signed.rsplit_once('.').unwrap();
        for alg in ["none", "None", "", "HS384", "HS512", "RS512", "PS256", "ES384", "ES256K", "odd-alg"] {
            site.refuses(&what, &with("alg", json!(alg)), "token_wrong_algorithm").await;
        }
        site.refuses(&what, &format!("{message}."), "token_wrong_key").await;
        site.refuses(&what, &format!("{message}.{}", "A".repeat(86)), "token_wrong_key").await;
        let (head, rest) = signed.split_once('.').unwrap();
        for parts in [head, message, &format!("{signed}.odd-"), &format!(".{rest}")] {
            site.refuses(&what, parts, "token_malformed").await;
        }
        let other = site.own.sign(&good);
        let (head, _) = other.split_once('.').unwrap();
        site.refuses(&what, &format!("{head}.{rest}"), "token_wrong_key").await;
        for alg in [json!(null), json!(1), json!(["HS256"])] {
            site.refuses(&what, &with("alg", alg), "token_malformed").await;
        }
        site.refuses(&what, &with("crit", json!(["b64"])), "token_malformed").await;
        site.refuses(&what, &with("kid", json!({"odd-": 1})), "token_malformed").await;
    }
    // The algorithm swapped: an HMAC with what everyone may know for its secret, by every name.
    for public in [rs, es, ed] {
        let pem = public.file_content();
        for secret in [&pem[..], pem.trim_ascii()] {
            let forger = Signer::hs256(secret);
            for (kid, code) in [
                (json!("hs"), "token_wrong_key"),
                (public.header["kid"].clone(), "token_wrong_algorithm"),
                (json!("odd-"), "token_wrong_key"),
                (Value::Null, "token_wrong_key"),
            ] {
                let header = json!({"alg": "HS256", "kid": kid});
                site.refuses("swapped", &forger.sign_as(&header, &good), code).await;
            }
        }
    }
    // Another key of the same kind, by every name.
    for other in [Signer::hs256(&[1; 32]), Signer::rs256(), Signer::es256(), Signer::eddsa()] {
        site.refuses("other", &other.sign(&good), "token_wrong_key").await;
    }
    let mut header = hs.header.clone();
    for kid in ["../../etc/passwd", "odd-\0", "'; DROP TABLE keys", "/dev/null", &"odd-".repeat(2_500)] {
        header["kid"] = json!(kid);
        site.refuses("kid", &Signer::hs256(&[1; 32]).sign_as(&header, &good), "token_wrong_key").await;
        let token = hs.sign_as(&header, &good);
        assert_eq!(site.with(&token).counts().await.0, 200, "its name is unknown, its key is not");
    }
    site.server.stop().await;
}

#[tokio::test]
async fn claims_that_are_not_good_are_refused_whoever_signed() {
    let site = Site::start(Some(ISSUER), &["lumen"]).await;
    for signer in site.backends.iter().chain([&site.own]) {
        for (name, value, code) in [
            ("exp", Value::Null, "token_bad_claim"),
            ("exp", json!("odd-"), "token_bad_claim"),
            ("exp", json!((now() + 3600).to_string()), "token_bad_claim"),
            ("exp", json!(1e300), "token_bad_claim"),
            ("exp", json!(now() - 1), "token_expired"),
            ("exp", json!(0), "token_expired"),
            ("nbf", json!(now() + 60), "token_not_yet_valid"),
            ("nbf", json!("soon"), "token_bad_claim"),
            ("iat", json!("odd-"), "token_bad_claim"),
            ("iat", json!(now() + 60), "token_not_yet_valid"),
            ("aud", json!("odd-"), "token_wrong_audience"),
            ("aud", json!(["odd-", 1]), "token_wrong_audience"),
            ("iss", json!("odd-"), "token_wrong_issuer"),
            ("iss", json!([ISSUER]), "token_wrong_issuer"),
            ("sub", Value::Null, "token_bad_claim"),
            ("sub", json!(7), "token_bad_claim"),
            ("sub", json!(""), "token_bad_claim"),
            ("sub", json!("odd-\0"), "token_bad_claim"),
            ("sub", json!("odd-\r\nSet-Cookie: a"), "token_bad_claim"),
            ("sub", json!("odd-".repeat(33)), "token_bad_claim"),
            ("scope", json!(["odd-"]), "token_bad_claim"),
        ] {
            let what = format!("{} {name} {value}", signer.header);
            site.refuses(&what, &signer.sign(&claims(name, value)), code).await;
        }
    }
    for signer in &site.backends {
        site.refuses("no aud", &signer.sign(&claims("aud", Value::Null)), "token_wrong_audience").await;
        site.refuses("no iss", &signer.sign(&claims("iss", Value::Null)), "token_wrong_issuer").await;
        site.refuses("no object", &signer.sign(&json!(["odd-"])), "token_malformed").await;
    }
    site.server.stop().await;

    // A server that was given no name takes no token that is meant for someone.
    let site = Site::start(None, &[]).await;
    for signer in site.backends.iter().chain([&site.own]) {
        site.refuses("aud", &signer.sign(&claims("", Value::Null)), "token_wrong_audience").await;
        assert_eq!(site.with(&signer.sign(&claims("aud", Value::Null))).counts().await.0, 200);
    }
    site.server.stop().await;
}

#[tokio::test]
async fn tokens_from_before_a_moment_are_refused_once_they_are_ended() {
    let site = Site::start(None, &[]).await;
    let signed = |sub: &str, iat: Value| {
        let mut claims = claims("aud", Value::Null);
        claims["sub"] = json!(sub);
        claims["iat"] = iat;
        site.backends[1].sign(&claims)
    };
    let moment = now();
    let (before, undated, after) =
        (signed("ada", json!(moment)), signed("ada", Value::Null), signed("ada", json!(moment + 1)));
    for token in [&before, &undated, &after] {
        assert_eq!(site.with(token).counts().await.0, 200);
    }
    site.server.store.refuse_before("ada".parse().unwrap(), moment * 1000).await.unwrap();
    site.refuses("before", &before, "token_revoked").await;
    site.refuses("undated", &undated, "token_revoked").await;
    assert_eq!(site.with(&after).counts().await.0, 200);
    // Other users, and who only has the name of one.
    assert_eq!(site.with(&signed("ben", json!(moment))).counts().await.0, 200);
    let mut producer = claims("aud", Value::Null);
    producer["scope"] = json!("notifications:write");
    site.with(&site.backends[1].sign(&producer)).publish("ada", "hi").await;
    site.server.stop().await;
}

#[tokio::test]
async fn the_token_in_the_address_can_be_switched_off() {
    let mut config = Config::defaults();
    config.http.query_token = false;
    let server = Server::start_with(config).await;
    let refused = server.opening("ada").token_in_query().try_open().await.unwrap_err();
    let Unopened::Refused { head, body } = refused else { panic!("{refused}") };
    let body: Value = body.parse().unwrap();
    assert_eq!((head.status, &body["code"]), (401, &json!("token_missing")), "{body}");
    assert!(body["detail"].as_str().unwrap().contains("takes no token in the address"), "{body}");
    server.reader("ada").await.expect_ready().await;
    server.stop().await;
}

#[tokio::test]
async fn a_token_of_any_size_is_refused() {
    let site = Site::start(None, &[]).await;
    let [hs, ..] = &site.backends;
    let padded = |size: usize| hs.sign(&json!({"sub": "ada", "exp": now() + 3600, "odd": "x".repeat(size)}));
    assert_eq!(site.with(&padded(8_000)).counts().await.0, 200);
    for token in [padded(100_000), "x".repeat(100_000), ".".repeat(100_000)] {
        let api = site.with(&token);
        let (status, body) = api.send(api.request(Method::GET, NOTIFICATIONS)).await;
        assert_eq!((status, &body["code"]), (431, &json!("head_too_large")), "{body}");
        assert!(!body.to_string().contains(&token[..9]), "{body}");
    }
    for token in [".".repeat(8_000), "a.".repeat(4_000), "e".repeat(8_000)] {
        site.refuses("junk", &token, "token_malformed").await;
    }
    site.server.stop().await;
}
