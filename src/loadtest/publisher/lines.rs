//! The connections that publish: kept from one message to the next, and so many under way at most.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::loadtest::link::answer::{self, Answer, AnswerFault};
use crate::loadtest::link::{Link, LinkFault, Target};

/// The connections of a run. The pacing thread writes to them, the publisher reads the answers.
pub struct Lines {
    target: Target,
    most: usize,
    places: Arc<Semaphore>,
    /// Those on which nothing is under way, the one used last at the end.
    idle: Mutex<Vec<Link>>,
}

/// Leave to have a request under way.
pub type Place = OwnedSemaphorePermit;

/// A request that is on its way.
pub struct Begun {
    /// Just before its first byte went.
    pub at: Instant,
    pub line: Line,
    pub place: Place,
}

/// A connection that took the beginning of a request.
pub struct Line {
    link: Link,
    /// How many bytes of it.
    taken: usize,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskFault {
    #[error("no connection: {0}")]
    NoLink(#[from] LinkFault),
    #[error(transparent)]
    NoAnswer(#[from] AnswerFault),
}

impl Lines {
    /// So many requests at a time: each is a connection, and that a descriptor.
    pub fn new(target: Target, places: usize) -> Self {
        Self { target, most: places, places: Arc::new(Semaphore::new(places)), idle: Mutex::default() }
    }

    /// Requests that have no answer yet.
    pub fn under_way(&self) -> usize {
        self.most - self.places.available_permits()
    }

    /// Leave for a request, if that can be had at once.
    pub fn place(&self) -> Option<Place> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Leave for a request as soon as there is some; whoever asked first has it first.
    pub fn next_place(&self) -> impl Future<Output = Option<Place>> + use<> {
        let places = self.places.clone();
        async move { places.acquire_owned().await.ok() }
    }

    /// Lets a request go at once, if it may and a connection waits for one. Never waits itself.
    pub fn begin(&self, request: &[u8]) -> Option<Begun> {
        let place = self.place()?;
        while let Some(mut link) = self.idle() {
            let at = Instant::now();
            // One that broke took nothing.
            if let Ok(taken) = link.begin(request) {
                return Some(Begun { at, line: Line { link, taken }, place });
            }
        }
        None
    }

    /// Sends a request, or what is left of one, and reads its answer.
    ///
    /// # Errors
    /// [`AskFault`].
    pub async fn ask(&self, request: &[u8], begun: Option<Line>) -> Result<Answer, AskFault> {
        let Line { mut link, taken } = match begun {
            Some(line) => line,
            None => Line { link: self.link().await?, taken: 0 },
        };
        link.send(&request[taken..]).await.map_err(AnswerFault::Broken)?;
        let answer = answer::read(&mut link).await?;
        if answer.keeps {
            self.waiting().push(link);
        }
        Ok(answer)
    }

    async fn link(&self) -> Result<Link, LinkFault> {
        match self.idle() {
            Some(link) => Ok(link),
            None => Link::open(&self.target, false).await,
        }
    }

    /// A connection that waits, and that the server has not ended meanwhile.
    fn idle(&self) -> Option<Link> {
        loop {
            let mut link = self.waiting().pop()?;
            if link.is_quiet() {
                return Some(link);
            }
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::{JoinHandle, yield_now};
    use tokio::time::timeout;

    use super::*;

    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    const TAKEN: &str = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

    /// Lines to a server that takes one connection, answers each request on it with the next text, and ends it.
    async fn lines(places: usize, answers: &'static [&'static str]) -> (Lines, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target { addresses: Arc::new([listener.local_addr().unwrap()]), tls: None };
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            drop(listener);
            for answer in answers {
                socket.read_exact(&mut [0; REQUEST.len()]).await.unwrap();
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (Lines::new(target, places), server)
    }

    #[tokio::test]
    async fn a_connection_serves_one_request_after_the_other_until_the_server_ends_it() {
        let (lines, server) = lines(2, &[TAKEN, TAKEN]).await;
        assert!(lines.begin(REQUEST).is_none(), "there is no connection yet");
        assert_eq!(lines.ask(REQUEST, None).await.unwrap().status, 201);
        let begun = lines.begin(REQUEST).expect("a connection waits");
        assert!(lines.begin(REQUEST).is_none(), "there is one connection");
        assert_eq!(
            (begun.line.taken, lines.ask(REQUEST, Some(begun.line)).await.unwrap().status),
            (REQUEST.len(), 201)
        );
        server.await.unwrap();
        let gone = timeout(Duration::from_secs(60), async {
            while let Some(link) = lines.idle() {
                lines.waiting().push(link);
                yield_now().await;
            }
        });
        gone.await.expect("its end is seen without anybody reading");
    }

    #[tokio::test]
    async fn no_more_requests_are_under_way_than_there_are_places() {
        let (lines, _server) = lines(1, &[TAKEN; 3]).await;
        lines.ask(REQUEST, None).await.unwrap();
        let Begun { line, place, .. } = lines.begin(REQUEST).expect("a place, and a connection");
        lines.ask(REQUEST, Some(line)).await.unwrap();
        assert!(lines.place().is_none() && lines.begin(REQUEST).is_none());
        drop(place);
        assert!(lines.begin(REQUEST).is_some());
    }

    #[tokio::test]
    async fn an_answer_is_read_to_its_end_and_what_is_none_is_named() {
        for (text, told, waiting) in [
            ("HTTP/1.1 429 Slowly\r\nContent-Length: 17\r\n\r\n{\"code\":\"a_code\"}", "Ok(\"429 Slowly: a_code\")", 1),
            (
                "HTTP/1.1 500 \r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
                "Ok(\"500: abc\")",
                1,
            ),
            ("HTTP/1.1 400 Bad\r\n\r\nwhy", "Ok(\"400 Bad: why\")", 0),
            ("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", "Ok(\"204 No Content\")", 0),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "Err(\"the connection ended before its answer\")", 0),
            ("HTTP/1.1 200", "Err(\"the connection ended before its answer\")", 0),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno",
                "Err(\"its answer is not chunked as HTTP has it\")",
                0,
            ),
            ("SSH-2.0\r\n", "Err(\"its answer is no HTTP/1.x: invalid HTTP version\")", 0),
        ] {
            let (lines, _server) = lines(1, Vec::leak(vec![text])).await;
            let answer = lines.ask(REQUEST, None).await;
            let answer = answer.map(|answer| answer.told).map_err(|fault| fault.to_string());
            assert_eq!((format!("{answer:?}").as_str(), lines.waiting().len()), (told, waiting), "{text}");
        }
    }
}
