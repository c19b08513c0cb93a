//! The tables and lists of the page.

use std::collections::BTreeMap;

use crate::loadtest::report::document::{Document, Judged, Source};
use crate::loadtest::report::escape::html;
use crate::loadtest::report::words::{self, Fact};

/// Thresholds, each with its mark, its value and what it is held against.
pub fn thresholds(document: &Document) -> String {
    let compared = document.thresholds.iter().any(|judged| judged.source == Source::Comparison);
    let rows: String = document.thresholds.iter().map(|judged| threshold(judged, compared)).collect();
    let base = if compared { "<th scope=\"col\" class=\"n\">Base</th>" } else { "" };
    format!(
        "<section aria-labelledby=\"thresholds\">\n<h2 id=\"thresholds\">Thresholds</h2>\n<div class=\"wide\"><table>\n\
         <thead><tr><th scope=\"col\" class=\"mark\"></th><th scope=\"col\">Threshold</th>\
         <th scope=\"col\" class=\"n\">Measured</th><th scope=\"col\" class=\"n\">Bound</th>{base}</tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table></div>\n</section>\n"
    )
}

fn threshold(judged: &Judged, compared: bool) -> String {
    let (class, mark, word) = if judged.held { ("held", "✓", "held") } else { ("missed", "✗", "missed") };
    // On a telephone it is broken where its words end.
    let name = html(&judged.threshold).replace('.', ".<wbr/>").replace('_', "_<wbr/>");
    let value = html(&words::value(judged));
    let bound = html(&words::bound(judged));
    let base = if compared { format!("<td class=\"n\">{}</td>", html(&words::base(judged))) } else { String::new() };
    format!(
        "<tr class=\"{class}\"><td><span class=\"chip\">{mark} <span>{word}</span></span></td>\
         <th scope=\"row\"><code>{name}</code></th><td class=\"n v\">{value}</td><td class=\"n\">{bound}</td>{base}</tr>\n"
    )
}

/// Nothing where nothing was measured.
pub fn latencies(document: &Document) -> String {
    if document.latencies.is_empty() {
        return String::new();
    }
    let head: String =
        words::QUANTILES.iter().map(|name| format!("<th scope=\"col\" class=\"n\">{name}</th>")).collect();
    let row = |(name, cells): (&str, [String; 6])| {
        let cells: String = cells.iter().map(|cell| format!("<td class=\"n\">{}</td>", html(cell))).collect();
        format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", html(name))
    };
    let rows = words::latencies(document).into_iter().map(|(name, latency)| row((name, words::quantiles(latency))));
    format!(
        "<section aria-labelledby=\"latencies\">\n<h2 id=\"latencies\">Latencies</h2>\n<div class=\"wide\"><table>\n\
         <thead><tr><th scope=\"col\"></th>{head}</tr></thead>\n<tbody>\n{}</tbody>\n</table></div>\n</section>\n",
        rows.collect::<String>()
    )
}

/// Numbers with what they are of.
pub fn facts(title: &str, facts: &[Fact]) -> String {
    let row = |(value, what): &Fact| {
        format!("<tr><td class=\"n v\">{}</td><th scope=\"row\">{}</th></tr>\n", html(value), html(what))
    };
    card(title, &facts.iter().map(row).collect::<String>())
}

/// Names with their values.
pub fn named(title: &str, facts: &[Fact]) -> String {
    let row =
        |(name, value): &Fact| format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", html(name), html(value));
    card(title, &facts.iter().map(row).collect::<String>())
}

/// Reasons with how often they came.
pub fn reasons(title: &str, reasons: &BTreeMap<String, u64>) -> String {
    let frequent = words::frequent(reasons).into_iter();
    facts(title, &frequent.map(|(times, reason)| (format!("{times} ×"), reason.to_owned())).collect::<Vec<_>>())
}

/// A table with a heading of its own; nothing without rows.
fn card(title: &str, rows: &str) -> String {
    match rows {
        "" => String::new(),
        rows => {
            format!("<section class=\"card\">\n<h3>{title}</h3>\n<table class=\"pairs\">\n{rows}</table>\n</section>\n")
        }
    }
}
