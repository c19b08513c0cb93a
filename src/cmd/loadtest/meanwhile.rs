//! From what was typed of a scenario to one that can be played.

use std::time::Duration;

use crate::cli::duration::shown;
use crate::cli::loadtest::{Options, ProfileName, ScenarioName};
use crate::loadtest::scenario::Scenario;
use crate::loadtest::{LEAD, Plan};

const SHARE: f64 = 0.3;
const SETTLE: Duration = Duration::from_secs(10);
/// A server that drains has its streams come back within 15 s: its drain window, and the longest pause of a stream. Then
/// they read what they missed.
const DEPLOYED_WITHIN: Duration = Duration::from_secs(20);
const DEPLOY_SETTLE: Duration = Duration::from_secs(30);
/// A token's end is told in whole seconds: it holds for up to so much longer.
const ROUNDED: Duration = Duration::from_secs(1);

/// How long is waited for what is missing after the last message.
pub fn settle(options: &Options) -> Duration {
    let usual = match options.meanwhile.scenario {
        ScenarioName::Deploy => DEPLOY_SETTLE,
        _ => SETTLE,
    };
    options.verdict.settle.unwrap_or(usual)
}

/// The scenario of a plan that opens its streams in `opening`, and has all but that.
///
/// # Errors
/// What does not go together, in words.
pub fn checked(options: &Options, opening: Duration, plan: &Plan) -> Result<Scenario, String> {
    let meanwhile = &options.meanwhile;
    let scenario = match meanwhile.scenario {
        ScenarioName::Steady => Scenario::Steady,
        ScenarioName::Storm => Scenario::Storm { share: meanwhile.share.unwrap_or(SHARE) },
        ScenarioName::Deploy => Scenario::Deploy,
        ScenarioName::Crash => Scenario::Crash,
        ScenarioName::Slow => Scenario::Slow { share: meanwhile.share.unwrap_or(SHARE) },
        ScenarioName::Expire => {
            Scenario::Expire { ttl: meanwhile.token_ttl.unwrap_or_else(|| ttl(opening, plan.length())) }
        }
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
        Scenario::Expire { ttl } => fits(ttl, opening, plan.length()).map(|()| scenario),
        Scenario::Deploy => is_long_enough(plan).map(|()| scenario),
        scenario => Ok(scenario),
    }
}

/// In the middle of what fits: from the first stream's token, which ends after the first message, to the last one's, which
/// ends before the last.
fn ttl(opening: Duration, length: Duration) -> Duration {
    LEAD + (opening + length).saturating_sub(ROUNDED) / 2
}

/// Whether every token that holds so long ends while messages are sent.
fn fits(ttl: Duration, opening: Duration, length: Duration) -> Result<(), String> {
    // As it is typed.
    let millis = |time: Duration| Duration::from_millis(time.as_millis() as u64);
    if opening + ROUNDED >= length {
        return Err(format!(
            "--scenario expire has every token end while messages are sent: that takes longer than the streams are \
             opened ({}) and a second more; say a longer --duration or a faster --ramp",
            shown(millis(opening))
        ));
    }
    let (least, most) = (opening + LEAD, length + LEAD - ROUNDED);
    if (least..=most).contains(&ttl) {
        return Ok(());
    }
    Err(format!(
        "not every token that holds {} ends while messages are sent; say a --token-ttl from {} to {}, or another \
         --duration or --ramp",
        shown(ttl),
        shown(millis(least) + Duration::from_millis(1)),
        shown(millis(most))
    ))
}

/// Whether what follows the deploy has room for the streams to come back.
fn is_long_enough(plan: &Plan) -> Result<(), String> {
    let after = plan.length().saturating_sub(plan.midst());
    if after + plan.settle >= DEPLOYED_WITHIN {
        return Ok(());
    }
    Err(format!(
        "a server that is told to end has its streams come back within {}, and --settle {} ends before that; say a \
         longer one, or none",
        shown(DEPLOYED_WITHIN),
        shown(plan.settle)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::plan;
    use super::*;

    /// 1,000 streams in 1 s, messages for 30 s, unless it is said otherwise.
    fn scenario(line: &str) -> Result<Scenario, String> {
        let (options, global) = plan::typed(line);
        plan::checked(&options, &global).map(|checked| checked.plan.scenario).map_err(|fault| fault.to_string())
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
            ("--spawn --scenario deploy --settle 6s", Scenario::Deploy),
            ("--spawn --scenario deploy --duration 2s", Scenario::Deploy),
            ("--spawn --scenario crash", Scenario::Crash),
            ("--scenario expire", Scenario::Expire { ttl: seconds(15.2) }),
            ("--scenario expire --streams 18000", Scenario::Expire { ttl: seconds(23.7) }),
            ("--scenario expire --token-ttl 2s", Scenario::Expire { ttl: seconds(2.0) }),
            ("--scenario expire --token-ttl 29s", Scenario::Expire { ttl: seconds(29.0) }),
        ] {
            assert_eq!(scenario(line), Ok(expected), "{line}");
        }
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
            (
                "--scenario expire --token-ttl 30s",
                "not every token that holds 30s ends while messages are sent; say a --token-ttl from 1201ms to 29200ms",
            ),
            ("--scenario expire --token-ttl 1s", "not every token that holds 1s ends while messages are sent"),
            (
                "--scenario expire --streams 18000 --duration 10s",
                "--scenario expire has every token end while messages are sent: that takes longer than the streams are \
                 opened (18s) and a second more",
            ),
            (
                "--spawn --scenario deploy --settle 5s",
                "a server that is told to end has its streams come back within 20s, and --settle 5s ends before that",
            ),
        ] {
            let fault = scenario(line).unwrap_err();
            assert!(fault.starts_with(&format!("error: {told}")), "{line}: {fault}");
        }
    }

    #[test]
    fn a_deploy_is_waited_for_longer() {
        let settle = |line: &str| settle(&plan::typed(line).0).as_secs();
        assert_eq!((settle(""), settle("--spawn --scenario deploy")), (10, 30));
        assert_eq!((settle("--settle 1s"), settle("--scenario deploy --settle 7s")), (1, 7));
    }
}
