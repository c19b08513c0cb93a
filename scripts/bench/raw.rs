//! Raw blocking sockets with a thread each: requests on connections that are kept, and streams on which marks are
//! looked for. It shares no code with what it is held against.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// No mark is longer.
const MARK_BYTES: usize = 128;

/// A connection that serves one request after the other.
pub struct Connection(TcpStream);

pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn open(addr: SocketAddr) -> Self {
        let socket = TcpStream::connect(addr).expect("a connection");
        socket.set_nodelay(true).expect("an option set");
        Self(socket)
    }

    pub fn ask(&mut self, request: &str) -> Answer {
        self.0.write_all(request.as_bytes()).expect("a request sent");
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(at) = position(&bytes, b"\r\n\r\n") {
                break at + 4;
            }
            self.more(&mut bytes);
        };
        let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let length: usize = length.expect("a length");
        while bytes.len() < head + length {
            self.more(&mut bytes);
        }
        Answer { status, body: bytes.split_off(head) }
    }

    fn more(&mut self, bytes: &mut Vec<u8>) {
        let mut buffer = [0; 64 * 1024];
        let count = self.0.read(&mut buffer).expect("an answer");
        assert!(count > 0, "cut: {}", String::from_utf8_lossy(bytes));
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// What stood between a mark's beginning and its `~`, and when it was read.
pub struct Mark {
    pub text: String,
    pub at: Instant,
}

/// Streams that are read.
pub struct Streams {
    sockets: Vec<TcpStream>,
    readers: Vec<JoinHandle<Vec<Mark>>>,
    came: Arc<AtomicUsize>,
}

impl Streams {
    /// Opens a stream for each request, up to the `greeting` in its answer, and looks for marks that begin with `begin`.
    pub fn open(addr: SocketAddr, requests: &[String], greeting: &str, begin: &'static str) -> Self {
        let mut streams = Self { sockets: Vec::new(), readers: Vec::new(), came: Arc::default() };
        for request in requests {
            let mut socket = TcpStream::connect(addr).expect("a connection");
            socket.write_all(request.as_bytes()).expect("a request sent");
            let mut bytes = Vec::new();
            while position(&bytes, greeting.as_bytes()).is_none() {
                let mut buffer = [0; 4096];
                let count = socket.read(&mut buffer).expect("an answer");
                assert!(count > 0, "refused: {}", String::from_utf8_lossy(&bytes));
                bytes.extend_from_slice(&buffer[..count]);
            }
            streams.sockets.push(socket.try_clone().expect("a descriptor"));
            let came = streams.came.clone();
            streams.readers.push(thread::spawn(move || read(socket, bytes, begin, &came)));
        }
        streams
    }

    /// Waits until so many marks came; says how many did.
    pub fn wait_for(&self, marks: usize, within: Duration) -> usize {
        let deadline = Instant::now() + within;
        while self.came.load(Ordering::Relaxed) < marks && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        self.came.load(Ordering::Relaxed)
    }

    /// Ends them; what came on each.
    pub fn end(self) -> Vec<Vec<Mark>> {
        for socket in &self.sockets {
            // One that the server has ended is ended already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.readers.into_iter().map(|reader| reader.join().expect("a reader")).collect()
    }
}

fn read(mut socket: TcpStream, mut kept: Vec<u8>, begin: &str, came: &AtomicUsize) -> Vec<Mark> {
    let (mut marks, mut buffer, mut at) = (Vec::new(), vec![0; 16 * 1024], Instant::now());
    loop {
        let before = marks.len();
        while let Some((text, end)) = first_mark(&kept, begin) {
            marks.push(Mark { text, at });
            kept.drain(..end);
        }
        came.fetch_add(marks.len() - before, Ordering::Relaxed);
        // Enough is kept that a mark which was cut is found.
        kept.drain(..kept.len().saturating_sub(MARK_BYTES));
        let Ok(count @ 1..) = socket.read(&mut buffer) else { return marks };
        at = Instant::now();
        kept.extend_from_slice(&buffer[..count]);
    }
}

/// The first mark that is all there, and where it ends.
fn first_mark(bytes: &[u8], begin: &str) -> Option<(String, usize)> {
    let from = position(bytes, begin.as_bytes())? + begin.len();
    let length = bytes[from..].iter().position(|byte| *byte == b'~')?;
    Some((String::from_utf8_lossy(&bytes[from..from + length]).into_owned(), from + length + 1))
}

fn position(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}
