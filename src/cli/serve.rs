//! What can be typed after `lumen serve`.

use std::net::SocketAddr;

use clap::Args;

/// Run the server: everything it needs is made in its data directory at the first start.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where to listen; port 0 takes any that is free, and the ready line names it.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    pub listen: SocketAddr,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "an address of this host and a port: 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080".to_owned())
}
