//! An answer that is held in memory until its client takes it, and has its part of the budget as long.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::problem::busy;
use crate::budget::{Budget, Share, Use};
use crate::wire::problem::Problem;

/// Bytes that are handed on at a time. Each waits in the connection's own buffer, outside of the budget.
const PIECE_BYTES: usize = 32 * 1024;

struct Held {
    rest: Bytes,
    _share: Share,
}

/// A body that only reads, and so can be asked for again when there is no room for it.
///
/// # Errors
/// A 503 when there is none.
pub fn held(bytes: impl Into<Bytes>, budget: &Budget) -> Result<Body, Problem> {
    let (rest, mut share) = (bytes.into(), budget.share(Use::Page));
    if share.grow(rest.len()) {
        Ok(Body::new(Held { rest, _share: share }))
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
        let mut body = held(text.clone(), &budget).unwrap();
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

    #[test]
    fn one_that_has_no_room_is_a_refusal() {
        let budget = Budget::new(100);
        let waits = held("x".repeat(75), &budget).unwrap();
        let refusal = held("x", &budget).unwrap_err();
        assert_eq!((refusal.status, refusal.code.as_ref(), refusal.retry_after_s), (503, "busy", Some(1)));
        drop(waits);
        assert!(held("x", &budget).is_ok());
    }
}
