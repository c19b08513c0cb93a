//! One ticker for all streams: heartbeats, ends of tokens, and the check of their revs against the heads.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::Inner;
use super::mailbox::Mailbox;
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
        hub.ticks.store(tick, Ordering::Relaxed);
        visit(&hub, tick, clock.now());
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

fn visit(hub: &Inner, tick: u64, now: Millis) {
    let heartbeat = hub.config.heartbeat.as_secs();
    hub.registry.for_each(|mailbox| {
        if mailbox.expires_at() <= now {
            mailbox.close(CloseReason::TokenExpired);
        } else if tick >= mailbox.sent_at() + heartbeat {
            mailbox.ring();
        }
    });
}

/// The streams whose rev is not their inbox's head, with that head. Most only have news under way.
fn suspect(hub: &Inner) -> Vec<(Arc<Mailbox>, Rev)> {
    let mut suspects = Vec::new();
    hub.registry.for_each(|mailbox| {
        if let Some(head) = hub.store.head_in_memory(mailbox.user())
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
        let ahead = hub.store.head_in_memory(mailbox.user()).is_some_and(|head| head < mailbox.told());
        if behind || ahead {
            mailbox.nudge(head);
        }
    }
}
