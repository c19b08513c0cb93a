//! The reports of a document in which everything is there, as texts to be read; and what no text from elsewhere may do.

use std::collections::BTreeMap;

use insta::assert_snapshot;

use super::document::{Document, SecondFacts, Verdict};
use super::sample::sample;
use super::{html, markdown, terminal};

const FOREIGN: &str = "503 </td><script src=\"http://x/\">alert(1)</script> | `rm` | \u{1b}[31m\n# end";

fn summary(document: &Document) -> String {
    let row = |line: &terminal::Line| line.iter().map(|(_, text)| text.as_str()).collect::<String>() + "\n";
    terminal::summary(document).iter().map(row).collect()
}

/// A passed run of which little was measured.
fn little() -> Document {
    let mut document = sample();
    document.verdict = Verdict::Passed;
    document.reasons.clear();
    document.notes.clear();
    document.thresholds.retain(|judged| judged.held);
    document.thresholds.iter_mut().for_each(|judged| judged.base = None);
    (document.server, document.recovery, document.environment.spawned) = (None, None, None);
    (document.refusals, document.connect_faults, document.stream_faults) = Default::default();
    document.latencies.clear();
    document.acts.clear();
    document.seconds.clear();
    document.figures.retain(|name, _| !name.starts_with("server"));
    (document.ledger.lost, document.ledger.examples) = (0, Vec::new());
    document
}

fn foreign() -> Document {
    let mut document = sample();
    document.refusals = BTreeMap::from([(FOREIGN.to_owned(), 1)]);
    document.stream_faults = document.refusals.clone();
    document.acts[0].what = FOREIGN.to_owned();
    document.reasons.push(FOREIGN.to_owned());
    document.plan.url = FOREIGN.to_owned();
    document
}

#[test]
fn the_terminal_gets_a_summary() {
    assert_snapshot!(summary(&sample()));
    assert_snapshot!(summary(&little()));
}

#[test]
fn a_run_that_missed_no_threshold_says_first_what_it_missed() {
    for reason in ["nothing was delivered", "the server ended by itself (signal: 9 (SIGKILL))"] {
        let mut document = little();
        (document.verdict, document.reasons) = (Verdict::Missed, vec![format!("{reason}: its last line: and more")]);
        assert!(document.thresholds.iter().all(|judged| judged.held));
        for told in [summary(&document), markdown::page(&document), html::page(&document)] {
            assert!(told.contains(reason) && !told.contains("thresholds held"), "{told}");
        }
        assert!(summary(&document).contains(&format!("MISSED  {reason}\n")), "{}", summary(&document));
        assert!(markdown::page(&document).contains(&format!("loadtest missed: {reason}\n")));
    }
}

#[test]
fn tokens_that_end_are_told() {
    let mut document = sample();
    (document.plan.scenario, document.plan.share) = ("expire".to_owned(), None);
    document.plan.token_ttl_s = Some(17.5);
    let page = markdown::page(&document);
    assert!(page.contains("- scenario: expire, tokens hold 17.5 s\n"), "{page}");
}

#[test]
fn a_long_runs_pictures_say_what_their_points_are() {
    let mut document = sample();
    let second = document.seconds[10].clone();
    document.seconds = (0..700).map(|at| SecondFacts { at_s: f64::from(at), ..second.clone() }).collect();
    let page = html::page(&document);
    let of = |title: &str| page.split_once(&format!("<h3>{title}</h3>")).unwrap().1.split_once("</p>").unwrap().0;
    for (title, told) in [
        ("Delivery latency over time", "the worst of them"),
        ("Connected streams", "the fewest of them"),
        ("Rates", "their mean"),
        ("Server memory", "the most of them"),
        ("Server CPU", "their mean"),
    ] {
        assert!(of(title).ends_with(&format!("Each point is 3 s, and tells {told}.")), "{}", of(title));
    }
}

#[test]
fn a_summary_fits_a_hundred_columns() {
    let mut document = sample();
    document.refusals = BTreeMap::from([("x".repeat(300), 1), ("word ".repeat(60), 12_345)]);
    document.reasons.push("because ".repeat(40));
    for line in summary(&document).lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn ci_gets_markdown() {
    assert_snapshot!(markdown::page(&sample()));
    assert_snapshot!(markdown::page(&little()));
}

/// All but the style and what is within pictures, of which the first stands for the others.
#[test]
fn a_browser_gets_a_page() {
    let page = html::page(&sample());
    let (head, body) = page.split_once("<style>").unwrap();
    let body = body.split_once("</style>").unwrap().1;
    let mut told = head.to_owned();
    for (n, part) in body.split("<svg class=\"half\"").enumerate() {
        let (picture, rest) = if n == 0 { ("", part) } else { part.split_once("</svg>").unwrap() };
        let label = if n == 0 { "" } else { picture.lines().next().unwrap() };
        told += &format!("{label}{rest}");
    }
    let (before, whole) = told.split_once("<svg class=\"whole\"").unwrap();
    assert_snapshot!("page", format!("{before}{}", whole.split_once("</svg>").unwrap().1));
    let picture = body.split_once("<svg class=\"half\"").unwrap().1.split_once("</svg>").unwrap().0;
    assert_snapshot!("picture", picture);
}

#[test]
fn a_page_stands_by_itself() {
    for document in [sample(), little(), foreign()] {
        let page = html::page(&document);
        for loading in
            ["<script", "<link", "<img", "<iframe", "@import", "url(", " src=", " href=", " on", "javascript:"]
        {
            // Words of people, such as `on 2 streams`, are no attributes.
            let found = tags(&page).into_iter().find(|tag| tag.contains(loading));
            assert_eq!(found, None, "{loading}");
        }
        let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        assert!(!["@import", "url(", "http"].iter().any(|loading| style.contains(loading)));
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn a_page_is_well_formed() {
    for document in [sample(), little(), foreign()] {
        let page = html::page(&document);
        let mut open: Vec<&str> = Vec::new();
        for tag in tags(page.strip_prefix("<!DOCTYPE html>\n").unwrap()) {
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap();
            match (tag.starts_with('/'), tag.ends_with('/')) {
                (true, _) => assert_eq!(open.pop(), Some(name), "{tag}"),
                (false, true) => {}
                (false, false) => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}

#[test]
fn what_others_wrote_does_nothing() {
    let page = html::page(&foreign());
    assert!(page.contains(
        "503 &lt;/td&gt;&lt;script src=&quot;http://x/&quot;&gt;alert(1)&lt;/script&gt; | `rm` | \u{fffd}[31m # end"
    ));
    assert!(!page.contains("<script") && !page.contains('\u{1b}'));
    let page = markdown::page(&foreign());
    assert!(!page.contains("<script") && !page.contains('\u{1b}') && !page.contains("\n# end"));
    let cells =
        page.lines().filter(|line| line.starts_with('|')).map(|line| line.replace("\\|", "").matches('|').count());
    assert!(cells.into_iter().all(|bars| [6, 8].contains(&bars)));
    assert!(page.contains("\\| \\`rm\\` \\|"));
}

/// What stands between `<` and `>`, of which texts have none.
fn tags(page: &str) -> Vec<&str> {
    let (before, style) = page.split_once("<style>").unwrap();
    let after = style.split_once("</style>").unwrap().1;
    [before, after]
        .into_iter()
        .flat_map(|part| part.split('<').skip(1))
        .map(|tag| tag.split_once('>').unwrap().0)
        .collect()
}
