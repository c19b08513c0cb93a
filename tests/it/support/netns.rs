//! A network namespace for a server, joined to this one by a cable: a way on which peers vanish without a word.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{self, Command};

/// A namespace, which goes with its handle, its cable with it.
pub struct Namespace {
    name: String,
    /// Within it, reached from here.
    pub inside: IpAddr,
    /// This side's, of which one can vanish and leave the other.
    pub here: IpAddr,
    pub here_too: IpAddr,
}

impl Namespace {
    /// None, with the reason on stderr, where this user may make none.
    pub fn make() -> Option<Self> {
        let id = process::id();
        let net = u8::try_from(id % 250).unwrap_or_default();
        let address = |host| IpAddr::V4(Ipv4Addr::new(10, 231, net, host));
        let made = Self { name: format!("lumen-{id}"), inside: address(1), here: address(2), here_too: address(3) };
        match made.set_up() {
            Ok(()) => Some(made),
            Err(fault) => {
                eprintln!("no network namespace can be made here ({fault}): no peer is made to vanish");
                None
            }
        }
    }

    fn set_up(&self) -> io::Result<()> {
        let Self { name, inside, here, here_too } = self;
        let cable = [format!("{name}a"), format!("{name}b")];
        let [a, b] = &cable;
        for line in [
            format!("netns add {name}"),
            format!("link add {a} type veth peer name {b} netns {name}"),
            format!("addr add {here}/24 dev {a}"),
            format!("addr add {here_too}/24 dev {a}"),
            format!("link set {a} up"),
            format!("-n {name} addr add {inside}/24 dev {b}"),
            format!("-n {name} link set {b} up"),
            format!("-n {name} link set lo up"),
        ] {
            ip(&line)?;
        }
        Ok(())
    }

    /// The words that start a process within it.
    pub fn wrapper(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// From now on nothing that is sent to this address arrives, and nobody says so.
    pub fn swallow(&self, address: IpAddr) {
        ip(&format!("-n {} route add blackhole {address}/32", self.name)).expect("a route");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Where it was never made, there is none.
        let _ = ip(&format!("netns del {}", self.name));
    }
}

fn ip(words: &str) -> io::Result<()> {
    let done = Command::new("ip").args(words.split(' ')).output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("ip {words}: {}", String::from_utf8_lossy(&done.stderr).trim())))
}
