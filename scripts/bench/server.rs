//! A `lumen serve` of the same build under measurement, in a directory of its own, ended with its handle.

#![allow(dead_code, reason = "each measurement takes what it needs of it")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lumen_inbox::auth::{Claims, Keys};
use lumen_inbox::clock::Clock;
use lumen_inbox::home::Home;
use lumen_inbox::wire::api::STREAM;

/// Longer than any measurement.
pub const TOKEN_TTL: Duration = Duration::from_secs(3600);

pub struct Lumen {
    process: Process,
    pub addr: SocketAddr,
    pub keys: Keys,
    pub dir: tempfile::TempDir,
}

impl Lumen {
    /// Listens on `listen`, of which port 0 is any; `arguments` are more of `serve`'s.
    pub fn start(listen: SocketAddr, arguments: &[&str]) -> Lumen {
        let dir = tempfile::tempdir().expect("a directory");
        let mut child = Command::new(env!("CARGO_BIN_EXE_lumen"))
            .args(["serve", "--json", "--listen", &listen.to_string()])
            .args(arguments)
            .arg("--data-dir")
            .arg(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("lumen serve starts");
        let ready: serde_json::Value = serde_json::from_str(&first_line(&mut child)).expect("a ready line");
        let addr = ready["listening"].as_str().and_then(|url| url.strip_prefix("http://")?.parse().ok());
        let home = Home::existing(dir.path()).expect("the data directory");
        let keys = Keys::load(&home.key()).expect("the key");
        Lumen { process: Process(child), addr: addr.expect("an address"), keys, dir }
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    /// A request for a stream of the user's.
    pub fn stream_request(&self, user: &str) -> String {
        let token = self.keys.sign(&Claims::user(&user.parse().expect("a user"), Clock::System.now(), TOKEN_TTL));
        format!(
            "GET {STREAM} HTTP/1.1\r\nHost: lumen\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
    }

    pub fn producer_token(&self) -> String {
        self.keys.sign(&Claims::producer("bench", Clock::System.now(), TOKEN_TTL))
    }
}

/// A process that is read in /proc, and killed by its handle.
pub struct Process(pub Child);

impl Process {
    pub fn resident_bytes(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident size");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1024.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    line
}
