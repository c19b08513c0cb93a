//! How far a long work is: a bar on a terminal, a plain line every ten seconds elsewhere.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use super::text::count;

const BETWEEN_LINES: Duration = Duration::from_secs(10);
const REDRAW: Duration = Duration::from_millis(200);
/// A longer time to go is no forecast, but a work that stands still.
const LONGEST_LEFT: Duration = Duration::from_secs(24 * 3600);

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
            Some(total) => {
                ProgressBar::new(total).with_style(style("{bar:30} {human_pos}/{human_len} {msg}, {rate}{left}"))
            }
            None => ProgressBar::new_spinner().with_style(style("{spinner} {human_pos} {msg}, {rate}")),
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

/// A bar with words of their own beside it, of a work that goes through phases.
pub struct Live {
    bar: ProgressBar,
    /// When the next plain line is due, where there is no bar.
    next_line: Option<Instant>,
}

impl Live {
    pub(super) fn begin(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = if quiet || !terminal { ProgressBar::hidden() } else { ProgressBar::new(1) };
        bar.set_style(style("{bar:20} {wide_msg}"));
        bar.enable_steady_tick(REDRAW);
        Self { bar, next_line: (!quiet && !terminal).then(|| Instant::now() + BETWEEN_LINES) }
    }

    pub(super) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// So much of the phase is done, and this is how it stands.
    pub fn show(&mut self, done: u64, total: u64, line: &str) {
        self.bar.set_length(total);
        self.bar.set_position(done.min(total));
        self.bar.set_message(line.to_owned());
        let now = Instant::now();
        if self.next_line.is_some_and(|due| due <= now) {
            self.next_line = Some(now + BETWEEN_LINES);
            let _ = writeln!(anstream::stderr(), "{line}");
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; one that could not be read would show the default bar.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    // There is nobody to tell of a bar that cannot be drawn.
    style
        .with_key("rate", |state: &ProgressState, text: &mut dyn fmt::Write| {
            // Whole ones; the cast saturates.
            let _ = write!(text, "{}/s", count(state.per_sec() as u64));
        })
        .with_key("left", |state: &ProgressState, text: &mut dyn fmt::Write| {
            let _ = write!(text, "{}", left(state.eta()));
        })
}

/// How long it will go on. While nothing gets done there is no telling.
fn left(eta: Duration) -> String {
    if (Duration::from_secs(1)..LONGEST_LEFT).contains(&eta) {
        format!(", {:#} to go", HumanDuration(eta))
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_where_it_is_known() {
        assert_eq!(left(Duration::from_secs(30)), ", 30s to go");
        for unknown in [Duration::ZERO, Duration::from_secs(1_000_000_000)] {
            assert_eq!(left(unknown), "");
        }
    }
}
