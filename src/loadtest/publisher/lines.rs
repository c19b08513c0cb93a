//! The connections that publish: kept from one message to the next, and so many under way at most.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::loadtest::link::answer::{self, Answer, AnswerFault};
use crate::loadtest::link::{Link, LinkFault, Target};

/// How long a connection may take: nothing was sent until then, so that another try cannot make it two.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

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
    pub started: Started,
    pub place: Place,
}

/// A connection that took the beginning of a request.
pub struct Started {
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
    #[error("the server ended a kept connection before its answer (at its keep-alive timeout, or with itself)")]
    Kept,
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
        while let Some(mut link) = self.take_idle() {
            let at = Instant::now();
            // What one took that broke is no request.
            if let Ok(taken) = link.begin(request) {
                return Some(Begun { at, started: Started { link, taken }, place });
            }
        }
        None
    }

    /// Sends a request, or what is left of one, and reads its answer.
    ///
    /// # Errors
    /// [`AskFault`].
    pub async fn ask(&self, request: &[u8], begun: Option<Started>) -> Result<Answer, AskFault> {
        let kept = begun.or_else(|| self.take_idle().map(|link| Started { link, taken: 0 }));
        let is_kept = kept.is_some();
        let Started { mut link, taken } = match kept {
            Some(started) => started,
            None => Started { link: self.open().await?, taken: 0 },
        };
        let sent = link.send(&request[taken..]).await;
        // A server may refuse what it has not read to its end.
        let answer = match answer::read(&mut link).await {
            Err(AnswerFault::Ended | AnswerFault::Broken(_)) if is_kept => return Err(AskFault::Kept),
            answer => answer,
        };
        match sent {
            Ok(()) => {
                let answer = answer?;
                if answer.keeps {
                    self.idle_links().push(link);
                }
                Ok(answer)
            }
            Err(fault) => answer.map_err(|_| AnswerFault::Broken(fault).into()),
        }
    }

    async fn open(&self) -> Result<Link, LinkFault> {
        let opened = timeout(CONNECT_WITHIN, Link::open(&self.target, false)).await;
        opened.unwrap_or_else(|_| Err(LinkFault::Refused(format!("none within {} s", CONNECT_WITHIN.as_secs()))))
    }

    /// A connection that waits, and that the server has not ended meanwhile.
    fn take_idle(&self) -> Option<Link> {
        loop {
            let mut link = self.idle_links().pop()?;
            if link.is_quiet() {
                return Some(link);
            }
        }
    }

    fn idle_links(&self) -> std::sync::MutexGuard<'_, Vec<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::{JoinHandle, yield_now};

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
            (begun.started.taken, lines.ask(REQUEST, Some(begun.started)).await.unwrap().status),
            (REQUEST.len(), 201)
        );
        server.await.unwrap();
        let gone = timeout(Duration::from_secs(60), async {
            while let Some(link) = lines.take_idle() {
                lines.idle_links().push(link);
                yield_now().await;
            }
        });
        gone.await.expect("its end is seen without anybody reading");
    }

    #[tokio::test]
    async fn no_more_requests_are_under_way_than_there_are_places() {
        let (lines, _server) = lines(1, &[TAKEN; 3]).await;
        lines.ask(REQUEST, None).await.unwrap();
        let Begun { started, place, .. } = lines.begin(REQUEST).expect("a place, and a connection");
        lines.ask(REQUEST, Some(started)).await.unwrap();
        assert!(lines.place().is_none() && lines.begin(REQUEST).is_none());
        drop(place);
        assert!(lines.begin(REQUEST).is_some());
    }

    /// Megabytes go in several pieces, of which the pacing thread can write only the first.
    #[tokio::test]
    async fn each_byte_of_a_large_request_goes_once() {
        let large: Vec<u8> = (0..8_000_000u32).map(|at| (at % 251) as u8).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target { addresses: Arc::new([listener.local_addr().unwrap()]), tls: None };
        let (lines, expected) = (Lines::new(target, 1), large.clone());
        let served = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.read_exact(&mut [0; REQUEST.len()]).await.unwrap();
            socket.write_all(TAKEN.as_bytes()).await.unwrap();
            let mut came = vec![0; expected.len()];
            socket.read_exact(&mut came).await.unwrap();
            assert!(came == expected);
            socket.write_all(TAKEN.as_bytes()).await.unwrap();
            assert_eq!(socket.read(&mut came).await.unwrap(), 0, "nothing more comes");
        });
        lines.ask(REQUEST, None).await.unwrap();
        let Begun { started, place, .. } = lines.begin(&large).expect("a connection waits");
        assert!((1..large.len()).contains(&started.taken), "{}", started.taken);
        assert_eq!(lines.ask(&large, Some(started)).await.unwrap().status, 201);
        drop((place, lines));
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_refusal_is_heard_before_all_is_said() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target { addresses: Arc::new([listener.local_addr().unwrap()]), tls: None };
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        });
        let lines = Lines::new(target, 1);
        assert_eq!(lines.ask(&vec![b'x'; 8_000_000], None).await.unwrap().told, "413 Too Large");
        assert!(lines.take_idle().is_none());
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
            ("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 408 Late\r\n\r\n", "Ok(\"204 No Content\")", 0),
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
            assert_eq!((format!("{answer:?}").as_str(), lines.idle_links().len()), (told, waiting), "{text}");
        }
    }
}
