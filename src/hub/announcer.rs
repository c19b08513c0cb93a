//! Hands commits to the mailboxes, in commit order, and ends the streams of a user that was erased, or whose tokens
//! were ended: whoever comes later finds another inbox, or is refused. No request can stop it, not even by going away,
//! and it waits for no reader.

use std::sync::Arc;

use super::Inner;
use crate::domain::change::Change;
use crate::store::{Commits, Ended};
use crate::wire::event::{self, CloseReason};

pub(super) async fn run(mut commits: Commits, hub: Arc<Inner>) {
    while let Some(commit) = commits.next().await {
        commit.tell(|change| announce(&hub, change), |ended| end(&hub, ended));
    }
}

/// Ends the streams that it ends, and says how many there were. A stream that opens meanwhile looks by itself.
fn end(hub: &Inner, ended: &Ended) -> usize {
    match ended {
        Ended::Erased(user) => hub.close_of(user, CloseReason::Erased, |_| true),
        Ended::Refused(user, not_before) => {
            hub.close_of(user, CloseReason::Disconnected, |arrival| arrival.is_refused_by(Some(*not_before)))
        }
    }
}

/// Offers a change to its user's mailboxes, framed once, and says how many streams there are.
fn announce(hub: &Inner, change: &Change) -> usize {
    let Some(mailboxes) = hub.registry.of(&change.user) else { return 0 };
    let frame = event::live(change);
    mailboxes.iter().filter(|mailbox| mailbox.offer(change.cursor(), &frame)).count()
}
