//! Servers that do one thing wrong, each caught by `lumen loadtest` under its own name, and an honest one that is not.

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::badserver::{BadServer, Fault};
use crate::support::command::sh;
use crate::support::loaded::{COUNTED, Loaded, MESSAGES, loaded, loadtest};

/// Loads a server that does this with a few users of one stream each.
async fn load(fault: Fault, streams: u32) -> (Loaded, BadServer) {
    let server = BadServer::start(fault).await;
    let words = format!("{COUNTED} --seed 7 --streams {streams} {}", server.words());
    (loaded(loadtest(&words)).await, server)
}

#[tokio::test]
async fn an_honest_server_passes_and_its_time_is_measured() {
    const LATE: Duration = Duration::from_millis(500);
    let timed = async {
        let server = BadServer::start(Fault::Late(LATE)).await;
        let words = "--rate 20/s --duration 1s --warmup 0s --settle 2s --streams 5 --late 400ms";
        loaded(loadtest(&format!("{words} {}", server.words()))).await
    };
    let ((honest, server), timed) = tokio::join!(load(Fault::None, 5), timed);
    honest.passed().all_came(MESSAGES, MESSAGES);
    assert_eq!((server.harmed(), server.receivers().len() as u64), (0, MESSAGES));
    timed.held().all_came(20, 20);
    assert_eq!(timed.ledger().late, 20);
    let least = LATE.as_micros() as f64;
    let measured = timed.document.latencies["delivery"].clone();
    assert_eq!(measured.count, 20);
    assert!(measured.p50 as f64 >= least && measured.curve[0].1 as f64 >= least, "{measured:?}");
    assert!(timed.figure("answer.p50") < measured.p50 as f64, "the answer did not wait for it");
}

#[tokio::test]
async fn what_is_done_to_messages_is_counted_exactly() {
    let faults = [
        (Fault::Drops(4), 5),
        (Fault::Doubles(4), 5),
        (Fault::Swaps(4), 1),
        (Fault::Strays(4), 5),
        (Fault::Stalls(30), 5),
        (Fault::Cuts(10), 5),
    ];
    let runs = join_all(faults.map(|(fault, streams)| load(fault, streams))).await;
    let harmed: Vec<u64> = runs.iter().map(|(_, server)| server.harmed()).collect();
    assert_eq!(harmed[..5], [10; 5]);
    let [drops, doubles, swaps, strays, stalls, cuts] = [0, 1, 2, 3, 4, 5].map(|at: usize| &runs[at].0);

    let ledger = drops.missed_only(&["lost"]).ledger();
    assert_eq!((ledger.due, ledger.delivered, ledger.lost), (MESSAGES, MESSAGES - 10, 10));
    assert_eq!(ledger.examples.len(), 10, "each of so few is told: {:?}", ledger.examples);
    let told = format!("error: the run missed what was asked of it: {}\n", drops.document.reasons.join("; "));
    assert_eq!(stderr_of(drops), told, "the document says the rest");

    let ledger = doubles.missed_only(&["duplicated"]).ledger();
    assert_eq!((ledger.delivered, ledger.lost, ledger.duplicated), (MESSAGES, 0, 10));

    // A message whose answer came only when the next was begun may come behind that.
    let ledger = swaps.missed_only(&["out_of_order"]).ledger();
    assert_eq!((ledger.delivered, ledger.lost), (MESSAGES, 0));
    assert!((1..=10).contains(&ledger.out_of_order), "{ledger:?}");

    let ledger = strays.missed_only(&["unknown"]).ledger();
    assert_eq!((ledger.delivered, ledger.lost, ledger.unknown), (MESSAGES, 0, 10));

    let ledger = stalls.missed_only(&["lost"]).ledger();
    assert_eq!((ledger.acknowledged, ledger.lost, stalls.figure("streams.open")), (MESSAGES, 10, 5.0));

    let ledger = cuts.missed_only(&["lost"]).ledger();
    assert!(harmed[5] > 0, "the one at which they were cut");
    assert_eq!((ledger.lost, ledger.delivered), (harmed[5], MESSAGES - harmed[5]));
    assert_eq!(
        ["streams.lost", "streams.reconnected", "streams.failed"].map(|name| cuts.figure(name)),
        [5.0, 5.0, 0.0]
    );
}

