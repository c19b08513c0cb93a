//! A `lumen send -` of the built binary, fed bit by bit.

use std::fmt;
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child as Process, ChildStdin, Command};

use crate::support::child::Child;

/// A running one, killed when it is dropped.
pub struct Sending {
    process: Process,
    stdin: ChildStdin,
}

/// Its own summary.
#[derive(Debug, Deserialize)]
pub struct Sent {
    pub sent: usize,
    pub duplicates: usize,
    pub faulty: usize,
    seconds: f64,
    per_second: u64,
}

impl Sending {
    /// To this server, with more arguments.
    pub fn start(server: &Child, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lumen"));
        command.args(["send", "-", "--json", "--url", &server.url(), "--data-dir"]).arg(server.dir()).args(args);
        // The key in the directory is to let it in, not what a developer's shell has.
        command.env_remove("LUMEN_TOKEN").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("lumen send starts");
        let stdin = process.stdin.take().expect("its stdin");
        Self { process, stdin }
    }

    pub async fn feed(&mut self, drafts: String) {
        self.stdin.write_all(drafts.as_bytes()).await.expect("it reads on");
    }

    /// Ends its input, and waits for its end.
    ///
    /// # Panics
    /// With what it said, when that is not exit code 0.
    pub async fn end(self) -> Sent {
        drop(self.stdin);
        let output = self.process.wait_with_output().await.expect("its output");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "lumen send: {}; on stderr:\n{said}", output.status);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|fault| panic!("{fault} in its summary; {said}"))
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sent { sent, duplicates, seconds, per_second, .. } = self;
        write!(f, "{sent} rows and {duplicates} duplicates in {seconds:.2} s, {per_second} rows/s")
    }
}
