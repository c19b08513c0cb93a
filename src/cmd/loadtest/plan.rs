//! From what was typed to a plan that can be carried out, and what a report says of it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;

use super::crowd::Crowd;
use super::{conflict, faulty, meanwhile};
use crate::cli::duration;
use crate::cli::global::Global;
use crate::cli::loadtest::{LONGEST, Load, ModeName, Options, ProfileName};
use crate::domain::limits::{CONTENT_BYTES, REQUEST_ROWS};
use crate::loadtest::Plan;
use crate::loadtest::plan::{MESSAGES_MAX, Mode, Schedule};
use crate::loadtest::replay::{self, Pace, Replay};
use crate::loadtest::report::document::PlanFacts;
use crate::loadtest::scenario::Scenario;
use crate::loadtest::stamp::RunId;
use crate::random;

const WARMUP: Duration = Duration::from_secs(1);

/// JSON's readers keep so many bits of a number: a seed that was drawn is repeated as it stands in a document.
const SEED_BITS: u32 = 53;

/// A plan, and what it does not say of itself.
#[derive(Debug)]
pub struct Checked {
    pub plan: Plan,
    replay: Option<Replayed>,
}

/// The file that is replayed.
#[derive(Debug)]
struct Replayed {
    name: String,
    /// How many times faster than it once was.
    speed: f64,
    left_out: u64,
}

/// Checks everything that no server needs to be asked about.
///
/// # Errors
/// Words that cannot be meant, as [`clap::Error`]; a file that cannot be replayed.
pub fn checked(options: &Options, global: &Global) -> anyhow::Result<Checked> {
    let load = &options.load;
    check_server(options, global)?;
    let mode = mode(load)?;
    let (schedule, crowd, replay) = match &load.replay {
        Some(path) => {
            let Replay { lines, users, speed, left_out } = replayed(path, load)?;
            let replayed = Replayed { name: path.display().to_string(), speed, left_out };
            (Schedule::Replay(lines), Crowd::of_replay(load, users), Some(replayed))
        }
        None => (even(load)?, Crowd::of(load).map_err(conflict)?, None),
    };
    check_ramp(load, crowd.streams)?;
    let mut plan = Plan {
        run: RunId::new(random::bytes()),
        seed: load.seed.unwrap_or_else(|| u64::from_le_bytes(random::bytes()) >> (u64::BITS - SEED_BITS)),
        streams: crowd.streams,
        users: crowd.users,
        mode: mode.with_at_most(crowd.users),
        schedule,
        ramp: load.ramp.per_second(),
        warmup: Duration::ZERO,
        settle: meanwhile::settle(options),
        late: options.verdict.late,
        payload_bytes: load.payload_bytes as usize,
        scenario: Scenario::Steady,
        threads: threads(load),
    };
    plan.warmup = warmup(load, plan.length())?;
    let opening = Duration::from_secs_f64(f64::from(plan.streams) / plan.ramp);
    plan.scenario = meanwhile::checked(options, opening, &plan).map_err(conflict)?;
    Ok(Checked { plan, replay })
}

impl Checked {
    /// What a report says of the plan.
    pub fn facts(&self, profile: &str, url: &str) -> PlanFacts {
        let plan = &self.plan;
        PlanFacts {
            profile: profile.to_owned(),
            url: url.to_owned(),
            scenario: plan.scenario.as_str().to_owned(),
            mode: plan.mode.as_str().to_owned(),
            seed: plan.seed,
            streams: plan.streams,
            users: plan.users,
            audience: match plan.mode {
                Mode::Audience(several) => Some(several),
                Mode::Unicast | Mode::Fanout => None,
            },
            messages: plan.messages(),
            rate_per_s: match &plan.schedule {
                Schedule::Even { rate, .. } => Some(*rate),
                Schedule::Replay(_) => None,
            },
            replay: self.replay.as_ref().map(|replay| replay.name.clone()),
            speed: self.replay.as_ref().map(|replay| replay.speed),
            left_out: self.replay.as_ref().map_or(0, |replay| replay.left_out),
            duration_s: plan.length().as_secs_f64(),
            warmup_s: plan.warmup.as_secs_f64(),
            settle_s: plan.settle.as_secs_f64(),
            late_s: plan.late.as_secs_f64(),
            ramp_per_s: plan.ramp,
            payload_bytes: plan.payload_bytes,
            share: match plan.scenario {
                Scenario::Storm { share } | Scenario::Slow { share } => Some(share),
                _ => None,
            },
            token_ttl_s: match plan.scenario {
                Scenario::Expire { ttl } => Some(ttl.as_secs_f64()),
                _ => None,
            },
            threads: Some(plan.threads),
        }
    }
}

