//! A producer's calls, which put notifications in and take them back. Each is one try; whoever calls decides on another by [`Failure::may_pass`].

use bytes::Bytes;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::call::call;
use super::endpoint::Endpoint;
use super::failure::Failure;
use crate::domain::ids::UserId;
use crate::domain::notification::Key;
use crate::wire::api::{BATCH, NDJSON, NOTIFICATIONS, Published, PublishedAll, Retracted};

/// Puts in a draft for one user.
///
/// # Errors
/// Of [`Failure::Silent`] and [`Failure::Cut`] the outcome is unknown: only a draft with a key can be sent again.
pub async fn publish(server: &Endpoint, draft: &Value) -> Result<Published, Failure> {
    post(server, NOTIFICATIONS, "application/json", draft.to_string().into()).await
}

/// Puts in drafts, one a line: all of them or none.
///
/// # Errors
/// As for [`publish`]; a problem names the lines at fault in its `errors`.
pub async fn publish_batch(server: &Endpoint, lines: Bytes) -> Result<PublishedAll, Failure> {
    post(server, BATCH, NDJSON, lines).await
}

/// Takes back the notification that has this key.
///
/// # Errors
/// As for [`publish`], but that it can always be sent again.
pub async fn retract(server: &Endpoint, user: &UserId, key: &Key) -> Result<Retracted, Failure> {
    let mut url = server.url().at(NOTIFICATIONS);
    url.query_pairs_mut().append_pair("user", user.as_str()).append_pair("key", key.as_str());
    call(server, &server.access().for_producer()?, Method::DELETE, url, None).await
}

