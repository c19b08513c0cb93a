//! Reads a request's body, never more of it than its limit or than there is room for, never longer than its time.

use std::ops::Deref;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::budget::{Budget, Share, Use};
use crate::http::Parts;

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    #[error("the body has more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body did not come within {} s", .time.as_secs())]
    TooSlow { time: Duration },
    #[error("the body was cut short")]
    Broken,
    #[error("the server has no room for the body now")]
    NoRoom,
}

/// What bodies are given.
#[derive(Debug, Clone, Copy)]
pub struct Allowance<'a> {
    /// For a whole body.
    pub time: Duration,
    /// Room for all of them together.
    pub budget: &'a Budget,
}

impl<'a> Allowance<'a> {
    pub fn of(parts: &'a Parts) -> Self {
        Self { time: parts.config.body_timeout, budget: &parts.budget }
    }
}

/// A body that was taken. What it has of the budget is given back when it is dropped.
#[derive(Debug)]
pub struct Taken {
    bytes: Bytes,
    _share: Share,
}

impl Deref for Taken {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the whole body.
///
/// One that says by Content-Length that it is too large is refused unread, so that a client that asked with
/// `Expect: 100-continue` is not told to go on.
///
/// # Errors
/// A body over `limit` bytes, one that is slower or larger than its allowance, one whose client went away.
pub async fn read(body: Body, limit: usize, allowance: Allowance<'_>) -> Result<Taken, BodyFault> {
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyFault::TooLarge { limit });
    }
    let Allowance { time, budget } = allowance;
    let mut share = budget.share(Use::Body);
    let collected = timeout(time, collect(body, limit, &mut share)).await;
    let bytes = collected.map_err(|_| BodyFault::TooSlow { time })??;
    Ok(Taken { bytes, _share: share })
}

async fn collect(mut body: Body, limit: usize, share: &mut Share) -> Result<Bytes, BodyFault> {
    let announced = body.size_hint().exact();
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers are no part of it.
        let Ok(data) = frame.map_err(|_| BodyFault::Broken)?.into_data() else { continue };
        if data.len() > limit - collected.len() {
            return Err(BodyFault::TooLarge { limit });
        }
        if !share.grow(data.len()) {
            return Err(BodyFault::NoRoom);
        }
        // The usual body is one frame, which needs no copy.
        if collected.is_empty() && announced == Some(data.len() as u64) {
            return Ok(data);
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    const TIME: Duration = Duration::from_secs(30);

    async fn read(body: Body, limit: usize) -> Result<Bytes, BodyFault> {
        read_within(&Budget::new(2 * 1024 * 1024), body, limit).await
    }

    async fn read_within(budget: &Budget, body: Body, limit: usize) -> Result<Bytes, BodyFault> {
        let taken = super::read(body, limit, Allowance { time: TIME, budget }).await?;
        assert_eq!(budget.taken(), taken.len());
        Ok(taken.bytes.clone())
    }

    /// A body without a known length, as a chunked one is.
    fn chunked(chunks: Vec<&'static [u8]>) -> Body {
        Body::from_stream(stream::iter(chunks.into_iter().map(|chunk| Ok::<_, Infallible>(Bytes::from_static(chunk)))))
    }

    #[tokio::test]
    async fn a_limit_holds_to_the_byte() {
        assert_eq!(read(Body::from("12345678"), 8).await.unwrap(), "12345678");
        assert_eq!(read(Body::from("123456789"), 8).await, Err(BodyFault::TooLarge { limit: 8 }));
        assert_eq!(read(chunked(vec![b"", b"1234", b"", b"5678"]), 8).await.unwrap(), "12345678");
        assert_eq!(read(chunked(vec![b"1234", b"56789"]), 8).await, Err(BodyFault::TooLarge { limit: 8 }));
        assert_eq!(read(Body::empty(), 8).await.unwrap(), "");
    }

    #[tokio::test]
    async fn an_endless_body_is_read_up_to_its_limit() {
        let endless = Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 1024]))));
        assert_eq!(read(endless, 1024 * 1024).await, Err(BodyFault::TooLarge { limit: 1024 * 1024 }));
    }

    #[tokio::test]
    async fn a_body_that_says_it_is_too_large_is_not_asked_for() {
        struct Unread;
        impl http_body::Body for Unread {
            type Data = Bytes;
            type Error = Infallible;
            fn poll_frame(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
                panic!("polled");
            }
            fn size_hint(&self) -> http_body::SizeHint {
                http_body::SizeHint::with_exact(9)
            }
        }
        assert_eq!(read(Body::new(Unread), 8).await, Err(BodyFault::TooLarge { limit: 8 }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_given_up() {
        let stalled = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        assert_eq!(read(stalled, 8).await, Err(BodyFault::TooSlow { time: TIME }));
    }

    /// A trickle is no better than silence: the time is the whole body's.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up() {
        let began = tokio::time::Instant::now();
        let trickle = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"x")), ()))
        });
        assert_eq!(read(Body::from_stream(trickle), 1024).await, Err(BodyFault::TooSlow { time: TIME }));
        assert_eq!(began.elapsed(), TIME);
    }

    #[tokio::test]
    async fn bodies_share_their_room_and_give_it_back() {
        let budget = Budget::new(10);
        let mut other = budget.share(Use::Body);
        assert!(other.grow(2));
        let whole = || Body::from("123456789");
        for body in [whole(), chunked(vec![b"1234", b"56789"])] {
            assert_eq!(read_within(&budget, body, 64).await, Err(BodyFault::NoRoom));
            assert_eq!(budget.taken(), 2, "what is refused takes nothing");
        }
        drop(other);
        for body in [whole(), chunked(vec![b"1234", b"56789"])] {
            assert_eq!(read_within(&budget, body, 64).await.unwrap(), "123456789");
            assert_eq!(budget.taken(), 0);
        }
    }

    #[tokio::test]
    async fn a_body_cut_short_is_broken() {
        let cut = Body::from_stream(stream::iter([Ok(Bytes::from_static(b"12")), Err(std::io::Error::other("cut"))]));
        assert_eq!(read(cut, 8).await, Err(BodyFault::Broken));
    }
}
