//! Reads a request's body, never more of it than its limit, never longer than its time.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::domain::limits::BODY_TIMEOUT;

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    #[error("the body has more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body did not come within {} s", BODY_TIMEOUT.as_secs())]
    TooSlow,
    #[error("the body was cut short")]
    Broken,
}

/// Reads the whole body.
///
/// One that says by Content-Length that it is too large is refused unread, so that a client that asked with
/// `Expect: 100-continue` is not told to go on.
///
/// # Errors
/// A body over `limit` bytes, one slower than [`BODY_TIMEOUT`], one whose client went away.
pub async fn read(body: Body, limit: usize) -> Result<Bytes, BodyFault> {
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyFault::TooLarge { limit });
    }
    timeout(BODY_TIMEOUT, collect(body, limit)).await.map_err(|_| BodyFault::TooSlow)?
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, BodyFault> {
    let announced = body.size_hint().exact();
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers are no part of it.
        let Ok(data) = frame.map_err(|_| BodyFault::Broken)?.into_data() else { continue };
        if data.len() > limit - collected.len() {
            return Err(BodyFault::TooLarge { limit });
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
        assert_eq!(read(stalled, 8).await, Err(BodyFault::TooSlow));
    }

    #[tokio::test]
    async fn a_body_cut_short_is_broken() {
        let cut = Body::from_stream(stream::iter([Ok(Bytes::from_static(b"12")), Err(std::io::Error::other("cut"))]));
        assert_eq!(read(cut, 8).await, Err(BodyFault::Broken));
    }
}
