//! A run of `lumen loadtest` that is watched while it goes on, and mostly has a server of its own, in a directory that is
//! to be left empty.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lumen_inbox::clock::Clock;
use serde_json::Value;
use tempfile::TempDir;

use super::command::{Done, Running, Typed, sh};
use super::http::{Api, ok};
use super::patience;
use super::tokens::Tokens;

/// A run with a server of its own.
pub struct Own {
    directory: TempDir,
    pub running: Running,
}

impl Own {
    /// With one user's ten streams. SIGHUP ends it, whatever started this test.
    pub fn start(words: &str) -> Self {
        Self::start_by("env --default-signal=HUP", words)
    }

    pub fn start_by(command: &str, words: &str) -> Self {
        let lumen = env!("CARGO_BIN_EXE_lumen");
        Self::of(sh(&format!("{command} {lumen} loadtest --json --spawn --users 1 --streams 10 {words}")))
    }

    pub fn of(typed: Typed) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { running: typed.env("TMPDIR", directory.path()).start(), directory }
    }

    /// Where its server lives.
    pub fn home(&self) -> PathBuf {
        let homes = entries(self.directory.path());
        let [home] = &homes[..] else { panic!("one directory, not {homes:?}") };
        home.clone()
    }

    /// Entries in /proc of what was started with a path below its directory.
    pub fn servers(&self) -> Vec<PathBuf> {
        started_below(self.directory.path())
    }

    /// The server's entry in /proc, once there is one.
    pub async fn server(&self) -> PathBuf {
        let server = patience::within(async {
            loop {
                match self.servers().pop() {
                    Some(server) => return server,
                    None => patience::pause(Duration::from_millis(1)).await,
                }
            }
        });
        server.await.expect("a server")
    }

    /// Waits until messages come in.
    pub async fn published(&mut self) {
        let opened = Opened::of(&mut self.running).await;
        opened.published(&Tokens::of(&self.home().join("data"), Clock::System)).await;
    }

    /// How it ended: with nothing left behind.
    pub async fn ended(self) -> Done {
        let Self { directory, running } = self;
        let done = running.wait().await;
        assert_left_empty(&directory);
        done
    }

    /// The same of one that is sent a signal again and again, until it ends.
    pub async fn ended_by(self, name: &str) -> Done {
        let Self { directory, running } = self;
        let done = running.signal_until_ended(name).await;
        assert_left_empty(&directory);
        done
    }
}

/// What a run says when its server is there.
pub struct Opened {
    url: String,
    /// Its first user.
    user: String,
}

impl Opened {
    pub async fn of(running: &mut Running) -> Self {
        let said = running.until_said("run ").await;
        let (run, url) = (said[4..].split(',').next(), said.trim().rsplit(' ').next());
        Self { url: url.unwrap().to_owned(), user: format!("lt-{}-0", run.unwrap()) }
    }

    /// Waits until messages come in, at a server that takes these tokens.
    pub async fn published(&self, tokens: &Tokens) {
        let api = Api::new(&self.url, tokens.user(&self.user));
        let published = patience::within(async {
            while ok::<Value>(api.counts().await)["unread_count"] == 0 {
                patience::pause(Duration::from_millis(20)).await;
            }
        });
        published.await.expect("a message");
    }
}

pub fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Sends a signal to a process by its entry in /proc.
pub fn signal(name: &str, process: &Path) {
    let pid = process.file_name().unwrap();
    assert!(Command::new("kill").args(["-s", name]).arg(pid).status().unwrap().success());
}

fn started_below(directory: &Path) -> Vec<PathBuf> {
    let words = |pid: &Path| fs::read(pid.join("cmdline")).unwrap_or_default();
    let directory = directory.to_str().unwrap();
    let below = |pid: &PathBuf| String::from_utf8_lossy(&words(pid)).contains(directory);
    entries(Path::new("/proc")).into_iter().filter(below).collect()
}

fn assert_left_empty(directory: &TempDir) {
    let none: [PathBuf; 0] = [];
    assert_eq!((entries(directory.path()), started_below(directory.path())), (none.to_vec(), none.to_vec()));
}