fn check_server(options: &Options, global: &Global) -> Result<(), clap::Error> {
    let which = &options.which;
    let lumen = which.profile == ProfileName::Lumen;
    let payload = options.load.payload_bytes as usize;
    let faults = [
        (
            which.spawn && global.url_is_typed,
            "--spawn starts a server of its own, and --url says which one is there: say one of them",
        ),
        (which.spawn && !lumen, "--spawn starts lumen, and --profile says that it is another: leave one of them out"),
        (
            !lumen && which.key_file.is_some(),
            "--key-file is lumen's key; the tokens of another server are read from --tokens",
        ),
        (
            lumen && which.tokens.is_some(),
            "--tokens is for another --profile: lumen's are signed with its key (--key-file)",
        ),
        (
            lumen && which.is_typed(),
            "how lumen is spoken to is known: --subscribe-… and --publish-… are for another --profile",
        ),
    ];
    if let Some((_, fault)) = faults.into_iter().find(|(is_so, _)| *is_so) {
        return Err(conflict(fault));
    }
    if lumen && payload > CONTENT_BYTES {
        return Err(faulty(format!(
            "lumen takes contents of {CONTENT_BYTES} bytes at most, and --payload-bytes is {payload}"
        )));
    }
    Ok(())
}

fn mode(load: &Load) -> Result<Mode, clap::Error> {
    match (load.mode, load.audience) {
        (ModeName::Audience, several) => Ok(Mode::Audience(several.unwrap_or(REQUEST_ROWS as u32))),
        (_, Some(_)) => Err(conflict("--audience is the users of a message with --mode audience: say that too")),
        (ModeName::Unicast, None) => Ok(Mode::Unicast),
        (ModeName::Fanout, None) => Ok(Mode::Fanout),
    }
}

fn replayed(path: &Path, load: &Load) -> anyhow::Result<Replay> {
    let name = || format!("{} cannot be replayed", path.display());
    let file = File::open(path).with_context(name)?;
    let pace = load.speed.map_or(Pace::Within(load.duration), |speed| Pace::Times(speed, load.duration));
    replay::read(BufReader::new(file), pace).with_context(name)
}

fn even(load: &Load) -> Result<Schedule, clap::Error> {
    let rate = load.rate.per_second();
    let messages = (rate * load.duration.as_secs_f64()).round();
    let typed = || format!("--rate {} for --duration {}", load.rate, duration::shown(load.duration));
    if messages < 1.0 {
        return Err(faulty(format!("{} is not one message; say more of either", typed())));
    }
    if messages > f64::from(MESSAGES_MAX) {
        return Err(faulty(format!("{} is over {MESSAGES_MAX} messages, more than one run sends", typed())));
    }
    // Whole, and it was seen to fit.
    Ok(Schedule::Even { rate, messages: messages as u32 })
}

fn check_ramp(load: &Load, streams: u32) -> Result<(), clap::Error> {
    let ramp = load.ramp;
    if f64::from(streams) / ramp.per_second() > LONGEST.as_secs_f64() {
        let longest = duration::shown(LONGEST);
        return Err(faulty(format!("--ramp {ramp} opens {streams} streams in over {longest}; say a higher one")));
    }
    Ok(())
}

fn warmup(load: &Load, length: Duration) -> Result<Duration, clap::Error> {
    match load.warmup {
        None => Ok(WARMUP.min(length / 4)),
        Some(warmup) if warmup < length || warmup.is_zero() => Ok(warmup),
        Some(warmup) => Err(faulty(format!(
            "--warmup {} leaves nothing to measure of a run that sends for {:.1} s",
            duration::shown(warmup),
            length.as_secs_f64()
        ))),
    }
}

fn threads(load: &Load) -> usize {
    let half = || available_parallelism().map_or(1, |cores| cores.get() / 2).max(1);
    load.threads.map_or_else(half, |threads| threads as usize)
}

