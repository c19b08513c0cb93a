//! Behind a real nginx: events come at once, and kept connections serve.

use std::net::IpAddr;

use lumen_inbox::config::Config;

use crate::support::http::Api;
use crate::support::nginx::Nginx;
use crate::support::opening::Opening;
use crate::support::reader::Reader;
use crate::support::server::Server;

/// An address of clients, and not the trusted proxy's: nginx asks from 127.0.0.1.
const HERE: [u8; 4] = [127, 0, 0, 2];

/// A server that trusts the proxy.
async fn server() -> Server {
    let mut config = Config::defaults();
    config.http.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
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
