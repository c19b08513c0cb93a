//! A device's stream, as an EventSource would have it: HTTP/1.1 spoken over a bare socket, so that cuts are seen as they
//! are.
//!
//! It keeps the cursor and everything received. How it asks is `opening`'s, what a client makes of the events is
//! `device`'s.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use lumen_inbox::domain::cursor::Cursor;
use lumen_inbox::domain::ids::Rev;
use lumen_inbox::wire::event::{self, CloseData, Event, InboxData, MessageData, ReadyData, ResyncData};
use lumen_inbox::wire::sse::{Block, Splitter};

use super::link::{Ended, Link};
use super::opening::{Opening, Unopened};
use super::patience::{self, Patience};
use super::responses::Head;

/// A complete block, and the event that it fired.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    pub block: Block,
    /// `None` for a block without data, which only moves the cursor.
    pub event: Option<Event>,
}

/// An open stream.
pub struct Reader {
    opening: Opening,
    /// `None` once this side hung up.
    link: Option<Link>,
    head: Head,
    splitter: Splitter,
    waiting: VecDeque<Received>,
    received: Vec<Received>,
    came_with: Option<String>,
    cursor: Option<String>,
    ended: Option<Ended>,
}

impl Reader {
    /// Opens a stream that starts at the head.
    pub async fn open(addr: SocketAddr, token: impl Into<String>) -> Self {
        Opening::new(addr, token).open().await
    }

