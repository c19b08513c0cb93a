//! What is said beside the data, on stderr.

use std::fmt::Display;
use std::io::Write;

use indicatif::ProgressBar;

use super::progress::{Live, Progress};
use super::text::shown;

/// Stderr. That it cannot be written to is nobody's fault and stops nothing. What others wrote (a problem may come from
/// whatever answers at the address) steers no terminal.
pub struct Notes {
    quiet: bool,
    /// A bar that is drawn on the same terminal, and steps aside for a line.
    bar: ProgressBar,
}

impl Notes {
    pub fn new(quiet: bool) -> Self {
        Self { quiet, bar: ProgressBar::hidden() }
    }

    /// Says what is good to know; `--quiet` silences it.
    pub fn say(&self, note: &str) {
        if !self.quiet {
            self.always(note);
        }
    }

    /// Says what somebody has to know.
    pub fn always(&self, note: &str) {
        self.bar.suspend(|| line(note));
    }

    /// Asks, and leaves the line open for the answer.
    pub fn ask(question: &str) {
        let mut stderr = anstream::stderr();
        let _ = write!(stderr, "{question}").and_then(|()| stderr.flush());
    }

    /// Begins to show how far something is, of `total` where that is known.
    pub fn progress(&mut self, unit: &'static str, total: Option<u64>) -> Progress {
        let progress = Progress::begin(unit, total, self.quiet);
        self.bar = progress.bar();
        progress
    }

    /// Begins to show how far something is that has more to tell than a number.
    pub fn live(&mut self) -> Live {
        let live = Live::begin(self.quiet);
        self.bar = live.bar();
        live
    }
}

/// The last line of a command that failed: what, why and the cure, whatever layers the fault came through.
pub fn failure(fault: &anyhow::Error) {
    line(&format!("error: {}", chain(fault)));
}

/// One of the things that are wrong with what was typed or set.
pub fn fault(fault: impl Display) {
    line(&format!("error: {fault}"));
}

/// The messages of an error and its causes; one that an outer message already quotes is not said again.
fn chain(fault: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in fault.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

fn line(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", shown(text));
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let fault = Err::<(), _>(anyhow!("disk full")).context("no key: disk full; make room").unwrap_err();
        assert_eq!(chain(&fault), "no key: disk full; make room");
        assert_eq!(chain(&fault.context("serve")), "serve: no key: disk full; make room");
    }
}
