//! Where connections come in: TCP addresses of either family and Unix sockets, several at once.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::options;
use super::socket_file::{self, SocketFile};

/// Bytes of a Unix socket's path: what the kernel has room for, less the closing NUL.
const PATH_BYTES: usize = 107;

/// Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, `unix:/run/lumen.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            if !path.starts_with('/') || path.len() > PATH_BYTES || path.contains('\0') {
                return Err(format!("a Unix socket's path begins with / and has at most {PATH_BYTES} bytes"));
            }
            return Ok(Self::Unix(path.into()));
        }
        if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
            return Ok(Self::Tcp((Ipv4Addr::LOCALHOST, port).into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            "an address of this host and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080, or a Unix socket \
             such as unix:/run/lumen.sock; no name but localhost is taken"
                .to_owned()
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One open address.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// A connection that came in.
#[derive(Debug)]
pub enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// Listens there; port 0 takes any that is free. Call it inside a runtime.
    ///
    /// # Errors
    /// An address that is in use, is not this host's, or may not be taken by this user; for a Unix socket also a file
    /// that is in its way and is no socket. The socket of a server that is gone is replaced.
    pub fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(addr) => options::bind(*addr).map(Self::Tcp),
            Address::Unix(path) => {
                let (listener, file) = socket_file::bind(path)?;
                Ok(Self::Unix(listener, file))
            }
        }
    }

    /// Where it listens, with the port that the system chose.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Unix(_, file) => Ok(Address::Unix(file.path().to_owned())),
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Connection, Option<IpAddr>)>> {
        Poll::Ready(match self {
            Self::Tcp(listener) => {
                ready!(listener.poll_accept(cx)).map(|(stream, peer)| (Connection::Tcp(stream), Some(peer.ip())))
            }
            Self::Unix(listener, _) => ready!(listener.poll_accept(cx)).map(|(stream, _)| {
                options::prepare(&stream);
                (Connection::Unix(stream), None)
            }),
        })
    }
}

/// Several open addresses as one.
#[derive(Debug)]
pub struct Listeners {
    listeners: Vec<Listener>,
    /// Which is asked first: each in turn, so that one that always has somebody waiting does not keep out the others.
    first: usize,
}

impl Listeners {
    pub fn new(listeners: Vec<Listener>) -> Self {
        Self { listeners, first: 0 }
    }

    /// The next connection, and its peer's address if it came over TCP. One that is dropped unfinished has lost none.
    ///
    /// # Errors
    /// What accept says: of the process (no descriptors, no memory), or of a peer that is gone already.
    pub async fn accept(&mut self) -> io::Result<(Connection, Option<IpAddr>)> {
        self.first = (self.first + 1) % self.listeners.len().max(1);
        let (before, from) = self.listeners.split_at(self.first);
        poll_fn(|cx| {
            let polled = from.iter().chain(before).map(|listener| listener.poll_accept(cx)).find(Poll::is_ready);
            polled.unwrap_or(Poll::Pending)
        })
        .await
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_shown() {
        for text in ["127.0.0.1:8080", "0.0.0.0:80", "[::1]:0", "unix:/run/lumen.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("localhost:8080".parse::<Address>().unwrap().to_string(), "127.0.0.1:8080");
        for text in
            ["", "8080", ":8080", "host:8080", "::1:8080", "localhost", "127.0.0.1", "127.0.0.1:65536", "/run/x"]
        {
            assert!(text.parse::<Address>().unwrap_err().starts_with("an address of this host"), "{text}");
        }
        let long = format!("unix:/{}", "x".repeat(PATH_BYTES));
        for text in ["unix:", "unix:run/lumen.sock", "unix:/a\0b", &long] {
            assert!(text.parse::<Address>().unwrap_err().starts_with("a Unix socket's path"), "{text}");
        }
        assert!(long.strip_suffix('x').unwrap().parse::<Address>().is_ok());
    }

    async fn echo(listeners: &mut Listeners) -> Option<IpAddr> {
        let (mut connection, peer) = listeners.accept().await.unwrap();
        let byte = connection.read_u8().await.unwrap();
        connection.write_u8(byte + 1).await.unwrap();
        connection.shutdown().await.unwrap();
        peer
    }

    #[tokio::test]
    async fn both_families_and_a_socket_come_in_by_one_door() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let addresses = ["127.0.0.1:0".to_owned(), "[::1]:0".to_owned(), format!("unix:{}", path.display())];
        let listeners: Vec<_> =
            addresses.iter().map(|address| Listener::bind(&address.parse().unwrap()).unwrap()).collect();
        let bound: Vec<_> = listeners.iter().map(|listener| listener.address().unwrap()).collect();
        let mut listeners = Listeners::new(listeners);
        for address in bound {
            let connecting = async {
                let mut client = match &address {
                    Address::Tcp(addr) => Connection::Tcp(TcpStream::connect(addr).await.unwrap()),
                    Address::Unix(path) => Connection::Unix(UnixStream::connect(path).await.unwrap()),
                };
                client.write_u8(6).await.unwrap();
                let mut told = Vec::new();
                client.read_to_end(&mut told).await.unwrap();
                told
            };
            let (told, peer) = tokio::join!(connecting, echo(&mut listeners));
            assert_eq!(told, [7]);
            assert_eq!(
                peer,
                match address {
                    Address::Tcp(addr) => Some(addr.ip()),
                    Address::Unix(_) => None,
                }
            );
        }
        drop(listeners);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn who_always_has_somebody_waiting_does_not_keep_out_the_others() {
        let any = |address: &str| Listener::bind(&address.parse().unwrap()).unwrap();
        let (busy, quiet) = (any("127.0.0.1:0"), any("[::1]:0"));
        let (Address::Tcp(many), Address::Tcp(one)) = (busy.address().unwrap(), quiet.address().unwrap()) else {
            unreachable!("both are TCP")
        };
        let mut crowd = Vec::new();
        for _ in 0..4 {
            crowd.push(TcpStream::connect(many).await.unwrap());
        }
        let _single = TcpStream::connect(one).await.unwrap();
        let mut listeners = Listeners::new(vec![busy, quiet]);
        let first_two = [listeners.accept().await.unwrap().1, listeners.accept().await.unwrap().1];
        assert!(first_two.contains(&Some(one.ip())), "{first_two:?}");
    }
}
