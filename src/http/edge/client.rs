//! Where a request comes from: the address at the socket, or what a trusted proxy says of it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use crate::domain::address::{Network, plain};
use crate::http::App;
use crate::http::door::peer::Peer;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The address nearest to the client that is known for sure; none behind a Unix socket of which nothing is said.
    pub from: Option<IpAddr>,
    /// Whether a cap an address counts it. A trusted proxy's own address is not counted: it stands for everyone behind.
    pub counts_for_address: bool,
}

impl Client {
    /// Reads `X-Forwarded-For` from the right, where each proxy put the address that it was asked by, past those that
    /// are trusted; a peer that is not trusted may write there what it likes, and is the client itself.
    ///
    /// What is no address (`unknown`, a slip) ends the reading: what stands left of it, nobody trusted has seen.
    pub fn of(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[Network]) -> Self {
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
        let mut from = peer.map(plain);
        let mut fields = headers.get_all(X_FORWARDED_FOR).iter().rev().flat_map(|line| {
            // A line that is no text is one field that is no address.
            line.to_str().unwrap_or_default().rsplit(',')
        });
        // A Unix socket is reached from this host alone, by whom the operator lets.
        while from.is_none_or(is_trusted) {
            match fields.next().and_then(address) {
                Some(address) => from = Some(plain(address)),
                None => return Self { from, counts_for_address: false },
            }
        }
        Self { from, counts_for_address: true }
    }
}

impl FromRequestParts<App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let peer = Peer::from_request_parts(parts, app).await?;
        Ok(Self::of(peer.address, &parts.headers, &app.config.trusted_proxies))
    }
}

impl FromRequestParts<App> for Peer {
    type Rejection = Infallible;

    /// Each request that came in by the door has one.
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// The address of a field, as proxies write it: bare, in brackets, or with a port.
fn address(field: &str) -> Option<IpAddr> {
    let field = field.trim();
    if let Ok(address) = field.parse() {
        return Some(address);
    }
    if let Ok(with_port) = field.parse::<SocketAddr>() {
        return Some(with_port.ip());
    }
    field.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const CLIENT: &str = "203.0.113.7";

    fn headers<T: AsRef<[u8]>>(lines: &[T]) -> HeaderMap {
        lines.iter().map(|line| (X_FORWARDED_FOR, HeaderValue::from_bytes(line.as_ref()).unwrap())).collect()
    }

    fn trusted() -> Vec<Network> {
        ["127.0.0.0/8", "10.0.0.0/8", "::1", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec()
    }

    /// The client of a peer (`unix` for one without an address) with these lines, and whether its address counts.
    fn of(peer: &str, lines: &[&str]) -> (String, bool) {
        let Client { from, counts_for_address } = Client::of(peer.parse().ok(), &headers(lines), &trusted());
        (from.map_or("none".to_owned(), |from| from.to_string()), counts_for_address)
    }

    #[test]
    fn only_a_trusted_peer_is_believed() {
        for peer in [CLIENT, "2001:db8::1"] {
            for lines in [&[][..], &["198.51.100.1"], &["127.0.0.1"], &["unknown"]] {
                assert_eq!(of(peer, lines), (peer.to_owned(), true), "{lines:?}");
            }
        }
        for peer in ["127.0.0.1", "10.1.2.3", "::1", "fd00::9", "::ffff:127.0.0.1", "unix"] {
            assert_eq!(of(peer, &[CLIENT]), (CLIENT.to_owned(), true), "{peer}");
        }
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxys_is_the_clients() {
        for lines in [
            &[CLIENT][..],
            &["1.1.1.1, 203.0.113.7"],
            &["1.1.1.1,203.0.113.7 ,\t10.0.0.1"],
            &["unknown, 203.0.113.7, 10.0.0.1, 10.0.0.2"],
            &["1.1.1.1", "203.0.113.7", "10.0.0.1"],
            &["127.0.0.1, 203.0.113.7"],
            &["203.0.113.7:51234"],
            &["::ffff:203.0.113.7"],
            &["[::ffff:203.0.113.7]:80, [fd00::1]:443, [::1], 10.0.0.1:1"],
        ] {
            assert_eq!(of("127.0.0.1", lines), (CLIENT.to_owned(), true), "{lines:?}");
        }
        for field in ["2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:443"] {
            assert_eq!(of("127.0.0.1", &[field]), ("2001:db8::7".to_owned(), true), "{field}");
        }
    }

    #[test]
    fn a_proxys_own_address_does_not_count() {
        for (lines, from) in [
            (&[][..], "127.0.0.1"),
            (&[""], "127.0.0.1"),
            (&["unknown"], "127.0.0.1"),
            (&["203.0.113.7, unknown"], "127.0.0.1"),
            (&["203.0.113.7,"], "127.0.0.1"),
            (&["203.0.113.7", ""], "127.0.0.1"),
            (&["203.0.113.7, x, 10.0.0.1"], "10.0.0.1"),
            (&["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
            (&["203.0.113.7]"], "127.0.0.1"),
            (&["[203.0.113.7]"], "127.0.0.1"),
            (&["203.0.113.7:65536"], "127.0.0.1"),
            (&["203.0.113.007"], "127.0.0.1"),
            (&["fe80::1%eth0"], "127.0.0.1"),
        ] {
            assert_eq!(of("127.0.0.1", lines), (from.to_owned(), false), "{lines:?}");
        }
        assert_eq!(of("unix", &[]), ("none".to_owned(), false));
        assert_eq!(of("unix", &["10.0.0.1"]), ("10.0.0.1".to_owned(), false));
        let no_text = headers(&[&b"203.0.113.7"[..], b"203.0.113.7, \xff"]);
        let client = Client::of("127.0.0.1".parse().ok(), &no_text, &trusted());
        assert_eq!(client, Client { from: "127.0.0.1".parse().ok(), counts_for_address: false });
    }

    proptest! {
        /// Whatever stands in the header: who is believed to be someone else was named there, and is no proxy.
        #[test]
        fn any_header_names_no_one_else(
            lines in proptest::collection::vec("[0-9a-f.:\\[\\], unkow]{0,60}|[\\t -~\u{80}-\u{ff}]{0,40}", 0..4),
        ) {
            let client = Client::of("127.0.0.1".parse().ok(), &headers(&lines), &trusted());
            let from = client.from.unwrap();
            let is_proxy = trusted().iter().any(|network| network.contains(from));
            prop_assert_eq!(client.counts_for_address, !is_proxy);
            prop_assert_eq!(&Client::of(Some(from), &headers::<&str>(&[]), &trusted()).from, &Some(from));
        }
    }
}
