//! What became of the lines so far.

use std::time::Duration;

use serde_json::json;

use crate::cmd::term::count;
use crate::wire::api::PublishedAll;

/// The outcome of a sending, up to now.
#[derive(Debug, Default)]
pub struct Tally {
    /// Notifications that were stored.
    pub sent: u64,
    /// Notifications that had been stored before.
    pub duplicates: u64,
    /// Lines that cannot be sent.
    pub faulty: u64,
}

impl Tally {
    pub fn add(&mut self, answer: &PublishedAll) {
        let duplicates = answer.results.iter().filter(|published| published.duplicate).count();
        self.duplicates += duplicates as u64;
        self.sent += (answer.results.len() - duplicates) as u64;
    }

    /// Whether the server took anything.
    pub fn took_any(&self) -> bool {
        self.sent + self.duplicates > 0
    }

    /// One line for people.
    pub fn line(&self, took: Duration) -> String {
        let Tally { sent, duplicates, faulty } = self;
        let (sent, duplicates, faulty) = (count(*sent), count(*duplicates), count(*faulty));
        let (seconds, rate) = (took.as_secs_f64(), count(self.rate(took)));
        format!("{sent} sent, {duplicates} duplicates, {faulty} faulty in {seconds:.1} s, {rate}/s")
    }

    /// One object for programs.
    pub fn json(&self, run: &str, took: Duration, interrupted: bool) -> String {
        let Tally { sent, duplicates, faulty } = self;
        let (seconds, per_second) = (took.as_secs_f64(), self.rate(took));
        json!({"run": run, "sent": sent, "duplicates": duplicates, "faulty": faulty, "seconds": seconds,
            "per_second": per_second, "interrupted": interrupted})
        .to_string()
    }

    fn rate(&self, took: Duration) -> u64 {
        // Whole ones; the cast saturates, and over no time at all the rate is 0.
        ((self.sent + self.duplicates) as f64 / took.as_secs_f64().max(0.001)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_is_told_in_a_line_or_an_object() {
        let published = |duplicate| {
            json!({"id": "01932f4e-5b1c-7000-8000-000000000000", "user": "a", "rev": 1, "unread_count": 1,
                "streams": 0, "duplicate": duplicate})
        };
        let answer = json!({"results": [published(false), published(true), published(false)]});
        let mut tally = Tally { sent: 59_833, duplicates: 0, faulty: 3 };
        tally.add(&serde_json::from_value(answer).unwrap());
        let took = Duration::from_millis(4_200);
        assert_eq!(tally.line(took), "59,835 sent, 1 duplicates, 3 faulty in 4.2 s, 14,246/s");
        assert_eq!(
            tally.json("r", took, false),
            r#"{"run":"r","sent":59835,"duplicates":1,"faulty":3,"seconds":4.2,"per_second":14246,"interrupted":false}"#
        );
    }
}
