//! Whose turn it is on a connection: the client's, who is to send a head, or the server's, who is to answer it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::{HttpService, Service, service_fn};
use hyper_util::service::TowerToHyperService;

use super::peer::Peer;

/// The turns of one connection, counted: the first is the client's, and each second one.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<AtomicUsize>);

/// The server's turn, until it is dropped.
struct Turn(Turns);

impl Turns {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn begin(&self) -> Turn {
        self.0.fetch_add(1, Ordering::Relaxed);
        Turn(self.clone())
    }
}

/// Whether the turn of this count is the client's.
pub fn is_clients(count: usize) -> bool {
    count.is_multiple_of(2)
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Hands each request to the router, with the peer that it is of; its turn lasts until its answer was handed out.
pub fn requests(
    router: Router,
    peer: Peer,
    turns: Turns,
) -> impl HttpService<Incoming, ResBody = Answer, Error = Infallible, Future: Send> {
    let router = TowerToHyperService::new(router);
    service_fn(move |mut request: Request<Incoming>| {
        let turn = turns.begin();
        request.extensions_mut().insert(peer.clone());
        let answered = router.call(request);
        async move {
            let response: Response<Body> = answered.await?;
            Ok(response.map(|body| Answer { body, _turn: turn }))
        }
    })
}

/// An answer's body.
pub struct Answer {
    body: Body,
    _turn: Turn,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
