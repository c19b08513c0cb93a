//! What producers send: each text comes out as it went in, or is refused; and nothing that is sent costs more than it
//! is worth.

use lumen_inbox::domain::limits::{BATCH_BYTES, BODY_BYTES, JSON_DEPTH};
use lumen_inbox::wire::api::{BATCH, NDJSON, NOTIFICATIONS};
use lumen_inbox::wire::event::{Event, NotificationData};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::http::{Answer, Api, Listed, ok};
use crate::support::link::Link;
use crate::support::patience;
use crate::support::reader::Reader;
use crate::support::server::Server;

/// Texts that could end a line, an event, a string or a page, or are shown as what they are not.
const TEXTS: [&str; 20] = [
    "a\r\nb",
    "a\rb",
    "\n\ndata: {}\n\nevent: close\ndata: {}\n\n",
    "id: x\nretry: 1",
    "\u{2028}a\u{2029}",
    "\u{feff}a\u{feff}",
    "\u{1}\u{8}\u{1b}[2J\u{7f}\u{85}\u{9f}",
    "\u{202e}txt.exe",
    "e\u{301} é ﷺ 点赞 👩‍👩‍👧‍👦",
    "\u{fffd}\u{fffe}\u{ffff}\u{fdd0}\u{10ffff}",
    "\\ \" \\\" \\u0000 \\",
    "/ // /* ' `",
    "<script>alert(1)</script>",
    "</script><!--<b onload='x'>",
    "&lt;b&gt;&amp;&#0;",
    "javascript:alert(1)",
    "%00%0d%0a%2e%2e/",
    "'; DROP TABLE rows; --",
    "${jndi:ldap://x} {{7*7}} %s%n",
    "   \t spaces stay \t  ",
];

/// Texts that are no links, however they are turned.
const NO_LINKS: [&str; 18] = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "java\nscript:alert(1)",
    "\u{1}javascript:alert(1)",
    "\u{feff}javascript:alert(1)",
    "vbscript:x",
    "data:text/html,<script>alert(1)</script>",
    "blob:https://a/b",
    "file:///etc/passwd",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/a\\..\\b",
    "https:evil.example",
    "http:///evil.example\u{0}",
    "ftp://evil.example",
];

fn post_raw(api: &Api, path: &str, media: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    api.request(Method::POST, path).header("content-type", media).body(body)
}

async fn draft_raw(api: &Api, body: impl Into<reqwest::Body>) -> Answer {
    api.send(post_raw(api, NOTIFICATIONS, "application/json", body)).await
}

async fn line_raw(api: &Api, body: impl Into<reqwest::Body>) -> Answer {
    api.send(post_raw(api, BATCH, NDJSON, body)).await
}

/// What the stream tells and the list has, one for the one that was posted.
async fn told(server: &Server, reader: &mut Reader) -> NotificationData {
    let message = reader.next().await;
    let Some(Event::Message(message)) = message.event else { panic!("a message, not {message:?}") };
    let listed: Listed = ok(server.user("ada").list("limit=1").await);
    assert_eq!(listed.items[0].data, message.data);
    message.data
}

/// Faults rows 29 and 40.
#[tokio::test]
async fn a_text_comes_out_as_it_went_in() {
    let server = Server::start().await;
    let mut reader = server.reader("ada").await;
    reader.expect_ready().await;
    for text in TEXTS {
        // Keys and user ids have no control characters.
        let key = text.replace(char::is_control, "?");
        let draft = json!({"user": "ada", "type": "like", "content": text, "key": key,
            "sender": {"username": text, text: text}, "extra": {text: [text, {text: text}]}});
        let (status, answer) = server.api().post(&draft).await;
        assert_eq!(status, 201, "{text:?}: {answer}");
        let item = told(&server, &mut reader).await;
        assert_eq!(item.content, text);
        assert_eq!((item.sender.as_ref(), item.extra.as_ref()), (draft.get("sender"), draft.get("extra")));
        let again = server.api().post(&draft).await;
        assert_eq!((again.0, &again.1["id"]), (200, &answer["id"]), "{text:?} is a key like any other");
    }
    // As a user, a text is itself or refused: never another's.
    for text in TEXTS {
        let draft = json!({"user": text, "type": "like", "content": text});
        match server.api().post(&draft).await {
            (201, _) => {
                let items = server.user(text).list_all().await.items;
                assert_eq!(items.iter().map(|item| item.data.content.as_str()).collect::<Vec<_>>(), [text]);
            }
            (status, problem) => {
                assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("user")), "{text:?}");
                assert!(text.chars().any(char::is_control), "{text:?}");
            }
        }
    }
    server.stop().await;
}

