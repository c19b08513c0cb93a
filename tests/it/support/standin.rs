//! A server that speaks as Mercure or Centrifugo document it, as far as a load needs it: streams with their history, and
//! what publishes. Both write streams in chunks, as Go's server does. What they document stands in
//! `src/loadtest/profile/dialect.rs`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::by_hand::{Asked, answer, serve, stream, values};

/// Frames that wait for one stream; one that takes no more is cut.
const WAITING: usize = 1_024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// Publishers need a token, subscribers do not.
    Mercure,
    /// Subscribers need a token, publishers a key.
    Centrifugo,
}

/// A running stand-in, which ends with its handle.
pub struct Standin {
    addr: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

impl Standin {
    pub async fn start(speaks: Speaks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let hub = Hub { speaks, topics: Arc::default() };
        let serving = tokio::spawn(serve(listener, move |client| connection(client, hub.clone())));
        Self { addr, serving }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[derive(Clone)]
struct Hub {
    speaks: Speaks,
    topics: Arc<Mutex<HashMap<String, Topic>>>,
}

#[derive(Default)]
struct Topic {
    /// Each with its id.
    history: Vec<(String, String)>,
    streams: Vec<mpsc::Sender<String>>,
}

struct Answer {
    status: &'static str,
    body: String,
}

/// Answers requests until one opens a stream, which takes the connection. Ends where the client does.
async fn connection(mut client: BufReader<TcpStream>, hub: Hub) -> Option<()> {
    loop {
        let request = Asked::read(&mut client).await?;
        let told = match (hub.speaks, request.method.as_str(), request.url.path()) {
            (Speaks::Mercure, "GET", "/.well-known/mercure") => match hub.topics_of(&request) {
                Ok(topics) => {
                    return stream(client, hub.open(":\n".to_owned(), &topics, request.header("last-event-id"))).await;
                }
                Err(refused) => refused,
            },
            (Speaks::Mercure, "POST", "/.well-known/mercure") => hub.update(&request),
            (Speaks::Centrifugo, "GET", "/connection/uni_sse") => match channels(&request) {
                Ok(channels) => return stream(client, hub.open(connected(&channels), &channels, "")).await,
                Err(told) => return stream(client, told).await,
            },
            (Speaks::Centrifugo, "POST", "/api/publish" | "/api/broadcast") => hub.publish(&request),
            _ => Answer { status: "404 Not Found", body: String::new() },
        };
        answer(&mut client, told.status, &told.body).await?;
    }
}

impl Hub {
    /// What a stream begins with, its history after a cursor, and whatever comes.
    fn open(&self, first: String, names: &[String], cursor: &str) -> mpsc::Receiver<String> {
        let mut topics = self.topics.lock().expect("topics");
        let (frames, receiver) = mpsc::channel(WAITING);
        frames.try_send(first).expect("room");
        for name in names {
            let topic = topics.entry(name.clone()).or_default();
            if let Some(at) = topic.history.iter().position(|(id, _)| !cursor.is_empty() && id == cursor) {
                for (_, frame) in &topic.history[at + 1..] {
                    frames.try_send(frame.clone()).expect("room");
                }
            }
            topic.streams.push(frames.clone());
        }
        receiver
    }

    fn tell(&self, name: &str, id: &str, frame: &str) {
        let mut topics = self.topics.lock().expect("topics");
        let topic = topics.entry(name.to_owned()).or_default();
        topic.history.push((id.to_owned(), frame.to_owned()));
        topic.streams.retain(|stream| stream.try_send(frame.to_owned()).is_ok());
    }

    fn topics_of(&self, request: &Asked) -> Result<Vec<String>, Answer> {
        let topics = values(&request.url, "topic");
        if topics.is_empty() { Err(bad("Missing \"topic\" parameter.\n")) } else { Ok(topics) }
    }

    /// Mercure's way to publish.
    fn update(&self, request: &Asked) -> Answer {
        if !request.header("authorization").starts_with("Bearer ") {
            return Answer { status: "401 Unauthorized", body: "Unauthorized\n".to_owned() };
        }
        if request.header("content-type") != "application/x-www-form-urlencoded" {
            return bad("Missing \"topic\" parameter\n");
        }
        let form = request.form();
        let id = format!("urn:uuid:{}", uuid::Uuid::now_v7());
        for topic in values(&form, "topic") {
            let data = values(&form, "data").concat().replace('\n', "\ndata: ");
            self.tell(&topic, &id, &format!("id: {id}\ndata: {data}\n\n"));
        }
        Answer { status: "200 OK", body: id }
    }

    /// Centrifugo's way.
    fn publish(&self, request: &Asked) -> Answer {
        if request.header("x-api-key").is_empty() {
            return Answer { status: "401 Unauthorized", body: String::new() };
        }
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let channels = match (request.url.path(), &body["channel"], &body["channels"]) {
            ("/api/publish", Value::String(channel), _) => vec![channel.clone()],
            ("/api/broadcast", _, Value::Array(channels)) => {
                channels.iter().map(|channel| channel.as_str().expect("a name").to_owned()).collect()
            }
            _ if request.header("x-centrifugo-error-mode") == "transport" => return bad(""),
            _ => {
                let error = json!({"error": {"code": 107, "message": "bad request"}});
                return Answer { status: "200 OK", body: error.to_string() };
            }
        };
        for channel in &channels {
            let push = json!({"channel": channel, "pub": {"data": body["data"]}});
            self.tell(channel, "", &format!("data: {push}\n\n"));
        }
        let responses = json!({"responses": vec![json!({"result": {}}); channels.len()]});
        let result = if request.url.path() == "/api/publish" { json!({}) } else { responses };
        Answer { status: "200 OK", body: json!({ "result": result }).to_string() }
    }
}

fn bad(body: &str) -> Answer {
    Answer { status: "400 Bad Asked", body: body.to_owned() }
}

/// The channels that a connect request names; or the one event of a stream that is ended for it.
fn channels(request: &Asked) -> Result<Vec<String>, mpsc::Receiver<String>> {
    let connect: Value = serde_json::from_str(&values(&request.url, "cf_connect").concat()).unwrap_or_default();
    match (connect["token"].as_str(), connect["subs"].as_object()) {
        (Some(_), Some(subs)) => Ok(subs.keys().cloned().collect()),
        _ => {
            let (frames, told) = mpsc::channel(1);
            let push = json!({"disconnect": {"code": 3500, "reason": "invalid token"}});
            frames.try_send(format!("\r\ndata: {push}\n\n")).expect("room");
            Err(told)
        }
    }
}

fn connected(channels: &[String]) -> String {
    let subs: Value = channels.iter().map(|channel| (channel.clone(), json!({}))).collect();
    let client = uuid::Uuid::now_v7().to_string();
    let connect = json!({"client": client, "version": "0.0.0 OSS", "subs": subs, "ping": 25, "session": client});
    format!("\r\ndata: {}\n\nevent: ping\ndata:\n\n", json!({ "connect": connect }))
}
