//! A server that holds each message for a known time, by raw sockets and a clock of its own.
//!
//! `GET /sub/USER` is a stream; `POST /pub/USER?delays=0,20` is answered at once, and its body goes to the user's streams
//! after the user's delay, in milliseconds: the first of the list for one whose name ends in 0, and round again. All of a
//! user's messages are held alike, so that none overtakes another.

#![allow(dead_code, reason = "each measurement takes what it needs of it")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n:\n\n";
const ANSWER: &str = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
/// A sleep may last so much longer than it was to; the rest is waited awake.
const OVERSLEEP: Duration = Duration::from_micros(300);
const WAITING: usize = 64 * 1024;

pub struct Delaying {
    pub addr: SocketAddr,
    /// By how much longer than its delay each message was held, in this server's own time.
    late: Arc<Mutex<Vec<Duration>>>,
}

/// A message that is held, the earliest first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    until: Instant,
    user: String,
    body: String,
}

type Sockets = Arc<Mutex<HashMap<String, Vec<TcpStream>>>>;

impl Delaying {
    /// Serves until the process ends.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        let (sockets, late) = (Sockets::default(), Arc::<Mutex<Vec<Duration>>>::default());
        let (hold, held) = sync_channel(WAITING);
        let (open, noted) = (sockets.clone(), late.clone());
        thread::spawn(move || send_all(&held, &open, &noted));
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (sockets, hold) = (sockets.clone(), hold.clone());
                thread::spawn(move || serve(socket.expect("a connection"), &sockets, &hold));
            }
        });
        Self { addr, late }
    }

    /// What a subscriber and a publisher say to it, as templates of `lumen loadtest`.
    pub fn arguments(&self, delays: &[u64]) -> Vec<String> {
        let words = [
            "--url".to_owned(),
            format!("http://{}", self.addr),
            "--profile=generic".to_owned(),
            "--subscribe-url=/sub/{user}".to_owned(),
            format!("--publish-url={}", path("{user}", delays)),
            "--publish-header=Content-Type: text/plain".to_owned(),
            "--publish-body={content}".to_owned(),
        ];
        words.into()
    }

    /// The median of how much too long it held what came since this was last asked, in milliseconds.
    pub fn late_ms(&self) -> f64 {
        let mut late = std::mem::take(&mut *self.late.lock().expect("a lock"));
        late.sort();
        late[late.len() / 2].as_secs_f64() * 1_000.0
    }
}

/// Where a user's messages go to be held for these times.
pub fn path(user: &str, delays: &[u64]) -> String {
    let delays: Vec<String> = delays.iter().map(u64::to_string).collect();
    format!("/pub/{user}?delays={}", delays.join(","))
}

/// A connection, until it becomes a stream or ends.
fn serve(mut socket: TcpStream, sockets: &Sockets, hold: &SyncSender<Reverse<Held>>) {
    socket.set_nodelay(true).expect("an option set");
    let mut kept = Vec::new();
    while let Some((target, body)) = request(&mut socket, &mut kept) {
        let now = Instant::now();
        if let Some(user) = target.strip_prefix("/sub/") {
            // Known before it is greeted, and greeted before it is told of anything.
            let mut sockets = sockets.lock().expect("a lock");
            if socket.write_all(HEAD.as_bytes()).is_ok() {
                sockets.entry(user.to_owned()).or_default().push(socket);
            }
            return;
        }
        let (user, delay) = published(&target).unwrap_or_else(|| panic!("what is {target}?"));
        let held = Held { until: now + delay, user, body };
        hold.send(Reverse(held)).expect("its thread goes on");
        if socket.write_all(ANSWER.as_bytes()).is_err() {
            return;
        }
    }
}

/// The next request's target and body; nothing at the connection's end.
fn request(socket: &mut TcpStream, kept: &mut Vec<u8>) -> Option<(String, String)> {
    loop {
        if let Some(head) = kept.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&kept[..head]).into_owned();
            let length = text.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let end = head + 4 + length.unwrap_or(0usize);
            if kept.len() >= end {
                let body = String::from_utf8_lossy(&kept[head + 4..end]).into_owned();
                kept.drain(..end);
                return Some((text.split(' ').nth(1)?.to_owned(), body));
            }
        }
        let mut buffer = [0; 4096];
        let Ok(count @ 1..) = socket.read(&mut buffer) else { return None };
        kept.extend_from_slice(&buffer[..count]);
    }
}

/// Whom a message is for, and how long it is to be held.
fn published(target: &str) -> Option<(String, Duration)> {
    let (user, delays) = target.strip_prefix("/pub/")?.split_once("?delays=")?;
    let delays: Vec<u64> = delays.split(',').map(|delay| delay.parse().ok()).collect::<Option<_>>()?;
    let number: usize = user.rsplit('-').next()?.parse().ok()?;
    Some((user.to_owned(), Duration::from_millis(delays[number % delays.len()])))
}

/// Sends each message at its time.
fn send_all(held: &Receiver<Reverse<Held>>, sockets: &Sockets, late: &Mutex<Vec<Duration>>) {
    let mut waiting = BinaryHeap::new();
    loop {
        let next = waiting.peek().map(|Reverse(held): &Reverse<Held>| held.until);
        let pause = next
            .map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()).saturating_sub(OVERSLEEP));
        match held.recv_timeout(pause.min(Duration::from_secs(3600))) {
            Ok(message) => waiting.push(message),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let Some(Reverse(message)) = waiting.pop() else { continue };
                while Instant::now() < message.until {
                    std::hint::spin_loop();
                }
                send(&message, sockets);
                late.lock().expect("a lock").push(message.until.elapsed());
            }
        }
    }
}

fn send(message: &Held, sockets: &Sockets) {
    let event = format!("data: {}\n\n", message.body);
    let mut sockets = sockets.lock().expect("a lock");
    if let Some(streams) = sockets.get_mut(&message.user) {
        streams.retain_mut(|socket| socket.write_all(event.as_bytes()).is_ok());
    }
}