    pub(super) fn new(opening: Opening, head: Head, link: Link) -> Self {
        Self {
            came_with: opening.named(None),
            opening,
            link: Some(link),
            head,
            splitter: Splitter::default(),
            waiting: VecDeque::new(),
            received: Vec::new(),
            cursor: None,
            ended: None,
        }
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    /// What a browser's next request will have as `Last-Event-ID`: the last id of a complete block.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The cursor that this connection was opened with.
    pub fn came_with(&self) -> Option<&str> {
        self.came_with.as_deref()
    }

    /// Everything handed out so far, over all connections.
    pub fn received(&self) -> &[Received] {
        &self.received
    }

    /// The next block, or `None` once the connection has ended.
    pub async fn next_block(&mut self) -> Option<Received> {
        while self.waiting.is_empty() && self.ended.is_none() {
            if patience::within(self.read_more()).await.is_none() {
                panic!("nothing more in {:?}; received so far:\n{self:?}", patience::PATIENCE);
            }
        }
        let received = self.waiting.pop_front()?;
        if let Some(id) = &received.block.id {
            self.cursor = Some(id.clone()).filter(|id| !id.is_empty());
        }
        self.received.push(received.clone());
        Some(received)
    }

    /// The next event; blocks that fire none move the cursor on the way.
    ///
    /// # Panics
    /// When the connection ends before.
    pub async fn next(&mut self) -> Received {
        loop {
            match self.next_block().await {
                Some(received) if received.event.is_some() => return received,
                Some(_) => {}
                None => panic!("the stream ended ({:?}); received so far:\n{self:?}", self.ended),
            }
        }
    }

    /// Reads up to the event that is so, and returns it with all before it.
    pub async fn until(&mut self, so: impl Fn(&Event) -> bool) -> Vec<Received> {
        let mut passed = Vec::new();
        let mut patience = Patience::begin();
        loop {
            let received = self.next().await;
            assert!(patience.lasts(!received.is_ping()), "only pings; received so far:\n{self:?}");
            passed.push(received);
            if passed.last().and_then(|received| received.event.as_ref()).is_some_and(&so) {
                return passed;
            }
        }
    }

    /// The next `number` messages; other events are passed over.
    pub async fn messages(&mut self, number: usize) -> Vec<MessageData> {
        let mut messages = Vec::with_capacity(number);
        while messages.len() < number {
            if let Event::Message(message) = self.next_news().await {
                messages.push(message);
            }
        }
        messages
    }

    /// The next event that is no `ping`.
    async fn next_news(&mut self) -> Event {
        let passed = self.until(|event| *event != Event::Ping).await;
        passed.into_iter().next_back().and_then(|received| received.event).expect("the last one is an event")
    }

    pub async fn expect_ready(&mut self) -> ReadyData {
        match self.next_news().await {
            Event::Ready(data) => data,
            other => panic!("not ready but {other:?}"),
        }
    }

    pub async fn expect_message(&mut self) -> MessageData {
        match self.next_news().await {
            Event::Message(data) => data,
            other => panic!("not a message but {other:?}"),
        }
    }

    pub async fn expect_inbox(&mut self) -> InboxData {
        match self.next_news().await {
            Event::Inbox(data) => data,
            other => panic!("not inbox but {other:?}"),
        }
    }

    pub async fn expect_resync(&mut self) -> ResyncData {
        match self.next_news().await {
            Event::Resync(data) => data,
            other => panic!("not resync but {other:?}"),
        }
    }

    /// Reads up to the `close`, behind which the stream must end, whole and without another word.
    pub async fn expect_close(&mut self) -> CloseData {
        let passed = self.until(|event| matches!(event, Event::Close(_))).await;
        let Some(Event::Close(close)) = passed.into_iter().next_back().and_then(|received| received.event) else {
            unreachable!("the last one is a close");
        };
        assert_eq!(self.ended().await, (Vec::new(), Ended::Whole), "after {close:?}");
        close
    }

    /// Waits for the connection's end: what came before it, and how it was.
    pub async fn ended(&mut self) -> (Vec<Received>, Ended) {
        let mut passed = Vec::new();
        while let Some(received) = self.next_block().await {
            passed.push(received);
        }
        (passed, self.ended.expect("an end"))
    }

    /// Comes back with the cursor, as a browser does: over and over while it is the link that fails. What the old
    /// connection still had is lost with it.
    pub async fn resume(&mut self) {
        let unopened = patience::within(async {
            loop {
                match self.try_resume().await {
                    Ok(()) => return None,
                    Err(Unopened::Network(_)) => patience::pause(Duration::from_millis(20)).await,
                    Err(refused) => return Some(refused),
                }
            }
        });
        match unopened.await {
            Some(None) => {}
            Some(Some(refused)) => panic!("the stream was not resumed: {refused}"),
            None => panic!("nobody there in {:?} to resume the stream", patience::PATIENCE),
        }
    }

    /// # Errors
    /// Any other answer than a stream.
    pub async fn try_resume(&mut self) -> Result<(), Unopened> {
        self.hang_up();
        let (head, link) = self.opening.ask(self.cursor.as_deref()).await?;
        (self.head, self.link) = (head, Some(link));
        self.came_with = self.opening.named(self.cursor.as_deref());
        self.splitter = Splitter::default();
        self.ended = None;
        Ok(())
    }

    /// Closes the connection from this side.
    pub fn hang_up(&mut self) {
        self.link = None;
        self.waiting.clear();
        self.ended.get_or_insert(Ended::HungUp);
    }

    /// How the next [`Reader::resume`] asks.
    pub fn opening(&mut self) -> &mut Opening {
        &mut self.opening
    }

    async fn read_more(&mut self) {
        let mut blocks = Vec::new();
        let Some(link) = &mut self.link else { return };
        match link.body().await {
            Ok(bytes) => self.splitter.push(&bytes, &mut blocks).expect("lines that end"),
            Err(ended) => self.ended = Some(ended),
        }
        self.waiting.extend(blocks.into_iter().map(Received::read));
    }
}

impl Received {
    /// Reads the block's event.
    pub fn read(block: Block) -> Self {
        let event = block.data.as_ref().map(|data| match event::parse(&block.event, data) {
            Ok(event) => event,
            Err(fault) => panic!("an unreadable event, {fault}: {block:?}"),
        });
        Self { block, event }
    }

    pub fn is_ping(&self) -> bool {
        self.event == Some(Event::Ping)
    }

