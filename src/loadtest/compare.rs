//! A run held against an earlier one: how much worse a figure may be than the base's.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::Deserialize;

use super::figures::{self, UnknownFigure, Worse};
use super::report::document::{Document, Environment, Judged, PlanFacts, Source, VERSION, Verdict};
use super::threshold::{Is, number};

/// How much worse than the base a figure may be: `delivery.p99=10%`.
#[derive(Debug, Clone, PartialEq)]
pub struct MaxRegress {
    figure: String,
    percent: f64,
    worse: Worse,
}

/// A text that is none.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MaxRegressFault {
    #[error("how much worse than the base a figure may be is its name and per cent: delivery.p99=10%")]
    Shape,
    #[error(
        "the more there is of {figure} the better, and {percent}% less than something is nothing, which always holds: \
         write less than 100%"
    )]
    Nothing { figure: String, percent: f64 },
    #[error(transparent)]
    Figure(#[from] UnknownFigure),
}

/// What is asked of an earlier run's document. Fields that a later program added are not.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Base {
    verdict: Verdict,
    figures: BTreeMap<String, f64>,
    plan: PlanFacts,
    environment: Environment,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseFault {
    #[error("it is no document of a load test ({0}): `lumen loadtest … --json > base.json` writes one")]
    NoDocument(String),
    #[error("its version is {0}, and this lumen reads version {VERSION}: make it anew with this one")]
    Version(u64),
    #[error(
        "its run was void, since the generator was late or had no time, and its figures say nothing of the server: make it \
         anew, with a lower --rate, fewer --streams or on another machine"
    )]
    Void,
    #[error("its run was interrupted, and its figures are of a part of it: make it anew, and let it end")]
    Interrupted,
    #[error("it has no {0}, which was not measured in that run: leave out --max-regress {0}, or make the base anew")]
    Lacks(String),
}

/// A base and what is asked of a run beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    base: Base,
    rules: Vec<(MaxRegress, f64)>,
}

impl FromStr for MaxRegress {
    type Err = MaxRegressFault;

    fn from_str(text: &str) -> Result<Self, MaxRegressFault> {
        let (figure, percent) = text.split_once('=').ok_or(MaxRegressFault::Shape)?;
        let percent = match number(percent.trim()) {
            Some((percent, "%")) => percent,
            _ => return Err(MaxRegressFault::Shape),
        };
        let figure = figures::named(figure.trim())?;
        if figure.worse == Worse::Less && percent >= 100.0 {
            return Err(MaxRegressFault::Nothing { figure: figure.name, percent });
        }
        Ok(Self { figure: figure.name, percent, worse: figure.worse })
    }
}

impl Base {
    /// Reads what `--json` wrote.
    ///
    /// # Errors
    /// A text that is no document, one of another version, or of a run whose figures are none to compare with.
    pub fn read(text: &[u8]) -> Result<Self, BaseFault> {
        let none = |fault: &dyn Display| BaseFault::NoDocument(fault.to_string());
        let json: serde_json::Value = serde_json::from_slice(text).map_err(|fault| none(&fault))?;
        let version = json.get("lumen_loadtest").and_then(serde_json::Value::as_u64);
        match version.ok_or_else(|| none(&"it lacks the field lumen_loadtest"))? {
            version if version == u64::from(VERSION) => {}
            version => return Err(BaseFault::Version(version)),
        }
        let base: Self = serde_json::from_value(json).map_err(|fault| none(&fault))?;
        match base.verdict {
            Verdict::Void => Err(BaseFault::Void),
            Verdict::Interrupted => Err(BaseFault::Interrupted),
            Verdict::Passed | Verdict::Missed => Ok(base),
        }
    }
}

impl Comparison {
    /// # Errors
    /// A rule on a figure that the base lacks.
    pub fn new(base: Base, rules: Vec<MaxRegress>) -> Result<Self, BaseFault> {
        let with_base = |rule: MaxRegress| match base.figures.get(&rule.figure) {
            Some(value) => Ok((rule, *value)),
            None => Err(BaseFault::Lacks(rule.figure)),
        };
        let rules = rules.into_iter().map(with_base).collect::<Result<_, _>>()?;
        Ok(Self { base, rules })
    }

