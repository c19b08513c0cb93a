//! Opens thousands of idle streams on a `lumen serve` of its own, posts to all of them, and prints what a stream costs
//! in memory and a delivery in CPU; beside them the same from a null server, which does nothing but one `write` a stream.
//!
//! `cargo bench --bench streams -- [--streams 10000] [--posts 50] [--rounds 3]`. Reads /proc, so Linux only.

#![allow(clippy::print_stdout, reason = "its figures are what it is for")]

mod server;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use self::server::{Lumen, Process, first_line};

/// Streams a user: few enough for any cap, many enough that the rows do not hide the deliveries.
const DEVICES: usize = 25;
/// Streams that are opened at a time.
const OPENING: usize = 256;
const NULL_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: ready\ndata: {}\n\n";
const CONTENT: &str = "liked your work";

struct Plan {
    streams: usize,
    posts: usize,
    rounds: usize,
}

/// What one round measured of one server.
#[derive(Clone, Copy)]
struct Figures {
    bytes_a_stream: f64,
    cpu_us_a_delivery: f64,
    open_s: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "null-server") {
        return null_server();
    }
    let number = |name: &str, default| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let plan =
        Plan { streams: number("--streams", 10_000), posts: number("--posts", 50), rounds: number("--rounds", 3) };
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (mut lumen, mut null) = (Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        lumen.push(runtime.block_on(round_of(&plan, Server::lumen())));
        null.push(runtime.block_on(round_of(&plan, Server::null())));
        println!("round {round}: {}; null {}", say(lumen[round - 1]), say(null[round - 1]));
    }
    let median = |rounds: &[Figures], figure: fn(&Figures) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let cpu = median(&lumen, |figures| figures.cpu_us_a_delivery);
    let floor = median(&null, |figures| figures.cpu_us_a_delivery);
    println!(
        "{} streams of {} users, {} posts, median of {} rounds:",
        plan.streams,
        users(&plan),
        plan.posts,
        plan.rounds
    );
    println!("  memory a stream    {:.2} KB", median(&lumen, |figures| figures.bytes_a_stream) / 1024.0);
    println!("  CPU a delivery     {cpu:.2} us, {:.2} times the null server's {floor:.2} us", cpu / floor);
    println!("  streams opened     {:.0} a second", plan.streams as f64 / median(&lumen, |figures| figures.open_s));
}

fn say(figures: Figures) -> String {
    format!("{:.2} KB a stream, {:.2} us a delivery", figures.bytes_a_stream / 1024.0, figures.cpu_us_a_delivery)
}

fn users(plan: &Plan) -> usize {
    plan.streams.div_ceil(DEVICES)
}

