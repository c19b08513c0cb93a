//! A connection to the server: bytes out, bytes in, over TCP or TLS.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{self, InvalidMessage};

pub mod answer;
pub mod body;
pub mod head;
pub mod request;
mod target;

pub use target::Target;
use target::Tls;

/// Bytes that are read at a time, into a buffer that all streams of a thread share: one that waits has none.
pub const READ_BYTES: usize = 64 * 1024;
/// Receive buffer of a reader that is to be slow: a large one would hide from the server for how long.
const SLOW_BUFFER: u32 = 4 * 1024;

thread_local! {
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkFault {
    #[error("{0}")]
    Refused(String),
    #[error("this host has no free port left; wait a minute, or widen net.ipv4.ip_local_port_range")]
    NoPort,
    #[error("this process has no descriptor left; raise the limit of open files (ulimit -n) or open fewer streams")]
    NoDescriptor,
    #[error(
        "its certificate is not to be trusted: {0}; if it is of an authority of your own, name that one's PEM file in \
         SSL_CERT_FILE"
    )]
    Untrusted(String),
    #[error("it does not speak https; write its address with http://")]
    NoTls,
}

pub enum Link {
    Plain(TcpStream),
    /// Boxed: a plain stream is not to have room for it.
    Tls(Box<TlsStream<TcpStream>>),
}

impl LinkFault {
    /// Whether another try would end the same way.
    pub fn is_final(&self) -> bool {
        !matches!(self, LinkFault::Refused(_) | LinkFault::NoPort)
    }
}

impl Link {
    /// # Errors
    /// [`LinkFault`], of the last address that was tried.
    pub async fn open(target: &Target, slow: bool) -> Result<Self, LinkFault> {
        let mut fault = LinkFault::Refused("the host has no address".to_owned());
        for address in target.addresses.iter() {
            match (connect(*address, slow).await, &target.tls) {
                (Ok(socket), None) => return Ok(Self::Plain(socket)),
                (Ok(socket), Some(tls)) => return Self::secured(socket, tls).await,
                (Err(error), _) => fault = named(&error),
            }
        }
        Err(fault)
    }

    async fn secured(socket: TcpStream, tls: &Tls) -> Result<Self, LinkFault> {
        let stream = tls.connector.connect(tls.name.clone(), socket).await;
        stream.map(|stream| Self::Tls(Box::new(stream))).map_err(|error| unsecured(&error))
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => sent(socket, bytes).await,
            Self::Tls(stream) => sent(stream, bytes).await,
        }
    }

    /// Writes so much as can be written at once; how many bytes. Whoever has the rest to write sends that, if only to see
    /// that all of it went.
    ///
    /// # Errors
    /// The connection is broken, and did not take all of it.
    pub fn begin(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut nobody = Context::from_waker(Waker::noop());
        let begun = match self {
            Self::Plain(socket) => Pin::new(socket).poll_write(&mut nobody, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(&mut nobody, bytes),
        };
        match begun {
            Poll::Ready(taken) => taken,
            Poll::Pending => Ok(0),
        }
    }

    /// Whether nothing came on it that nobody has read, not even its end, as far as its runtime has noticed.
    pub fn is_quiet(&mut self) -> bool {
        self.poll_read(&mut Context::from_waker(Waker::noop()), &mut [0]).is_pending()
    }

    /// Reads what is there, at most so much, and hands it over; nothing at the end.
    pub async fn read<T>(&mut self, most: usize, mut took: impl FnMut(&[u8]) -> T) -> io::Result<T> {
        let read = poll_fn(|context| {
            READ.with_borrow_mut(|buffer| {
                let read = self.poll_read(context, &mut buffer[..most]);
                read.map_ok(|count| took(&buffer[..count]))
            })
        });
        read.await
    }

    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let read = match self {
            Self::Plain(socket) => Pin::new(socket).poll_read(context, &mut buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, &mut buffer),
        };
        read.map_ok(|()| buffer.filled().len())
    }
}

async fn connect(address: SocketAddr, slow: bool) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if slow {
        socket.set_recv_buffer_size(SLOW_BUFFER)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn sent(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

/// Why no TLS came about on a connection.
fn unsecured(error: &io::Error) -> LinkFault {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(why)) => LinkFault::Untrusted(why.to_string()),
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => LinkFault::NoTls,
        _ => LinkFault::Refused(format!("no TLS: {error}")),
    }
}

fn named(error: &io::Error) -> LinkFault {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::AddrNotAvailable, _) => LinkFault::NoPort,
        // EMFILE and ENFILE have no kind of their own.
        (_, Some(23 | 24)) => LinkFault::NoDescriptor,
        (io::ErrorKind::ConnectionRefused, _) => LinkFault::Refused("the connection was refused".to_owned()),
        _ => LinkFault::Refused(format!("no connection: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_this_host_is_named() {
        assert_eq!(named(&io::Error::from_raw_os_error(24)), LinkFault::NoDescriptor);
        assert_eq!(named(&io::Error::from_raw_os_error(99)), LinkFault::NoPort);
        assert_eq!(named(&io::Error::from_raw_os_error(111)).to_string(), "the connection was refused");
    }
}
