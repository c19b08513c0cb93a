//! From what was typed of a scenario to one that can be played.

use std::time::Duration;

use crate::cli::duration;
use crate::cli::loadtest::{Options, ProfileName, ScenarioName};
use crate::loadtest::scenario::Scenario;

const SHARE: f64 = 0.3;
/// A shorter time might end before its stream is open: a token's end is told in whole seconds.
const TTL_MIN: Duration = Duration::from_secs(2);

/// The scenario of a run that opens its streams in `opening` and sends for `length`.
///
/// # Errors
/// What does not go together, in words.
pub fn checked(options: &Options, opening: Duration, length: Duration) -> Result<Scenario, String> {
    let meanwhile = &options.meanwhile;
    let scenario = match meanwhile.scenario {
        ScenarioName::Steady => Scenario::Steady,
        ScenarioName::Storm => Scenario::Storm { share: meanwhile.share.unwrap_or(SHARE) },
        ScenarioName::Deploy => Scenario::Deploy,
        ScenarioName::Crash => Scenario::Crash,
        ScenarioName::Slow => Scenario::Slow { share: meanwhile.share.unwrap_or(SHARE) },
        ScenarioName::Expire => Scenario::Expire { ttl: meanwhile.token_ttl.unwrap_or_else(|| ttl(opening, length)) },
    };
    let name = scenario.as_str();
    if meanwhile.share.is_some() && !matches!(scenario, Scenario::Storm { .. } | Scenario::Slow { .. }) {
        return Err(format!(
            "--share is a share of the streams that --scenario storm or slow takes, and this is {name}"
        ));
    }
    if meanwhile.token_ttl.is_some() && !matches!(scenario, Scenario::Expire { .. }) {
        return Err(format!("--token-ttl is for --scenario expire, and this is {name}"));
    }
    match scenario {
        Scenario::Deploy | Scenario::Crash if !options.which.spawn => Err(format!(
            "--scenario {name} ends the server and starts it again, which is done only to one of its own: say --spawn"
        )),
        Scenario::Expire { .. } if options.which.profile != ProfileName::Lumen => {
            Err("--scenario expire needs fresh tokens when they end, and only lumen's can be signed here".to_owned())
        }
        Scenario::Expire { ttl } if ttl >= opening + length => Err(format!(
            "no token that holds {} ends within this run; say a shorter --token-ttl or a longer --duration",
            duration::shown(ttl)
        )),
        scenario => Ok(scenario),
    }
}

/// Half of the whole: the first streams' tokens end as long after the beginning as the last ones' before the end.
fn ttl(opening: Duration, length: Duration) -> Duration {
    ((opening + length) / 2).max(TTL_MIN)
}

#[cfg(test)]
mod tests {
    use super::super::plan::typed;
    use super::*;

    fn scenario(line: &str) -> Result<Scenario, String> {
        checked(&typed(line).0, Duration::from_secs(5), Duration::from_secs(20))
    }

    #[test]
    fn a_scenario_has_what_it_needs() {
        let seconds = Duration::from_secs_f64;
        for (line, expected) in [
            ("", Scenario::Steady),
            ("--scenario storm", Scenario::Storm { share: 0.3 }),
            ("--scenario storm --share 50%", Scenario::Storm { share: 0.5 }),
            ("--scenario slow --share 1%", Scenario::Slow { share: 0.01 }),
            ("--spawn --scenario deploy", Scenario::Deploy),
            ("--spawn --scenario crash", Scenario::Crash),
            ("--scenario expire", Scenario::Expire { ttl: seconds(12.5) }),
            ("--scenario expire --token-ttl 5s", Scenario::Expire { ttl: seconds(5.0) }),
        ] {
            assert_eq!(scenario(line), Ok(expected), "{line}");
        }
        assert_eq!(ttl(Duration::ZERO, Duration::from_secs(1)), TTL_MIN);
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        for (line, told) in [
            ("--share 5%", "--share is a share of the streams"),
            ("--scenario expire --share 5%", "--share is a share of the streams"),
            ("--scenario storm --token-ttl 5s", "--token-ttl is for --scenario expire"),
            ("--scenario deploy", "--scenario deploy ends the server"),
            ("--scenario crash", "--scenario crash ends the server"),
            ("--scenario expire --profile nchan", "--scenario expire needs fresh tokens"),
            ("--scenario expire --token-ttl 25s", "no token that holds 25s ends within this run"),
        ] {
            let fault = scenario(line).unwrap_err();
            assert!(fault.starts_with(told), "{line}: {fault}");
        }
    }
}