async fn round_of(plan: &Plan, mut server: Server) -> Figures {
    let before = server.process().resident_bytes();
    let began = Instant::now();
    let delivered = Arc::new(AtomicUsize::new(0));
    let streams = open(plan, &server, &delivered).await;
    let open_s = began.elapsed().as_secs_f64();
    let after = server.process().resident_bytes();

    let spent = cpu_us(server.process());
    server.publish(plan).await;
    let due = plan.posts * plan.streams;
    let deadline = Instant::now() + Duration::from_secs(120);
    while delivered.load(Ordering::Relaxed) < due {
        assert!(Instant::now() < deadline, "{} of {due} delivered", delivered.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let cpu_us_a_delivery = (cpu_us(server.process()) - spent) / due as f64;
    drop(streams);
    Figures { bytes_a_stream: (after - before) / plan.streams as f64, cpu_us_a_delivery, open_s }
}

/// Opens all streams, each up to its `ready`; then each counts the events that it is sent.
async fn open(plan: &Plan, server: &Server, delivered: &Arc<AtomicUsize>) -> tokio::task::JoinSet<()> {
    let gate = Arc::new(Semaphore::new(OPENING));
    let opened = Arc::new(AtomicUsize::new(0));
    let mut streams = tokio::task::JoinSet::new();
    for stream in 0..plan.streams {
        let (gate, opened, delivered) = (gate.clone(), opened.clone(), delivered.clone());
        let (addr, request) = (server.addr(), server.request(&format!("u{}", stream / DEVICES)));
        streams.spawn(async move {
            let permit = gate.acquire().await.expect("the gate stays");
            let mut socket = TcpStream::connect(addr).await.expect("a connection");
            socket.write_all(request.as_bytes()).await.expect("a request sent");
            let mut head = Vec::new();
            while !is_ready(&head) {
                let mut buffer = [0; 1024];
                let bytes = socket.read(&mut buffer).await.expect("an answer");
                assert!(bytes > 0, "refused: {}", String::from_utf8_lossy(&head));
                head.extend_from_slice(&buffer[..bytes]);
            }
            drop(permit);
            opened.fetch_add(1, Ordering::Relaxed);
            count(socket, &delivered).await;
        });
    }
    while opened.load(Ordering::Relaxed) < plan.streams {
        if let Some(ended) = streams.try_join_next() {
            panic!("a stream ended before all were open: {ended:?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    streams
}

/// Whether the whole of `ready` has come, as it is or in a chunk.
fn is_ready(head: &[u8]) -> bool {
    let ended = head.ends_with(b"\n\n") || head.ends_with(b"\n\n\r\n");
    ended && String::from_utf8_lossy(head).contains("event: ready")
}

/// Counts the posts among what comes: every one carries the same content once.
async fn count(mut socket: TcpStream, delivered: &AtomicUsize) {
    let mut kept = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let Ok(bytes @ 1..) = socket.read(&mut buffer).await else { return };
        kept.extend_from_slice(&buffer[..bytes]);
        let found = kept.windows(CONTENT.len()).filter(|window| *window == CONTENT.as_bytes()).count();
        delivered.fetch_add(found, Ordering::Relaxed);
        // Less than a content is kept, so that one that was cut is found and none is counted twice.
        kept.drain(..kept.len().saturating_sub(CONTENT.len() - 1));
    }
}

/// A server under measurement.
enum Server {
    Lumen(Box<Lumen>),
    Null(Process, SocketAddr),
}

impl Server {
    fn lumen() -> Server {
        Server::Lumen(Box::new(Lumen::start(SocketAddr::from(([127, 0, 0, 1], 0)), &[])))
    }

    fn null() -> Server {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .arg("null-server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the null server starts");
        let addr = first_line(&mut child).trim().parse().expect("an address");
        Server::Null(Process(child), addr)
    }

    fn addr(&self) -> SocketAddr {
        match self {
            Server::Lumen(lumen) => lumen.addr,
            Server::Null(_, addr) => *addr,
        }
    }

    fn process(&self) -> &Process {
        match self {
            Server::Lumen(lumen) => lumen.process(),
            Server::Null(process, _) => process,
        }
    }

    fn request(&self, user: &str) -> String {
        match self {
            Server::Lumen(lumen) => lumen.stream_request(user),
            Server::Null(..) => "GET / HTTP/1.1\r\n\r\n".to_owned(),
        }
    }

    /// Has each stream sent `posts` events, one post after the other.
    async fn publish(&mut self, plan: &Plan) {
        let lumen = match self {
            Server::Lumen(lumen) => lumen,
            Server::Null(process, _) => {
                let stdin = process.0.stdin.as_mut().expect("a pipe");
                writeln!(stdin, "{} {}", plan.streams, plan.posts).expect("told");
                return;
            }
        };
        let token = lumen.producer_token();
        let users: Vec<String> = (0..users(plan)).map(|user| format!("u{user}")).collect();
        let draft =
            serde_json::json!({"users": users, "type": "like", "sender": {"username": "bob"}, "content": CONTENT});
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        for _ in 0..plan.posts {
            let url = format!("http://{}/api/v1/notifications", lumen.addr);
            let answer = client.post(url).bearer_auth(&token).json(&draft).send().await.expect("an answer");
            assert_eq!(answer.status(), 201);
        }
    }
}

/// User and system time so far. The kernel counts in hundredths of a second.
fn cpu_us(process: &Process) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.0.id())).expect("a process");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    let ticks: f64 = [11, 12].iter().map(|index| fields[*index].parse::<f64>().expect("ticks")).sum();
    ticks * 10_000.0
}

/// The floor: blocking sockets, one `write` a stream and event, nothing else.
fn null_server() {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let streams = Arc::new(std::sync::Mutex::new(Vec::new()));
    let accepted = streams.clone();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("a connection");
            let mut head = [0; 2048];
            let _ = socket.read(&mut head);
            let _ = socket.set_nodelay(true);
            socket.write_all(NULL_HEAD.as_bytes()).expect("a head sent");
            accepted.lock().expect("a lock").push(socket);
        }
    });
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("an order");
    let order: Vec<usize> = line.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    let data = "x".repeat(230);
    let event = format!("id: 000000-1\ndata: {{\"content\":\"{CONTENT}\",\"fill\":\"{data}\"}}\n\n");
    let mut streams = streams.lock().expect("a lock");
    assert_eq!(streams.len(), order[0]);
    for _ in 0..order[1] {
        for socket in streams.iter_mut() {
            socket.write_all(event.as_bytes()).expect("an event sent");
        }
    }
    // Its figures are read before it is ended from outside.
    std::thread::park();
}
