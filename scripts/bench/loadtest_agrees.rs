//! Holds what `lumen loadtest` tells against an independent tool on the same server: raw blocking sockets, a thread a
//! stream, a publisher with a schedule of its own. It shares no code with what it checks.
//!
//! Counts exactly: it opens a stream of its own for each user of a run while the run goes on, and reads the inboxes
//! afterwards. Latency within 5 %: both load one server at the same time, with users of their own and the same number of
//! streams and size of payload, so that both meet the same disk and the same neighbours. Their rates differ a little, so
//! that neither is always the first of two messages that come together. The load is one in which the server's own time
//! is most of what is measured, so that the tools' own does not matter: a lumen that writes forty rows a message, and
//! a server that holds each message for a known time.
//!
//! `cargo bench --bench loadtest_agrees`

#![allow(clippy::print_stdout, reason = "its figures are what it is for")]
#![allow(clippy::disallowed_methods, reason = "threads of its own wait for nothing but the time")]

mod delaying;
mod loadtest;
mod raw;
mod server;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use self::delaying::Delaying;
use self::loadtest::Started;
use self::raw::{Connection, Streams};
use self::server::Lumen;

/// Whose messages count in no latency.
const WARMUP_SECONDS: usize = 1;
const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];
const APART_MAX: f64 = 0.05;
/// Threads that publish: far more than the rates need, so that a late answer delays no other message.
const PUBLISHERS: usize = 16;
const PAYLOAD_BYTES: usize = 100;
const WITHIN: Duration = Duration::from_secs(15);

/// The request for a stream, in a round.
type Subscribe<'a> = dyn Fn(usize, usize) -> String + Sync + 'a;
/// The request that publishes a message with a content, in a round.
type Publish<'a> = dyn Fn(usize, usize, &str) -> String + Sync + 'a;

/// What both tools put on a server.
struct Load<'a> {
    name: &'static str,
    addr: SocketAddr,
    streams: usize,
    /// Messages a second of loadtest and of the independent tool.
    rates: [usize; 2],
    /// Of one round.
    seconds: usize,
    rounds: usize,
    /// How `lumen loadtest` is told of it.
    arguments: Vec<String>,
    /// Streams that get each message, of all.
    receivers: usize,
    greeting: &'static str,
    subscribe: Box<Subscribe<'a>>,
    publish: Box<Publish<'a>>,
}

/// The percentiles of one run, in milliseconds.
type Figures = [f64; PERCENTILES.len()];

fn main() {
    let lumen = Lumen::start(SocketAddr::from(([127, 0, 0, 1], 0)), &[]);
    let delaying = Delaying::start();
    let mut agrees = counts(&lumen);
    for load in [audience(&lumen), held(&delaying)] {
        agrees &= latency(&load);
    }
    if !agrees {
        drop(lumen);
        std::process::exit(1);
    }
}

/// Whether every count of a run is what its users' own streams and inboxes show.
fn counts(lumen: &Lumen) -> bool {
    const STREAMS: usize = 300;
    const USERS: usize = 400;
    let mut arguments = of_lumen(lumen);
    let load = format!("--streams={STREAMS} --users={USERS} --ramp=200/s --rate=200/s --duration=8s");
    arguments.extend(load.split(' ').map(str::to_owned));
    let run = Started::with(&arguments);
    let user = |number: usize| format!("lt-{}-{number}", run.name);
    // From the very first change on, whenever it is that they open.
    let from_start = |request: String| request.replacen("\r\n\r\n", "\r\nLast-Event-ID: 000000-0\r\n\r\n", 1);
    let requests: Vec<String> = (0..STREAMS).map(|number| from_start(lumen.stream_request(&user(number)))).collect();
    let streams = Streams::open(lumen.addr, &requests, "event: ready", "~lt.");
    let users: Vec<String> = (0..USERS).map(user).collect();
    let run = run.end();
    run.is_good();
    let [delivered, acknowledged] = ["delivered", "acknowledged"].map(|name| run.number("ledger", name));
    streams.wait_for(usize::try_from(delivered).expect("a number"), WITHIN);
    let marks = streams.end();
    let came: u64 = marks.iter().map(|marks| marks.len() as u64).sum();
    let once = marks.iter().flatten().map(|mark| mark.text.as_str()).collect::<HashSet<_>>().len() as u64;
    let (rows, unread, ids) = inboxes(lumen, &users);
    let agrees = [came, once] == [delivered; 2] && [rows, unread, ids] == [acknowledged; 3];
    println!(
        "counts: {}: loadtest {delivered} delivered, the independent streams {came}, {once} of them different; \
         loadtest {acknowledged} acknowledged, the inboxes {rows} rows with {ids} ids, {unread} unread",
        verdict(agrees)
    );
    agrees
}

