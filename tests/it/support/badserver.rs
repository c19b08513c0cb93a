//! A server of events that does one thing wrong, on purpose and a counted number of times. Streams are at `/sub/USER`,
//! messages come by POST to `/pub/USER` with the content as a JSON text. Nothing is kept for whoever is away.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use lumen_inbox::loadtest::stamp::Stamp;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::by_hand::{Asked, answer, serve, stream};
use super::patience;

/// Events that wait for one stream.
const WAITING: usize = 1_024;
/// Whoever is cut comes back at once.
const FIRST: &str = "retry: 50\n\n";

/// What it does wrong. Messages are numbered from 0 as they come in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Nothing, but each message is told only after this time.
    Late(Duration),
    /// Every so many-th is told to nobody.
    Drops(usize),
    /// Every so many-th is told twice.
    Doubles(usize),
    /// Every so many-th is told only behind its user's next.
    Swaps(usize),
    /// Every so many-th is told to somebody else too.
    Strays(usize),
    /// Streams are answered with this text and nothing else.
    Answers(&'static str),
    /// Connections are taken, and nothing is said.
    Mute,
    /// From this one on nothing is told, on connections that stay.
    Stalls(usize),
    /// At this one all streams are cut, and hear nothing of what they miss.
    Cuts(usize),
    /// At this one all streams are cut, and answered 503 from then on.
    Shuts(usize),
    /// From this one on messages are refused.
    Refuses(usize),
    /// The first one is refused, and each other is told only after this time.
    RefusesOneAndIsLate(Duration),
    /// From this one on messages are not answered.
    Holds(usize),
    /// Messages are told at once, and answered only after this time.
    AnswersLate(Duration),
    /// The first so many connections for a stream are closed without a word.
    Rejects(u64),
    /// So many messages of a user are told in one event, once all of them are there. Nothing that harms.
    Batches(usize),
}

/// A running bad server, which ends with its handle.
pub struct BadServer {
    addr: SocketAddr,
    hub: Hub,
    serving: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Hub {
    fault: Fault,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    streams: HashMap<String, Vec<mpsc::Sender<String>>>,
    /// Of a user, until the next.
    held: HashMap<String, String>,
    shut: bool,
    posts: usize,
    harmed: u64,
    /// Who got which message of a run.
    receivers: Vec<(u32, String)>,
}

impl BadServer {
    pub async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let hub = Hub { fault, state: Arc::default() };
        let served = hub.clone();
        let serving = tokio::spawn(serve(listener, move |client| connection(client, served.clone())));
        Self { addr, serving, hub }
    }

    /// The words of `lumen loadtest` that load it.
    pub fn words(&self) -> String {
        format!(
            "--profile generic --url http://{} --subscribe-url /sub/{{user}} --publish-url /pub/{{user}} --publish-body \
             \"{{content}}\"",
            self.addr
        )
    }

    /// How many messages were harmed.
    pub fn harmed(&self) -> u64 {
        self.hub.state().harmed
    }

    /// The number of the user that each message went to, by the message's own.
    pub fn receivers(&self) -> Vec<(u32, String)> {
        let mut receivers = self.hub.state().receivers.clone();
        receivers.sort();
        receivers
    }
}

impl Drop for BadServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Answers requests until one opens a stream, which takes the connection. Ends where the client does.
async fn connection(mut client: BufReader<TcpStream>, hub: Hub) -> Option<()> {
    loop {
        let request = Asked::read(&mut client).await?;
        let (path, user) = request.url.path().rsplit_once('/')?;
        match (path, hub.fault) {
            ("/sub", Fault::Mute) => return gone(client).await,
            ("/sub", Fault::Rejects(first)) if hub.rejects(first) => return None,
            ("/sub", Fault::Answers(text)) => return client.write_all(text.as_bytes()).await.ok(),
            ("/sub", _) => match hub.open(user) {
                Some(frames) => return stream(client, frames).await,
                None => answer(&mut client, "503 Service Unavailable", "").await?,
            },
            _ => match hub.take(user, &request.body) {
                Some(status) => {
                    if let Fault::AnswersLate(time) = hub.fault {
                        patience::pause(time).await;
                    }
                    answer(&mut client, status, "").await?;
                }
                None => return gone(client).await,
            },
        }
    }
}

