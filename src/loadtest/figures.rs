//! Every figure of a run: its name, its unit, whether more of it is worse, and how it is shown.
//!
//! Thresholds, comparisons and reports all ask here, so that a figure is the same to each.

/// A figure that a run may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    pub name: String,
    pub unit: Unit,
    pub worse: Worse,
    /// One line.
    pub what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Time,
    Bytes,
    /// From 0 to 100; of a CPU, which several threads can exceed.
    Percent,
    Count,
    PerSecond,
}

/// Which way a figure gets worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worse {
    More,
    Less,
}

/// The distributions. Each has the figures of [`PARTS`].
const LATENCIES: [(&str, &str); 8] = [
    ("connect", "time from when a stream was to be opened to the head of its answer"),
    ("first_event", "time from the head of a stream's answer to its first event, where the server greets"),
    ("answer", "time from when a message was to be sent to the answer that accepted it"),
    ("delivery", "time from when a message was to be sent to its arrival on a stream"),
    ("last_receiver", "time from when a message was to be sent until it was on each of its streams"),
    ("send_lag", "time from when a message was to be sent to its request's begin, unless answers to others held it up"),
    ("slow_delivery", "the delivery time on streams that read slowly"),
    ("catch_up", "time from a stream's loss until it had all that it missed"),
];

const PARTS: [(&str, &str); 6] = [
    ("p50", "median"),
    ("p90", "90th percentile"),
    ("p99", "99th percentile"),
    ("p99.9", "99.9th percentile"),
    ("max", "longest"),
    ("mean", "mean"),
];

#[rustfmt::skip]
const OTHERS: [(&str, Unit, Worse, &str); 32] = [
    ("sent", Unit::Count, Worse::Less, "messages whose request was begun"),
    ("acknowledged", Unit::Count, Worse::Less, "messages that the server accepted"),
    ("unacknowledged", Unit::Count, Worse::More, "messages that were due and never accepted"),
    ("due", Unit::Count, Worse::Less, "deliveries that the accepted messages made due"),
    ("delivered", Unit::Count, Worse::Less, "deliveries, each counted once a stream"),
    ("late", Unit::Count, Worse::More, "deliveries that took longer than --late"),
    ("lost", Unit::Count, Worse::More, "deliveries that were due and never came"),
    ("duplicated", Unit::Count, Worse::More, "deliveries that came again on the same stream"),
    ("out_of_order", Unit::Count, Worse::More, "deliveries that came after a later message"),
    ("unknown", Unit::Count, Worse::More, "deliveries of what nobody sent, or not to this user"),
    ("counts_wrong", Unit::Count, Worse::More, "unread counts that were not those of the inbox"),
    ("resyncs", Unit::Count, Worse::More, "times that the server said a hole cannot be filled"),
    ("refused", Unit::Count, Worse::More, "requests that were not accepted, tries included"),
    ("connect.failed", Unit::Count, Worse::More, "attempts at a stream that were in vain"),
    ("streams.open", Unit::Count, Worse::Less, "streams that were open at the end"),
    ("streams.failed", Unit::Count, Worse::More, "streams that were not"),
    ("streams.lost", Unit::Count, Worse::More, "times that an open stream ended, by whomever"),
    ("streams.reconnected", Unit::Count, Worse::Less, "times that a stream was open again"),
    ("streams.disturbed", Unit::Count, Worse::Less, "streams that the scenario was done to"),
    ("sent_per_s", Unit::PerSecond, Worse::Less, "requests begun in a second, after the warm-up"),
    ("deliveries_per_s", Unit::PerSecond, Worse::Less, "deliveries in a second while publishing, after the warm-up"),
    ("recovery.p50", Unit::Time, Worse::More, "time after a storm, a deploy or a crash until half of the lost streams had caught up"),
    ("recovery.p99", Unit::Time, Worse::More, "the same of 99 % of them; in other scenarios each counts from its own loss"),
    ("recovery.all", Unit::Time, Worse::More, "the same of all; a time that was never reached is no figure"),
    ("generator.busy", Unit::Percent, Worse::More, "share of a CPU that the generator's busiest thread had while publishing"),
    ("generator.rss_a_stream", Unit::Bytes, Worse::More, "the generator's memory a stream"),
    ("generator.cpu_us_a_delivery", Unit::Time, Worse::More, "the generator's CPU time a delivery"),
    ("server.cpu_us_a_delivery", Unit::Time, Worse::More, "the server's CPU time a delivery"),
    ("server.rss_a_stream", Unit::Bytes, Worse::More, "the server's memory a stream"),
    ("server.peak_rss", Unit::Bytes, Worse::More, "the most memory that the server had"),
    ("server.descriptors", Unit::Count, Worse::More, "the most descriptors that the server had open"),
    ("server.cpu", Unit::Percent, Worse::More, "share of a CPU that the server had while publishing"),
];