/// All rows of these inboxes, their unread counts, and the different ids.
fn inboxes(lumen: &Lumen, users: &[String]) -> (u64, u64, u64) {
    let (mut rows, mut unread, mut ids) = (0, 0, HashSet::new());
    let mut connection = Connection::open(lumen.addr);
    for user in users {
        let request = lumen.stream_request(user).replacen("/stream HTTP", "?limit=100 HTTP", 1);
        let answer = connection.ask(&request.replacen("text/event-stream", "application/json", 1));
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let page: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert!(page["next"].is_null(), "an inbox of this run has one page");
        unread += page["unread_count"].as_u64().expect("a count");
        for item in page["items"].as_array().expect("items") {
            rows += 1;
            ids.insert(item["id"].as_str().expect("an id").to_owned());
        }
    }
    (rows, unread, ids.len() as u64)
}

/// A message to dozens of users, of whom a few have a stream: nearly all of its time is the server's.
fn audience(lumen: &Lumen) -> Load<'_> {
    const STREAMS: usize = 20;
    const USERS: usize = 40;
    let mut arguments = of_lumen(lumen);
    arguments.extend(["--mode=audience".to_owned(), format!("--users={USERS}"), format!("--audience={USERS}")]);
    let token = lumen.producer_token();
    Load {
        name: "lumen, a message to 40 users",
        addr: lumen.addr,
        streams: STREAMS,
        // Far from what it can: a machine that is busy with other things too is not to make it a test of overload.
        rates: [50, 49],
        // So long that over its p99 are some eighty messages: with thirty, two tools that agree are 5 % apart by chance in
        // one measurement of eight.
        seconds: 161,
        rounds: 3,
        arguments,
        receivers: STREAMS,
        greeting: "event: ready",
        subscribe: Box::new(|round, stream| lumen.stream_request(&format!("ind-{round:08}-{stream}"))),
        publish: Box::new(move |round, message, content| {
            let users: Vec<String> = (0..USERS).map(|user| format!("\"ind-{round:08}-{user}\"")).collect();
            let draft = format!(
                r#"{{"users":[{}],"type":"system","sender":{{"username":"loadtest"}},"key":"ind-{round}-{message}","content":"{content}"}}"#,
                users.join(",")
            );
            format!(
                "POST /api/v1/notifications HTTP/1.1\r\nHost: lumen\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{draft}",
                draft.len()
            )
        }),
    }
}

/// A message to one user, of whom a server holds those to 60 % for 20 ms, to 35 % for 40 ms and to 5 % for 100 ms.
fn held(server: &Delaying) -> Load<'_> {
    const STREAMS: usize = 100;
    let delays: Vec<u64> = [vec![20; 12], vec![40; 7], vec![100]].concat();
    Load {
        name: "a server that holds messages",
        addr: server.addr,
        streams: STREAMS,
        rates: [100, 99],
        seconds: 21,
        rounds: 3,
        arguments: server.arguments(&delays),
        receivers: 1,
        greeting: "\r\n\r\n",
        subscribe: Box::new(|round, stream| format!("GET /sub/ind-{round}-{stream} HTTP/1.1\r\nHost: held\r\n\r\n")),
        publish: Box::new(move |round, message, content| {
            let path = delaying::path(&format!("ind-{round}-{}", message % STREAMS), &delays);
            let length = content.len();
            format!("POST {path} HTTP/1.1\r\nHost: held\r\nContent-Length: {length}\r\n\r\n{content}")
        }),
    }
}

fn of_lumen(lumen: &Lumen) -> Vec<String> {
    let data_dir = lumen.dir.path().display().to_string();
    ["--url".to_owned(), format!("http://{}", lumen.addr), "--data-dir".to_owned(), data_dir].into()
}

