//! What `lumen loadtest` does meanwhile, whom it sends to, and how it speaks to other servers: nothing is lost by any.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lumen_inbox::loadtest::report::document::Verdict;

use crate::support::badserver::{BadServer, Fault};
use crate::support::child::Child;
use crate::support::loaded::{COUNTED, Loaded, MESSAGES, loaded, loadtest};
use crate::support::own::{Own, signal};
use crate::support::patience;
use crate::support::standin::{Speaks, Standin};

/// As much as [`COUNTED`], with its middle in the middle: the times of what is disturbed may be void.
const DISTURBED: &str = "--rate 20/s --duration 2s --warmup 0s --seed 7 --streams 20";

fn acts(run: &Loaded) -> Vec<&str> {
    run.document.acts.iter().map(|act| act.what.as_str()).collect()
}

/// How many were lost, all of which are back and have what they missed.
fn recovered(run: &Loaded) -> u64 {
    let recovery = run.document.recovery.as_ref().expect("streams that were lost");
    let streams = recovery.streams;
    assert_eq!((recovery.back, recovery.caught_up), (streams, streams), "{recovery:?}");
    assert!(recovery.p50.is_some() && recovery.p50 <= recovery.p99 && recovery.p99 <= recovery.all, "{recovery:?}");
    let ends = recovery.curve.last().map(|(_, back, caught_up)| (*back, *caught_up));
    assert_eq!(ends, Some((streams, streams)), "{recovery:?}");
    streams
}

#[tokio::test]
async fn a_storm_cuts_its_share_and_every_gap_is_filled() {
    let server = Child::start().await;
    // So many messages to each that some fall into the milliseconds in which a stream is away.
    let words = "--rate 300/s --duration 1s --warmup 0s --seed 7 --users 1 --streams 20 --scenario storm --share 50%";
    let load = || loaded(loadtest(words).at(&server));
    let (run, again) = tokio::join!(load(), load());
    run.held().all_came(300, 300 * 20);
    assert_eq!(acts(&run), ["a storm over 10 of 20 streams"]);
    assert_eq!((recovered(&run), recovered(&again)), (10, 10));
    assert_eq!(["streams.lost", "streams.reconnected"].map(|name| run.figure(name)), [10.0; 2]);
}

#[tokio::test]
async fn a_crash_and_a_deploy_lose_nothing() {
    let run = |scenario: &str| loaded(loadtest(&format!("--spawn {DISTURBED} --settle 30s --scenario {scenario}")));
    let (crash, deploy) = tokio::join!(run("crash"), run("deploy"));
    for run in [&crash, &deploy] {
        run.held().all_came(MESSAGES, MESSAGES);
        assert_eq!(recovered(run), 20);
        assert_eq!(run.figure("streams.lost"), 20.0);
    }
    assert_eq!(acts(&crash), ["the server was killed", "the server was back"]);
    assert_eq!(acts(&deploy), ["the server was told to end", "the server was back"]);
}

#[tokio::test]
async fn a_server_that_is_gone_is_what_the_run_tells() {
    tokio::join!(never_back(), ended_by_itself(), ended_while_streams_are_opened());
}

async fn never_back() {
    // Streams are opened for so long that there is time to write.
    let words = "--ramp 4/s --rate 20/s --duration 2s --warmup 0s --settle 1s --scenario crash";
    let mut own = Own::start(words);
    own.running.until_said("run ").await;
    // It has read the file, and its next start finds another.
    fs::write(own.home().join("loadtest.toml"), "nonsense = 1").unwrap();
    let run = Loaded::of(own.ended().await);
    let [killed, not_back] = acts(&run)[..] else { panic!("{:?}", run.document.acts) };
    assert_eq!(killed, "the server was killed");
    assert!(not_back.starts_with("the server did not come back: it ended at once: "), "{not_back}");
    assert_eq!((run.code, run.document.verdict), (Some(99), Verdict::Missed), "{run:#?}");
    assert!(run.missed().ends_with(&["unacknowledged", "streams.failed"]), "{:?}", run.missed());
    assert_eq!((run.document.reasons[0].as_str(), run.figure("streams.failed")), (not_back, 10.0));
    assert!(run.ledger().delivered > 0, "{:?}", run.ledger());
}