/// What a line would be typed as.
#[cfg(test)]
pub fn typed(line: &str) -> (Box<Options>, Global) {
    let words = ["lumen", "loadtest"].into_iter().chain(line.split_whitespace());
    let cli = crate::cli::Cli::read(words).unwrap_or_else(|fault| panic!("{fault}"));
    match cli.command {
        crate::cli::Command::Loadtest(options) => (options, cli.global),
        other => panic!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(line: &str) -> Plan {
        let (options, global) = typed(line);
        checked(&options, &global).unwrap_or_else(|fault| panic!("{line}: {fault}")).plan
    }

    fn told(line: &str) -> String {
        let (options, global) = typed(line);
        let fault = checked(&options, &global).map(|_| ()).unwrap_err();
        let usage = fault.downcast::<clap::Error>().unwrap();
        assert_eq!(usage.exit_code(), 2);
        usage.to_string()
    }

    #[test]
    fn a_line_becomes_a_plan() {
        let plan =
            planned("--streams 40 --users 20 --rate 50/s --duration 2s --seed 7 --threads 3 --settle 0s --late 5ms");
        assert_eq!((plan.streams, plan.users, plan.seed, plan.threads), (40, 20, 7, 3));
        assert_eq!(plan.schedule, Schedule::Even { rate: 50.0, messages: 100 });
        assert_eq!((plan.length(), plan.warmup), (Duration::from_secs(2), Duration::from_millis(500)));
        assert_eq!((plan.settle, plan.late, plan.ramp), (Duration::ZERO, Duration::from_millis(5), 1000.0));
        assert_eq!((plan.mode, plan.scenario, plan.payload_bytes), (Mode::Unicast, Scenario::Steady, 100));
        assert_eq!(planned("").warmup, WARMUP);
        assert_ne!(planned("").run, planned("").run);
        assert!(planned("").threads >= 1);
        // Whatever reads JSON reads a drawn seed as it is.
        assert!((0..64).all(|_| planned("").seed < 1 << 53));
        assert_eq!(planned("--seed 18446744073709551615").seed, u64::MAX);
        assert_eq!(planned("--mode audience --users 300").mode, Mode::Audience(300));
        assert_eq!(planned("--mode audience --users 20000 --streams 5").mode, Mode::Audience(10_000));
        assert_eq!(planned("--mode audience --audience 7").mode, Mode::Audience(7));
        assert_eq!(
            planned("--streams 5000 --scenario expire").scenario,
            Scenario::Expire { ttl: Duration::from_millis(17_200) }
        );
    }

    #[test]
    fn a_report_says_what_the_scenario_took() {
        let of = |line: &str| {
            let (options, global) = typed(&format!("--threads 3 {line}"));
            let facts = checked(&options, &global).unwrap().facts("lumen", "http://a");
            (facts.share, facts.token_ttl_s, facts.threads)
        };
        assert_eq!(of(""), (None, None, Some(3)));
        assert_eq!(of("--scenario storm --share 50%"), (Some(0.5), None, Some(3)));
        assert_eq!(of("--scenario slow"), (Some(0.3), None, Some(3)));
        assert_eq!(of("--scenario expire --token-ttl 5s"), (None, Some(5.0), Some(3)));
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (line, expected) in [
            ("--spawn --url http://127.0.0.1:1", "--spawn starts a server of its own"),
            ("--spawn --url http://127.0.0.1:8080", "--spawn starts a server of its own"),
            ("--spawn --profile nchan", "--spawn starts lumen"),
            ("--profile nchan --key-file k", "--key-file is lumen's key"),
            ("--tokens t", "--tokens is for another --profile"),
            ("--publish-url /p", "how lumen is spoken to is known"),
            ("--subscribe-header a:b", "how lumen is spoken to is known"),
            ("--payload-bytes 4097", "lumen takes contents of 4096 bytes at most, and --payload-bytes is 4097"),
            ("--audience 5", "--audience is the users of a message with --mode audience"),
            ("--rate 1/h --duration 1s", "--rate 1/h for --duration 1s is not one message"),
            ("--rate 10000/s --duration 10h", "--rate 10000/s for --duration 10h is over 100000000 messages"),
            ("--ramp 1/h --streams 11", "--ramp 1/h opens 11 streams in over 10h"),
            ("--warmup 30s", "--warmup 30s leaves nothing to measure of a run that sends for 30.0 s"),
            ("--streams 3 --users 2 --devices 2", "2 users with 2 devices each are 4 streams"),
            ("--scenario crash", "--scenario crash ends the server"),
        ] {
            let fault = told(line);
            assert!(fault.starts_with(&format!("error: {expected}")), "{line}: {fault}");
        }
        assert_eq!(planned("--profile nchan --payload-bytes 4097").payload_bytes, 4097);
    }

    #[test]
    fn a_replay_is_read_and_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("messages");
        let checked = |more: &str| {
            let (options, global) = typed(&format!("--replay {} --duration 10s {more}", path.display()));
            checked(&options, &global)
        };
        let missing = format!("{:#}", checked("").unwrap_err());
        assert!(missing.contains("messages cannot be replayed: "), "{missing}");
        std::fs::write(&path, "1 2 100\n2 1 200\n3 1 300\n").unwrap();
        let fits = checked("").unwrap();
        assert_eq!((fits.plan.streams, fits.plan.users, fits.plan.messages()), (2, 2, 3));
        let facts = fits.facts("lumen", "http://a");
        assert_eq!((facts.speed, facts.rate_per_s, facts.duration_s), (Some(20.0), None, 10.0));
        assert!(facts.replay.unwrap().ends_with("messages"));
        let cut = checked("--speed 15").unwrap();
        assert_eq!((fits.facts("lumen", "http://a").left_out, cut.facts("lumen", "http://a").left_out), (0, 1));
        assert_eq!((cut.plan.messages(), cut.plan.length()), (2, Duration::from_secs_f64(100.0 / 15.0)));
        std::fs::write(&path, "1 2 100\n2 1\n").unwrap();
        let faulty = format!("{:#}", checked("").unwrap_err());
        assert!(faulty.contains("messages cannot be replayed: line 2 has fewer"), "{faulty}");
    }
}
