//! A run as one page that stands by itself: no script, nothing loaded, light and dark, as XML would have it.

mod charts;
mod tables;

use super::document::{Document, Verdict};
use super::escape::html;
use super::plot::Width;
use super::words;
use charts::Figure;

const STYLE: &str = include_str!("page.css");

/// What a browser may do with the page: show it. Were a text to escape its quotes, it could still load and run nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page.
pub fn page(document: &Document) -> String {
    let title = format!("{}: {}", words::verdict(document.verdict), words::run(&document.plan));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\" />\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\" />\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n\
         <meta name=\"color-scheme\" content=\"light dark\" />\n<title>lumen loadtest {}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n{}<main>\n{}{}{}{}{}</main>\n{}</body>\n</html>\n",
        html(&title),
        header(document),
        tiles(document),
        tables::thresholds(document),
        figures(document),
        tables::latencies(document),
        details(document),
        footer(document),
    )
}

fn header(document: &Document) -> String {
    let class = if document.verdict == Verdict::Passed { "held" } else { "missed" };
    let (reasons, notes) = (list("reasons", &document.reasons), list("notes", &document.notes));
    format!(
        "<header class=\"{class}\">\n<p class=\"name\">lumen loadtest</p>\n\
         <h1><span class=\"verdict\">{}</span> {}</h1>\n<p class=\"run\">{}</p>\n\
         <p class=\"when\">run {} · <time datetime=\"{}\">{}</time> · {}</p>\n{reasons}{notes}</header>\n",
        words::verdict(document.verdict),
        html(&words::judgement(document)),
        html(&words::run(&document.plan)),
        html(&document.run),
        html(&document.began_at),
        html(&words::began(document)),
        html(&document.plan.url),
    )
}

fn list(class: &str, lines: &[String]) -> String {
    let items: String = lines.iter().map(|line| format!("<li>{}</li>\n", html(line))).collect();
    if items.is_empty() { items } else { format!("<ul class=\"{class}\">\n{items}</ul>\n") }
}

/// The few numbers that are looked for first.
fn tiles(document: &Document) -> String {
    let tile = |(value, what): (String, String)| {
        format!("<li><strong>{}</strong> <span>{}</span></li>\n", html(&value), html(&what))
    };
    let tiles = words::first(document).into_iter().map(tile).collect::<String>();
    format!("<ul class=\"tiles\">\n{tiles}</ul>\n")
}

/// The pictures, two in a row. Where that leaves one over, the first has a row of its own.
fn figures(document: &Document) -> String {
    let figures = charts::all(document);
    let odd = figures.len() % 2 == 1;
    let all = figures.iter().enumerate().map(|(n, of)| figure(of, odd && n == 0)).collect::<String>();
    format!("<section class=\"figures\" aria-label=\"Pictures\">\n{all}</section>\n")
}

fn figure(figure: &Figure, whole: bool) -> String {
    let Figure { title, note, chart } = figure;
    // What is drawn for a whole row would have tiny letters on a telephone: there, the other is shown.
    let (class, broad) = match whole {
        true => (" class=\"whole\"", chart.svg(Width::Whole)),
        false => ("", String::new()),
    };
    let (legend, note, half) = (chart.legend(), html(note), chart.svg(Width::Half));
    format!("<figure{class}>\n<figcaption><h3>{title}</h3>{legend}<p>{note}</p></figcaption>\n{broad}{half}</figure>\n")
}

fn details(document: &Document) -> String {
    let losses =
        words::losses(document, usize::MAX).map(|losses| format!("<p class=\"losses\">{}</p>\n", html(&losses)));
    let spawned = words::spawned(document).map(|spawned| format!("<p class=\"spawned\">{}</p>\n", html(&spawned)));
    let [sent, delivered, faults] = words::ledger(document);
    [
        "<section aria-labelledby=\"ledger\">\n<h2 id=\"ledger\">Ledger</h2>\n".to_owned(),
        losses.unwrap_or_default(),
        "<div class=\"cards\">\n".to_owned(),
        tables::facts("Messages", &sent),
        tables::facts("Deliveries", &delivered),
        tables::facts("Faults", &faults),
        tables::facts("Streams", &words::streams(document)),
        tables::facts("Recovery", &words::recovery(document)),
        tables::facts("What happened", &words::acts(document)),
        tables::reasons("Refusals", &document.refusals),
        tables::reasons("Attempts in vain", &document.connect_faults),
        tables::reasons("Stream faults", &document.stream_faults),
        "</div>\n</section>\n<section aria-labelledby=\"run\">\n<h2 id=\"run\">The run</h2>\n".to_owned(),
        spawned.unwrap_or_default(),
        "<div class=\"cards\">\n".to_owned(),
        tables::named("Plan", &words::plan(&document.plan)),
        tables::named("Environment", &words::environment(document)),
        tables::facts("Rates", &words::rates(document)),
        tables::facts("Server", &words::server(document)),
        tables::facts("Generator", &words::generator(document)),
        "</div>\n</section>\n".to_owned(),
    ]
    .concat()
}

fn footer(document: &Document) -> String {
    format!(
        "<footer>Written by lumen {}. Times count from the moment at which a message was to be sent.</footer>\n",
        html(&document.lumen)
    )
}