async fn ended_by_itself() {
    let mut own = Own::start("--rate 20/s --duration 60s --warmup 0s");
    own.published().await;
    let server = own.server().await;
    signal("KILL", &server);
    // The run has taken notice, since it is gone from the list of processes.
    patience::until(|| !server.exists()).await;
    own.running.signal("INT");
    let run = Loaded::of(own.ended().await);
    let [ended] = acts(&run)[..] else { panic!("{:?}", run.document.acts) };
    assert!(ended.starts_with("the server ended by itself (signal: 9 (SIGKILL)): "), "{ended}");
    assert_eq!((run.code, run.document.verdict), (Some(130), Verdict::Interrupted), "{run:#?}");
    assert_eq!((run.document.reasons[1].as_str(), run.figure("streams.failed")), (ended, 10.0));
}

async fn ended_while_streams_are_opened() {
    let mut own = Own::start("--ramp 1/s");
    own.running.until_said("run ").await;
    signal("KILL", &own.server().await);
    let done = own.ended().await;
    let last = done.stderr.lines().last().unwrap_or_default();
    assert_eq!((done.code, done.lines.len()), (Some(1), 0), "{done:?}");
    assert!(last.starts_with("error: the server ended by itself (signal: 9 (SIGKILL)): "), "{last}");
    assert!(last.contains("; nothing was published: see "), "{last}");
}

#[tokio::test]
async fn whatever_ends_a_run_its_own_server_ends_with_it() {
    tokio::join!(ended_by("HUP"), ended_by("QUIT"), ended_while_the_server_starts(), interrupted_twice());
}

#[tokio::test]
async fn a_run_outlives_a_terminal_that_it_was_told_not_to_mind() {
    let mut own = Own::start_by("env --ignore-signal=HUP", "--rate 20/s --duration 2s --warmup 1999ms");
    own.running.until_said("run ").await;
    own.running.signal("HUP");
    Loaded::of(own.ended().await).held().all_came(MESSAGES, MESSAGES * 10);
}

async fn ended_by(name: &str) {
    let mut own = Own::start("--ramp 1/s");
    own.running.until_said("run ").await;
    let server = own.server().await;
    own.running.signal(name);
    let done = own.ended().await;
    assert_eq!((done.code, server.exists()), (Some(130), false), "{done:?}");
    assert!(done.stderr.ends_with("before all streams were open: nothing was published\n"), "{done:?}");
}

#[tokio::test]
async fn a_server_does_not_outlive_a_run_that_is_killed() {
    let mut own = Own::start("--rate 20/s --duration 60s");
    own.published().await;
    own.running.signal("KILL");
    patience::until(|| own.servers().is_empty()).await;
}

/// The server is stopped as early as it is seen: most often before it listens.
async fn ended_while_the_server_starts() {
    let own = Own::start("--duration 60s");
    let server = own.server().await;
    signal("STOP", &server);
    own.running.signal("INT");
    let done = own.ended().await;
    assert_eq!((done.code, server.exists()), (Some(130), false), "{done:?}");
}

/// The server is stopped, so that it does not end when it is told to, for which the run waits as long as it may.
async fn interrupted_twice() {
    let mut own = Own::start("--rate 20/s --duration 10s --warmup 0s --scenario deploy");
    own.published().await;
    let server = own.server().await;
    signal("STOP", &server);
    patience::until(|| is_pending(SIGTERM, &server)).await;
    let done = own.ended_by("INT").await;
    assert_eq!((done.code, done.lines.len()), (Some(130), 0), "a first one leaves a document: {done:?}");
    assert!(done.stderr.contains("interrupted: the run ends when"), "{done:?}");
}

const SIGTERM: u32 = 15;

