//! A run's summary for a terminal of a hundred columns, thresholds first.
//!
//! It is lines of pieces with the part that each plays; the command gives them colours, and escapes what others wrote.

use super::document::{Document, Judged, Source, Verdict};
use super::words::{self, Fact};

const COLUMNS: usize = 100;
/// Where text begins, right of its heading.
const INDENT: usize = 13;
/// Lost messages that are named.
const LOSSES: usize = 3;

/// What a piece of text is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Plain,
    /// What names the rest.
    Heading,
    /// What the eye should find.
    Strong,
    /// What only few look for.
    Faint,
    Good,
    Bad,
}

/// A line, its pieces from left to right.
pub type Line = Vec<(Part, String)>;

/// The summary, a line each.
pub fn summary(document: &Document) -> Vec<Line> {
    let mut lines = title(document);
    lines.push(Vec::new());
    lines.extend(document.thresholds.iter().map(|judged| threshold(judged, widths(&document.thresholds))));
    lines.push(Vec::new());
    lines.extend(verdict(document));
    lines.push(Vec::new());
    if !document.latencies.is_empty() {
        lines.extend(latencies(document));
        lines.push(Vec::new());
    }
    let [sent, delivered, faults] = words::ledger(document);
    let acts = words::acts(document);
    for (n, (at, what)) in acts.iter().enumerate() {
        lines.extend(wrapped(if n == 0 { "acts" } else { "" }, &format!("{at}: {what}"), Part::Plain));
    }
    for (heading, facts) in [
        ("ledger", sent),
        ("", delivered),
        ("", faults),
        ("streams", words::streams(document)),
        ("rates", words::rates(document)),
        ("recovery", words::recovery(document)),
        ("server", words::server(document)),
        ("generator", words::generator(document)),
    ] {
        lines.extend(told(heading, &facts));
    }
    lines.extend(words::losses(document, LOSSES).iter().flat_map(|losses| wrapped("losses", losses, Part::Bad)));
    lines.extend(reasons("refusals", &words::frequent(&document.refusals)));
    lines.extend(reasons("in vain", &words::frequent(&document.connect_faults)));
    lines.extend(reasons("faults", &words::frequent(&document.stream_faults)));
    lines.extend(words::spawned(document).iter().flat_map(|spawned| wrapped("spawned", spawned, Part::Faint)));
    lines
}

fn title(document: &Document) -> Vec<Line> {
    let run = format!("{}, run {}", words::run(&document.plan), document.run);
    let rows = fitted(&run, COLUMNS - 10).into_iter().enumerate();
    let name = |n| (Part::Strong, left(if n == 0 { "loadtest" } else { "" }, 10));
    rows.map(|(n, row)| vec![name(n), (Part::Plain, row)]).collect()
}

/// How wide thresholds and their values are.
fn widths(thresholds: &[Judged]) -> (usize, usize) {
    let widest = |of: fn(&Judged) -> String| thresholds.iter().map(|judged| width(&of(judged))).max().unwrap_or(0);
    (widest(|judged| judged.threshold.clone()), widest(words::value))
}

fn threshold(judged: &Judged, (widest, widest_value): (usize, usize)) -> Line {
    let (part, mark) = if judged.held { (Part::Good, "✓") } else { (Part::Bad, "✗") };
    let value_part = if judged.held { Part::Plain } else { Part::Bad };
    vec![
        (part, format!("  {mark} ")),
        (Part::Plain, left(&judged.threshold, widest)),
        (value_part, format!("   {}", right(&words::value(judged), widest_value))),
        (Part::Faint, against(judged)),
    ]
}

/// What a threshold's own text does not say.
fn against(judged: &Judged) -> String {
    match judged.source {
        Source::Comparison => format!("   base {}, bound {}", words::base(judged), words::bound(judged)),
        Source::Default => "   by default".to_owned(),
        Source::Given => String::new(),
    }
}

