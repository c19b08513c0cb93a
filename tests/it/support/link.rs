//! A client's HTTP/1.1 connection over a bare socket: bytes out, heads and bodies in, and how it ended.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::responses::{Head, Piece, Responses};

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As its framing says; a body that the close ends is always whole.
    Whole,
    /// By a close in the midst of a chunked body.
    Cut,
    Reset,
    /// By this side.
    HungUp,
}

/// An open connection.
pub struct Link {
    socket: TcpStream,
    responses: Responses,
    pieces: VecDeque<Piece>,
}

impl Link {
    pub async fn connect(addr: SocketAddr) -> io::Result<Self> {
        Ok(Self::over(TcpStream::connect(addr).await?))
    }

    /// From this address of the host's.
    pub async fn connect_from(source: IpAddr, addr: SocketAddr) -> io::Result<Self> {
        let socket = if source.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(SocketAddr::new(source, 0))?;
        Ok(Self::over(socket.connect(addr).await?))
    }

    fn over(socket: TcpStream) -> Self {
        Self { socket, responses: Responses::default(), pieces: VecDeque::new() }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await
    }

    /// Says that nothing more is sent, and may still read.
    pub async fn close_own_half(&mut self) -> io::Result<()> {
        self.socket.shutdown().await
    }

    /// Ends it by a reset, which takes back what is still on its way.
    pub fn reset(self) {
        self.socket.set_zero_linger().expect("SO_LINGER");
    }

    /// The answers to come until the server closes: each with its head and its body.
    pub async fn answers(&mut self) -> Vec<(Head, String)> {
        let mut answers = Vec::new();
        while let Ok(head) = self.head().await {
            answers.push((head, String::from_utf8_lossy(&self.whole_body().await).into_owned()));
        }
        answers
    }

    async fn read(&mut self) -> io::Result<usize> {
        let mut buffer = vec![0; 16 * 1024];
        let read = self.socket.read(&mut buffer).await?;
        let mut pieces = Vec::new();
        for byte in &buffer[..read] {
            self.responses.push(*byte, &mut pieces);
        }
        self.pieces.extend(pieces);
        Ok(read)
    }

    pub async fn head(&mut self) -> io::Result<Head> {
        loop {
            match self.pieces.pop_front() {
                Some(Piece::Head(head)) => return Ok(head),
                // Of the answer before, which may be a mere `100 Continue`.
                Some(Piece::End) => {}
                Some(piece) => unreachable!("a {piece:?} before the head"),
                None if self.read().await? == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                None => {}
            }
        }
    }

    /// More of the body, at least a byte.
    pub async fn body(&mut self) -> Result<Vec<u8>, Ended> {
        loop {
            let mut body = Vec::new();
            while let Some(Piece::Body(byte)) = self.pieces.front() {
                body.push(*byte);
                self.pieces.pop_front();
            }
            if !body.is_empty() {
                return Ok(body);
            }
            if !self.pieces.is_empty() {
                return Err(Ended::Whole);
            }
            match self.read().await {
                Ok(0) if self.responses.ends_by_close() => return Err(Ended::Whole),
                Ok(0) => return Err(Ended::Cut),
                Ok(_) => {}
                Err(_) => return Err(Ended::Reset),
            }
        }
    }

    pub async fn whole_body(&mut self) -> Vec<u8> {
        let mut whole = Vec::new();
        while let Ok(more) = self.body().await {
            whole.extend(more);
        }
        whole
    }
}
