//! Where a server is, and the connections to it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use reqwest::{Client, Url, redirect};

use super::access::Access;
use super::failure::{self, Failure};

/// How long a connection may take to be made, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server, how to be let in, and the connections to it. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint {
    url: ServerUrl,
    access: Access,
    http: Client,
}

impl Endpoint {
    /// Opens nothing yet.
    ///
    /// # Errors
    /// A host that lacks what TLS needs, for an `https` address.
    pub fn new(url: ServerUrl, access: Access) -> Result<Self, Failure> {
        // A redirect would carry the token to where nobody meant it to go.
        let mut http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("lumen/", env!("CARGO_PKG_VERSION")));
        if url.is_loopback() {
            http = http.no_proxy();
        }
        if url.0.scheme() == "http" {
            // Without TLS a host needs no certificates, and reading them all costs more than the request.
            http = http.tls_certs_only([]);
        }
        match http.build() {
            Ok(http) => Ok(Self { url, access, http }),
            Err(error) => Err(Failure::on_the_way(&url, &error, CONNECT_TIMEOUT)),
        }
    }

    pub fn url(&self) -> &ServerUrl {
        &self.url
    }

    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The same failure; or, of a server that cut a plain connection since it speaks nothing but TLS, that.
    pub async fn explain(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Cut(url) if self.speaks_tls().await => Failure::OnlyHttps(url),
            failure => failure,
        }
    }

    /// Begins a handshake, which fails since nobody is trusted: no request is sent, and no token.
    async fn speaks_tls(&self) -> bool {
        let mut url = self.url.0.clone();
        let port = url.port_or_known_default();
        if url.scheme() != "http" || url.set_scheme("https").is_err() || url.set_port(port).is_err() {
            return false;
        }
        let handshake = self.http.get(url).timeout(CONNECT_TIMEOUT).send().await;
        handshake.is_err_and(|error| failure::is_of_tls(&error))
    }

    pub(super) fn http(&self) -> &Client {
        &self.http
    }
}

/// The address of a server, with the path under which a proxy may have put it. Never ends with a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl(Url);

/// Why a text is no server's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    #[error("not a URL ({0}); write it like http://127.0.0.1:8080")]
    Unreadable(String),
    #[error("only http:// and https:// are spoken; write it like http://127.0.0.1:8080")]
    Scheme,
    #[error("a user name or password does not belong here; lumen is let in by a token")]
    Credentials,
    #[error("a server's address has no ? and no #; only what stands before /api is wanted")]
    Tail,
}

impl ServerUrl {
    /// The address of `path`, which begins with a slash.
    pub fn at(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url
    }

    /// Whether the server is on this very host, so that no proxy stands between.
    pub fn is_loopback(&self) -> bool {
        match self.0.host_str() {
            Some("localhost" | "[::1]") => true,
            Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
            None => false,
        }
    }
}

impl FromStr for ServerUrl {
    type Err = UrlFault;

    fn from_str(text: &str) -> Result<Self, UrlFault> {
        let url: Url = text.trim().parse().map_err(|fault| UrlFault::Unreadable(format!("{fault}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlFault::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlFault::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(UrlFault::Tail);
        }
        Ok(Self(url))
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked_and_joined() {
        let at = |text: &str| text.parse::<ServerUrl>().map(|url| url.at("/api/v1/x").to_string());
        assert_eq!(at("http://127.0.0.1:8080"), Ok("http://127.0.0.1:8080/api/v1/x".into()));
        assert_eq!(at("http://127.0.0.1:8080/"), Ok("http://127.0.0.1:8080/api/v1/x".into()));
        assert_eq!(at("https://site.example/lumen/"), Ok("https://site.example/lumen/api/v1/x".into()));
        assert_eq!(at("ftp://a"), Err(UrlFault::Scheme));
        assert!(at("127.0.0.1:8080").is_err());
        assert_eq!(at("localhost:8080"), Err(UrlFault::Scheme));
        assert_eq!(at("http://a:b@c"), Err(UrlFault::Credentials));
        assert_eq!(at("http://a/?x=1"), Err(UrlFault::Tail));
        let shown = |text: &str| text.parse::<ServerUrl>().unwrap().to_string();
        assert_eq!(shown("http://a:1/"), "http://a:1");
        assert_eq!(shown("http://a:1/b/"), "http://a:1/b");
    }

    #[test]
    fn loopback_is_known_by_its_numbers() {
        for (text, loopback) in [
            ("http://127.0.0.1:1", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("http://10.0.0.1", false),
            ("http://127.0.0.1.example", false),
        ] {
            assert_eq!(text.parse::<ServerUrl>().unwrap().is_loopback(), loopback, "{text}");
        }
    }
}
