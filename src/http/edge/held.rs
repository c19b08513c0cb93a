//! An answer that is held in memory until its client takes it, and has its part of the budget as long; but not for ever.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::debug;

use super::problem::busy;
use crate::budget::{Budget, Share, Use};
use crate::shutdown::Shutdown;
use crate::wire::problem::Problem;

/// Bytes that are handed on at a time. Each waits in the connection's own buffer, outside of the budget.
const PIECE_BYTES: usize = 32 * 1024;
/// Time within which an answer is taken. Without it a few clients that read a little now and then would have all the
/// room; the largest list needs 20 KB/s.
const ANSWER_TIME: Duration = Duration::from_secs(60);

struct Held {
    rest: Bytes,
    _share: Share,
    _deadline: Deadline,
}

/// Cuts a connection when its time is up, unless it is dropped before. It is a task of its own: a body is not asked for
/// more while what was taken of it waits to be sent.
struct Deadline(AbortHandle);

impl Deadline {
    fn begin(cut: Shutdown) -> Self {
        let task = tokio::spawn(async move {
            sleep(ANSWER_TIME).await;
            debug!("an answer is not taken; its connection is cut");
            cut.begin();
        });
        Self(task.abort_handle())
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A body that only reads, and so can be asked for again when there is no room for it; `cut` drops its connection if it
/// is not taken in time.
///
/// # Errors
/// A 503 when there is none.
pub fn held(bytes: impl Into<Bytes>, budget: &Budget, cut: Shutdown) -> Result<Body, Problem> {
    let (rest, mut share) = (bytes.into(), budget.share(Use::List));
    if share.grow(rest.len()) {
        Ok(Body::new(Held { rest, _share: share, _deadline: Deadline::begin(cut) }))
    } else {
        Err(busy("the answers that wait for their readers fill the buffers that they may have"))
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(piece);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn it_comes_in_pieces_and_has_its_room_until_the_last_is_taken() {
        let text: Vec<u8> = (0..3 * PIECE_BYTES + 1).map(|n| n as u8).collect();
        let budget = Budget::new(2 * text.len());
        let mut body = held(text.clone(), &budget, Shutdown::default()).unwrap();
        assert_eq!(body.size_hint().exact(), Some(text.len() as u64));
        let mut taken = Vec::new();
        while !body.is_end_stream() {
            assert_eq!(budget.taken(), text.len());
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES);
            taken.extend_from_slice(&piece);
        }
        assert!(body.frame().await.is_none());
        assert_eq!(taken, text);
        drop(body);
        assert_eq!(budget.taken(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_take_it_in_time_is_cut() {
        let (budget, in_time, late) = (Budget::new(1_000), Shutdown::default(), Shutdown::default());
        let taken = held("x", &budget, in_time.clone()).unwrap();
        let mut waits = held("x".repeat(2), &budget, late.clone()).unwrap();
        sleep(ANSWER_TIME - Duration::from_secs(1)).await;
        drop(taken);
        waits.frame().await.unwrap().unwrap();
        assert!(!late.has_begun());
        sleep(Duration::from_secs(2)).await;
        assert!(late.has_begun() && !in_time.has_begun());
    }

    #[tokio::test]
    async fn one_that_has_no_room_is_a_refusal() {
        let budget = Budget::new(96);
        let held = |text: String| held(text, &budget, Shutdown::default());
        let waits = held("x".repeat(60)).unwrap();
        let refusal = held("x".to_owned()).unwrap_err();
        assert_eq!((refusal.status, refusal.code.as_ref(), refusal.retry_after_s), (503, "busy", Some(1)));
        assert!(budget.has_room(Use::Page, 1), "streams open and go on");
        drop(waits);
        assert!(held("x".to_owned()).is_ok());
    }
}
