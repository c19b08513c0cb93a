//! `lumen loadtest` of the same build, run as a person runs it: arguments in, its document out.

#![allow(dead_code, reason = "each measurement takes what it needs of it")]

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

/// A run that goes on.
pub struct Started {
    child: Child,
    /// The run's name, as it is told before the first stream is opened.
    pub name: String,
    /// Held, so that it can say more.
    _stderr: BufReader<ChildStderr>,
}

/// A run that is over.
pub struct Run {
    pub document: Value,
    pub code: Option<i32>,
}

impl Started {
    pub fn with(arguments: &[String]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lumen"));
        // What is set for this process is not meant for that one.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LUMEN_")) {
            command.env_remove(name);
        }
        command.args(["loadtest", "--json"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("lumen loadtest starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a line");
        let name = line.split_once("run ").and_then(|(_, rest)| rest.split(',').next());
        let name = name.unwrap_or_else(|| panic!("it does not say its run: {line}")).to_owned();
        Self { child, name, _stderr: stderr }
    }

    pub fn end(self) -> Run {
        let output = self.child.wait_with_output().expect("its end");
        let document = serde_json::from_slice(&output.stdout).expect("a document");
        Run { document, code: output.status.code() }
    }
}

impl Run {
    pub fn of(arguments: &[String]) -> Self {
        Started::with(arguments).end()
    }

    /// Whether its figures are the server's, by its own word. What was lost ends the measurement.
    pub fn is_good(&self) -> bool {
        let verdict = self.document["verdict"].as_str().unwrap_or_default();
        match (self.code, verdict) {
            (Some(0), "passed") => true,
            (Some(1), "void") => {
                println!("  void, this machine had no time for the generator: {}", self.document["reasons"]);
                false
            }
            (code, verdict) => {
                panic!(
                    "it ended {code:?}, {verdict}: {}; refused: {}",
                    self.document["reasons"], self.document["refusals"]
                )
            }
        }
    }

    /// A percentile of what it says of deliveries, in milliseconds.
    pub fn delivery_ms(&self, percentile: &str) -> f64 {
        self.document["latencies"]["delivery"][percentile].as_f64().expect("a latency") / 1_000.0
    }

    pub fn number(&self, part: &str, name: &str) -> u64 {
        self.document[part][name].as_u64().unwrap_or_else(|| panic!("no {part}.{name}"))
    }
}