/// Whether both tools measure the same, in the mean of some rounds.
fn latency(load: &Load<'_>) -> bool {
    let Load { name, streams, rates: [rate, own_rate], seconds, rounds, .. } = load;
    println!(
        "{name}: {streams} streams each, {rate} and {own_rate} messages a second for {seconds} s, {rounds} rounds"
    );
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for attempt in 0.. {
        if ours.len() == *rounds {
            break;
        }
        assert!(attempt < 3 * rounds, "this machine has no time for {rounds} runs that are not void");
        let run = by_loadtest(load);
        let own = by_hand(load, attempt);
        let run = run.end();
        if run.is_good() {
            let run = PERCENTILES.map(|(name, _)| run.delivery_ms(name));
            println!("  round {}: loadtest {}; independent {}", ours.len() + 1, say(&run), say(&own));
            theirs.push(run);
            ours.push(own);
        }
    }
    let mut agrees = true;
    for (number, (name, _)) in PERCENTILES.into_iter().enumerate() {
        let [theirs, ours] = [&theirs, &ours].map(|rounds| mean(rounds, number));
        let apart = theirs / ours - 1.0;
        let within = apart.abs() <= APART_MAX;
        agrees &= within;
        println!(
            "  {name}: {}, loadtest {theirs:.3} ms, independent {ours:.3} ms, {:+.1} % apart (at most {:.0} %)",
            verdict(within),
            apart * 100.0,
            APART_MAX * 100.0
        );
    }
    agrees
}

/// A run by `lumen loadtest`, which has begun.
fn by_loadtest(load: &Load<'_>) -> Started {
    let mut arguments = load.arguments.clone();
    let Load { streams, rates: [rate, _], seconds, .. } = load;
    let more = format!(
        "--streams={streams} --rate={rate}/s --duration={seconds}s --warmup={WARMUP_SECONDS}s \
         --payload-bytes={PAYLOAD_BYTES}"
    );
    arguments.extend(more.split_whitespace().map(str::to_owned));
    Started::with(&arguments)
}

/// The same by our own sockets, meanwhile.
fn by_hand(load: &Load<'_>, round: usize) -> Figures {
    let requests: Vec<String> = (0..load.streams).map(|stream| (load.subscribe)(round, stream)).collect();
    let streams = Streams::open(load.addr, &requests, load.greeting, "~ind.");
    let rate = load.rates[1];
    let messages = rate * load.seconds;
    let start = Instant::now() + Duration::from_millis(200);
    let due = |message: usize| start + Duration::from_secs_f64(message as f64 / rate as f64);
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (addr, publish) = (load.addr, &load.publish);
            scope.spawn(move || {
                let mut connection = Connection::open(addr);
                for message in (publisher..messages).step_by(PUBLISHERS) {
                    let request = publish(round, message, &content(message));
                    thread::sleep(due(message).saturating_duration_since(Instant::now()));
                    let answer = connection.ask(&request);
                    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
                }
            });
        }
    });
    let expected = messages * load.receivers;
    assert_eq!(streams.wait_for(expected, WITHIN), expected, "deliveries");
    let warm = rate * WARMUP_SECONDS;
    let marks = streams.end();
    let all = marks.iter().flatten().map(|mark| (mark.text.parse::<usize>().expect("a number"), mark.at));
    let took = all.filter(|(message, _)| *message >= warm).map(|(message, at)| at - due(message));
    let mut took: Vec<Duration> = took.collect();
    took.sort();
    PERCENTILES.map(|(_, share)| took[(took.len() as f64 * share) as usize].as_secs_f64() * 1_000.0)
}

/// As long as loadtest's.
fn content(message: usize) -> String {
    format!("{:x<PAYLOAD_BYTES$}", format!("~ind.{message}~"))
}

fn say(figures: &Figures) -> String {
    let each: Vec<String> =
        PERCENTILES.iter().zip(figures).map(|((name, _), figure)| format!("{name} {figure:.2} ms")).collect();
    each.join(", ")
}

fn mean(rounds: &[Figures], number: usize) -> f64 {
    rounds.iter().map(|figures| figures[number]).sum::<f64>() / rounds.len() as f64
}

fn verdict(holds: bool) -> &'static str {
    if holds { "ok" } else { "FAILED" }
}
