//! A subscription as a response's body: shared bytes, handed on as they are.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame};

use crate::hub::Subscription;

/// Ends when the subscription does; dropped when the client goes, and the subscription with it.
pub struct Events(pub Subscription);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_next(cx).map(|next| next.map(|bytes| Ok(Frame::data(bytes))))
    }
}
