//! What slow readers cost the others: latency of streams that read, quiet and beside 100 that hardly do, and what the
//! server's memory grows by.
//!
//! A third of the slow ones never reads, a third takes a byte a second, a third vanishes without a word. The posts are
//! the same in both halves of a round; only the slow streams are not there in the quiet one. Latency counts from the
//! moment at which a post was to be sent. `scripts/slow-readers` starts it in network namespaces of its own, since only
//! there a peer can vanish:
//!
//! `cargo bench --bench slow_readers -- --near ADDR --far 'COMMAND…' --vanish 'COMMAND…' --appear 'COMMAND…'`

#![allow(clippy::print_stdout, reason = "its figures are what it is for")]

mod server;

use std::io::{BufRead, Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lumen_inbox::auth::Claims;
use lumen_inbox::clock::Clock;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use self::server::{Lumen, Process, TOKEN_TTL, first_line};

const POSTS: usize = 10_000;
const RATE: u64 = 1_000;
/// Users that read, and the streams of each.
const READERS: usize = 8;
const DEVICES: usize = 5;
/// Users whose streams are slow, and the streams of each.
const SLOW_USERS: usize = 4;
const SLOW_DEVICES: usize = 25;
const ROUNDS: usize = 3;
/// Posts under way at a time: far more than the rate needs, so that a late answer delays no other post.
const IN_FLIGHT: usize = 512;
/// `stream.too_slow` and what is given to a close, or TCP_USER_TIMEOUT after the last ping; with room for a busy machine.
const GONE_WITHIN: Duration = Duration::from_secs(90);
const MEMORY_MAX_MB: f64 = 40.0;
const P99_MAX_RATIO: f64 = 2.0;
/// Fills a mailbox within a hundred posts.
const FILL: usize = 600;

struct Half {
    p50_ms: f64,
    p99_ms: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "slow-clients") {
        return slow_clients(&arguments[at + 1]);
    }
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1).cloned()).unwrap_or_else(|| panic!("{name} is missing"))
    };
    let near: SocketAddr = value("--near").parse().expect("an address");
    let (far, vanish, appear) = (value("--far"), value("--vanish"), value("--appear"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let (mut ratios, mut grown, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let lumen = Lumen::start(near, &[]);
        // The first posts warm caches and buffers, and count for nothing.
        runtime.block_on(half(&lumen, POSTS / 5));
        let quiet = runtime.block_on(half(&lumen, POSTS));
        let before = lumen.process().resident_bytes();
        let slow = runtime.block_on(SlowStreams::open(&lumen, &far));
        run(&vanish);
        let begun = Instant::now();
        let (beside, peak) = runtime.block_on(async { watching(lumen.process(), half(&lumen, POSTS)).await });
        let left = runtime.block_on(async { slow.end(&lumen, begun + GONE_WITHIN).await });
        let left_s = begun.elapsed().as_secs_f64();
        run(&appear);
        let mb = (peak - before) / 1024.0 / 1024.0;
        println!(
            "round {round}: quiet p50 {:.2} ms, p99 {:.2} ms; beside 100 slow readers p50 {:.2} ms, p99 {:.2} ms; \
             memory grew by {mb:.1} MB; after {left_s:.0} s {left} of them were left",
            quiet.p50_ms, quiet.p99_ms, beside.p50_ms, beside.p99_ms
        );
        ratios.push(beside.p99_ms / quiet.p99_ms);
        grown.push(mb);
        gone.push(left);
    }
    let median = |mut figures: Vec<f64>| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let left: usize = gone.iter().sum();
    let (ratio, mb) = (median(ratios), median(grown));
    let verdict = |holds: bool| if holds { "ok" } else { "FAILED" };
    println!("median of {ROUNDS} rounds of {POSTS} posts at {RATE}/s:");
    println!(
        "  p99 of the others: {}, {ratio:.2} times its quiet value (at most {P99_MAX_RATIO})",
        verdict(ratio <= P99_MAX_RATIO)
    );
    println!("  memory:            {}, grew by {mb:.1} MB (less than {MEMORY_MAX_MB})", verdict(mb < MEMORY_MAX_MB));
    println!(
        "  slow readers:      {}, {left} still there after {} s (none)",
        verdict(left == 0),
        GONE_WITHIN.as_secs()
    );
    if ratio > P99_MAX_RATIO || mb >= MEMORY_MAX_MB || left > 0 {
        // Nothing is left to be put down.
        std::process::exit(1);
    }
}

fn run(command: &str) {
    let done = Command::new("sh").args(["-c", command]).status().expect("a shell");
    assert!(done.success(), "{command}");
}

/// Posts at the rate to readers and slow users by turns, and measures the readers' streams.
async fn half(lumen: &Lumen, posts: usize) -> Half {
    let base = Instant::now();
    let latencies = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::new(AtomicUsize::new(0));
    let mut streams = JoinSet::new();
    for reader in 0..READERS * DEVICES {
        let mut socket = open(lumen.addr, &lumen.stream_request(&format!("r{}", reader / DEVICES))).await;
        let (latencies, received) = (latencies.clone(), received.clone());
        streams.spawn(async move {
            let (mut kept, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
            loop {
                let Ok(bytes @ 1..) = socket.read(&mut buffer).await else { return };
                let now = base.elapsed();
                kept.extend_from_slice(&buffer[..bytes]);
                let mut own = Vec::new();
                while let Some(end) = kept.windows(2).position(|window| window == b"\n\n") {
                    own.extend(stamp(&kept[..end]).map(|sent| now.saturating_sub(sent)));
                    kept.drain(..end + 2);
                }
                received.fetch_add(own.len(), Ordering::Relaxed);
                latencies.lock().expect("a lock").extend(own);
            }
        });
    }
    publish(lumen, posts, base).await;
    let due = posts * DEVICES;
    let deadline = Instant::now() + Duration::from_secs(30);
    while received.load(Ordering::Relaxed) < due {
        assert!(Instant::now() < deadline, "{} of {due} came", received.load(Ordering::Relaxed));
        sleep(Duration::from_millis(10)).await;
    }
    drop(streams);
    let mut latencies = std::mem::take(&mut *latencies.lock().expect("a lock"));
    latencies.sort();
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize].as_secs_f64() * 1_000.0;
    Half { p50_ms: at(0.5), p99_ms: at(0.99) }
}

/// The intended time of a post, in its content: microseconds since the half began.
fn stamp(block: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(block).ok()?;
    let (_, after) = text.split_once("\"content\":\"sent ")?;
    after.split(' ').next()?.parse().ok().map(Duration::from_micros)
}

async fn publish(lumen: &Lumen, posts: usize, base: Instant) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let (token, url) = (lumen.producer_token(), format!("http://{}/api/v1/notifications", lumen.addr));
    let fill = "x".repeat(FILL);
    let mut pace = interval(Duration::from_micros(1_000_000 / RATE));
    let mut under_way = JoinSet::new();
    for post in 0..posts {
        let due = pace.tick().await;
        let sent = due.duration_since(base).as_micros();
        let users = [format!("r{}", post % READERS), format!("s{}", post % SLOW_USERS)];
        let draft = json!({"users": users, "type": "like", "content": format!("sent {sent} {fill}")});
        let request = client.post(&url).bearer_auth(&token).json(&draft);
        under_way.spawn(async move {
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), 201);
        });
        while under_way.len() >= IN_FLIGHT {
            under_way.join_next().await;
        }
        while under_way.try_join_next().is_some() {}
    }
    under_way.join_all().await;
}