/// Faults row 40.
#[tokio::test]
async fn a_link_leads_to_a_page_or_is_refused() {
    let server = Server::start().await;
    let mut reader = server.reader("ada").await;
    reader.expect_ready().await;
    for text in NO_LINKS {
        for (draft, field) in [
            (json!({"user": "ada", "type": "like", "content": "x", "link": text}), "link"),
            (
                json!({"user": "ada", "type": "like", "content": "x", "sender": {"username": "b", "avatar": text}}),
                "sender.avatar",
            ),
        ] {
            let (status, problem) = server.api().post(&draft).await;
            if text.contains('\0') {
                assert_eq!((status, &problem["code"]), (400, &json!("json_nul")));
                continue;
            }
            assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!(field)), "{text:?}: {problem}");
        }
    }
    for link in
        ["/posts/9?a=<b>&c='d'#e", "https://a.example/%6aavascript:alert(1)", "/javascript:alert(1)", "/\u{202e}x"]
    {
        let draft = json!({"user": "ada", "type": "like", "content": "x", "link": link});
        let (status, answer) = server.api().post(&draft).await;
        assert_eq!(status, 201, "{link}: {answer}");
        assert_eq!(told(&server, &mut reader).await.link.as_deref(), Some(link));
    }
    server.stop().await;
}

/// Faults row 29.
#[tokio::test]
async fn what_is_no_text_is_refused_wherever_it_stands() {
    let server = Server::start().await;
    let template = r#"{"user":"§","type":"§","content":"§","link":"/§","key":"§","sender":{"username":"§","avatar":"/§","§":"§"},"extra":{"§":"§"},"§":1}"#;
    let places = template.matches('§').count();
    for (bad, code) in [
        (&b"\xff"[..], "malformed_json"),
        (b"a\xc3", "malformed_json"),
        (b"\xc0\x80", "malformed_json"),
        (b"\xed\xa0\x80", "malformed_json"),
        (b"\xf4\x90\x80\x80", "malformed_json"),
        (b"a\nb", "malformed_json"),
        (b"a\tb", "malformed_json"),
        (b"a\x00b", "malformed_json"),
        (br"\ud800", "malformed_json"),
        (br"\ud800a", "malformed_json"),
        (br"\udc00\ud800", "malformed_json"),
        (br"\x41", "malformed_json"),
        (br"\u0000", "json_nul"),
        (br"a\u0000b", "json_nul"),
    ] {
        for place in 0..places {
            let mut pieces = template.split('§');
            let mut body = pieces.next().unwrap().as_bytes().to_vec();
            for (at, piece) in pieces.enumerate() {
                body.extend_from_slice(if at == place { bad } else { b"ada" });
                body.extend_from_slice(piece.as_bytes());
            }
            let shown = String::from_utf8_lossy(&body).into_owned();
            let (status, problem) = draft_raw(server.api(), body.clone()).await;
            assert_eq!((status, &problem["code"]), (400, &json!(code)), "{shown}: {problem}");
            // A raw line end parts a batch's line in two.
            let (status, problem) = line_raw(server.api(), body).await;
            assert_eq!((status, &problem["code"]), (422, &json!("invalid_draft")), "{shown}: {problem}");
            assert_eq!(problem["errors"][0]["code"], code, "{shown}");
        }
    }
    assert_eq!(server.user("ada").list_all().await.items.len(), 0);
    server.stop().await;
}

