//! A `lumen serve` of the run's own: on a free port, in a directory that goes with it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;

/// What is set so that the load, and not a cap, is what ends first.
const RAISED: [(&str, &str, &str); 4] = [
    ("limits", "streams_per_user", "1000000"),
    ("limits", "streams_per_address", "1000000"),
    ("limits", "connects_per_s", "1000000"),
    ("store", "inbox_rows", "1000000000"),
];
const CONFIG: &str = "loadtest.toml";
const LOG: &str = "serve.log";

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum SpawnFault {
    #[error("no server of its own: {0}; give the temporary directory room, or name a server with --url")]
    Io(#[from] io::Error),
    #[error("the server that was started ended at once: {0}")]
    Ended(String),
}

pub struct Spawned {
    dir: TempDir,
    /// Restarts listen where the first did.
    address: SocketAddr,
    process: Child,
}

/// What `serve --json` says once it listens.
#[derive(Deserialize)]
struct Ready {
    listening: String,
}

impl Spawned {
    /// Starts a server, and waits until it listens. Blocks.
    ///
    /// # Errors
    /// [`SpawnFault`].
    pub fn start() -> Result<Self, SpawnFault> {
        let dir = tempfile::Builder::new().prefix("lumen-loadtest-").tempdir()?;
        fs::write(dir.path().join(CONFIG), config())?;
        let (process, address) = serve(dir.path(), SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self { dir, address, process })
    }

    /// Starts it again, on the same directory and port. Blocks.
    ///
    /// # Errors
    /// [`SpawnFault`].
    pub fn start_again(&mut self) -> Result<(), SpawnFault> {
        (self.process, self.address) = serve(self.dir.path(), self.address)?;
        Ok(())
    }

    /// Asks it to end, and waits until it has. Blocks.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn end(&mut self) -> io::Result<()> {
        if let Some(pid) = Pid::from_raw(self.process.id().cast_signed()) {
            kill_process(pid, Signal::TERM)?;
        }
        self.process.wait().map(drop)
    }

    /// Ends it without a word. Blocks.
    ///
    /// # Errors
    /// It cannot be ended.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.kill()?;
        self.process.wait().map(drop)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The data directory, with the signing key.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.kill();
    }
}

/// What was raised, as it would be set by variables.
pub fn raised() -> Vec<String> {
    RAISED.iter().map(|(table, key, value)| format!("{table}.{key} = {value}")).collect()
}

fn config() -> String {
    RAISED.iter().map(|(table, key, value)| format!("{table}.{key} = {value}\n")).collect()
}

fn serve(dir: &Path, listen: SocketAddr) -> Result<(Child, SocketAddr), SpawnFault> {
    let log = dir.join(LOG);
    let mut command = Command::new(std::env::current_exe()?);
    // What is set for this process is not meant for that one.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LUMEN_")) {
        command.env_remove(name);
    }
    command.args(["serve", "--json", "--quiet", "--listen", &listen.to_string()]);
    command.arg("--config").arg(dir.join(CONFIG)).arg("--data-dir").arg(dir.join("data"));
    // In a group of its own, so that Ctrl-C is for the run to handle.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?).process_group(0);
    let mut process = command.spawn()?;
    let mut line = String::new();
    if let Some(stdout) = process.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    let ready: Option<Ready> = serde_json::from_str(&line).ok();
    match ready.and_then(|ready| ready.listening.strip_prefix("http://")?.parse().ok()) {
        Some(address) => Ok((process, address)),
        None => {
            // It may be ending, or be something else.
            let _ = process.kill();
            let _ = process.wait();
            let said = fs::read_to_string(&log).unwrap_or_default();
            Err(SpawnFault::Ended(said.lines().last().unwrap_or("it said nothing").to_owned()))
        }
    }
}