async fn post<T: DeserializeOwned>(
    server: &Endpoint,
    path: &str,
    media_type: &'static str,
    body: Bytes,
) -> Result<T, Failure> {
    let token = server.access().for_producer()?;
    call(server, &token, Method::POST, server.url().at(path), Some((media_type, body))).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::client::access::{Access, Token};
    use crate::client::script::{answer, play, problem};

    const PUBLISHED: &str = r#"{"id":"01932f4e-5b1c-7000-8000-000000000000","user":"a","rev":7,"unread_count":2,"streams":1,"duplicate":false}"#;

    const NO_ROUTE: &str =
        r#"{"type":"about:blank","title":"No","status":404,"detail":"why","code":"no_route","cure":"do it"}"#;

    #[tokio::test]
    async fn a_draft_goes_with_the_token_and_its_answer_is_read() {
        let (server, requests) = play(vec![answer("201 Created", PUBLISHED)]).await;
        let published = publish(&server, &json!({"user": "a"})).await.unwrap();
        assert_eq!((published.rev, published.unread_count, published.streams), (7, 2, 1));
        let request = requests.await.unwrap().remove(0);
        assert!(request.starts_with("post /api/v1/notifications http/1.1\r\n"), "{request}");
        for part in
            ["authorization: bearer secret\r\n", "content-type: application/json\r\n", "\r\n\r\n{\"user\":\"a\"}"]
        {
            assert!(request.contains(part), "{request}");
        }
    }

    #[tokio::test]
    async fn a_refusal_says_when_to_come_back() {
        let (server, _) = play(vec![problem("503 Service Unavailable", "retry-after: 7", "")]).await;
        let failure = publish_batch(&server, "{}\n".into()).await.unwrap_err();
        assert_eq!(failure.retry_after(), Some(Duration::from_secs(7)));
        assert!(failure.may_pass());
    }

    #[tokio::test]
    async fn what_is_not_lumen_is_told_from_what_is_down() {
        for (reply, may_pass) in [
            (answer("200 OK", "<html>"), false),
            (answer("404 Not Found", "nothing here"), false),
            (answer("302 Found\r\nlocation: http://127.0.0.1:1/", ""), false),
            (answer("502 Bad Gateway\r\ncontent-type: text/html", "<html>"), true),
            (String::new(), true),
        ] {
            let (server, _) = play(vec![reply]).await;
            let failure = publish(&server, &json!({})).await.unwrap_err();
            assert_eq!(failure.may_pass(), may_pass, "{failure}");
        }
    }

    #[tokio::test]
    async fn what_is_no_server_of_ours_is_told_from_one_that_rests() {
        let tls_alert = "\u{15}\u{3}\u{1}\0\u{2}\u{2}\n".to_owned();
        let no_route = answer("404 Not Found\r\ncontent-type: application/problem+json", NO_ROUTE);
        for reply in [answer("501 Not Implemented", "<html>"), answer("404 Not Found", ""), tls_alert, no_route] {
            let (server, _) = play(vec![reply]).await;
            let failure = publish(&server, &json!({})).await.unwrap_err();
            assert!(failure.is_of_elsewhere() && !failure.may_pass(), "{failure}");
        }
        // A label over 63 bytes is no name, and is asked of nobody.
        let access = Access::Given(Token::parse("secret", "test").unwrap());
        let nowhere =
            Endpoint::new(format!("http://{}.invalid", "a".repeat(64)).parse().unwrap(), access.clone()).unwrap();
        assert_eq!(publish(&nowhere, &json!({})).await, Err(Failure::Unresolved(nowhere.url().clone())));

        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let https = format!("https://{}", plain.local_addr().unwrap());
        let answering = tokio::spawn(async move {
            let (mut socket, _) = plain.accept().await.unwrap();
            socket.write_all(answer("400 Bad Request", "").as_bytes()).await.unwrap();
            socket
        });
        let https = Endpoint::new(https.parse().unwrap(), access).unwrap();
        let failure = publish(&https, &json!({})).await.unwrap_err();
        assert!(matches!(failure, Failure::PlainHttp(_)), "{failure}");
        drop(answering.await.unwrap());
    }

    #[tokio::test]
    async fn a_port_that_speaks_only_tls_is_known_by_its_handshake() {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", port.local_addr().unwrap()).parse().unwrap();
        let server = Endpoint::new(url, Access::Given(Token::parse("secret", "test").unwrap())).unwrap();
        // The first is cut; the second is refused in TLS: a fatal alert, the handshake failed.
        let answering = tokio::spawn(async move {
            drop(port.accept().await.unwrap());
            let (mut socket, _) = port.accept().await.unwrap();
            socket.write_all(b"\x15\x03\x03\x00\x02\x02\x28").await.unwrap();
            let mut hello = Vec::new();
            let _ = socket.read_to_end(&mut hello).await;
            hello
        });
        let cut = publish(&server, &json!({})).await.unwrap_err();
        assert_eq!(cut, Failure::Cut(server.url().clone()));
        assert_eq!(server.explain(cut).await, Failure::OnlyHttps(server.url().clone()));
        let hello = answering.await.unwrap();
        assert_eq!(hello.first(), Some(&0x16), "a handshake, and nothing in plain");

        let (plain, _) = play(vec![]).await;
        let cut = Failure::Cut(plain.url().clone());
        assert_eq!(plain.explain(cut.clone()).await, cut);
    }

    #[tokio::test]
    async fn a_path_that_is_not_served_is_named() {
        let (server, _) = play(vec![answer("404 Not Found\r\ncontent-type: application/problem+json", NO_ROUTE)]).await;
        let failure = publish(&server, &json!({})).await.unwrap_err().to_string();
        let asked = server.url().at(NOTIFICATIONS);
        assert!(failure.starts_with(&format!("nothing is served at {asked}; --url is ")), "{failure}");
    }

    #[tokio::test]
    async fn a_port_without_anyone_refuses() {
        let (server, requests) = play(vec![]).await;
        requests.await.unwrap();
        assert_eq!(publish(&server, &json!({})).await, Err(Failure::Refused(server.url().clone())));
    }
}
