//! `lumen loadtest` as CI runs it: one command, one document, a verdict; nothing left behind, whatever ends it.

use std::fs;
use std::path::{Path, PathBuf};

use lumen_inbox::loadtest::report::document::{Source, Verdict};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::badserver::{BadServer, Fault};
use crate::support::child::Child;
use crate::support::command::{Running, lumen, sh};
use crate::support::loaded::{COUNTED, Loaded, MESSAGES, loaded, loadtest};
use crate::support::own::{Opened, Own, entries};
use crate::support::patience;

/// A load that goes on for longer than its story.
const LONG: &str = "--rate 50/s --duration 60s";

#[tokio::test]
async fn a_run_with_its_own_server_needs_nothing_and_leaves_nothing() {
    let typed = loadtest(&format!("--spawn --streams 20 --seed 7 {COUNTED}"));
    // Meant for another server, which is not asked.
    let own = Own::of(typed.env("LUMEN_URL", "http://127.0.0.1:1").env("LUMEN_TOKEN", "another"));
    let run = Loaded::of(own.ended().await);
    run.passed().all_came(MESSAGES, MESSAGES);

    let document = &run.document;
    let plan = &document.plan;
    assert_eq!((plan.seed, plan.streams, plan.users, plan.messages), (7, 20, 20, 40));
    assert_eq!((plan.profile.as_str(), plan.scenario.as_str(), plan.mode.as_str()), ("lumen", "steady", "unicast"));
    assert!(document.environment.spawned.as_ref().unwrap().iter().any(|set| set.starts_with("limits.")));
    assert_eq!(document.latencies["connect"].count, 20);
    let server = document.server.as_ref().unwrap();
    assert!(server.peak_rss_bytes > 1_000_000 && server.peak_descriptors > Some(20), "{server:?}");
    assert_eq!(["streams.open", "streams.lost", "refused"].map(|name| run.figure(name)), [20.0, 0.0, 0.0]);
    let sums = document.seconds.iter().fold((0, 0, 0), |(sent, answered, delivered), second| {
        (sent + second.sent, answered + second.answered, delivered + second.delivered)
    });
    assert!(sums.0 <= MESSAGES && sums.1 <= sums.0 && sums.2 <= MESSAGES && sums.2 > 0, "{sums:?}");
}

#[tokio::test]
async fn a_threshold_that_is_missed_ends_it_with_99_and_is_told() {
    let server = Child::start().await;
    let words = "--streams 10 --rate 20/s --duration 1s --threshold delivery.p99<1us --threshold sent>=20";
    let run = loaded(loadtest(words).at(&server)).await;
    run.missed_only(&["delivery.p99"]).all_came(20, 20);
    let reason = &run.document.reasons[0];
    assert!(reason.starts_with("delivery.p99 is ") && reason.contains("--threshold 'delivery.p99<1us'"), "{reason}");
    let sources: Vec<_> = run.document.thresholds.iter().take(3).map(|judged| (judged.source, judged.held)).collect();
    assert_eq!(sources, [(Source::Given, false), (Source::Given, true), (Source::Default, true)]);
    // Whoever sends the document into a file sees why, too.
    let last = run.stderr.lines().last().unwrap_or_default();
    assert_eq!(last, format!("error: the run missed what was asked of it: {}", run.document.reasons.join("; ")));
}

#[tokio::test]
async fn a_stdout_that_takes_nothing_changes_no_verdict_and_costs_no_report() {
    let directory = tempfile::tempdir().unwrap();
    let server = Child::start().await;
    let closed = |words: &str, file: &str| {
        let typed = lumen(&format!("loadtest {words} --streams 5 {COUNTED}")).at(&server);
        typed.word("--report").word(directory.path().join(file))
    };
    let gone = async |words: &str, file: &str| {
        let mut running = closed(words, file).start();
        running.close_stdout().await;
        running.wait().await
    };
    let full = async {
        let report = directory.path().join("full");
        let words = format!("--threshold lost>=1 --streams 5 {COUNTED} --report {}", report.display());
        let server = format!("--url {} --data-dir {}", server.url(), server.dir().display());
        let line = format!("{} loadtest {words} {server}", env!("CARGO_BIN_EXE_lumen"));
        sh(&format!("{} > /dev/full", line.replace("lost>=1", "'lost>=1'"))).run().await
    };
    let (passed, missed, json, full) = tokio::join!(
        gone("", "passed"),
        gone("--threshold lost>=1", "missed"),
        gone("--threshold lost>=1 --json", "json"),
        full
    );
    assert_eq!([&passed, &missed, &json, &full].map(|done| done.code), [Some(0), Some(99), Some(99), Some(99)]);
    let last = full.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: stdout cannot be written: "), "{full:?}");
    assert_eq!(missed.stderr.lines().count(), 1, "{missed:?}");
    for file in ["passed", "missed", "json", "full"] {
        let page = fs::read_to_string(directory.path().join(file)).unwrap();
        assert!(page.trim_end().ends_with("</html>"), "{file}: {page}");
    }
}