    /// The rev of the block's id, if that is a cursor.
    pub fn rev(&self) -> Option<Rev> {
        self.block.id.as_deref()?.parse::<Cursor>().ok().map(|cursor| cursor.rev)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Received { block, .. } in &self.received {
            let (event, id, data) = (&block.event, block.id.as_deref(), block.data.as_deref());
            writeln!(f, "  {event} id={} {}", id.unwrap_or("-"), data.unwrap_or("(no event)"))?;
        }
        write!(f, "  the cursor is {:?}", self.cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::script::{Script, Then};

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX: y\r\n";
    const READY: &str = "event: ready\nid: aaaaaa-1\nretry: 2500\ndata: {\"user\":\"ada\",\"unread_count\":0,\
        \"unseen_count\":0,\"rev\":1,\"stream\":\"s\",\"resumed\":false,\"missed\":0,\"heartbeat_s\":15}\n\n";
    const CLOSE: &str = "event: close\nid: aaaaaa-3\nretry: 9\n\
        data: {\"reason\":\"draining\",\"reconnect\":true,\"retry_ms\":9}\n\n";

    fn message(rev: u64) -> String {
        format!(
            "id: aaaaaa-{rev}\ndata: {{\"type\":\"like\",\"unread_count\":1,\"unseen_count\":1,\"rev\":{rev},\"data\":\
             {{\"id\":\"00000000-0000-7000-8000-0000000000{rev:02}\",\"content\":\"m{rev}\",\"read\":false,\
             \"created_at\":\"\"}}}}\n\n"
        )
    }

    fn stream(blocks: &[&str]) -> String {
        format!("{HEAD}\r\n: lumen\n\n{}", blocks.concat())
    }

    fn chunked(body: &str) -> String {
        let chunks = body.as_bytes().chunks(11);
        let chunks = chunks.map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)));
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunks.collect::<String>())
    }

    #[tokio::test]
    async fn events_are_read_out_of_chunks_and_to_the_close() {
        let body = [": lumen\n\n", READY, &message(2), "event: ping\ndata: {}\n\n", "id: aaaaaa-3\n\n", CLOSE].concat();
        let script = Script::start([(stream(&[&body]), Then::Close), (chunked(&body), Then::Hold)]).await;
        for _ in 0..2 {
            let mut reader = Reader::open(script.addr(), "t").await;
            assert_eq!(reader.head().header("x"), Some("y"));
            assert_eq!(reader.cursor(), None);
            assert_eq!(reader.expect_ready().await.user, "ada");
            assert_eq!(reader.messages(1).await[0].data.content, "m2");
            assert_eq!(reader.cursor(), Some("aaaaaa-2"));
            assert_eq!(reader.next().await.event, Some(Event::Ping));
            let step = reader.next_block().await.unwrap();
            assert_eq!((step.event, reader.cursor()), (None, Some("aaaaaa-3")));
            assert_eq!(reader.expect_close().await.reason, "draining");
            assert_eq!(reader.next_block().await, None);
            assert_eq!(reader.received().len(), 5);
        }
    }

    #[tokio::test]
    async fn what_is_cut_short_counts_for_nothing_and_comes_again() {
        let torn = chunked(&[READY, &message(2), &message(3)].concat());
        let torn = &torn[..torn.len() - 20];
        let script = Script::start([
            (torn.to_owned(), Then::Close),
            // Nothing at all: the link's fault, so that it is tried again.
            (String::new(), Then::Close),
            (stream(&[READY, &message(3)]), Then::Reset),
        ])
        .await;
        let mut reader = Reader::open(script.addr(), "t").await;
        let (passed, ended) = reader.ended().await;
        assert_eq!((passed.len(), ended, reader.cursor()), (2, Ended::Cut, Some("aaaaaa-2")));
        reader.resume().await;
        assert_eq!(reader.messages(1).await[0].data.content, "m3");
        assert_eq!(reader.ended().await, (Vec::new(), Ended::Reset));
        let told: Vec<_> =
            script.requests().iter().map(|request| request.contains("Last-Event-ID: aaaaaa-2\r\n")).collect();
        assert_eq!(told, [false, true, true]);
    }

    #[tokio::test]
    async fn a_bare_id_ends_the_cursor() {
        let script = Script::start([(stream(&[READY, "id\n\n"]), Then::Close)]).await;
        let mut reader = Reader::open(script.addr(), "t").await;
        reader.next_block().await.unwrap();
        assert_eq!(reader.cursor(), Some("aaaaaa-1"));
        reader.next_block().await.unwrap();
        assert_eq!(reader.cursor(), None);
    }
}
