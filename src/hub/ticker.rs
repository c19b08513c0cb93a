//! One ticker for all streams: heartbeats, ends of tokens, readers that take nothing, and the check of the streams' revs
//! against the heads.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::Inner;
use super::close::GRACE_TICKS;
use super::mailbox::{Mailbox, Untaken};
use crate::clock::Clock;
use crate::domain::ids::{Millis, Rev};
use crate::wire::event::CloseReason;

/// Ticks between two checks of the streams' revs against the heads in memory: news can be lost only by a defect, and
/// then this is how long it stays lost.
const HEAD_CHECK_TICKS: u64 = 30;

/// Ticks with each second of the wall clock, the unit in which tokens end, until the hub is gone.
pub(super) async fn run(hub: Weak<Inner>, clock: Clock) {
    let started = Instant::now();
    let mut suspects = Vec::new();
    let mut next_check = HEAD_CHECK_TICKS;
    loop {
        tokio::time::sleep(to_next_second(clock.now())).await;
        let Some(hub) = hub.upgrade() else { return };
        let tick = started.elapsed().as_secs();
        // A process that was stopped for long did not wait for its readers meanwhile.
        let passed = tick.saturating_sub(hub.ticks.swap(tick, Ordering::Relaxed)).min(1);
        let now = clock.now();
        hub.registry.for_each(|mailbox| look_after(&hub, mailbox, passed, tick, now));
        confirm(&hub, std::mem::take(&mut suspects));
        if tick >= next_check {
            next_check = tick + HEAD_CHECK_TICKS;
            suspects = suspect(&hub);
        }
    }
}

fn to_next_second(now: Millis) -> Duration {
    Duration::from_millis(1_000 - now.rem_euclid(1_000).unsigned_abs())
}

fn look_after(hub: &Inner, mailbox: &Mailbox, passed: u64, tick: u64, now: Millis) {
    match mailbox.pass(passed) {
        Untaken::Close(ticks) => {
            if ticks == GRACE_TICKS {
                debug!(user = %mailbox.arrival.user, "a stream's close is not taken; its connection is cut");
                mailbox.arrival.cut.begin();
            }
        }
        Untaken::News(_) if mailbox.arrival.expires_at <= now => _ = mailbox.close(CloseReason::TokenExpired),
        Untaken::News(ticks) if ticks >= hub.config.too_slow.as_secs() => _ = mailbox.close(CloseReason::TooSlow),
        Untaken::News(_) => {
            if tick >= mailbox.sent_at() + hub.config.heartbeat.as_secs() {
                mailbox.ring();
            }
        }
    }
}

/// The streams whose rev is not their inbox's head, with that head. Most only have news under way.
fn suspect(hub: &Inner) -> Vec<(Arc<Mailbox>, Rev)> {
    let mut suspects = Vec::new();
    hub.registry.for_each(|mailbox| {
        if let Some(head) = hub.store.head_in_memory(&mailbox.arrival.user)
            && head != mailbox.told()
        {
            suspects.push((mailbox.clone(), head));
        }
    });
    suspects
}

/// A suspect that a tick later is still not where the head was has missed something, and reads it from the store.
fn confirm(hub: &Inner, suspects: Vec<(Arc<Mailbox>, Rev)>) {
    for (mailbox, head) in suspects {
        let behind = mailbox.told() < head;
        let ahead = hub.store.head_in_memory(&mailbox.arrival.user).is_some_and(|head| head < mailbox.told());
        if behind || ahead {
            mailbox.nudge(head);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_comes_with_the_next_whole_second() {
        let to_next = |now| to_next_second(now).as_millis();
        assert_eq!([-1, 0, 1, 999, 1_000, 1_250].map(to_next), [1, 1_000, 999, 1, 1_000, 750]);
    }
}