#[tokio::test]
async fn words_that_cannot_be_meant_end_with_2_and_nothing_is_started() {
    let temporary = tempfile::tempdir().unwrap();
    for (words, told) in [
        ("--spawn --threshold delivery.p98<1ms", "delivery.p99"),
        ("--spawn --threshold delivery.p99<1", "delivery.p99<50ms"),
        ("--spawn --url http://127.0.0.1:1", "say one of them"),
        ("--spawn --profile nchan", "leave one of them out"),
        ("--scenario crash", "say --spawn"),
        ("--profile generic --subscribe-url /s/{user}", "--publish-url is missing"),
        ("--spawn --max-regress lost=1%", "--compare"),
        ("--spawn --streams 7 --users 2 --devices 2", "are 4 streams, and not 7"),
        ("--spawn --url http://127.0.0.1:8080", "say one of them"),
    ] {
        // A server of its own would find no room there, and say so.
        let done = loadtest(words).env("TMPDIR", temporary.path().join("none")).run().await;
        assert_eq!((done.code, done.lines.len()), (Some(2), 0), "{words}: {done:?}");
        assert!(done.stderr.starts_with("error: ") && done.stderr.contains(told), "{words}: {}", done.stderr);
    }
}

#[tokio::test]
async fn reports_are_written_and_one_that_cannot_be_is_known_before_anything_starts() {
    let directory = tempfile::tempdir().unwrap();
    let (page, summary) = (directory.path().join("page.html"), directory.path().join("summary.md"));
    let server = Child::start().await;
    let typed = loadtest(&format!("--streams 5 {COUNTED} --threshold lost>=1")).at(&server);
    let run = loaded(typed.word("--report").word(&page).word("--markdown").word(&summary)).await;
    run.missed_only(&["lost"]);
    let (page, summary) = (fs::read_to_string(page).unwrap(), fs::read_to_string(summary).unwrap());
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"), "{page}");
    for text in [page, summary] {
        assert!(text.contains(&run.document.run) && text.contains("lost"), "{text}");
    }

    // A server of its own would find no room there, and say so.
    let nowhere = directory.path().join("none");
    for file in ["--report", "--markdown"] {
        let typed = loadtest("--spawn").env("TMPDIR", &nowhere).word(file).word(nowhere.join("report"));
        let done = typed.run().await;
        let last = done.stderr.lines().last().unwrap_or_default();
        assert_eq!((done.code, done.lines.len()), (Some(1), 0), "{done:?}");
        assert!(last.starts_with("error: ") && last.contains("report cannot be written"), "{last}");
    }
    let done = loadtest("--spawn").env("TMPDIR", &nowhere).run().await;
    let last = done.stderr.lines().last().unwrap_or_default();
    assert!(done.code == Some(1) && last.starts_with("error: no server of its own: "), "{done:?}");
}

