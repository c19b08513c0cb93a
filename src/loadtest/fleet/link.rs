//! A connection to the server: bytes out, bytes in, over TCP or TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};

/// Receive buffer of a reader that is to be slow: a large one would hide from the server for how long.
const SLOW_BUFFER: u32 = 4 * 1024;

/// Where streams connect to.
#[derive(Clone)]
pub struct Target {
    /// The addresses of the host's name, looked up once.
    pub addresses: Arc<[SocketAddr]>,
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
}

pub struct Link(TcpStream);

impl Link {
    /// # Errors
    /// [`LinkFault`], of the last address that was tried.
    pub async fn open(target: &Target, slow: bool) -> Result<Self, LinkFault> {
        let mut fault = LinkFault::Refused("the host has no address".to_owned());
        for address in target.addresses.iter() {
            match Self::to(*address, slow).await {
                Ok(link) => return Ok(link),
                Err(error) => fault = named(&error),
            }
        }
        Err(fault)
    }

    async fn to(address: SocketAddr, slow: bool) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if slow {
            socket.set_recv_buffer_size(SLOW_BUFFER)?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    /// Reads what is there into a buffer that is needed only for this call; 0 at the end.
    pub fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let read = Pin::new(&mut self.0).poll_read(context, &mut buffer);
        read.map_ok(|()| buffer.filled().len())
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
