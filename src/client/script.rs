//! A server for tests that plays a script: one canned answer a connection, then the connection's end.

use std::future::pending;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::access::{Access, Token};
use super::{Endpoint, ServerUrl};

/// Plays `answers`, one a connection, and yields the requests, in lower case.
pub async fn play(answers: Vec<String>) -> (Endpoint, JoinHandle<Vec<String>>) {
    play_to(Access::Given(Token::parse("secret", "test").unwrap()), answers).await
}

pub async fn play_to(access: Access, answers: Vec<String>) -> (Endpoint, JoinHandle<Vec<String>>) {
    let (listener, server) = listen(access).await;
    let requests = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            requests.push(request(&mut socket).await);
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    });
    (server, requests)
}

/// Begins one answer and never ends it.
pub async fn hold(begun: &'static str) -> (Endpoint, JoinHandle<()>) {
    let (listener, server) = listen(Access::Given(Token::parse("secret", "test").unwrap())).await;
    let holding = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        request(&mut socket).await;
        socket.write_all(begun.as_bytes()).await.unwrap();
        pending().await
    });
    (server, holding)
}

async fn listen(access: Access) -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: ServerUrl = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    (listener, Endpoint::new(url, access).unwrap())
}

async fn request(socket: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(socket.read_u8().await.unwrap());
    }
    let mut text = String::from_utf8(text).unwrap().to_lowercase();
    if let Some((_, rest)) = text.split_once("content-length: ") {
        let mut body = vec![0; rest.lines().next().unwrap().parse().unwrap()];
        socket.read_exact(&mut body).await.unwrap();
        text += &String::from_utf8(body).unwrap().to_lowercase();
    }
    text
}

/// A refusal in lumen's words, with more header lines and more fields.
pub fn problem(status: &str, headers: &str, fields: &str) -> String {
    let code = &status[..3];
    let body = format!(
        r#"{{"type":"about:blank","title":"No","status":{code},"detail":"why","code":"c","cure":"do it"{fields}}}"#
    );
    answer(&format!("{status}\r\ncontent-type: application/problem+json\r\n{headers}"), &body)
}

/// An answer that begins with `head`: the status line's end, and header lines each begun with a line break.
pub fn answer(head: &str, body: &str) -> String {
    let head = head.trim_end();
    format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}
