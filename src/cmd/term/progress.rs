//! How far a long work is: a bar on a terminal, a plain line every ten seconds elsewhere.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::text::count;

const BETWEEN_LINES: Duration = Duration::from_secs(10);
const REDRAW: Duration = Duration::from_millis(200);

pub struct Progress {
    unit: &'static str,
    total: Option<u64>,
    done: u64,
    bar: ProgressBar,
    /// When the next plain line is due, where there is no bar.
    next_line: Option<Instant>,
    begun: Instant,
}

impl Progress {
    pub(super) fn begin(unit: &'static str, total: Option<u64>, quiet: bool) -> Self {
        let begun = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        let bar = match total {
            _ if quiet || !terminal => ProgressBar::hidden(),
            Some(total) => ProgressBar::new(total)
                .with_style(style("{bar:30} {human_pos}/{human_len} {msg}, {per_sec:.0}, {eta} to go")),
            None => ProgressBar::new_spinner().with_style(style("{spinner} {human_pos} {msg}, {per_sec:.0}")),
        };
        bar.set_message(unit);
        bar.enable_steady_tick(REDRAW);
        let next_line = (!quiet && !terminal).then(|| begun + BETWEEN_LINES);
        Self { unit, total, done: 0, bar, next_line, begun }
    }

    pub(super) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// So many more are done.
    pub fn add(&mut self, more: u64) {
        self.done += more;
        self.bar.inc(more);
        let now = Instant::now();
        if self.next_line.is_some_and(|due| due <= now) {
            self.next_line = Some(now + BETWEEN_LINES);
            let _ = writeln!(anstream::stderr(), "{}", self.line(now));
        }
    }

    fn line(&self, now: Instant) -> String {
        let of = self.total.map(|total| format!(" of {}", count(total))).unwrap_or_default();
        // A rate of whole ones; the cast saturates.
        let rate = (self.done as f64 / (now - self.begun).as_secs_f64().max(0.001)) as u64;
        format!("{}{of} {}, {}/s", count(self.done), self.unit, count(rate))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; one that could not be read would show the default bar.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, text: &mut dyn fmt::Write| {
        // Whole ones; the cast saturates, and there is nobody to tell of a bar that cannot be drawn.
        let _ = write!(text, "{}/s", count(state.per_sec() as u64));
    })
}