/// Opens a stream up to its `ready`.
async fn open(addr: SocketAddr, request: &str) -> TcpStream {
    let mut socket = TcpStream::connect(addr).await.expect("a connection");
    socket.write_all(request.as_bytes()).await.expect("a request sent");
    let mut head = Vec::new();
    while !String::from_utf8_lossy(&head).contains("event: ready") {
        let mut buffer = [0; 4096];
        let bytes = socket.read(&mut buffer).await.expect("an answer");
        assert!(bytes > 0, "refused: {}", String::from_utf8_lossy(&head));
        head.extend_from_slice(&buffer[..bytes]);
    }
    socket
}

/// What comes of `work`, and the most memory that the process had meanwhile.
async fn watching<T>(process: &Process, work: impl Future<Output = T>) -> (T, f64) {
    let mut work = std::pin::pin!(work);
    let mut peak = process.resident_bytes();
    loop {
        tokio::select! {
            done = &mut work => return (done, peak.max(process.resident_bytes())),
            () = sleep(Duration::from_millis(100)) => peak = peak.max(process.resident_bytes()),
        }
    }
}

/// The slow ones: two thirds here, one third behind a link that goes down.
struct SlowStreams {
    near: JoinSet<()>,
    _far: Process,
}

impl SlowStreams {
    async fn open(lumen: &Lumen, far: &str) -> Self {
        let requests: Vec<String> = (0..SLOW_USERS * SLOW_DEVICES)
            .map(|stream| lumen.stream_request(&format!("s{}", stream / SLOW_DEVICES)))
            .collect();
        let (vanishing, staying) = requests.split_at(requests.len() / 3);
        let mut near = JoinSet::new();
        for (stream, request) in staying.iter().enumerate() {
            let mut socket = open(lumen.addr, request).await;
            let never = stream % 2 == 0;
            near.spawn(async move {
                if never {
                    // Held open, and never read.
                    std::future::pending::<()>().await;
                }
                loop {
                    sleep(Duration::from_secs(1)).await;
                    if !matches!(socket.read(&mut [0]).await, Ok(1..)) {
                        return;
                    }
                }
            });
        }
        let mut child = Command::new("sh")
            .args(["-c", &format!("exec {far} \"$0\" slow-clients {}", lumen.addr)])
            .arg(std::env::current_exe().expect("this program"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the far clients start");
        let stdin = child.stdin.as_mut().expect("a pipe");
        for request in vanishing {
            writeln!(stdin, "{}", json!(request)).expect("a request handed over");
        }
        writeln!(stdin).expect("the last one");
        assert_eq!(first_line(&mut child).trim(), "open");
        Self { near, _far: Process(child) }
    }

    /// Waits until the server has let all of them go; says how many it has not by the deadline.
    async fn end(self, lumen: &Lumen, deadline: Instant) -> usize {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let claims = Claims::admin("bench", Clock::System.now(), TOKEN_TTL);
        let token = lumen.keys.sign(&claims);
        loop {
            let mut left = 0;
            for user in 0..SLOW_USERS {
                let url = format!("http://{}/api/v1/users/s{user}/presence", lumen.addr);
                let answer = client.get(url).bearer_auth(&token).send().await.expect("an answer");
                let presence: serde_json::Value = answer.json().await.expect("JSON");
                left += presence["streams"].as_array().expect("streams").len();
            }
            if left == 0 || Instant::now() >= deadline {
                drop(self.near);
                return left;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }
}

/// The far side: opens a stream for each request on stdin, says so, and does nothing more.
fn slow_clients(addr: &str) {
    let mut sockets = Vec::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let request: String = serde_json::from_str(&line).expect("a request");
        let mut socket = std::net::TcpStream::connect(addr).expect("a connection");
        socket.write_all(request.as_bytes()).expect("a request sent");
        let mut head = [0; 4096];
        assert!(socket.read(&mut head).expect("an answer") > 0);
        sockets.push(socket);
    }
    println!("open");
    loop {
        std::thread::park();
    }
}
