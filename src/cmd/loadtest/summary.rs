//! A run's summary on a terminal.

use anstyle::{AnsiColor, Style};

use crate::cmd::term::style::TIME;
use crate::cmd::term::{Out, shown};
use crate::loadtest::Document;
use crate::loadtest::report::terminal::{self, Part};

/// The summary, a line each, in colours where they are shown. What others wrote is escaped here.
pub fn lines(document: &Document, out: &Out) -> Vec<String> {
    let piece = |(part, text): &(Part, String)| out.styled(style(*part), shown(text));
    terminal::summary(document).iter().map(|line| line.iter().map(piece).collect()).collect()
}

fn style(part: Part) -> Style {
    match part {
        Part::Plain => Style::new(),
        Part::Heading => AnsiColor::Cyan.on_default(),
        Part::Strong => Style::new().bold(),
        Part::Faint => TIME,
        Part::Good => AnsiColor::Green.on_default().bold(),
        Part::Bad => AnsiColor::Red.on_default().bold(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtest::report::sample::sample;

    #[test]
    fn what_others_wrote_is_escaped() {
        let mut document = sample();
        document.refusals.insert("503 \u{1b}[2J\nbusy".to_owned(), 99);
        let lines = lines(&document, &Out::plain());
        assert!(lines.iter().any(|line| line.contains("99 × 503 \\u{1b}[2J\\nbusy")), "{lines:#?}");
        assert!(lines.iter().all(|line| !line.contains(['\n', '\u{1b}'])));
    }
}