#[tokio::test]
async fn what_keeps_a_run_from_starting_leaves_earlier_reports_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let [earlier, new, nowhere] = ["earlier", "new", "none"].map(|name| directory.path().join(name));
    fs::write(&earlier, "an earlier report").unwrap();
    // No process has this number, which is over the kernel's highest.
    for (words, code, told) in [
        ("--key-file none", 1, "none"),
        ("--profile generic --subscribe-url /{usr} --publish-url /p --publish-body x", 2, "{usr} is no variable"),
        ("--spawn", 1, "no server of its own"),
        (
            "--profile generic --url http://127.0.0.1:1 --users 1 --subscribe-url ftp:// --publish-url /p",
            2,
            "whole URL",
        ),
        ("--server-pid 2147483647 --profile nchan", 1, "--server-pid 2147483647: there is no such process"),
    ] {
        let typed = loadtest(words).env("TMPDIR", &nowhere).word("--report").word(&earlier);
        let done = typed.word("--markdown").word(&new).run().await;
        assert_eq!((done.code, done.lines.len()), (Some(code), 0), "{words}: {done:?}");
        assert!(done.stderr.contains(told), "{words}: {}", done.stderr);
        assert_eq!(fs::read_to_string(&earlier).unwrap(), "an earlier report", "{words}");
        assert_eq!(entries(directory.path()), std::slice::from_ref(&earlier), "{words}");
    }

    let same = directory.path().join(".").join("earlier");
    let done = loadtest("--spawn").word("--report").word(&earlier).word("--markdown").word(&same).run().await;
    assert!(done.code == Some(2) && done.stderr.contains("--report and --markdown are the same file"), "{done:?}");
    assert_eq!(fs::read_to_string(&earlier).unwrap(), "an earlier report");
}

#[tokio::test]
async fn a_run_is_held_against_an_earlier_one() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("base.json");
    let server = BadServer::start(Fault::Late(std::time::Duration::from_millis(300))).await;
    let words = format!("--streams 5 --seed 7 --rate 20/s --duration 1s --warmup 0s {}", server.words());
    let first = loaded(loadtest(&words)).await;
    first.held();
    assert!(server.words().contains(&format!("--url {} ", first.document.plan.url)), "{}", first.document.plan.url);
    let mut earlier: Value = serde_json::from_str(&first.line).unwrap();
    // Whatever this machine was too busy for.
    earlier["verdict"] = json!("passed");
    fs::write(&base, earlier.to_string()).unwrap();
    let mut worse = earlier.clone();
    worse["figures"]["delivery.p99"] = json!(1.0);
    let [doctored, none, void] = ["doctored.json", "none.json", "void.json"].map(|name| directory.path().join(name));
    fs::write(&doctored, worse.to_string()).unwrap();
    earlier["verdict"] = json!("void");
    fs::write(&void, earlier.to_string()).unwrap();
    fs::write(&none, "{}").unwrap();
    let against =
        |base: &Path| loadtest(&format!("{words} --max-regress delivery.p99=900%")).word("--compare").word(base);

    let (same, worse) = tokio::join!(loaded(against(&base)), loaded(against(&doctored)));
    let judged = same.held().document.thresholds.last().unwrap();
    let figures = (judged.source, judged.figure.as_str(), judged.base);
    assert_eq!(figures, (Source::Comparison, "delivery.p99", Some(first.figure("delivery.p99"))));
    assert_eq!(same.document.notes, [""; 0], "the plans are the same");
    worse.missed_only(&["delivery.p99"]);
    assert!(worse.document.reasons[0].contains("1 µs"), "{:?}", worse.document.reasons);
    let done = against(&none).run().await;
    assert!(done.code == Some(1) && done.stderr.contains("none.json cannot be compared with"), "{done:?}");
    let done = against(&void).run().await;
    assert!(
        done.code == Some(1) && done.stderr.contains("void.json cannot be compared with: its run was void"),
        "{done:?}"
    );
}

#[tokio::test]
async fn an_interrupt_ends_it_with_what_was_seen_and_leaves_nothing() {
    // `timeout` and a terminal that is closed send more than one.
    tokio::join!(ended_by(&["INT"]), ended_by(&["TERM", "HUP"]), interrupted_while_it_opens());
}

/// Ends it with signals that come at once.
async fn ended_by(signals: &[&str]) {
    let mut own = Own::start(LONG);
    own.published().await;
    assert_eq!(own.servers().len(), 1);
    own.running.signal("STOP");
    signals.iter().for_each(|name| own.running.signal(name));
    own.running.signal("CONT");
    let run = Loaded::of(own.ended().await);
    assert_eq!((run.code, run.document.verdict), (Some(130), Verdict::Interrupted));
    let ledger = run.ledger();
    assert!(ledger.sent > 0 && ledger.sent < 3_000 && ledger.delivered > 0, "{ledger:?}");
    assert!(run.document.reasons[0].starts_with("it was interrupted when "), "{:?}", run.document.reasons);
}