fn verdict(document: &Document) -> Vec<Line> {
    let part = if document.verdict == Verdict::Passed { Part::Good } else { Part::Bad };
    let named = words::verdict(document.verdict).to_uppercase();
    let mut lines =
        vec![vec![(part, format!("  {named}")), (Part::Plain, format!("  {}", words::judgement(document)))]];
    for reason in &document.reasons {
        let rows = fitted(reason, COLUMNS - 6).into_iter().enumerate();
        lines.extend(rows.map(|(n, row)| vec![(Part::Plain, format!("  {} {row}", if n == 0 { "-" } else { " " }))]));
    }
    for note in &document.notes {
        lines.extend(
            fitted(&format!("note: {note}"), COLUMNS - 4)
                .into_iter()
                .map(|row| vec![(Part::Faint, format!("  {row}"))]),
        );
    }
    lines
}

fn latencies(document: &Document) -> Vec<Line> {
    let all = words::latencies(document);
    let name_width = all.iter().map(|(name, _)| width(name)).chain([INDENT - 3]).max().unwrap_or(0);
    let cells: Vec<[String; 6]> = all.iter().map(|(_, latency)| words::quantiles(latency)).collect();
    let widths: Vec<usize> = (0..words::QUANTILES.len())
        .map(|n| cells.iter().map(|row| width(&row[n])).chain([7]).max().unwrap_or(0) + 3)
        .collect();
    let row =
        |cells: &[String]| -> String { cells.iter().zip(&widths).map(|(cell, width)| right(cell, *width)).collect() };
    let head = words::QUANTILES.map(str::to_owned);
    let mut lines =
        vec![vec![(Part::Heading, format!("  {}", left("latency", name_width))), (Part::Faint, row(&head))]];
    for ((name, _), cells) in all.iter().zip(&cells) {
        let part = if *name == "delivery" { Part::Strong } else { Part::Plain };
        lines.push(vec![(part, format!("  {}", left(name, name_width))), (part, row(cells))]);
    }
    lines
}

/// Facts in a row, in the lines that they take.
fn told(heading: &str, facts: &[Fact]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut at = COLUMNS;
    for (n, (value, what)) in facts.iter().enumerate() {
        let comma = if n + 1 < facts.len() { "," } else { "" };
        let wide = width(value) + width(what) + 2 + comma.len();
        if at + wide > COLUMNS {
            lines.push(vec![headed(if n == 0 { heading } else { "" })]);
            at = INDENT;
        } else if let Some(line) = lines.last_mut() {
            line.push((Part::Plain, " ".to_owned()));
        }
        at += wide;
        if let Some(line) = lines.last_mut() {
            line.extend([(Part::Strong, value.clone()), (Part::Plain, format!(" {what}{comma}"))]);
        }
    }
    lines
}

fn reasons(heading: &str, all: &[(String, &str)]) -> Vec<Line> {
    let widest = all.iter().map(|(times, _)| width(times)).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (n, (times, reason)) in all.iter().enumerate() {
        let rows = fitted(reason, COLUMNS - INDENT - widest - 3);
        for (m, row) in rows.into_iter().enumerate() {
            let times = if m == 0 { format!("{} × ", right(times, widest)) } else { " ".repeat(widest + 3) };
            lines.push(vec![headed(if n + m == 0 { heading } else { "" }), (Part::Strong, times), (Part::Plain, row)]);
        }
    }
    lines
}

fn wrapped(heading: &str, text: &str, part: Part) -> Vec<Line> {
    let rows = fitted(text, COLUMNS - INDENT).into_iter().enumerate();
    rows.map(|(n, row)| vec![headed(if n == 0 { heading } else { "" }), (part, row)]).collect()
}

fn headed(heading: &str) -> (Part, String) {
    (Part::Heading, format!("  {}", left(heading, INDENT - 2)))
}

/// `text` in rows of at most so many columns, cut between words where it can be.
fn fitted(text: &str, columns: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    for word in text.split(' ').flat_map(|word| cut(word, columns)) {
        let row = rows.last().map_or(0, |row| width(row));
        if row > 0 && row + 1 + width(&word) > columns {
            rows.push(String::new());
        }
        let Some(row) = rows.last_mut() else { continue };
        if !row.is_empty() {
            row.push(' ');
        }
        row.push_str(&word);
    }
    rows
}

/// A word that is longer than a row, in pieces.
fn cut(word: &str, columns: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for char in word.chars() {
        if pieces.last().is_some_and(|piece| width(piece) + 2 > columns) {
            pieces.push(String::new());
        }
        pieces.iter_mut().last().into_iter().for_each(|piece| piece.push(char));
    }
    pieces
}

fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}
