//! Reads of the store for streams: each in its turn, with room for its answer, and never older than the news.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Inner;
use super::mailbox::Mailbox;
use crate::budget::{Share, Use};
use crate::domain::cursor::Presented;
use crate::domain::ids::Rev;
use crate::domain::limits::PAGE_BYTES;
use crate::store::{Error, Opening, Page};

/// Pause before a read is repeated that ended below what the stream had heard of.
const BEHIND_PAUSE: Duration = Duration::from_millis(50);
/// How long such reads are repeated before the stream is ended.
const BEHIND_LIMIT: Duration = Duration::from_secs(5);
/// Pause before the budget is asked again: some page somewhere is taken in that time, unless nobody reads.
const ROOM_PAUSE: Duration = Duration::from_millis(50);

/// What was read, and the room that it has.
pub(super) type Roomy<T> = (T, Share);

impl Inner {
    /// Reads what a stream that stands at `presented` is told first; `last` is what it was told already.
    pub async fn opening(
        &self,
        mailbox: &Mailbox,
        presented: Presented,
        snapshot: usize,
        last: Rev,
    ) -> Result<Roomy<Opening>, Error> {
        let head = |opening: &Opening| opening.page.view.counts.rev;
        let ask = || {
            let (store, user) = (self.store.clone(), mailbox.arrival.user.clone());
            async move { store.open_at(&user, presented, snapshot).await }
        };
        self.not_behind(mailbox, last, head, ask).await
    }

    /// Reads the page after `last`.
    pub async fn page(&self, mailbox: &Mailbox, last: Rev) -> Result<Roomy<Page>, Error> {
        let head = |page: &Page| page.view.counts.rev;
        let ask = || {
            let (store, user) = (self.store.clone(), mailbox.arrival.user.clone());
            async move { store.page_after(&user, last).await }
        };
        self.not_behind(mailbox, last, head, ask).await
    }

    /// Reads until the view is not older than what the stream had heard of before the read began.
    async fn not_behind<T: Send + 'static, F: Future<Output = Result<T, Error>> + Send + 'static>(
        &self,
        mailbox: &Mailbox,
        last: Rev,
        head: impl Fn(&T) -> Rev,
        ask: impl Fn() -> F,
    ) -> Result<Roomy<T>, Error> {
        let deadline = Instant::now() + BEHIND_LIMIT;
        loop {
            let heard = mailbox.heard();
            let (answer, room) = self.in_turn(ask()).await?;
            let head = head(&answer);
            if head >= heard {
                return Ok((answer, room));
            }
            if Instant::now() >= deadline {
                if head < last {
                    // What this stream was told is not there any more: its history was taken back, and so is the news.
                    mailbox.unhear(heard, head);
                    return Ok((answer, room));
                }
                return Err(Error::Internal(format!("reads end at {head}, below news of {heard}")));
            }
            drop(room);
            sleep(BEHIND_PAUSE).await;
        }
    }

    /// Asks the store once it is this stream's turn and there is room for the answer. Whoever waits for room keeps its
    /// turn, so that no other is first; and the turn lasts until the question is answered, also where the stream is
    /// gone by then.
    async fn in_turn<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<Roomy<T>, Error> {
        let turn = self.catch_up.clone().acquire_owned().await.map_err(|_| Error::Down)?;
        let mut room = self.budget.share(Use::Page);
        while !room.grow(PAGE_BYTES) {
            sleep(ROOM_PAUSE).await;
        }
        let asked = tokio::spawn(async move {
            let answer = question.await;
            drop(turn);
            answer.map(|answer| (answer, room))
        });
        asked.await.unwrap_or_else(|fault| Err(Error::Internal(fault.to_string())))
    }
}
