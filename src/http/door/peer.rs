//! Who is at the other end of a connection.

use std::net::IpAddr;

use crate::shutdown::Shutdown;

/// The other end of a connection; each of its requests has it among its extensions.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// Its address, which may be a proxy's; none on a Unix socket.
    pub address: Option<IpAddr>,
    /// Drops the connection at once, with all that the kernel still holds for it, whether the peer reads or not.
    pub cut: Shutdown,
}
