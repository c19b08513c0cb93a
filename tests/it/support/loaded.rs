//! A run of `lumen loadtest`, typed and read as CI does: by its document, its exit code and its last line.

use lumen_inbox::loadtest::Document;
use lumen_inbox::loadtest::report::document::{Ledger, Verdict};

use super::command::{Done, Typed, lumen};

/// A short load, all of it warm-up: every message counts, and no time does, so that a machine that is busy with other
/// stories cannot make it void.
pub const COUNTED: &str = "--rate 20/s --duration 2s --warmup 1999ms --settle 2s";
/// The messages of that.
pub const MESSAGES: u64 = 40;

/// What came of a run that has a document.
#[derive(Debug)]
pub struct Loaded {
    pub code: Option<i32>,
    /// The only line of stdout.
    pub line: String,
    pub document: Document,
    pub stderr: String,
}

pub fn loadtest(words: &str) -> Typed {
    lumen(&format!("loadtest --json {words}"))
}

/// Runs it to its end, which must have a document.
pub async fn loaded(typed: Typed) -> Loaded {
    Loaded::of(typed.run().await)
}

impl Loaded {
    pub fn of(done: Done) -> Self {
        let [line] = &done.lines[..] else { panic!("not one line on stdout: {done:?}") };
        let document = serde_json::from_str(line).unwrap_or_else(|fault| panic!("{fault}: {line}"));
        Self { code: done.code, line: line.clone(), document, stderr: done.stderr }
    }

    pub fn figure(&self, name: &str) -> f64 {
        *self.document.figures.get(name).unwrap_or_else(|| panic!("no {name} in {:#?}", self.document.figures))
    }

    pub fn ledger(&self) -> &Ledger {
        &self.document.ledger
    }

    /// The thresholds that did not hold.
    pub fn missed(&self) -> Vec<&str> {
        let missed = self.document.thresholds.iter().filter(|judged| !judged.held);
        missed.map(|judged| judged.figure.as_str()).collect()
    }

    /// Every threshold held, and it ended 0.
    pub fn passed(&self) -> &Self {
        let verdict = (self.document.verdict, self.code, self.missed());
        assert_eq!(verdict, (Verdict::Passed, Some(0), Vec::new()), "{self:#?}");
        assert_eq!(self.document.reasons, [""; 0]);
        self
    }

    /// Every threshold held. It ended 0, or 1 where this machine was too busy to measure: that voids times, not counts.
    pub fn held(&self) -> &Self {
        assert_eq!(self.missed(), [""; 0], "{self:#?}");
        match self.document.verdict {
            Verdict::Void => assert_eq!(self.code, Some(1), "{self:#?}"),
            _ => {
                self.passed();
            }
        }
        self
    }

    /// Exactly these thresholds did not hold, each is told, and it ended 99.
    pub fn missed_only(&self, figures: &[&str]) -> &Self {
        assert_eq!((self.document.verdict, self.code), (Verdict::Missed, Some(99)), "{self:#?}");
        assert_eq!(self.missed(), figures, "{self:#?}");
        for figure in figures {
            let told = self.document.reasons.iter().any(|reason| reason.starts_with(figure));
            assert!(told, "{figure} is not in {:?}", self.document.reasons);
        }
        self
    }

    /// All that was sent was accepted, and came to so many streams in all, once each and in order.
    pub fn all_came(&self, sent: u64, deliveries: u64) -> &Self {
        let ledger = Ledger { late: 0, ..self.document.ledger.clone() };
        let (acknowledged, due, delivered) = (sent, deliveries, deliveries);
        assert_eq!(ledger, Ledger { sent, acknowledged, due, delivered, ..Ledger::default() }, "{self:#?}");
        assert_eq!(self.figure("streams.failed"), 0.0);
        self
    }
}
