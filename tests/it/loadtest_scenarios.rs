//! What `lumen loadtest` does meanwhile, whom it sends to, and how it speaks to other servers: nothing is lost by any.

use std::fs;

use crate::support::badserver::{BadServer, Fault};
use crate::support::child::Child;
use crate::support::loaded::{COUNTED, Loaded, MESSAGES, loaded, loadtest};
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
    assert_eq!(acts(&run), ["50 % of the streams were cut"]);
    let cut = recovered(&run);
    assert!((4..=16).contains(&cut), "{cut} of 20 are not about half");
    assert_eq!(["streams.lost", "streams.reconnected"].map(|name| run.figure(name)), [cut as f64; 2]);
    assert_eq!(recovered(&again), cut, "the same seed cuts the same");
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
async fn slow_readers_get_everything_and_count_by_themselves() {
    let server = Child::start().await;
    let run = loaded(loadtest(&format!("{DISTURBED} --scenario slow --share 20%")).at(&server)).await;
    run.held().all_came(MESSAGES, MESSAGES);
    let count = |name: &str| run.document.latencies.get(name).map_or(0, |latency| latency.count);
    let (quick, slow) = (count("delivery"), count("slow_delivery"));
    assert!(quick > 0 && slow > 0 && quick + slow == MESSAGES, "{quick} and {slow}");
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
