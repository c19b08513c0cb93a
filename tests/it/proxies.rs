//! Behind a real nginx: events come at once, each client counts by its own address, and each user for itself.

use std::net::IpAddr;

use lumen_inbox::config::Config;
use lumen_inbox::wire::event::{CloseReason, Event};

use crate::support::http::Api;
use crate::support::nginx::Nginx;
use crate::support::opening::Opening;
use crate::support::patience;
use crate::support::reader::Reader;
use crate::support::server::Server;

/// Addresses of clients, none of them a trusted proxy's: nginx asks from 127.0.0.1.
const HERE: [u8; 4] = [127, 0, 0, 2];
const ELSEWHERE: [u8; 4] = [127, 0, 0, 3];

/// A server that trusts the proxy, and lets in two streams of a user and three of an address.
async fn server() -> Server {
    let mut config = Config::defaults();
    config.http.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    config.hub.streams_per_user = 2;
    config.hub.streams_per_address = 3;
    Server::start_with(config).await
}

/// A stream by way of the proxy.
fn opening(server: &Server, nginx: &Nginx, user: &str, from: impl Into<IpAddr>) -> Opening {
    let mut opening = server.opening(user).from(from.into());
    opening.move_to(nginx.addr());
    opening
}

async fn open(server: &Server, nginx: &Nginx, user: &str, from: impl Into<IpAddr>) -> Reader {
    let mut reader = opening(server, nginx, user, from).open().await;
    reader.expect_ready().await;
    reader
}

/// It is refused in the stream itself, so that an EventSource does not give up for good.
async fn refused(server: &Server, nginx: &Nginx, user: &str, from: impl Into<IpAddr>) {
    let mut reader = opening(server, nginx, user, from).open().await;
    let close = reader.expect_close().await;
    assert_eq!((close.reason.as_str(), close.reconnect), (CloseReason::TooManyStreams.as_str(), true));
    assert!((2_000..).contains(&close.retry_ms), "{close:?}");
    assert_eq!(reader.received().last().unwrap().block.retry, Some(close.retry_ms));
}

/// Each stream still hears of its user.
async fn hear(server: &Server, streams: &mut [(&str, Reader)]) {
    for (user, reader) in streams {
        let posted = server.api().publish(user, "still there").await;
        reader.until(|event| matches!(event, Event::Message(message) if message.data.id == posted.id)).await;
    }
}

/// By its defaults nginx speaks HTTP/1.0 to the server, and holds answers back until they fill a buffer or end.
#[tokio::test]
async fn what_is_told_comes_at_once() {
    let server = server().await;
    let nginx = Nginx::start(server.addr()).await;
    let mut ada = open(&server, &nginx, "ada", HERE).await;
    for content in ["one", "two", "three"] {
        server.api().publish("ada", content).await;
        assert_eq!(ada.expect_message().await.data.content, content);
    }
    ada.hang_up();
    server.stop().await;
}

/// An nginx that keeps its connections to the server, as one under load is set up.
#[tokio::test]
async fn kept_connections_serve_one_request_after_the_other() {
    let server = server().await;
    let nginx = Nginx::start_with(server.addr(), "proxy_http_version 1.1; proxy_set_header Connection '';").await;
    let site = Api::new(format!("http://{}", nginx.addr()), server.tokens.producer());
    let ada = site.with(server.tokens.user("ada"));
    let mut stream = open(&server, &nginx, "ada", HERE).await;
    for n in 1..=50 {
        let id = site.publish("ada", "x").await.id;
        assert_eq!(stream.expect_message().await.data.id, id);
        assert_eq!(ada.get(id).await.0, 200);
        assert_eq!(ada.get("x").await.0, 404);
        assert_eq!(ada.list_all().await.items.len(), n);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_user_with_too_many_streams_is_told_and_another_is_untouched() {
    let server = server().await;
    let nginx = Nginx::start(server.addr()).await;
    let mut ben = vec![("ben", open(&server, &nginx, "ben", HERE).await)];
    let mut ada = Vec::new();
    for from in [HERE, ELSEWHERE] {
        ada.push(("ada", open(&server, &nginx, "ada", from).await));
    }
    for from in [HERE, ELSEWHERE] {
        refused(&server, &nginx, "ada", from).await;
    }
    ben.push(("ben", open(&server, &nginx, "ben", HERE).await));
    hear(&server, &mut ada).await;
    hear(&server, &mut ben).await;

    // The one that goes makes room.
    ada.pop().unwrap().1.hang_up();
    patience::until(|| server.hub.streams() == 3).await;
    open(&server, &nginx, "ada", ELSEWHERE).await;
    server.stop().await;
}

#[tokio::test]
async fn an_address_with_too_many_streams_is_told_and_another_is_untouched() {
    let server = server().await;
    let nginx = Nginx::start(server.addr()).await;
    let mut streams = Vec::new();
    for user in ["ada", "ben", "cy"] {
        streams.push((user, open(&server, &nginx, user, HERE).await));
    }
    refused(&server, &nginx, "dan", HERE).await;
    for user in ["dan", "eve", "fay"] {
        streams.push((user, open(&server, &nginx, user, ELSEWHERE).await));
    }
    refused(&server, &nginx, "gil", ELSEWHERE).await;
    // What a client says of itself is not believed.
    let lying = opening(&server, &nginx, "gil", HERE).raw("X-Forwarded-For: 203.0.113.9\r\n");
    assert_eq!(lying.open().await.expect_close().await.reason, CloseReason::TooManyStreams.as_str());
    // The proxy's own host, asking past it, is as many as it likes.
    for user in ["h", "i", "j", "k", "l"] {
        let mut direct = server.opening(user).open().await;
        direct.expect_ready().await;
        streams.push((user, direct));
    }
    hear(&server, &mut streams).await;
    server.stop().await;
}
