//! A run for a CI summary, in GitHub's Markdown: the verdict, thresholds and latencies at once, the rest on demand.

use super::document::{Document, Judged, Verdict};
use super::escape::markdown;
use super::words::{self, Fact};

/// The page.
pub fn page(document: &Document) -> String {
    let mark = if document.verdict == Verdict::Passed { "✅" } else { "❌" };
    let (verdict, judgement) = (words::verdict(document.verdict), words::judgement(document));
    let [sent, delivered, faults] = words::ledger(document);
    let counted = [sent, delivered, faults].concat();
    let mut page = format!("## {mark} loadtest {verdict}: {}\n\n", markdown(&judgement));
    page += &format!("{}, against {}\n\n", markdown(&words::run(&document.plan)), markdown(&document.plan.url));
    page += &document.reasons.iter().map(|reason| format!("- {}\n", markdown(reason))).collect::<String>();
    page += &reasons("Requests not accepted", &words::frequent(&document.refusals));
    page += &document.notes.iter().map(|note| format!("- Note: {}\n", markdown(note))).collect::<String>();
    page += &thresholds(document);
    page += &latencies(document);
    page += &format!("\n**Ledger:** {}.\n", markdown(&words::joined(&counted)));
    let recovery = words::recovery(document);
    if !recovery.is_empty() {
        page += &format!("\n**Recovery:** {}.\n", markdown(&words::joined(&recovery)));
    }
    page += &details(document);
    page
}

fn thresholds(document: &Document) -> String {
    let row = |judged: &Judged| {
        let mark = if judged.held { "✅" } else { "❌" };
        let cells = [judged.threshold.clone(), words::value(judged), words::bound(judged), words::base(judged)];
        format!("| {mark} | {} |\n", cells.map(|cell| markdown(&cell)).join(" | "))
    };
    let rows: String = document.thresholds.iter().map(row).collect();
    format!("\n| | threshold | measured | bound | base |\n|---|---|--:|--:|--:|\n{rows}")
}

fn latencies(document: &Document) -> String {
    if document.latencies.is_empty() {
        return String::new();
    }
    let rows = words::latencies(document).into_iter().map(|(name, latency)| {
        let cells = words::quantiles(latency).map(|cell| markdown(&cell));
        format!("| {} | {} |\n", markdown(name), cells.join(" | "))
    });
    let (head, rows) = (words::QUANTILES.join(" | "), rows.collect::<String>());
    format!("\n| latency | {head} |\n|---{}|\n{rows}", "|--:".repeat(words::QUANTILES.len()))
}

fn reasons(name: &str, reasons: &[(String, &str)]) -> String {
    reasons.iter().map(|(times, reason)| format!("- {name}: {times} × {}\n", markdown(reason))).collect()
}

fn details(document: &Document) -> String {
    let list = |facts: &[Fact]| -> String {
        facts.iter().map(|(name, value)| format!("- {}: {}\n", markdown(name), markdown(value))).collect()
    };
    let line = |name: &str, facts: &[Fact]| match facts {
        [] => String::new(),
        facts => format!("- {name}: {}\n", markdown(&words::joined(facts))),
    };
    let said = |text: Option<String>| text.map(|text| format!("- {}\n", markdown(&text))).unwrap_or_default();
    let inside = [
        list(&words::plan(&document.plan)),
        list(&words::environment(document)),
        said(words::spawned(document)),
        said(words::losses(document, usize::MAX)),
        list(&words::acts(document)),
        line("streams", &words::streams(document)),
        line("rates", &words::rates(document)),
        line("server", &words::server(document)),
        line("generator", &words::generator(document)),
        reasons("attempts in vain", &words::frequent(&document.connect_faults)),
        reasons("streams failed", &words::frequent(&document.stream_faults)),
    ];
    let (run, began) = (markdown(&document.run), markdown(&words::began(document)));
    format!("\n<details>\n<summary>Run {run} of {began}</summary>\n\n{}\n</details>\n", inside.concat())
}
