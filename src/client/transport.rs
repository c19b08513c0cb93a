//! One attempt at a stream, for eventsource-client: asks once, follows nothing, takes nothing but an event stream.
//!
//! The crate passes on neither a block without data nor whether an id was the block's own, and both move the cursor. So
//! the answer is split here, by our own splitter, and each block is handed on in a form that the crate does pass on.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use eventsource_client::Event;
use futures_util::stream::unfold;
use launchdarkly_sdk_transport::{ByteStream, HttpTransport, Request, Response, ResponseFuture, TransportError};
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Method, StatusCode};
use tokio::time::timeout;

use super::access::Token;
use super::answer;
use super::endpoint::ServerUrl;
use super::failure::Failure;
use crate::wire::sse::{Block, Splitter};

const EVENT_STREAM: &str = "text/event-stream";
/// The name that a block without data is handed on by. What a server names so is no event of lumen's either.
const STEP: &str = "(a block without data)";

#[derive(Clone)]
pub struct Transport {
    pub url: ServerUrl,
    pub http: Client,
    pub token: Token,
    /// How long the head of the answer is waited for.
    pub patience: Duration,
}

impl HttpTransport for Transport {
    fn request(&self, request: Request<Option<Bytes>>) -> ResponseFuture {
        let transport = self.clone();
        Box::pin(async move {
            let opened = timeout(transport.patience, transport.open(request)).await;
            let silent = Failure::Silent { url: transport.url.clone(), patience: transport.patience };
            opened.unwrap_or(Err(silent)).map_err(TransportError::new)
        })
    }
}

impl Transport {
    async fn open(&self, request: Request<Option<Bytes>>) -> Result<Response<ByteStream>, Failure> {
        let (head, _) = request.into_parts();
        let ask = self.http.get(head.uri.to_string()).headers(head.headers).header(AUTHORIZATION, self.token.bearer());
        let begun = Instant::now();
        let answer = ask.send().await.map_err(|error| Failure::on_the_way(&self.url, &error, self.patience))?;
        answer::log(&Method::GET, &answer, begun);
        if answer.status() != StatusCode::OK {
            return Err(answer::refusal(&self.url, answer, self.patience).await);
        }
        if !answer::is_type(answer.headers(), EVENT_STREAM) {
            let what = "its answer is no event stream".to_owned();
            return Err(Failure::NotLumen { url: self.url.clone(), what });
        }
        Ok(Response::new(self.blocks(answer)))
    }

    /// The blocks of an answer as the crate passes them on. What the end cuts short is thrown away.
    fn blocks(&self, answer: reqwest::Response) -> ByteStream {
        let url = self.url.clone();
        let patience = self.patience;
        Box::pin(unfold(Some((answer, Splitter::default())), move |state| {
            let url = url.clone();
            async move {
                let (mut answer, mut splitter) = state?;
                let chunk = match answer.chunk().await {
                    Ok(chunk) => chunk?,
                    Err(error) => {
                        let cut = Failure::on_the_way(&url, &error, patience);
                        return Some((Err(TransportError::new(cut)), None));
                    }
                };
                let mut blocks = Vec::new();
                match splitter.push(&chunk, &mut blocks) {
                    Ok(()) => Some((Ok(handed_on(&blocks)), Some((answer, splitter)))),
                    Err(fault) => {
                        let unlike = Failure::NotLumen { url, what: format!("it sent {fault}") };
                        Some((Err(TransportError::new(unlike)), None))
                    }
                }
            }
        }))
    }
}

/// Writes blocks so that each is an event for the crate: an id that is there or expressly empty, and some data.
fn handed_on(blocks: &[Block]) -> Bytes {
    let mut text = BytesMut::new();
    let mut line = |field: &str, value: &str| {
        text.put_slice(field.as_bytes());
        text.put_slice(value.as_bytes());
        text.put_u8(b'\n');
    };
    for block in blocks {
        line("id: ", block.id.as_deref().unwrap_or_default());
        line("event: ", if block.data.is_some() { &block.event } else { STEP });
        if let Some(retry) = block.retry {
            line("retry: ", &retry.to_string());
        }
        for data in block.data.as_deref().unwrap_or_default().split('\n') {
            line("data: ", data);
        }
        line("", "");
    }
    text.freeze()
}

/// The block that the crate made an event of.
pub fn block(event: Event) -> Block {
    let step = event.event_type == STEP;
    Block {
        event: event.event_type,
        id: event.id.filter(|id| !id.is_empty()),
        data: (!step).then_some(event.data),
        retry: event.retry,
    }
}
