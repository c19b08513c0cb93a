//! A `lumen serve` of the run's own: on a free port, in a directory that goes with it.

mod serving;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;

use serving::Serving;

/// What is set so that the load, and not a cap, is what ends first.
const RAISED: [(&str, &str, &str); 4] = [
    ("limits", "streams_per_user", "1000000"),
    ("limits", "streams_per_address", "1000000"),
    ("limits", "connects_per_s", "1000000"),
    ("store", "inbox_rows", "1000000000"),
];
const CONFIG: &str = "loadtest.toml";
const LOG: &str = "serve.log";
/// From its start to its listening, at most: a database is read over after a crash, on a disk that may be busy.
pub const READY_WITHIN: Duration = Duration::from_secs(30);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum SpawnFault {
    #[error("no server of its own: {0}; give the temporary directory room, or name a server with --url")]
    Io(#[from] io::Error),
    /// It was started, and is none.
    #[error("no server of its own: {0}; see what `lumen serve` says by itself, or name a server with --url")]
    Useless(String),
}

pub struct Spawned {
    // Dropped, and with it ended, before its directory is removed.
    serving: Serving,
    /// Restarts listen where the first did.
    address: SocketAddr,
    dir: TempDir,
}

impl Spawned {
    /// Starts a server, and waits until it listens. Dropped before that, it leaves nothing.
    ///
    /// # Errors
    /// [`SpawnFault`].
    pub async fn start() -> Result<Self, SpawnFault> {
        let dir = tempfile::Builder::new().prefix("lumen-loadtest-").tempdir()?;
        fs::write(dir.path().join(CONFIG), config())?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut spawned = Self { serving: serve(dir.path(), address)?, address, dir };
        let listening = timeout(READY_WITHIN, spawned.serving.until_listening()).await;
        spawned.address = listening.unwrap_or_else(|_| Err(spawned.serving.late(READY_WITHIN)))?;
        Ok(spawned)
    }

    /// Starts it again, on the same directory and port; [`Spawned::listens`] says when it is there.
    ///
    /// # Errors
    /// [`SpawnFault`].
    pub fn start_again(&mut self) -> Result<(), SpawnFault> {
        self.serving = serve(self.dir.path(), self.address)?;
        Ok(())
    }

    /// Whether it listens yet.
    ///
    /// # Errors
    /// It ended before it did.
    pub fn listens(&mut self) -> Result<bool, SpawnFault> {
        Ok(self.serving.listening()?.is_some())
    }

    /// That it did not listen in time.
    pub fn late(&mut self) -> SpawnFault {
        self.serving.late(READY_WITHIN)
    }

    /// Asks it to end; [`Spawned::ended`] says when it has.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn ask_to_end(&mut self) -> io::Result<()> {
        self.serving.ask_to_end()
    }

    /// Ends it without a word.
    ///
    /// # Errors
    /// It cannot be ended.
    pub fn kill(&mut self) -> io::Result<()> {
        self.serving.kill()
    }

    /// How it ended and what it said last, if it has.
    pub fn ended(&mut self) -> Option<String> {
        self.serving.ended()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The data directory, with the signing key.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn pid(&self) -> u32 {
        self.serving.pid()
    }

    /// One that does what a shell's script has, and has said that it listens.
    #[cfg(test)]
    pub async fn doing(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut serving = Serving::launch(command, dir.path().join(LOG)).unwrap();
        let address = serving.until_listening().await.unwrap();
        Self { serving, address, dir }
    }
}

/// What was raised, as its configuration file has it.
pub fn raised() -> Vec<String> {
    RAISED.iter().map(|(table, key, value)| format!("{table}.{key} = {value}")).collect()
}

fn config() -> String {
    RAISED.iter().map(|(table, key, value)| format!("{table}.{key} = {value}\n")).collect()
}

fn serve(dir: &Path, listen: SocketAddr) -> io::Result<Serving> {
    let mut command = Command::new(std::env::current_exe()?);
    // What is set for this process is not meant for that one.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LUMEN_")) {
        command.env_remove(name);
    }
    command.args(["serve", "--json", "--quiet", "--until-stdin-ends", "--listen", &listen.to_string()]);
    command.arg("--config").arg(dir.join(CONFIG)).arg("--data-dir").arg(dir.join("data"));
    Serving::launch(command, dir.join(LOG))
}
