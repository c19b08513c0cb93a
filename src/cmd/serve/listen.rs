//! Opens every address that is to be listened on, or says what is in the way.

use std::io;

use anyhow::{Context, anyhow};

use crate::http::{Address, Listener};

/// The listeners, and where they really are: a port 0 has become one that was free.
///
/// # Errors
/// The first that cannot be opened, with its cure; none stays open then.
pub fn bind(addresses: &[Address]) -> anyhow::Result<(Vec<Listener>, Vec<Address>)> {
    let mut listeners = Vec::with_capacity(addresses.len());
    let mut bound = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listener = Listener::bind(address)
            .map_err(|fault| anyhow!("cannot listen on {address}: {fault}: {}", cure(address, fault.kind())))?;
        bound.push(listener.address().context("cannot tell the address that it listens on")?);
        listeners.push(listener);
    }
    Ok((listeners, bound))
}

fn cure(address: &Address, fault: io::ErrorKind) -> &'static str {
    match (address, fault) {
        (Address::Tcp(_), io::ErrorKind::AddrInUse) => {
            "end the program that has it, or name another with --listen (port 0 takes any)"
        }
        (Address::Tcp(_), io::ErrorKind::PermissionDenied) => "name a port from 1024 on with --listen",
        (Address::Tcp(_), io::ErrorKind::AddrNotAvailable) => "name an address of this host with --listen",
        (Address::Tcp(_), _) => "name another address with --listen",
        (Address::Unix(_), io::ErrorKind::AddrInUse) => "end the server that has it, or name another path",
        (Address::Unix(_), io::ErrorKind::AlreadyExists) => "move the file away, or name another path",
        (Address::Unix(_), io::ErrorKind::NotFound) => "make its directory, or name another path",
        (Address::Unix(_), _) => "give this user the right to write in its directory, or name another path",
    }
}
