//! The pictures of a run: which lines of the document go onto which axes.

use crate::loadtest::figures::Unit;
use crate::loadtest::report::document::{Document, Recovery, SecondFacts};
use crate::loadtest::report::plot::scale::{Scale, Unit as Axis};
use crate::loadtest::report::plot::{Chart, Line, Mark};
use crate::loadtest::report::words;

/// Points of a line over time, at most; of a longer run several seconds make one.
const POINTS: usize = 300;
/// Values that are further apart than this are told on a logarithmic axis.
const WIDE: f64 = 25.0;
const X_TICKS: usize = 8;
const Y_TICKS: usize = 5;

/// A picture with its words.
pub struct Figure {
    pub title: &'static str,
    pub note: String,
    pub chart: Chart,
}

type Value = fn(&SecondFacts) -> Option<f64>;

/// All that the document has something for.
pub fn all(document: &Document) -> Vec<Figure> {
    let time = Time::of(document);
    [
        latency(document, &time),
        percentiles(document),
        streams(document, &time),
        rates(&time),
        document.recovery.as_ref().and_then(recovery),
        memory(&time),
        cpu(&time),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The seconds as they are drawn, and what happened in them.
struct Time<'a> {
    seconds: Vec<SecondFacts>,
    /// How many make one.
    each: usize,
    document: &'a Document,
}

impl<'a> Time<'a> {
    fn of(document: &'a Document) -> Self {
        let each = document.seconds.len().div_ceil(POINTS).max(1);
        Self { seconds: document.seconds.chunks(each).filter_map(together).collect(), each, document }
    }

    fn line(&self, name: &'static str, class: &'static str, value: Value) -> Line {
        let points = self.seconds.iter().map(|second| (second.at_s, value(second))).collect();
        Line { name, class, points, stays: false }
    }

    /// Lines over the time of the run; none where they have no value.
    fn chart(&self, told: &str, lines: Vec<Line>, y: Scale) -> Option<Chart> {
        let (first, last) = (self.seconds.first()?.at_s, self.seconds.last()?.at_s);
        lines.iter().any(|line| values(line).next().is_some()).then(|| Chart {
            told: told.to_owned(),
            x: Scale::linear(Axis::Seconds, first, last, X_TICKS),
            y,
            lines,
            marks: self.document.acts.iter().map(|act| Mark { at: act.at_s, text: act.what.clone() }).collect(),
        })
    }

    /// `told` is what a point says of several seconds, as [`together`] has it.
    fn note(&self, note: &str, told: &str) -> String {
        match self.each {
            1 => note.to_owned(),
            each => format!("{note} Each point is {each} s, and tells {told}."),
        }
    }
}

fn latency(document: &Document, time: &Time) -> Option<Figure> {
    let lines = vec![
        time.line("max", "s3", |second| second.max_us.map(|us| us as f64)),
        time.line("p99", "s2", |second| second.p99_us.map(|us| us as f64)),
        time.line("p50", "s1", |second| second.p50_us.map(|us| us as f64)),
    ];
    let y = fitting(Axis::Of(Unit::Time), &lines);
    let axis = if y.is_log() { " Logarithmic." } else { "" };
    let from = format!(
        "From the moment a message was to be sent to its arrival, second by second: the warm-up too, and not on slow \
         readers.{axis}"
    );
    let note = time.note(&from, "the worst of them");
    let (p50, p99) = document.latencies.get("delivery").map(|all| (all.p50, all.p99)).unwrap_or_default();
    let told = format!(
        "Delivery latency over time; over all of it p50 is {} and p99 {}",
        words::micros(p50),
        words::micros(p99)
    );
    let chart = time.chart(&told, lines, y)?;
    Some(Figure { title: "Delivery latency over time", note, chart })
}

fn percentiles(document: &Document) -> Option<Figure> {
    let drawn = [("delivery", "delivery", "s1"), ("answer", "answer", "s2"), ("slow_delivery", "slow delivery", "s3")];
    let of = |(key, name, class): (&str, &'static str, &'static str)| {
        let latency = document.latencies.get(key)?;
        let points = latency.curve.iter().map(|(percentile, value)| (*percentile, Some((*value).max(1) as f64)));
        Some(Line { name, class, points: points.collect(), stays: false })
    };
    let lines: Vec<Line> = drawn.into_iter().filter_map(of).collect();
    let most = drawn.iter().filter_map(|(key, ..)| Some(document.latencies.get(*key)?.count)).max()?;
    let y = fitting(Axis::Of(Unit::Time), &lines);
    let note = "How many were at least as quick; each nine is the same step.".to_owned();
    let told = "Latency by percentile, of deliveries and of answers; the table of latencies has the numbers".to_owned();
    let chart = Chart { told, x: Scale::percentiles(most), y, lines, marks: Vec::new() };
    Some(Figure { title: "Latency by percentile", note, chart })
}

fn streams(document: &Document, time: &Time) -> Option<Figure> {
    let planned = f64::from(document.plan.streams);
    let line = Line { stays: true, ..time.line("open", "s1", |second| Some(second.open as f64)) };
    let lowest = values(&line).fold(f64::INFINITY, f64::min);
    let y = Scale::from_zero(Axis::Of(Unit::Count), values(&line).fold(planned, f64::max), Y_TICKS);
    let told = format!("Connected streams over time; {} were planned", words::count(document.plan.streams.into()));
    let chart = time.chart(&told, vec![line], y)?;
    let open = format!("Open at the end of each second; planned {}.", words::count(planned as u64));
    let note = time.note(&open, "the fewest of them");
    lowest.is_finite().then_some(Figure { title: "Connected streams", note, chart })
}

fn rates(time: &Time) -> Option<Figure> {
    let lines = vec![
        time.line("sent", "s4 broad", |second| Some(second.sent as f64)),
        time.line("answered", "s2", |second| Some(second.answered as f64)),
        time.line("delivered", "s1 thin", |second| Some(second.delivered as f64)),
    ];
    let most = |line: &Line| values(line).fold(0.0, f64::max);
    let (sent, delivered) = (most(&lines[0]), most(&lines[2]));
    let y = match sent >= 1.0 && delivered > WIDE * sent {
        true => Scale::log(Axis::Of(Unit::Count), 1.0, delivered),
        false => Scale::from_zero(Axis::Of(Unit::Count), lines.iter().map(most).fold(1.0, f64::max), Y_TICKS),
    };
    let within = format!("Within each second.{}", if y.is_log() { " Logarithmic." } else { "" });
    let note = time.note(&within, "their mean");
    let chart = time.chart("Messages sent, answered and delivered in each second", lines, y)?;
    Some(Figure { title: "Rates", note, chart })
}

fn recovery(recovery: &Recovery) -> Option<Figure> {
    let line = |name, class, of: fn(&(u64, u64, u64)) -> u64| Line {
        name,
        class,
        points: recovery.curve.iter().map(|point| (point.0 as f64, Some(of(point) as f64))).collect(),
        stays: true,
    };
    let lines = vec![line("back", "s2", |point| point.1), line("caught up", "s1", |point| point.2)];
    let last = recovery.curve.last()?.0;
    let mark = |at: Option<u64>, text: &str| Some(Mark { at: at? as f64, text: text.to_owned() });
    let marks = [mark(recovery.p50, "half"), mark(recovery.p99, "99 %"), mark(recovery.all, "all")];
    let told = format!(
        "Recovery: {} of {} streams caught up",
        words::count(recovery.caught_up),
        words::count(recovery.streams)
    );
    let chart = Chart {
        told,
        x: Scale::linear(Axis::Of(Unit::Time), 0.0, last as f64, X_TICKS),
        y: Scale::from_zero(Axis::Of(Unit::Count), recovery.streams as f64, Y_TICKS),
        lines,
        marks: marks.into_iter().flatten().collect(),
    };
    let from = match &recovery.after {
        Some(act) => format!("Streams since {}, when this was done: {}.", words::seconds(act.at_s), act.what),
        None => "Lost streams, each since its own loss.".to_owned(),
    };
    let note = format!("{from} Open again, and with every message that they had missed.");
    Some(Figure { title: "Recovery", note, chart })
}

fn memory(time: &Time) -> Option<Figure> {
    let line = time.line("resident", "s1", |second| second.server_rss_bytes.map(|bytes| bytes as f64));
    let y = Scale::from_zero(Axis::Of(Unit::Bytes), values(&line).fold(0.0, f64::max), Y_TICKS);
    let chart = time.chart("Memory of the server over time", vec![line], y)?;
    let note = time.note("Resident, at the end of each second.", "the most of them");
    Some(Figure { title: "Server memory", note, chart })
}

fn cpu(time: &Time) -> Option<Figure> {
    let line = time.line("CPU", "s2", |second| second.server_cpu.map(|share| share * 100.0));
    let y = Scale::from_zero(Axis::Of(Unit::Percent), values(&line).fold(1.0, f64::max), Y_TICKS);
    let chart = time.chart("CPU of the server over time", vec![line], y)?;
    let note = time.note("Within each second; 100 % is one CPU.", "their mean");
    Some(Figure { title: "Server CPU", note, chart })
}

/// An axis for these values: even, or logarithmic where they are far apart.
fn fitting(unit: Axis, lines: &[Line]) -> Scale {
    let all = || lines.iter().flat_map(values).filter(|value| *value > 0.0);
    let (lowest, highest) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    match highest > WIDE * lowest {
        true => Scale::log(unit, lowest, highest),
        false => Scale::from_zero(unit, highest, Y_TICKS),
    }
}

fn values(line: &Line) -> impl Iterator<Item = f64> {
    line.points.iter().filter_map(|(_, value)| *value)
}

/// Several seconds as one: what was worst, and rates and CPU on average.
fn together(seconds: &[SecondFacts]) -> Option<SecondFacts> {
    let last = seconds.last()?;
    let highest = |of: fn(&SecondFacts) -> Option<u64>| seconds.iter().filter_map(of).max();
    let mean = |of: fn(&SecondFacts) -> u64| seconds.iter().map(of).sum::<u64>() / seconds.len() as u64;
    let cpu: Vec<f64> = seconds.iter().filter_map(|second| second.server_cpu).collect();
    Some(SecondFacts {
        at_s: last.at_s,
        open: seconds.iter().map(|second| second.open).min()?,
        sent: mean(|second| second.sent),
        answered: mean(|second| second.answered),
        delivered: mean(|second| second.delivered),
        p50_us: highest(|second| second.p50_us),
        p99_us: highest(|second| second.p99_us),
        max_us: highest(|second| second.max_us),
        server_rss_bytes: highest(|second| second.server_rss_bytes),
        server_cpu: (!cpu.is_empty()).then(|| cpu.iter().sum::<f64>() / cpu.len() as f64),
    })
}
