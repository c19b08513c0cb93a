//! When a run has settled: all that is due has come, and it was listened for what is not.

use std::time::{Duration, Instant};

/// After the last that was due it is listened for so long: doubles and strays come late.
const LISTEN: Duration = Duration::from_millis(300);
/// Deliveries of messages that nobody accepted may still come for so long.
const QUIET: Duration = Duration::from_secs(1);

/// How things stand.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Nothing that is due is missing: answers, streams, deliveries of accepted messages.
    pub all_there: bool,
    /// Whether every message was accepted.
    pub all_accepted: bool,
    pub delivered: u64,
}

/// Since when nothing has come that could be waited for.
pub struct Settling {
    since: Instant,
    delivered: u64,
}

impl Settling {
    pub fn begin(now: Instant) -> Self {
        Self { since: now, delivered: 0 }
    }

    /// Whether nothing more is to be waited for.
    pub fn is_over(&mut self, standing: Standing, now: Instant) -> bool {
        if !standing.all_there || standing.delivered != self.delivered {
            (self.since, self.delivered) = (now, standing.delivered);
        }
        let most = if standing.all_accepted { LISTEN } else { QUIET };
        standing.all_there && now.saturating_duration_since(self.since) >= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Standing = Standing { all_there: true, all_accepted: true, delivered: 7 };

    /// How long it takes after the last change, where `standing` stays as it is.
    fn takes(standing: Standing) -> Option<u64> {
        let begun = Instant::now();
        let mut settling = Settling::begin(begun);
        (0..600).map(|tick| tick * 100).find(|ms| settling.is_over(standing, begun + Duration::from_millis(*ms)))
    }

    #[test]
    fn it_listens_a_little_longer_where_all_is_there() {
        assert_eq!(takes(GOOD), Some(300));
    }

    #[test]
    fn what_nobody_accepted_is_waited_for_while_it_comes() {
        assert_eq!(takes(Standing { all_accepted: false, ..GOOD }), Some(1_000));
    }

    #[test]
    fn what_is_due_is_waited_for_however_quiet_it_is() {
        assert_eq!(takes(Standing { all_there: false, ..GOOD }), None);
        assert_eq!(takes(Standing { all_there: false, all_accepted: false, ..GOOD }), None);
    }

    #[test]
    fn each_delivery_and_each_lack_begins_the_listening_anew() {
        let begun = Instant::now();
        let mut settling = Settling::begin(begun);
        let mut over = |ms, standing| settling.is_over(standing, begun + Duration::from_millis(ms));
        assert!(!over(0, GOOD) && !over(200, Standing { delivered: 8, ..GOOD }));
        assert!(!over(400, Standing { delivered: 8, ..GOOD }));
        assert!(!over(499, Standing { delivered: 8, all_there: false, ..GOOD }));
        assert!(!over(798, Standing { delivered: 8, ..GOOD }) && over(799, Standing { delivered: 8, ..GOOD }));
    }
}