    pub fn judge(&self, figures: &BTreeMap<String, f64>) -> Vec<Judged> {
        self.rules.iter().map(|(rule, base)| rule.judge(*base, figures)).collect()
    }

    /// What a reader should know of the base, a line each: that it was not good enough itself, and in what it was another
    /// run than this, as far as it matters to figures.
    pub fn notes(&self, document: &Document) -> Vec<String> {
        let missed = (self.base.verdict == Verdict::Missed)
            .then(|| "the base missed what was asked of it: its figures may be no good ones".to_owned());
        let environments = environments(&self.base.environment, &document.environment);
        missed.into_iter().chain(differences(&self.base.plan, &document.plan)).chain(environments).collect()
    }
}

impl MaxRegress {
    fn judge(&self, base: f64, figures: &BTreeMap<String, f64>) -> Judged {
        let Self { figure, percent, worse } = self;
        let change = base * percent / 100.0;
        let (is, bound, text) = match worse {
            Worse::More => (Is::AtMost, base + change, format!("{figure} <= base + {percent}%")),
            Worse::Less => (Is::AtLeast, base - change, format!("{figure} >= base - {percent}%")),
        };
        let value = figures.get(figure).copied();
        Judged {
            threshold: text,
            figure: figure.clone(),
            value,
            bound,
            held: value.is_some_and(|value| is.true_of(value, bound)),
            source: Source::Comparison,
            base: Some(base),
        }
    }
}

/// In what two plans differ that changes figures: `streams: 4000 in the base, 5000 here`.
fn differences(base: &PlanFacts, now: &PlanFacts) -> Vec<String> {
    let or_none = |value: Option<f64>| value.map_or("none".to_owned(), |value| value.to_string());
    let file = |plan: &PlanFacts| plan.replay.clone().unwrap_or("none".to_owned());
    let all = [
        changed("profile", &base.profile, &now.profile),
        changed("scenario", &base.scenario, &now.scenario),
        known("share", base.share, now.share),
        known("token's time in seconds", base.token_ttl_s, now.token_ttl_s),
        changed("mode", &base.mode, &now.mode),
        changed("audience", &or_none(base.audience.map(f64::from)), &or_none(now.audience.map(f64::from))),
        changed("streams", &base.streams, &now.streams),
        changed("users", &base.users, &now.users),
        changed("streams opened in a second", &base.ramp_per_s, &now.ramp_per_s),
        changed("rate", &or_none(base.rate_per_s), &or_none(now.rate_per_s)),
        changed("replay", &file(base), &file(now)),
        changed("speed", &or_none(base.speed), &or_none(now.speed)),
        changed("duration in seconds", &base.duration_s, &now.duration_s),
        changed("warm-up in seconds", &base.warmup_s, &now.warmup_s),
        changed("late after seconds", &base.late_s, &now.late_s),
        changed("settle in seconds", &base.settle_s, &now.settle_s),
        changed("payload bytes", &base.payload_bytes, &now.payload_bytes),
        known("threads", base.threads, now.threads),
    ];
    all.into_iter().flatten().collect()
}

/// The same of what two runs were made on.
fn environments(base: &Environment, now: &Environment) -> Vec<String> {
    let server = |environment: &Environment| match environment.spawned {
        Some(_) => "one of the run's own",
        None => "one that was there",
    };
    let all = [
        changed("server", &server(base), &server(now)),
        changed("cores", &base.cores, &now.cores),
        changed("cpu", &base.cpu, &now.cpu),
    ];
    all.into_iter().flatten().collect()
}

/// Of what an earlier program did not tell, or only one of the scenarios has, there is no difference to tell.
fn known<T: PartialEq + Display>(what: &str, base: Option<T>, now: Option<T>) -> Option<String> {
    changed(what, &base?, &now?)
}

