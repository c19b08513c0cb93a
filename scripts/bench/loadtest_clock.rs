//! Holds the latency that `lumen loadtest` tells against a clock that it does not know: a server that delays each event
//! by a known time. What is measured of delayed events less what is measured of undelayed ones is that time.
//!
//! `cargo bench --bench loadtest_clock`. The runs with each delay take turns, so that a machine that grows slower does so
//! for all of them.

#![allow(clippy::print_stdout, reason = "its figures are what it is for")]

mod delaying;
mod loadtest;

use self::delaying::Delaying;
use self::loadtest::Run;

/// In milliseconds; the first is what the others are held against.
const DELAYS: [u64; 4] = [0, 5, 20, 50];
const ROUNDS: usize = 3;
/// Events that each run measures, after its warm-up.
const EVENTS: u64 = 1_000;
const RATE: u64 = 200;
const STREAMS: usize = 20;
const OFF_MAX_MS: f64 = 1.0;

fn main() {
    let server = Delaying::start();
    let mut measured = DELAYS.map(|_| Vec::new());
    for round in 1..=ROUNDS {
        for (delay, medians) in DELAYS.into_iter().zip(&mut measured) {
            let run = Run::of(&arguments(&server, delay));
            let events = run.document["latencies"]["delivery"]["count"].as_u64().expect("a count");
            assert!(events >= EVENTS, "{events} events were measured");
            let p50 = run.delivery_ms("p50");
            println!(
                "round {round}, {delay} ms: {events} events, p50 {p50:.3} ms, p99 {:.3} ms; held {:.3} ms too long",
                run.delivery_ms("p99"),
                server.late_ms()
            );
            run.is_good();
            medians.push(p50);
        }
    }
    let [undelayed, delayed @ ..] = measured.map(median);
    println!("median of {ROUNDS} rounds of {EVENTS} events, {undelayed:.3} ms where nothing is held:");
    let mut held = true;
    for (delay, p50) in DELAYS.into_iter().skip(1).zip(delayed) {
        let off = p50 - undelayed - delay as f64;
        let verdict = if off.abs() <= OFF_MAX_MS { "ok" } else { "FAILED" };
        held &= off.abs() <= OFF_MAX_MS;
        println!(
            "  {delay:2} ms: {verdict}, measured as {:.3} ms, {off:+.3} ms off (at most {OFF_MAX_MS})",
            p50 - undelayed
        );
    }
    if !held {
        // Nothing is left to be put down.
        std::process::exit(1);
    }
}

fn arguments(server: &Delaying, delay: u64) -> Vec<String> {
    let mut arguments = server.arguments(&[delay]);
    let seconds = EVENTS / RATE + 1;
    let load = format!("--streams={STREAMS} --rate={RATE}/s --duration={seconds}s --warmup=1s");
    arguments.extend(load.split(' ').map(str::to_owned));
    arguments
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