/// All that there are, latencies first.
pub fn figures() -> impl Iterator<Item = Figure> {
    let part = |name: &str, what: &str, part: &str, which: &str| Figure {
        name: format!("{name}.{part}"),
        unit: Unit::Time,
        worse: Worse::More,
        what: format!("{which}: {what}"),
    };
    let latencies = LATENCIES
        .iter()
        .flat_map(move |(name, what)| PARTS.iter().map(move |(short, which)| part(name, what, short, which)));
    let others = OTHERS.iter().map(|(name, unit, worse, what)| Figure {
        name: (*name).to_owned(),
        unit: *unit,
        worse: *worse,
        what: (*what).to_owned(),
    });
    latencies.chain(others)
}

/// A name that no figure has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no figure '{typed}': is {} meant? `lumen loadtest --figures` lists them all", .nearest.join(" or "))]
pub struct UnknownFigure {
    typed: String,
    nearest: Vec<String>,
}

/// The figure of this name.
///
/// # Errors
/// A name that none has.
pub fn named(typed: &str) -> Result<Figure, UnknownFigure> {
    find(typed).ok_or_else(|| UnknownFigure { typed: typed.to_owned(), nearest: nearest(typed) })
}

pub fn find(name: &str) -> Option<Figure> {
    figures().find(|figure| figure.name == name)
}

/// The names that a mistyped one may have meant, at most three: those that it begins, else those that resemble it most.
fn nearest(typed: &str) -> Vec<String> {
    const AT_MOST: usize = 3;
    let begun: Vec<String> =
        figures().map(|figure| figure.name).filter(|name| !typed.is_empty() && name.starts_with(typed)).collect();
    if !begun.is_empty() {
        return begun.into_iter().take(AT_MOST).collect();
    }
    let ranked = figures().map(|figure| (strsim::osa_distance(typed, &figure.name), figure.name));
    let ranked: Vec<(usize, String)> = ranked.collect();
    let best = ranked.iter().map(|(distance, _)| *distance).min();
    let nearest = ranked.into_iter().filter(|(distance, _)| Some(*distance) == best);
    nearest.map(|(_, name)| name).take(AT_MOST).collect()
}

/// A figure's value for a reader: `12.3 ms`, `1,234`, `13.2 KB`, `87 %`, `500/s`.
pub fn shown(figure: &str, value: f64) -> String {
    find(figure).map_or(Unit::Count, |figure| figure.unit).shown(value)
}

impl Unit {
    /// As [`shown`].
    pub fn shown(self, value: f64) -> String {
        match self {
            Unit::Time => scaled(value, [(1.0, " µs"), (1_000.0, " ms"), (1_000_000.0, " s")]),
            Unit::Bytes => scaled(value, [(1.0, " B"), (1_000.0, " KB"), (1_000_000.0, " MB")]),
            Unit::Percent => format!("{} %", rounded(value)),
            Unit::Count => rounded(value),
            Unit::PerSecond if value < 1_000.0 => format!("{}/s", trimmed(&format!("{value:.1}"))),
            Unit::PerSecond => format!("{}/s", rounded(value)),
        }
    }