fn changed<T: PartialEq + Display>(what: &str, base: &T, now: &T) -> Option<String> {
    (base != now).then(|| format!("{what}: {base} in the base, {now} here"))
}

#[cfg(test)]
mod tests {
    use super::super::report::sample::sample;
    use super::super::threshold::reason;
    use super::*;

    fn base(figures: &[(&str, f64)]) -> Base {
        let figures = figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let Document { plan, environment, .. } = sample();
        Base { verdict: Verdict::Passed, figures, plan, environment }
    }

    fn judged(rule: &str, base_value: f64, value: f64) -> Judged {
        let rule: MaxRegress = rule.parse().unwrap();
        let figure = rule.figure.clone();
        let comparison = Comparison::new(base(&[(&figure, base_value)]), vec![rule]).unwrap();
        comparison.judge(&BTreeMap::from([(figure, value)])).remove(0)
    }

    #[test]
    fn more_time_and_more_losses_are_worse() {
        let judged = |value| judged("delivery.p99=10%", 20_000.0, value);
        assert_eq!([19_000.0, 22_000.0, 22_001.0].map(|value| judged(value).held), [true, true, false]);
        let missed = judged(31_200.0);
        assert_eq!(missed.threshold, "delivery.p99 <= base + 10%");
        assert_eq!((missed.base, missed.bound, missed.source), (Some(20_000.0), 22_000.0, Source::Comparison));
        let why = "delivery.p99 is 31.2 ms, and was to be at most 22 ms (delivery.p99 <= base + 10%, which is 20 ms)";
        assert_eq!(reason(&missed), why);
        assert!(!super::tests::judged("lost=10%", 0.0, 1.0).held);
    }

    #[test]
    fn fewer_deliveries_are_worse() {
        let judged = |value| judged("deliveries_per_s = 5 %", 500.0, value);
        assert_eq!([600.0, 475.0, 474.9].map(|value| judged(value).held), [true, true, false]);
        assert_eq!(judged(1.0).threshold, "deliveries_per_s >= base - 5%");
    }

    #[test]
    fn a_figure_that_was_not_measured_now_does_not_hold() {
        let rule: MaxRegress = "catch_up.max=0.5%".parse().unwrap();
        let comparison = Comparison::new(base(&[("catch_up.max", 4.0)]), vec![rule]).unwrap();
        let judged = comparison.judge(&BTreeMap::new()).remove(0);
        assert_eq!((judged.held, judged.value, judged.bound), (false, None, 4.02));
    }

    #[test]
    fn a_faulty_rule_says_what_to_write() {
        for text in ["", "delivery.p99", "delivery.p99=10", "delivery.p99=%", "delivery.p99=-1%", "delivery.p99=1ms"] {
            assert_eq!(text.parse::<MaxRegress>(), Err(MaxRegressFault::Shape), "{text}");
        }
        assert!("deliveries_per_s=99.9%".parse::<MaxRegress>().is_ok() && "lost=500%".parse::<MaxRegress>().is_ok());
        for text in ["deliveries_per_s=100%", "sent=250%"] {
            let fault = text.parse::<MaxRegress>().unwrap_err().to_string();
            assert!(fault.starts_with("the more there is of ") && fault.ends_with("write less than 100%"), "{fault}");
        }
        let fault = "delivery.p98=10%".parse::<MaxRegress>().unwrap_err().to_string();
        assert!(fault.starts_with("there is no figure 'delivery.p98': is delivery.p90 or delivery.p99 meant?"));
    }

    #[test]
    fn a_base_is_read_from_a_document() {
        let mut json = serde_json::to_value(sample()).unwrap();
        let read = Base::read(json.to_string().as_bytes()).unwrap();
        assert_eq!(read.figures, sample().figures);
        // Whatever else a later program of the same version knows.
        json["figures"]["later"] = 1.into();
        json["later"] = 1.into();
        json.as_object_mut().unwrap().remove("acts");
        assert!(Base::read(json.to_string().as_bytes()).is_ok());
    }

