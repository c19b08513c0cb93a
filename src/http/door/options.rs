//! The listener and its options, which every accepted socket inherits.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, UnixStream};
use tracing::debug;

use crate::domain::limits::{SEND_BUFFER_BYTES, TCP_USER_TIMEOUT};

/// Connections that wait to be accepted: a restart brings all clients back at once.
pub(super) const BACKLOG: i32 = 4096;

/// Listens on `addr`; port 0 takes any that is free. Call it inside a runtime.
///
/// # Errors
/// An address that is in use, is not this host's, or may not be taken by this user.
pub fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        // So that `[::]:80` and `0.0.0.0:80` can stand side by side, whatever the system's default is.
        socket.set_only_v6(true)?;
    }
    // A restarted server takes its port back although connections of the old one linger.
    socket.set_reuse_address(true)?;
    // Without it the first event on a connection that was used before waits 40 ms for an acknowledgement.
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT))?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The option that a connection over a Unix socket does not inherit. Without it a reader that never reads costs more,
/// and nothing else is lost.
pub(super) fn prepare(stream: &UnixStream) {
    if let Err(fault) = SockRef::from(stream).set_send_buffer_size(SEND_BUFFER_BYTES) {
        debug!(%fault, "a send buffer keeps its size");
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn accepted_sockets_inherit_the_options() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let accepted = SockRef::from(&accepted);
        assert!(accepted.tcp_nodelay().unwrap());
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(TCP_USER_TIMEOUT));
        // The kernel doubles what it is asked for, to have room for its own bookkeeping.
        assert_eq!(accepted.send_buffer_size().unwrap(), 2 * SEND_BUFFER_BYTES);
    }

    #[tokio::test]
    async fn an_address_in_use_is_told() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let second = bind(first.local_addr().unwrap());
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn an_ipv6_address_takes_no_ipv4_port() {
        let listener = bind("[::]:0".parse().unwrap()).unwrap();
        assert!(SockRef::from(&listener).only_v6().unwrap());
    }
}