fn is_pending(signal: u32, process: &Path) -> bool {
    let status = fs::read_to_string(process.join("status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
}

#[tokio::test]
async fn what_was_accepted_is_waited_for_although_another_was_not() {
    let server = BadServer::start(Fault::RefusesOneAndIsLate(Duration::from_secs(3))).await;
    let words = format!("--rate 20/s --duration 1s --warmup 0s --settle 30s --streams 5 {}", server.words());
    let run = loaded(loadtest(&words)).await;
    let ledger = run.missed_only(&["unacknowledged"]).ledger();
    assert_eq!((ledger.unacknowledged, ledger.due, ledger.delivered, ledger.lost), (1, 19, 19, 0));
}

#[tokio::test]
async fn slow_readers_get_everything_and_count_by_themselves() {
    let server = Child::start().await;
    let run = loaded(loadtest(&format!("{DISTURBED} --scenario slow --share 20%")).at(&server)).await;
    run.held().all_came(MESSAGES, MESSAGES);
    let count = |name: &str| run.document.latencies.get(name).map_or(0, |latency| latency.count);
    let (quick, slow) = (count("delivery"), count("slow_delivery"));
    assert!(quick > 0 && slow > 0 && quick + slow == MESSAGES, "{quick} and {slow}");
    assert_eq!(acts(&run), ["4 of 20 streams read a kilobyte a second"]);
}

#[tokio::test]
async fn streams_whose_tokens_end_come_back_with_fresh_ones() {
    let server = Child::start().await;
    let words = "--rate 20/s --duration 3s --streams 20 --scenario expire --token-ttl 2s --settle 15s";
    let run = loaded(loadtest(words).at(&server)).await;
    run.held().all_came(60, 60);
    assert_eq!(recovered(&run), 20);
    assert_eq!(["streams.lost", "streams.reconnected"].map(|name| run.figure(name)), [20.0; 2]);
}

#[tokio::test]
async fn a_message_goes_to_all_devices_and_to_a_whole_audience() {
    let server = Child::start().await;
    let run = |words: &str| loaded(loadtest(&format!("{COUNTED} {words}")).at(&server));
    let (fanout, audience) =
        tokio::join!(run("--mode fanout --streams 20 --devices 5"), run("--mode audience --streams 20 --audience 7"),);
    fanout.passed().all_came(MESSAGES, MESSAGES * 5);
    audience.passed().all_came(MESSAGES, MESSAGES * 7);
    assert_eq!((fanout.document.plan.users, audience.document.plan.audience), (4, Some(7)));
}

#[tokio::test]
async fn a_file_is_replayed_and_those_who_get_the_most_have_the_streams() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("letters.txt");
    let letters: String = (0..30).map(|at| format!("{} {} {}\n", 100 + at, at % 5, 1_000 + at * 60)).collect();
    // One more for the first two.
    fs::write(&file, letters + "7 0 2800\n7 1 2801\n").unwrap();
    let server = Child::start().await;
    let replay = || loadtest("--duration 2s --settle 2s").at(&server).word("--replay").word(&file);
    let (all, some) = tokio::join!(loaded(replay()), loaded(replay().word("--streams").word("2")));
    all.held().all_came(32, 32);
    assert_eq!((all.document.plan.streams, all.document.plan.users), (5, 5));
    some.held().all_came(32, 14);
}

#[tokio::test]
async fn the_same_seed_sends_the_same_to_the_same() {
    let run = async |seed: u64| {
        let server = BadServer::start(Fault::None).await;
        let words = format!("{COUNTED} --streams 10 --users 20 --seed {seed} {}", server.words());
        let due = loaded(loadtest(&words)).await.passed().ledger().due;
        (due, server.receivers())
    };
    let (one, same, other) = tokio::join!(run(7), run(7), run(8));
    assert_eq!(one, same);
    assert_ne!(one.1, other.1);
    assert!(one.0 > 0 && one.0 < MESSAGES, "half of the users are away: {}", one.0);
}

#[tokio::test]
async fn mercure_and_centrifugo_are_spoken_to() {
    let directory = tempfile::tempdir().unwrap();
    let tokens = directory.path().join("tokens");
    fs::write(&tokens, "a.token\n").unwrap();
    let run = async |speaks, profile: &str, more: &str| {
        let server = Standin::start(speaks).await;
        let words = format!("{COUNTED} --profile {profile} --url {} --streams 6 --users 3 {more}", server.url());
        loaded(loadtest(&words).word("--tokens").word(&tokens).word("--token-file").word(&tokens)).await
    };
    let (mercure, centrifugo, broadcast) = tokio::join!(
        run(Speaks::Mercure, "mercure", ""),
        run(Speaks::Centrifugo, "centrifugo", ""),
        run(Speaks::Centrifugo, "centrifugo", "--mode audience --audience 2"),
    );
    mercure.passed().all_came(MESSAGES, MESSAGES * 2);
    centrifugo.passed().all_came(MESSAGES, MESSAGES * 2);
    broadcast.passed().all_came(MESSAGES, MESSAGES * 4);
}