async fn interrupted_while_it_opens() {
    let mut own = Own::start(&format!("{LONG} --ramp 1/s"));
    own.running.until_said("run ").await;
    own.running.signal("INT");
    let done = own.ended().await;
    assert_eq!((done.code, done.lines.len()), (Some(130), 0), "{done:?}");
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_keeps_no_interrupt_from_being_heard() {
    let server = Child::start().await;
    tokio::join!(document_is_not_read(&server), report_is_not_read(&server), report_is_not_opened());
}

fn pipe(directory: &TempDir) -> PathBuf {
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    pipe
}

/// A pipe that is open, and the one who does not read it.
fn stalled(directory: &TempDir) -> (PathBuf, fs::File) {
    let pipe = pipe(directory);
    let stalls = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    (pipe, stalls)
}

/// A run that has more to tell than a pipe holds.
fn with_much_to_tell(server: &Child, more: &str) -> Running {
    let words = format!("--json --streams 1 {COUNTED} --url {} --data-dir {}", server.url(), server.dir().display());
    let thresholds = "--threshold 'sent>=0' ".repeat(1_000);
    sh(&format!("{} loadtest {words} {thresholds} {more}", env!("CARGO_BIN_EXE_lumen"))).start()
}

async fn document_is_not_read(server: &Child) {
    let directory = tempfile::tempdir().unwrap();
    let (pipe, _stalls) = stalled(&directory);
    let report = directory.path().join("report");
    let running = with_much_to_tell(server, &format!("--report {} > {}", report.display(), pipe.display()));
    // The report is told all the same.
    patience::until(|| fs::read_to_string(&report).is_ok_and(|page| page.trim_end().ends_with("</html>"))).await;
    running.signal("INT");
    assert_eq!(running.wait().await.code, Some(130));
}

async fn report_is_not_read(server: &Child) {
    let directory = tempfile::tempdir().unwrap();
    let (pipe, _stalls) = stalled(&directory);
    let mut running = with_much_to_tell(server, &format!("--report {}", pipe.display()));
    // The document is told all the same.
    running.line().await;
    running.signal("INT");
    assert_eq!(running.wait().await.code, Some(130));
}

async fn report_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let new = directory.path().join("new");
    let typed = loadtest("--spawn").word("--markdown").word(&new).word("--report").word(pipe(&directory));
    let running = typed.start();
    patience::until(|| new.exists()).await;
    running.signal("INT");
    let done = running.wait().await;
    assert_eq!((done.code, new.exists()), (Some(130), false), "{done:?}");
}

#[tokio::test]
async fn a_server_that_is_killed_is_no_success_unless_it_is_back_in_time() {
    tokio::join!(killed_for_good(), killed_and_back());
}

async fn killed_for_good() {
    let mut server = Child::start().await;
    let words = "--users 1 --streams 10 --rate 20/s --duration 3s --settle 1s";
    let mut running = loadtest(words).at(&server).start();
    let opened = Opened::of(&mut running).await;
    opened.published(&server.tokens()).await;
    server.kill9().await;
    let run = Loaded::of(running.wait().await);
    assert_eq!((run.code, run.document.verdict), (Some(99), Verdict::Missed), "{run:#?}");
    assert!(run.missed().ends_with(&["unacknowledged", "streams.failed"]), "{:?}", run.missed());
    assert_eq!(["streams.failed", "streams.open"].map(|name| run.figure(name)), [10.0, 0.0]);
    let faults = &run.document.stream_faults;
    assert_eq!(faults.values().sum::<u64>(), 10, "{faults:?}");
    let gone = |why: &String| why.starts_with("the server ended") || why.starts_with("the connection");
    assert!(faults.keys().all(gone), "{faults:?}");
    assert!(
        run.ledger().unacknowledged > 0
            && run.document.refusals.contains_key("no connection: the connection was refused"),
        "{run:#?}"
    );
}

async fn killed_and_back() {
    let mut server = Child::start().await;
    let words = "--users 1 --streams 10 --rate 20/s --duration 3s --settle 15s";
    let mut running = loadtest(words).at(&server).start();
    let opened = Opened::of(&mut running).await;
    opened.published(&server.tokens()).await;
    server.kill9().await;
    server.restart_in_place().await;
    let run = Loaded::of(running.wait().await);
    run.held().all_came(60, 600);
    assert_eq!(["streams.lost", "streams.reconnected"].map(|name| run.figure(name)), [10.0, 10.0]);
    let recovery = run.document.recovery.as_ref().unwrap();
    assert_eq!((recovery.streams, recovery.back, recovery.caught_up), (10, 10, 10));
}
