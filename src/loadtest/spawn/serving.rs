//! One process of a server: what it says once it listens, how it is ended, and how it ended by itself.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::net::unix::pipe;

use super::SpawnFault;

/// Killed when it is dropped.
pub struct Serving {
    process: Child,
    stdout: pipe::Receiver,
    /// What it said on stdout so far.
    said: Vec<u8>,
    /// Where it says everything else, behind those that served before it.
    log: PathBuf,
    log_begins: usize,
}

/// What `serve --json` says once it listens.
#[derive(Deserialize)]
struct Ready {
    listening: String,
}

impl Serving {
    /// Starts it.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn launch(mut command: Command, log: PathBuf) -> io::Result<Self> {
        let stderr = File::options().create(true).append(true).open(&log)?;
        let log_begins = usize::try_from(stderr.metadata()?.len()).unwrap_or(usize::MAX);
        // In a group of its own, so that Ctrl-C is for the run to handle.
        // Its stdin ends with this process, whatever ends that.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).process_group(0);
        let mut process = command.spawn()?;
        let stdout = process.stdout.take().map(OwnedFd::from).ok_or(io::ErrorKind::BrokenPipe);
        let stdout = stdout.map_err(io::Error::from).and_then(pipe::Receiver::from_owned_fd);
        match stdout {
            Ok(stdout) => Ok(Self { process, stdout, said: Vec::new(), log, log_begins }),
            Err(fault) => {
                end(&mut process);
                Err(fault)
            }
        }
    }

    /// Where it listens, once it does.
    ///
    /// # Errors
    /// It ends, or says something else.
    pub async fn until_listening(&mut self) -> Result<SocketAddr, SpawnFault> {
        loop {
            if let Some(address) = self.listening()? {
                return Ok(address);
            }
            self.stdout.readable().await?;
        }
    }

    /// Where it listens, if it does by now.
    ///
    /// # Errors
    /// As [`Serving::until_listening`].
    pub fn listening(&mut self) -> Result<Option<SocketAddr>, SpawnFault> {
        while !self.said.ends_with(b"\n") {
            let mut buffer = [0; 1024];
            match self.stdout.try_read(&mut buffer) {
                Ok(0) => return Err(self.useless("it ended at once")),
                Ok(count) => self.said.extend_from_slice(&buffer[..count]),
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(fault) => return Err(fault.into()),
            }
        }
        let ready: Option<Ready> = serde_json::from_slice(&self.said).ok();
        let address = ready.and_then(|ready| ready.listening.strip_prefix("http://")?.parse().ok());
        address.map(Some).ok_or_else(|| self.useless("it did not say where it listens"))
    }

    /// That it does not listen after so long.
    pub fn late(&mut self, after: Duration) -> SpawnFault {
        self.useless(&format!("it did not listen within {} s", after.as_secs()))
    }

    /// Asks it to end.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn ask_to_end(&mut self) -> io::Result<()> {
        // The number of one that has ended may be another's by now.
        match (self.process.try_wait()?, Pid::from_raw(self.process.id().cast_signed())) {
            (None, Some(pid)) => Ok(kill_process(pid, Signal::TERM)?),
            _ => Ok(()),
        }
    }

    /// Ends it without a word.
    ///
    /// # Errors
    /// It cannot be ended.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// How it ended and what it said last, if it has.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.process.try_wait().ok()??;
        Some(format!("({status}): {}", self.last_line()))
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    fn useless(&mut self, why: &str) -> SpawnFault {
        end(&mut self.process);
        SpawnFault::Useless(format!("{why}: {}", self.last_line()))
    }

    fn last_line(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(log.get(self.log_begins..).unwrap_or_default()).into_owned();
        said.lines().last().unwrap_or("it said nothing").to_owned()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Ends it and waits for that, unless it has ended by itself.
fn end(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn launched(dir: &TempDir, script: &str) -> Serving {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Serving::launch(command, dir.path().join("log")).unwrap()
    }

    async fn told(dir: &TempDir, script: &str) -> String {
        launched(dir, script).until_listening().await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn it_listens_where_it_says_and_how_it_ended_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let script = r#"echo so it is >&2; echo '{"listening": "http://127.0.0.1:7"}'; exec sleep 600"#;
        let mut serving = launched(&dir, script);
        assert_eq!(serving.until_listening().await.unwrap(), SocketAddr::from(([127, 0, 0, 1], 7)));
        assert_eq!(serving.ended(), None);
        serving.ask_to_end().unwrap();
        serving.process.wait().unwrap();
        assert_eq!(serving.ended().as_deref(), Some("(signal: 15 (SIGTERM)): so it is"));
        serving.ask_to_end().unwrap();
    }

    #[tokio::test]
    async fn what_is_no_server_is_told_with_its_last_line_and_ended() {
        let dir = tempfile::tempdir().unwrap();
        let told_of = async |script| {
            let told = told(&dir, script).await;
            told.strip_suffix("; see what `lumen serve` says by itself, or name a server with --url")
                .unwrap()
                .to_owned()
        };
        assert_eq!(told_of("echo a >&2; echo b >&2; exit 3").await, "no server of its own: it ended at once: b");
        // What an earlier one said is kept, and not taken for its own.
        assert_eq!(told_of("exit 3").await, "no server of its own: it ended at once: it said nothing");
        assert_eq!(fs::read_to_string(dir.path().join("log")).unwrap(), "a\nb\n");
        let other = told_of("echo hello; echo c >&2; exec sleep 600").await;
        assert!(other.starts_with("no server of its own: it did not say where it listens: "), "{other}");
        let mut mute = launched(&dir, "exec sleep 600");
        assert!(mute.listening().unwrap().is_none());
        let late = mute.late(Duration::from_secs(30)).to_string();
        assert!(
            late.starts_with("no server of its own: it did not listen within 30 s: it said nothing; see"),
            "{late}"
        );
        assert!(mute.ended().is_some());
    }
}
