//! `lumen loadtest`: which server, how much of what, for how long, and what is good enough.

mod load;
mod scenario;
mod server;
mod verdict;

use clap::Args;

pub use load::{LONGEST, Load, ModeName};
pub use scenario::{Meanwhile, ScenarioName};
pub use server::{ProfileName, Which};
pub use verdict::Verdict;

const EXAMPLES: &str = "\
Examples:
  lumen loadtest --spawn --streams 5000 --rate 500/s --duration 20s
                                    a server of its own: nothing needs to run
  lumen loadtest --mode audience --audience 200 --report out.html
                                    the server on this host
  lumen loadtest --spawn --scenario storm --share 50%
                                    half of the streams are cut and come back
  lumen loadtest --spawn --threshold 'delivery.p99<50ms' --json > now.json
  lumen loadtest --spawn --compare now.json --max-regress delivery.p99=10%
  lumen loadtest --spawn --replay college-msg.txt --streams 200
  lumen loadtest --profile nchan --url http://127.0.0.1:8081
  lumen loadtest --profile generic --url http://127.0.0.1:8082 \\
    --subscribe-url '/events?user={user}' --publish-url /publish \\
    --publish-body '{\"to\": \"{user}\", \"text\": \"{content}\"}'

What is published carries a mark, by which it is known on every stream that it is for. Each
message is counted on each of them: late, lost, twice, out of order. Latency counts from the
moment at which a message was to be sent, whatever kept it.

In the templates of other profiles stand {user} and {run}; for streams {token} and {cursor}, the
last event's id; for messages {content} or {stamp}, one of which is needed, {users} (JSON),
{message} (its number), {key} and {token}. They are escaped as their place demands; {{ is a brace.

Exit codes: 0 every threshold held, 99 one did not, 1 failed or void (this program was late or
had no time, so that it measured itself), 2 not to be understood, 130 interrupted.";

/// Load a server with thousands of streams: latency, losses, and a verdict for CI.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    #[command(flatten)]
    pub load: Load,

    #[command(flatten)]
    pub meanwhile: Meanwhile,

    #[command(flatten)]
    pub verdict: Verdict,

    #[command(flatten)]
    pub which: Which,
}

/// A whole number from 1 to `most` of something.
fn whole(most: u32, what: &'static str) -> impl Fn(&str) -> Result<u32, String> + Clone {
    move |text| match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ if most == u32::MAX => Err(format!("a whole number of {what}, at least 1")),
        _ => Err(format!("a whole number of {what} from 1 to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;
    use clap::error::ErrorKind;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        global: crate::cli::global::Global,
        #[command(flatten)]
        options: Options,
    }

    fn typed(line: &str) -> Result<Options, ErrorKind> {
        let words = std::iter::once("loadtest").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.options).map_err(|fault| fault.kind())
    }

    #[test]
    fn without_a_word_it_is_a_small_steady_run() {
        let options = typed("").unwrap();
        assert_eq!(
            (options.load.streams, options.load.mode, options.load.payload_bytes),
            (None, ModeName::Unicast, 100)
        );
        assert_eq!(options.load.rate.per_second(), 100.0);
        assert_eq!(options.load.ramp.per_second(), 1000.0);
        assert_eq!(options.load.duration, Duration::from_secs(30));
        assert_eq!((options.meanwhile.scenario, options.meanwhile.share), (ScenarioName::Steady, None));
        assert_eq!((options.which.profile, options.which.spawn), (ProfileName::Lumen, false));
    }

    #[test]
    fn figures_have_their_bounds() {
        for good in [
            "--streams 1 --users 1 --devices 1 --mode audience --audience 10000 --payload-bytes 1000000",
            "--duration 10h --warmup 0s --settle 0s --late 1ms --ramp 1/s --rate 0.1/s --seed 0 --threads 1",
            "--replay f --speed 0.5",
            "--replay f --speed 1000",
            "--scenario slow --share 100%",
            "--scenario storm --share 0.5%",
            "--compare a --max-regress a=1% --max-regress b=2% --threshold a<1 --threshold b<2",
        ] {
            assert!(typed(good).is_ok(), "{good}");
        }
        for faulty in [
            "--streams 0",
            "--users 0",
            "--devices 0",
            "--audience 10001",
            "--payload-bytes 1000001",
            "--duration 0s",
            "--duration 601m",
            "--late 0s",
            "--rate 5",
            "--ramp 0.0000000000001/h",
            "--threads 0",
            "--threads 1025",
            "--replay f --speed 0",
            "--replay f --speed inf",
            "--scenario slow --share 0%",
            "--scenario slow --share 101%",
            "--scenario slow --share 30",
            "--token-ttl 0s",
            "--server-pid 0",
        ] {
            assert_eq!(typed(faulty).err(), Some(ErrorKind::ValueValidation), "{faulty}");
        }
        for faulty in ["--mode broadcast", "--scenario chaos", "--profile ntfy"] {
            assert_eq!(typed(faulty).err(), Some(ErrorKind::InvalidValue), "{faulty}");
        }
    }

    #[test]
    fn what_excludes_each_other_is_not_taken_together() {
        for faulty in [
            "--replay f --rate 5/s",
            "--replay f --users 5",
            "--replay f --devices 5",
            "--replay f --mode unicast",
            "--mode fanout --replay f",
            "--replay f --audience 5",
            "--spawn --server-pid 7",
            "--spawn --key-file k",
            "--spawn --tokens t",
            "--spawn --token-file t",
        ] {
            assert_eq!(typed(faulty).err(), Some(ErrorKind::ArgumentConflict), "{faulty}");
        }
        for faulty in ["--speed 2", "--max-regress a=1%"] {
            assert_eq!(typed(faulty).err(), Some(ErrorKind::MissingRequiredArgument), "{faulty}");
        }
    }

    #[test]
    fn a_request_is_typed_part_by_part() {
        let words = ["loadtest", "--publish-url", "/p", "--publish-header", "X-A:  b: c ", "--publish-method", "PUT"];
        let more = ["--publish-header", "x-empty:", "--subscribe-body", "-", "--subscribe-method", "POST"];
        let which = Line::try_parse_from(words.into_iter().chain(more)).unwrap().options.which;
        let publish = which.publish();
        assert_eq!((publish.method.unwrap(), publish.url.as_deref()), (http::Method::PUT, Some("/p")));
        let headers: Vec<_> = publish.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(headers, [("x-a", "b: c"), ("x-empty", "")]);
        assert_eq!(which.subscribe().body.as_deref(), Some("-"));
        for faulty in [
            "--publish-header X-A",
            "--publish-header ü:a",
            "--publish-header :a",
            "--subscribe-method G(T",
            "--publish-method HEAD",
        ] {
            assert_eq!(typed(faulty).err(), Some(ErrorKind::ValueValidation), "{faulty}");
        }
    }
}