    #[test]
    fn what_is_no_base_is_refused_with_the_cure() {
        let fault = |text: &str| Base::read(text.as_bytes()).unwrap_err().to_string();
        for text in ["", "{", "[]", "{}", "{\"lumen_loadtest\": \"1\"}", "{\"lumen_loadtest\": 1}"] {
            let fault = fault(text);
            assert!(fault.starts_with("it is no document of a load test ("), "{text}: {fault}");
            assert!(fault.ends_with("`lumen loadtest … --json > base.json` writes one"), "{text}: {fault}");
        }
        let version = "its version is 2, and this lumen reads version 1: make it anew with this one";
        assert_eq!(fault("{\"lumen_loadtest\": 2}"), version);
        let of = |verdict| Base::read(&serde_json::to_vec(&Document { verdict, ..sample() }).unwrap());
        assert_eq!(of(Verdict::Void), Err(BaseFault::Void));
        assert_eq!(of(Verdict::Interrupted), Err(BaseFault::Interrupted));
        assert!(of(Verdict::Passed).is_ok() && of(Verdict::Missed).is_ok());
        let rules = vec!["lost=0%".parse().unwrap(), "catch_up.p50=10%".parse().unwrap()];
        let lacks = Comparison::new(base(&[("lost", 0.0)]), rules).unwrap_err();
        assert_eq!(lacks, BaseFault::Lacks("catch_up.p50".to_owned()));
    }

    #[test]
    fn what_makes_a_base_another_run_is_told() {
        let comparison = Comparison::new(base(&[]), Vec::new()).unwrap();
        let mut now = sample();
        assert!(comparison.notes(&now).is_empty());
        now.plan.seed += 1;
        now.plan.url = "http://elsewhere".to_owned();
        assert!(comparison.notes(&now).is_empty());
        now.plan.streams = 4_000;
        now.plan.rate_per_s = None;
        now.plan.replay = Some("college-msg.txt".to_owned());
        now.environment.cores = 8;
        let told = [
            "streams: 5000 in the base, 4000 here",
            "rate: 500 in the base, none here",
            "replay: none in the base, college-msg.txt here",
            "cores: 2 in the base, 8 here",
        ];
        assert_eq!(comparison.notes(&now), told);
    }

    #[test]
    fn whatever_else_changes_figures_is_told() {
        let mut then = base(&[]);
        then.plan.token_ttl_s = Some(17.5);
        let comparison = Comparison::new(then.clone(), Vec::new()).unwrap();
        let Document { mut plan, environment, .. } = sample();
        (plan.share, plan.token_ttl_s, plan.threads) = (Some(0.5), Some(5.0), Some(2));
        (plan.warmup_s, plan.ramp_per_s, plan.late_s, plan.settle_s) = (1.0, 1_000.0, 0.5, 5.0);
        let now = Document { plan, environment: Environment { spawned: None, ..environment }, ..sample() };
        let told = [
            "share: 0.3 in the base, 0.5 here",
            "token's time in seconds: 17.5 in the base, 5 here",
            "streams opened in a second: 1500 in the base, 1000 here",
            "warm-up in seconds: 2 in the base, 1 here",
            "late after seconds: 1 in the base, 0.5 here",
            "settle in seconds: 10 in the base, 5 here",
            "threads: 1 in the base, 2 here",
            "server: one of the run's own in the base, one that was there here",
        ];
        assert_eq!(comparison.notes(&now), told);
        // What an earlier program did not tell is no difference.
        (then.plan.share, then.plan.token_ttl_s, then.plan.threads) = (None, None, None);
        assert_eq!(
            Comparison::new(then, Vec::new()).unwrap().notes(&now),
            told[2..6].iter().chain(&told[7..]).copied().collect::<Vec<_>>()
        );
    }

    #[test]
    fn that_a_base_was_not_good_enough_is_told() {
        let missed = Base { verdict: Verdict::Missed, ..base(&[]) };
        let notes = Comparison::new(missed, Vec::new()).unwrap().notes(&sample());
        assert_eq!(notes, ["the base missed what was asked of it: its figures may be no good ones"]);
    }
}