    /// Without rounding, in the figure's own unit.
    pub fn exactly(self, value: f64) -> String {
        match self {
            Unit::Time => format!("{value} µs"),
            Unit::Bytes => format!("{value} B"),
            Unit::Percent => format!("{value} %"),
            Unit::Count => value.to_string(),
            Unit::PerSecond => format!("{value}/s"),
        }
    }
}

/// In the largest unit that leaves a number of at least one.
fn scaled(value: f64, units: [(f64, &str); 3]) -> String {
    // What would be rounded up to a thousand is one of the next unit.
    let fits = |(scale, _): &&(f64, &str)| value >= *scale * 0.9995;
    let (scale, name) = units.iter().rev().find(fits).unwrap_or(&units[0]);
    format!("{}{name}", rounded(value / scale))
}

/// Three digits that count and no empty decimals; thousands are set apart.
fn rounded(value: f64) -> String {
    let decimals = match value.abs() {
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    if decimals > 0 { trimmed(&text).to_owned() } else { thousands(&text) }
}

/// A number with decimals, without those that are 0 at its end.
fn trimmed(text: &str) -> &str {
    text.trim_end_matches('0').trim_end_matches('.')
}

fn thousands(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mut text = sign.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_figure_is_there_once_and_says_what_it_is() {
        let names: BTreeSet<String> = figures().map(|figure| figure.name).collect();
        assert_eq!(names.len(), figures().count());
        assert_eq!(names.len(), 8 * 6 + 32);
        assert!(figures().all(|figure| !figure.what.is_empty()));
        assert_eq!(find("delivery.p99.9").unwrap().what, format!("99.9th percentile: {}", LATENCIES[3].1));
        assert_eq!(find("delivery"), None);
    }

    #[test]
    fn a_mistyped_name_has_neighbours() {
        assert_eq!(nearest("delivry.p99"), ["delivery.p99"]);
        assert_eq!(nearest("server.rss"), ["server.rss_a_stream"]);
        assert_eq!(nearest("delivery"), ["delivery.p50", "delivery.p90", "delivery.p99"]);
        assert_eq!(nearest("losts"), ["lost"]);
        assert!(!nearest("").is_empty());
        assert_eq!(nearest("delivery.p98"), ["delivery.p90", "delivery.p99"]);
    }

    #[test]
    fn a_value_is_shown_in_its_unit() {
        let all = [
            ("delivery.p99", 0.0, "0 µs"),
            ("delivery.p99", 7.456, "7.46 µs"),
            ("delivery.p99", 412.0, "412 µs"),
            ("delivery.p99", 999.4, "999 µs"),
            ("delivery.p99", 999.7, "1 ms"),
            ("delivery.p99", 12_300.0, "12.3 ms"),
            ("delivery.p99", 50_000.0, "50 ms"),
            ("delivery.p99", 999_600.0, "1 s"),
            ("delivery.p99", 1_240_000.0, "1.24 s"),
            ("delivery.p99", 83_100_000.0, "83.1 s"),
            ("lost", 0.0, "0"),
            ("lost", 1_234.0, "1,234"),
            ("lost", 1_234_567.0, "1,234,567"),
            ("lost", -1_234.0, "-1,234"),
            ("server.rss_a_stream", 964.0, "964 B"),
            ("server.rss_a_stream", 13_200.0, "13.2 KB"),
            ("server.peak_rss", 61_865_984.0, "61.9 MB"),
            ("generator.busy", 87.0, "87 %"),
            ("generator.busy", 4.25, "4.25 %"),
            ("deliveries_per_s", 500.0, "500/s"),
            ("deliveries_per_s", 499.6, "499.6/s"),
            ("deliveries_per_s", 12_345.0, "12,345/s"),
            ("whatever", 12.0, "12"),
        ];
        for (figure, value, text) in all {
            assert_eq!(shown(figure, value), text);
        }
    }
}