/// Faults row 30.
#[tokio::test]
async fn json_that_could_exhaust_its_reader_is_refused() {
    let server = Server::start().await;
    let site = server.api();
    let ada = server.user("ada");
    let mut reader = server.reader("ada").await;
    reader.expect_ready().await;
    let with = |extra: &str| format!(r#"{{"user":"ada","type":"like","content":"x","extra":{extra}}}"#);
    // The draft and extra itself are two of them.
    let nested = |depth: usize| with(&format!(r#"{{"a":{}1{}}}"#, "[".repeat(depth - 2), "]".repeat(depth - 2)));
    for depth in [JSON_DEPTH - 1, JSON_DEPTH] {
        assert_eq!(draft_raw(site, nested(depth)).await.0, 201, "{depth}");
        let sent: Value = nested(depth).parse().unwrap();
        assert_eq!(told(&server, &mut reader).await.extra, Some(sent["extra"].clone()));
    }
    for deep in [nested(JSON_DEPTH + 1), nested(100_000), "[".repeat(100_000), "{\"a\":".repeat(100_000)] {
        let (status, problem) = draft_raw(site, deep.clone()).await;
        assert_eq!((status, &problem["code"]), (400, &json!("json_too_deep")));
        let (status, problem) = line_raw(site, deep).await;
        assert_eq!((status, &problem["errors"][0]["code"]), (422, &json!("json_too_deep")));
    }
    for number in ["1e308", "-1e-400", "18446744073709551615", "-9223372036854775808", "0.1", "1E3"] {
        assert_eq!(draft_raw(site, with(&format!(r#"{{"n":{number}}}"#))).await.0, 201, "{number}");
        let sent: Value = number.parse().unwrap();
        assert_eq!(told(&server, &mut reader).await.extra.unwrap()["n"], sent, "{number}");
    }
    let endless = "9".repeat(400_000);
    for number in
        ["1e309", "-1e309", "1e99999999999999999999", &endless, "01", "+1", "1.", ".1", "0x1", "NaN", "Infinity", "-"]
    {
        let (status, problem) = draft_raw(site, with(&format!(r#"{{"n":{number}}}"#))).await;
        assert_eq!((status, &problem["code"]), (400, &json!("malformed_json")), "{number:.40}");
    }
    for doubled in [with(r#"{"a":1,"a":1}"#), with(r#"{"a":[{"b":1,"\u0062":2}]}"#), with(r#"{},"user":"ben""#)] {
        let (status, problem) = draft_raw(site, doubled.clone()).await;
        assert_eq!((status, &problem["code"]), (400, &json!("json_doubled_name")), "{doubled}");
    }
    let listed = ada.list_all().await.counts.rev;
    assert_eq!(listed, 8, "nothing of what was refused was stored");
    server.stop().await;
}

/// Faults row 30: as many names, and as many values, as a body has room for.
#[tokio::test]
async fn as_many_fields_as_a_body_holds_are_refused_in_bounded_time() {
    let server = Server::start().await;
    let site = server.api();
    let names = |bytes: usize| {
        let mut object = String::from("{");
        for n in 0.. {
            object += &format!("\"{n:x}\":1,");
            if object.len() > bytes - 64 {
                return object;
            }
        }
        unreachable!()
    };
    let values = |bytes: usize| format!("[{}1]", "1,".repeat(bytes / 2 - 8));
    let (single, line) = (names(BODY_BYTES), names(BATCH_BYTES));
    for (end, code) in [("\"z\":1}", "json_too_many_values"), ("\"0\":1}", "json_too_many_values")] {
        let (status, problem) = draft_raw(site, format!("{single}{end}")).await;
        assert_eq!((status, &problem["code"]), (400, &json!(code)));
        let (status, problem) = line_raw(site, format!("{line}{end}")).await;
        assert_eq!((status, &problem["errors"][0]["code"]), (422, &json!(code)));
    }
    assert_eq!(draft_raw(site, values(BODY_BYTES)).await.1["code"], "json_too_many_values");
    assert_eq!(line_raw(site, values(BATCH_BYTES)).await.1["errors"][0]["code"], "json_too_many_values");
    server.stop().await;
}

/// Faults row 31.
#[tokio::test]
async fn a_body_is_asked_for_only_where_it_would_be_taken() {
    let server = Server::start().await;
    let good = json!({"user": "ada", "type": "like", "content": "x"}).to_string();
    let head = |media: &str, length: usize, more: &str| {
        format!(
            "POST {NOTIFICATIONS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: {media}\r\n\
             Content-Length: {length}\r\nExpect: 100-continue\r\n{more}\r\n",
            server.tokens.producer()
        )
    };
    for (head, status) in [
        (head("application/json", BODY_BYTES + 1, ""), 413),
        (head("text/plain", good.len(), ""), 415),
        (head("application/json", 40, "Content-Encoding: gzip\r\n"), 415),
        (head("application/json", good.len(), "").replace("Bearer", "Basic"), 401),
    ] {
        let mut link = Link::connect(server.addr()).await.unwrap();
        link.send(head.as_bytes()).await.unwrap();
        let answer = patience::within(link.head()).await.expect("an answer before the body").unwrap();
        assert_eq!(answer.status, status, "{head}");
    }
    let mut link = Link::connect(server.addr()).await.unwrap();
    link.send(head("application/json", good.len(), "").as_bytes()).await.unwrap();
    assert_eq!(patience::within(link.head()).await.unwrap().unwrap().status, 100);
    link.send(good.as_bytes()).await.unwrap();
    assert_eq!(patience::within(link.head()).await.unwrap().unwrap().status, 201);

    // A few packed bytes would be gigabytes: they are never unpacked.
    for coding in ["gzip", "deflate", "br", "zstd", "identity, gzip", "x-gzip"] {
        let packed = post_raw(server.api(), NOTIFICATIONS, "application/json", vec![0x1f, 0x8b, 8, 0]);
        let (status, problem) = server.api().send(packed.header("content-encoding", coding)).await;
        assert_eq!((status, &problem["code"]), (415, &json!("unsupported_encoding")), "{coding}");
    }
    server.stop().await;
}
