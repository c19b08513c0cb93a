//! A connection's socket under watch: the time that a client takes for its turn, and the answers that hyper gives by itself.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::bare::{CLOSE, KEEP_ALIVE, NO_BODY};
use super::turns::{Turns, is_clients};

/// Pause between two requests of a connection. The usual proxies keep theirs for 60 s (nginx) and 75 s (browsers'
/// side of nginx): a server that closes first meets requests that are on their way.
pub const IDLE_TIME: Duration = Duration::from_secs(75);

/// A socket that is watched.
pub struct Watched<S> {
    socket: S,
    turns: Turns,
    head_timeout: Duration,
    wait: Option<Wait>,
    bare: Option<Vec<u8>>,
}

/// One turn of the client's.
struct Wait {
    count: usize,
    /// Whether the first byte of a head has come.
    begun: bool,
    end: Pin<Box<Sleep>>,
}

impl<S> Watched<S> {
    /// A socket on which a head must have come within `head_timeout`, counted from its first byte; the first one from
    /// now on.
    pub fn new(socket: S, turns: Turns, head_timeout: Duration) -> Self {
        let wait = Wait { count: turns.count(), begun: true, end: Box::pin(sleep(head_timeout)) };
        Self { socket, turns, head_timeout, wait: Some(wait), bare: None }
    }

    pub fn socket(&self) -> &S {
        &self.socket
    }

    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// The head that was held back: hyper's own for what it could not read, if that is what ended the connection.
    pub fn take_bare(&mut self) -> Option<Vec<u8>> {
        self.bare.take()
    }

    /// The client's turn, if it is one.
    fn wait(&mut self) -> Option<&mut Wait> {
        let count = self.turns.count();
        if !is_clients(count) {
            // A stream may be the server's turn for days.
            self.wait = None;
        } else if self.wait.as_ref().is_none_or(|wait| wait.count != count) {
            self.wait = Some(Wait { count, begun: false, end: Box::pin(sleep(IDLE_TIME)) });
        }
        self.wait.as_mut()
    }

    fn note_bytes(&mut self) {
        let head_timeout = self.head_timeout;
        if let Some(wait) = self.wait().filter(|wait| !wait.begun) {
            wait.begun = true;
            wait.end.as_mut().reset(Instant::now() + head_timeout);
        }
    }

    /// What a write came to. While a client takes what is left of an answer it is not idle, however slowly it does.
    fn note_written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(1..)) => {
                if let Some(wait) = self.wait().filter(|wait| !wait.begun) {
                    wait.end.as_mut().reset(Instant::now() + IDLE_TIME);
                }
                written
            }
            Poll::Pending => self.poll_patience(cx).map_ok(|()| 0),
            Poll::Ready(_) => written,
        }
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(wait) = self.wait() else { return Poll::Pending };
        ready!(wait.end.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buf);
        if read.is_pending() {
            return self.poll_patience(cx);
        }
        if buf.filled().len() > before {
            self.note_bytes();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let begin = bare_head(buf);
        if begin == Some(0) {
            self.bare = Some(buf.to_vec());
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.socket).poll_write(cx, &buf[..begin.unwrap_or(buf.len())]);
        self.note_written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Heads stand in the first one, before any body.
        match bufs.first() {
            Some(first) if bare_head(first).is_some() => self.poll_write(cx, first),
            _ => {
                let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
                self.note_written(cx, written)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Does nothing: something may be left to say, and who has the socket closes it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Where in these bytes the head begins that hyper writes by itself, before it closes; it is always their end.
///
/// Bodies cannot be taken for it, since no line of theirs ends with CR LF. An answer without a body that is the last of
/// its connection can: it is held back too, until the connection's end says what it was. The last one says so, or in
/// HTTP/1.0 says nothing of it.
fn bare_head(bytes: &[u8]) -> Option<usize> {
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let (new, old) = (find(bytes, b"HTTP/1.1 4"), find(bytes, b"HTTP/1.0 4"));
    let begin = new.max(old)?;
    let has = |field: &str| find(&bytes[begin..], field.as_bytes()).is_some();
    let is_last = if old > new { !has(KEEP_ALIVE) } else { has(CLOSE) };
    (is_last && has(NO_BODY)).then_some(begin)
}

/// Where `part` is last.
fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).rposition(|window| window == part)
}
