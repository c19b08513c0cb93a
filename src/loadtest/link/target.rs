//! Where streams and messages go: the addresses of a host, looked up once, and the TLS that is spoken there.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::Url;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::lookup_host;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig};

/// The only protocol that a load is spoken in.
const HTTP_1: &[u8] = b"http/1.1";

/// Where a load goes.
#[derive(Clone)]
pub struct Target {
    pub addresses: Arc<[SocketAddr]>,
    /// None where plain HTTP is spoken.
    pub tls: Option<Tls>,
}

/// What is spoken under HTTP, and the name that the server's certificate has to have.
#[derive(Clone)]
pub struct Tls {
    pub connector: TlsConnector,
    pub name: ServerName<'static>,
}

/// Why there is nowhere to connect to.
#[derive(Debug, thiserror::Error)]
pub enum TargetFault {
    #[error("a load goes over http:// or https://, and not over {0}://")]
    Scheme(String),
    #[error("{host} has no address: {why}; check it for a slip")]
    Unresolved { host: String, why: io::Error },
    #[error(
        "this host has no certificates to trust: {0}; install its ca-certificates, or name a PEM file in SSL_CERT_FILE"
    )]
    Trust(#[from] rustls::Error),
    #[error("no certificate can be for {0}, which is no name of a host; check it for a slip")]
    Name(String),
}

impl Target {
    /// What a request to `url` connects to. Trusted is what this host trusts, or what SSL_CERT_FILE has.
    ///
    /// # Errors
    /// [`TargetFault`].
    pub async fn of(url: &Url) -> Result<Self, TargetFault> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let tls = match url.scheme() {
            "http" => None,
            "https" => Some(Tls::to(&host)?),
            other => return Err(TargetFault::Scheme(other.to_owned())),
        };
        let found = lookup_host((host.as_str(), url.port_or_known_default().unwrap_or_default())).await;
        let addresses = found.map(Iterator::collect);
        let addresses = addresses.map_err(|why| TargetFault::Unresolved { host, why })?;
        Ok(Self { addresses, tls })
    }
}

impl Tls {
    fn to(host: &str) -> Result<Self, TargetFault> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TargetFault::Name(host.to_owned()))?;
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?.with_platform_verifier()?;
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![HTTP_1.to_vec()];
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }
}
