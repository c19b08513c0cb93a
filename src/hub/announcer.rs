//! Hands commits to the mailboxes, in commit order, and ends the streams of a user that was erased: whoever comes later
//! finds another inbox. No request can stop it, and it waits for no reader.

use std::sync::Arc;

use super::Inner;
use crate::domain::change::Change;
use crate::store::Commits;
use crate::wire::event::{self, CloseReason};

pub(super) async fn run(mut commits: Commits, hub: Arc<Inner>) {
    while let Some(commit) = commits.next().await {
        commit.tell(|change| announce(&hub, change), |user| hub.close_of(user, CloseReason::Erased, |_| true));
    }
}

/// Offers a change to its user's mailboxes, framed once, and says how many streams there are.
fn announce(hub: &Inner, change: &Change) -> usize {
    let Some(mailboxes) = hub.registry.of(&change.user) else { return 0 };
    let frame = event::live(change);
    mailboxes.iter().filter(|mailbox| mailbox.offer(change.cursor(), &frame)).count()
}