/// Says nothing until the client has gone.
async fn gone(mut client: BufReader<TcpStream>) -> Option<()> {
    client.fill_buf().await.ok().map(|_| ())
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("its state")
    }

    fn open(&self, user: &str) -> Option<mpsc::Receiver<String>> {
        let mut state = self.state();
        let (frames, receiver) = mpsc::channel(WAITING);
        frames.try_send(FIRST.to_owned()).expect("room");
        let shut = state.shut;
        (!shut).then(|| {
            state.streams.entry(user.to_owned()).or_default().push(frames);
            receiver
        })
    }

    fn rejects(&self, first: u64) -> bool {
        let mut state = self.state();
        let rejects = state.harmed < first;
        state.harmed += u64::from(rejects);
        rejects
    }

    /// Takes a message; the status that it is answered with, if it is.
    fn take(&self, user: &str, body: &str) -> Option<&'static str> {
        let content: String = serde_json::from_str(body).expect("a JSON text");
        let frame = format!("data: {content}\n\n");
        let mut state = self.state();
        let number = state.posts;
        state.posts += 1;
        match self.fault {
            Fault::Refuses(from) if number >= from => {
                state.harmed += 1;
                return Some("500 Internal Server Error");
            }
            Fault::Holds(from) if number >= from => {
                state.harmed += 1;
                return None;
            }
            Fault::RefusesOneAndIsLate(_) if number == 0 => {
                state.harmed += 1;
                return Some("500 Internal Server Error");
            }
            Fault::Late(time) | Fault::RefusesOneAndIsLate(time) => self.tell_after(time, user.to_owned(), frame),
            fault => state.tell_by(fault, number, user, &frame),
        }
        let stamp = Stamp::find(content.as_bytes()).expect("a stamp");
        let (_, user) = user.rsplit_once('-').expect("a user of a run");
        state.receivers.push((stamp.number, user.to_owned()));
        Some("200 OK")
    }

    fn tell_after(&self, time: Duration, user: String, frame: String) {
        let hub = self.clone();
        tokio::spawn(async move {
            patience::pause(time).await;
            hub.state().tell(&user, &frame);
        });
    }
}

impl State {
    /// Tells a message, and does to it what is to be done.
    fn tell_by(&mut self, fault: Fault, number: usize, user: &str, frame: &str) {
        let held = self.held.remove(user);
        match fault {
            Fault::Batches(size) => {
                let batch = held.map_or_else(|| frame.to_owned(), |held| format!("{}\n{frame}", held.trim_end()));
                if batch.lines().filter(|line| !line.is_empty()).count() < size {
                    self.held.insert(user.to_owned(), batch);
                } else {
                    self.tell(user, &batch);
                }
                return;
            }
            Fault::Drops(nth) if number.is_multiple_of(nth) => self.harmed += 1,
            Fault::Stalls(from) if number >= from => self.harmed += 1,
            Fault::Doubles(nth) if number.is_multiple_of(nth) => {
                self.harmed += 1;
                self.tell(user, frame);
                self.tell(user, frame);
            }
            Fault::Swaps(nth) if number.is_multiple_of(nth) => {
                self.harmed += 1;
                self.held.insert(user.to_owned(), frame.to_owned());
            }
            Fault::Strays(nth) if number.is_multiple_of(nth) => {
                self.harmed += 1;
                let stranger = self.streams.keys().find(|name| *name != user).expect("two users").clone();
                self.tell(user, frame);
                self.tell(&stranger, frame);
            }
            Fault::Cuts(at) | Fault::Shuts(at) => {
                if number == at {
                    self.streams.clear();
                    self.shut = matches!(fault, Fault::Shuts(_));
                }
                let told = self.tell(user, frame);
                self.harmed += u64::from(told == 0);
            }
            _ => {
                self.tell(user, frame);
            }
        }
        if let Some(held) = held {
            self.tell(user, &held);
        }
    }

    /// On how many streams it was told.
    fn tell(&mut self, user: &str, frame: &str) -> usize {
        let streams = self.streams.entry(user.to_owned()).or_default();
        streams.retain(|stream| stream.try_send(frame.to_owned()).is_ok());
        streams.len()
    }
}