#[tokio::test]
async fn streams_that_fail_and_messages_that_are_not_taken_are_told_with_their_reason() {
    let faults = [Fault::Shuts(10), Fault::Refuses(10), Fault::Refuses(0), Fault::Holds(10)];
    let runs = join_all(faults.map(|fault| load(fault, 5))).await;
    let harmed: Vec<u64> = runs.iter().map(|(_, server)| server.harmed()).collect();
    assert_eq!(harmed, [30, 30, MESSAGES, 30]);
    let [shuts, refuses, refuses_all, holds] = [0, 1, 2, 3].map(|at: usize| &runs[at].0);

    let ledger = shuts.missed_only(&["lost", "streams.failed"]).ledger();
    assert_eq!((ledger.acknowledged, ledger.lost, shuts.figure("streams.failed")), (MESSAGES, 30, 5.0));
    assert_eq!(shuts.document.stream_faults, [("it answered 503 Service Unavailable".to_owned(), 5)].into());

    let ledger = refuses.missed_only(&["unacknowledged"]).ledger();
    assert_eq!((ledger.sent, ledger.unacknowledged, ledger.due, ledger.delivered), (MESSAGES, 30, 10, 10));
    assert_eq!(refuses.document.refusals, [("500 Internal Server Error".to_owned(), 30)].into());

    let ledger = refuses_all.missed_only(&["unacknowledged"]).ledger();
    assert_eq!((ledger.acknowledged, ledger.due), (0, 0));
    assert_eq!(
        refuses_all.document.reasons[0],
        "nothing was delivered: none of 40 messages was accepted (40 × 500 Internal Server Error)"
    );

    let ledger = holds.missed_only(&["unacknowledged"]).ledger();
    assert_eq!((ledger.sent, ledger.unacknowledged, ledger.lost), (MESSAGES, 30, 0));
    assert_eq!(holds.document.refusals, [("still under way when the run was over".to_owned(), 30)].into());
}

#[tokio::test]
async fn a_server_that_answers_late_holds_up_requests_only_where_no_more_fit_and_that_is_told() {
    const LUMEN: &str = env!("CARGO_BIN_EXE_lumen");
    let late = |limit: &'static str| async move {
        let server = BadServer::start(Fault::AnswersLate(Duration::from_secs(2))).await;
        let words = "--streams 5 --threads 1 --rate 2000/s --duration 50ms --warmup 49ms --settle 10s";
        let server_words = server.words().replace("\"{content}\"", "'\"{content}\"'");
        let line = format!("{limit} {LUMEN} loadtest --json {words} {server_words}");
        loaded(sh(line.trim())).await
    };
    // Room for 5 streams, 64 requests and what there is besides.
    let (free, narrow) = tokio::join!(late(""), late("prlimit --nofile=141:141"));
    free.held().all_came(100, 100);
    assert_eq!(held_up(&free), None);
    narrow.held().all_came(100, 100);
    // All others, unless this machine takes longer to begin them than the server to answer the first.
    let waited = held_up(&narrow).expect("some for which there was no room");
    assert!((1..=36).contains(&waited), "{waited}");
}

/// How many requests waited for the answers to others, if it says so.
fn held_up(run: &Loaded) -> Option<u32> {
    let told = |note: &String| note.strip_prefix("the server's answers held up requests: ").map(str::to_owned);
    let note = run.document.notes.iter().find_map(told)?;
    let (waited, _) = note.split_once(" waited").expect("a number of them");
    Some(waited.parse().expect("a number"))
}

#[tokio::test]
async fn attempts_in_vain_are_counted_and_are_part_of_the_time_that_an_opening_takes() {
    let (run, server) = load(Fault::Rejects(3), 5).await;
    run.passed().all_came(MESSAGES, MESSAGES);
    assert_eq!((server.harmed(), run.figure("connect.failed")), (3, 3.0));
    let faults = &run.document.connect_faults;
    assert_eq!(*faults, [("the connection ended before its answer".to_owned(), 3)].into());
    let connect = &run.document.latencies["connect"];
    assert!((connect.count, connect.p50 >= 500_000) == (5, true), "the pause after an attempt: {connect:?}");
}

#[tokio::test]
async fn each_message_of_an_event_that_has_several_has_come() {
    let (run, _) = load(Fault::Batches(4), 1).await;
    run.passed().all_came(MESSAGES, MESSAGES);
    assert!(!run.document.latencies.contains_key("first_event"), "it does not greet");
}

/// As in a container that has none.
#[tokio::test]
async fn certificates_are_needed_only_for_a_server_that_speaks_https() {
    let server = BadServer::start(Fault::None).await;
    let without = |words: &str| {
        let typed = loadtest(&format!("{COUNTED} --streams 5 {words}"));
        typed.env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", "/dev/null")
    };
    loaded(without(&server.words())).await.passed().all_came(MESSAGES, MESSAGES);
    let secured = server.words().replace("--publish-url /pub", "--publish-url https://127.0.0.1:1/pub");
    let done = without(&secured).run().await;
    let last = done.stderr.lines().last().unwrap_or_default();
    assert_eq!((done.code, done.lines.len()), (Some(1), 0), "{done:?}");
    assert!(last.starts_with("error: this host has no certificates to trust: "), "{last}");
    assert!(last.contains("ca-certificates") && last.contains("SSL_CERT_FILE"), "{last}");
}

/// What it said but for what it begins with.
fn stderr_of(run: &Loaded) -> &str {
    run.stderr.split_once('\n').map_or("", |(_, more)| more)
}
