//! What can be typed after `lumen serve`.

use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;

/// Run the server: everything it needs is made in its data directory at the first start.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where to listen; port 0 takes any that is free, and the ready line names it.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    pub listen: SocketAddr,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| {
        "an address of this host and a port: 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080; no name but localhost is taken"
            .to_owned()
    })
}
