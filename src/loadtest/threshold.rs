//! What a figure is to be: `delivery.p99<50ms`. Read from what was typed, and held against what was measured.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::figures::{self, Unit, UnknownFigure};
use super::report::document::{Judged, Source};

/// What is asked of every run that says nothing else of these figures.
const ALWAYS_ZERO: [&str; 7] =
    ["lost", "duplicated", "out_of_order", "unknown", "counts_wrong", "unacknowledged", "streams.failed"];

#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// As it was typed, or would be.
    text: String,
    figure: String,
    is: Is,
    bound: f64,
    source: Source,
}

/// How a value stands to its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    Under,
    AtMost,
    Over,
    AtLeast,
    Exactly,
}

/// A text that is no threshold.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ThresholdFault {
    #[error("a threshold is a figure, one of < <= > >= =, and a value: 'delivery.p99<50ms'")]
    Shape,
    #[error(transparent)]
    Figure(#[from] UnknownFigure),
    #[error("{figure} is {what}, and '{value}' is none: write {figure}{sign}{cure}")]
    Value { figure: String, what: &'static str, value: String, sign: &'static str, cure: &'static str },
}

/// The given thresholds, and after them each default whose figure none of them names.
pub fn with_defaults(given: Vec<Threshold>) -> Vec<Threshold> {
    let zero = |figure: &str| Threshold {
        text: format!("{figure}=0"),
        figure: figure.to_owned(),
        is: Is::Exactly,
        bound: 0.0,
        source: Source::Default,
    };
    let unnamed = ALWAYS_ZERO.into_iter().filter(|figure| given.iter().all(|threshold| threshold.figure != *figure));
    let defaults: Vec<Threshold> = unnamed.map(zero).collect();
    given.into_iter().chain(defaults).collect()
}

impl FromStr for Threshold {
    type Err = ThresholdFault;

    fn from_str(text: &str) -> Result<Self, ThresholdFault> {
        let text = text.trim();
        let (figure, is, value) = parts(text).ok_or(ThresholdFault::Shape)?;
        let figure = figures::named(figure)?;
        let bound = read(figure.unit, value).ok_or_else(|| {
            let (what, cure) = asked(figure.unit);
            let (figure, value) = (figure.name.clone(), value.to_owned());
            ThresholdFault::Value { figure, what, value, sign: is.sign(), cure }
        })?;
        Ok(Self { text: text.to_owned(), figure: figure.name, is, bound, source: Source::Given })
    }
}

impl Threshold {
    /// A figure that is not measured of a server of this kind, as its counts are not of all, is not asked for unless
    /// somebody does.
    pub fn is_asked_of(&self, figures: &BTreeMap<String, f64>) -> bool {
        self.source != Source::Default || figures.contains_key(&self.figure)
    }

    pub fn judge(&self, figures: &BTreeMap<String, f64>) -> Judged {
        let value = figures.get(&self.figure).copied();
        Judged {
            threshold: self.text.clone(),
            figure: self.figure.clone(),
            value,
            bound: self.bound,
            held: value.is_some_and(|value| self.is.true_of(value, self.bound)),
            source: self.source,
            base: None,
        }
    }
}

impl Is {
    pub(super) fn true_of(self, value: f64, bound: f64) -> bool {
        match self {
            Is::Under => value < bound,
            Is::AtMost => value <= bound,
            Is::Over => value > bound,
            Is::AtLeast => value >= bound,
            Is::Exactly => value == bound,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Is::Under => "<",
            Is::AtMost => "<=",
            Is::Over => ">",
            Is::AtLeast => ">=",
            Is::Exactly => "=",
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Is::Under => "under ",
            Is::AtMost => "at most ",
            Is::Over => "over ",
            Is::AtLeast => "at least ",
            Is::Exactly => "",
        }
    }
}

/// Why a threshold did not hold, in a line: `lost is 3, and was to be 0 (by default)`.
pub fn reason(judged: &Judged) -> String {
    let Judged { threshold, figure, value, bound, source, base, .. } = judged;
    let is = parts(threshold).map_or("", |(_, is, _)| is.as_str());
    let (was, bound) = match value {
        // Two that are rounded to the same say more in full.
        Some(value) if figures::shown(figure, *value) == figures::shown(figure, *bound) => {
            let exactly = |value: f64| figures::find(figure).map_or(Unit::Count, |figure| figure.unit).exactly(value);
            (format!("is {}", exactly(*value)), exactly(*bound))
        }
        Some(value) => (format!("is {}", figures::shown(figure, *value)), figures::shown(figure, *bound)),
        None => ("was not measured".to_owned(), figures::shown(figure, *bound)),
    };
    let why = match (source, base) {
        (Source::Default, _) => "by default".to_owned(),
        (Source::Given, _) => format!("--threshold '{threshold}'"),
        (Source::Comparison, Some(base)) => format!("{threshold}, which is {}", figures::shown(figure, *base)),
        (Source::Comparison, None) => threshold.clone(),
    };
    format!("{figure} {was}, and was to be {is}{bound} ({why})")
}

/// Figure, comparison and value of a threshold's text.
fn parts(text: &str) -> Option<(&str, Is, &str)> {
    // The longer ones first, since they begin with the shorter.
    const SIGNS: [(&str, Is); 6] = [
        ("<=", Is::AtMost),
        (">=", Is::AtLeast),
        ("==", Is::Exactly),
        ("<", Is::Under),
        (">", Is::Over),
        ("=", Is::Exactly),
    ];
    let (figure, rest) = text.split_at(text.find(['<', '>', '='])?);
    let (is, value) = SIGNS.iter().find_map(|(sign, is)| Some((*is, rest.strip_prefix(sign)?)))?;
    let (figure, value) = (figure.trim(), value.trim());
    (!figure.is_empty() && !value.is_empty()).then_some((figure, is, value))
}

/// A value in the figure's own unit.
fn read(unit: Unit, text: &str) -> Option<f64> {
    let units: &[(&str, f64)] = match unit {
        Unit::Time => &[("us", 1.0), ("µs", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 60e6)],
        Unit::Bytes => &[
            ("", 1.0),
            ("B", 1.0),
            ("KB", 1e3),
            ("KiB", 1024.0),
            ("MB", 1e6),
            ("MiB", 1_048_576.0),
            ("GB", 1e9),
            ("GiB", 1_073_741_824.0),
        ],
        Unit::Percent => &[("", 1.0), ("%", 1.0)],
        Unit::Count => &[("", 1.0)],
        Unit::PerSecond => &[("", 1.0), ("/s", 1.0)],
    };
    let (number, name) = number(text)?;
    units.iter().find(|(unit, _)| *unit == name).map(|(_, scale)| number * scale)
}

/// A number and what follows it.
pub(super) fn number(text: &str) -> Option<(f64, &str)> {
    // The parser of floats also takes signs, exponents and names.
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    Some((number.parse().ok()?, rest.trim_start()))
}

/// What a value of this unit is, and how one is written.
fn asked(unit: Unit) -> (&'static str, &'static str) {
    match unit {
        Unit::Time => ("a time with its unit (us, ms, s or m)", "50ms"),
        Unit::Bytes => ("a size (B, KB, KiB, MB, MiB, GB or GiB)", "16KB"),
        Unit::Percent => ("a share in per cent", "80%"),
        Unit::Count => ("a number from 0 on", "5"),
        Unit::PerSecond => ("a rate", "400/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Threshold {
        text.parse().unwrap()
    }

    fn held(text: &str, value: f64) -> bool {
        let threshold = given(text);
        threshold.judge(&BTreeMap::from([(threshold.figure.clone(), value)])).held
    }

    fn fault(text: &str) -> String {
        text.parse::<Threshold>().unwrap_err().to_string()
    }

    #[test]
    fn a_bound_is_read_in_the_figures_unit() {
        let all = [
            ("delivery.p99<50ms", 50_000.0),
            (" delivery.p99.9 < 1.5 s ", 1_500_000.0),
            ("delivery.p99<250us", 250.0),
            ("delivery.p99<250µs", 250.0),
            ("catch_up.max<=2m", 120_000_000.0),
            ("server.cpu_us_a_delivery<20us", 20.0),
            ("server.rss_a_stream<2000", 2_000.0),
            ("server.rss_a_stream<17KB", 17_000.0),
            ("server.rss_a_stream<17KiB", 17_408.0),
            ("server.peak_rss<1.5GB", 1_500_000_000.0),
            ("generator.busy<80%", 80.0),
            ("generator.busy<80", 80.0),
            ("deliveries_per_s>=500/s", 500.0),
            ("deliveries_per_s>=500", 500.0),
            ("lost==3", 3.0),
        ];
        for (text, bound) in all {
            assert_eq!(given(text).bound, bound, "{text}");
        }
        assert_eq!(given(" lost<=3 ").judge(&BTreeMap::new()).threshold, "lost<=3");
    }

    #[test]
    fn each_sign_holds_where_it_should() {
        let signs = [
            ("<", [true, false, false]),
            ("<=", [true, true, false]),
            ("=", [false, true, false]),
            ("==", [false, true, false]),
            (">=", [false, true, true]),
            (">", [false, false, true]),
        ];
        for (sign, expected) in signs {
            assert_eq!([4.0, 5.0, 6.0].map(|value| held(&format!("lost{sign}5"), value)), expected, "{sign}");
        }
    }

    #[test]
    fn a_fault_says_what_to_write() {
        let shape = "a threshold is a figure, one of < <= > >= =, and a value: 'delivery.p99<50ms'";
        for text in ["", "lost", "<5", "lost<", "lost 5"] {
            assert_eq!(fault(text), shape, "{text}");
        }
        assert_eq!(
            fault("delivry.p99<5ms"),
            "there is no figure 'delivry.p99': is delivery.p99 meant? `lumen loadtest --figures` lists them all"
        );
        let time = "delivery.p99 is a time with its unit (us, ms, s or m), and '50' is none: write delivery.p99<50ms";
        assert_eq!(fault("delivery.p99<50"), time);
        assert_eq!(fault("lost<=-1"), "lost is a number from 0 on, and '-1' is none: write lost<=5");
        let without = ["delivery.p99<50h", "delivery.p99<ms", "delivery.p99<-5ms", "delivery.p99<<5ms", "lost=<5"];
        let others = ["lost=1%", "lost=1ms", "lost!=0", "lost=inf", "lost=1e3", "lost=1.2.3", "server.peak_rss<1Mb"];
        for text in without.into_iter().chain(others) {
            assert!(text.parse::<Threshold>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_given_threshold_replaces_the_default_of_its_figure() {
        let all = with_defaults(vec![given("lost<=3"), given("delivery.p99<50ms"), given("delivery.p99>1us")]);
        let texts: Vec<&str> = all.iter().map(|threshold| threshold.text.as_str()).collect();
        let expected = [
            "lost<=3",
            "delivery.p99<50ms",
            "delivery.p99>1us",
            "duplicated=0",
            "out_of_order=0",
            "unknown=0",
            "counts_wrong=0",
            "unacknowledged=0",
            "streams.failed=0",
        ];
        assert_eq!(texts, expected);
        // As they could be typed.
        for threshold in with_defaults(Vec::new()) {
            assert_eq!(Threshold { source: Source::Default, ..given(&threshold.text) }, threshold);
        }
    }

    #[test]
    fn what_was_not_measured_does_not_hold() {
        let judged = given("slow_delivery.p99<1s").judge(&BTreeMap::new());
        assert_eq!((judged.held, judged.value), (false, None));
        let why = "slow_delivery.p99 was not measured, and was to be under 1 s (--threshold 'slow_delivery.p99<1s')";
        assert_eq!(reason(&judged), why);
    }

    #[test]
    fn a_reason_says_what_it_is_and_what_it_was_to_be() {
        let figures = BTreeMap::from([("lost".to_owned(), 3.0), ("delivery.p99".to_owned(), 50_040.0)]);
        let of = |threshold: &Threshold| reason(&threshold.judge(&figures));
        assert_eq!(of(&with_defaults(Vec::new())[0]), "lost is 3, and was to be 0 (by default)");
        let why = "delivery.p99 is 50 ms, and was to be at most 2 ms (--threshold 'delivery.p99<=2ms')";
        assert_eq!(of(&given("delivery.p99<=2ms")), why);
        let why = "delivery.p99 is 50040 µs, and was to be under 50000 µs (--threshold 'delivery.p99<50ms')";
        assert_eq!(of(&given("delivery.p99<50ms")), why);
    }
}
