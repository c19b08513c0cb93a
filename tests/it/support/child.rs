//! A `lumen serve` of the built binary as a process of its own, which can be killed, signalled and started again on its
//! directory.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use lumen_inbox::clock::Clock;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::oneshot;

use super::http::Api;
use super::opening::Opening;
use super::patience;
use super::tokens::Tokens;

/// How a child is started. A clone shares the directory, which is removed with the last of them.
#[derive(Debug, Clone)]
pub struct Launch {
    dir: Arc<TempDir>,
    listen: SocketAddr,
    wrapper: Vec<OsString>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
}

/// A running server, killed by its own id when it is dropped.
pub struct Child {
    launch: Launch,
    process: tokio::process::Child,
    addr: SocketAddr,
    addresses: Vec<String>,
    said: Said,
}

/// How a child ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stderr: String,
}

/// The first line on stdout.
#[derive(Deserialize)]
struct ReadyLine {
    listening: String,
    #[serde(default)]
    addresses: Vec<String>,
}

/// What a child writes to stderr, collected until it ends.
struct Said {
    text: Arc<Mutex<String>>,
    /// Told, by its sender's drop, when there is no more to come; taken by the first who waits.
    over: Option<oneshot::Receiver<()>>,
}

impl Launch {
    /// In a new directory, on a port that the system chooses.
    pub fn new() -> Self {
        Self {
            dir: Arc::new(tempfile::tempdir().expect("a directory")),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            wrapper: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Another argument of `serve`.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// With this in its configuration file, `lumen.toml` in its directory.
    pub fn config(self, text: &str) -> Self {
        let file = self.dir().join("lumen.toml");
        std::fs::write(&file, text).expect("a file");
        self.arg("--config").arg(file)
    }

    /// Such as `LD_PRELOAD`.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// A command that gets the server's as its last arguments and becomes it, such as `prlimit --nofile=256`.
    pub fn wrapper<T: AsRef<OsStr>>(mut self, command: impl IntoIterator<Item = T>) -> Self {
        self.wrapper = command.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// Listens there, for whom the same port matters; it may be taken by then.
    pub fn listen(mut self, addr: SocketAddr) -> Self {
        self.listen = addr;
        self
    }

    /// # Panics
    /// With how it ended, when it does not come up.
    pub async fn start(self) -> Child {
        self.try_start().await.unwrap_or_else(|ended| panic!("the server did not come up: {ended:?}"))
    }

    /// # Errors
    /// How it ended before it was ready.
    pub async fn try_start(self) -> Result<Child, Ended> {
        let mut process = self.command().spawn().unwrap_or_else(|fault| panic!("{fault}: {self:?}"));
        let stdout = process.stdout.take().and_then(|pipe| pipe.into_owned_fd().ok()).expect("its stdout");
        let stderr = process.stderr.take().and_then(|pipe| pipe.into_owned_fd().ok()).expect("its stderr");
        let said = Said::collect(stderr);
        let line = patience::within(first_line(stdout, |_| true)).await;
        let (addr, addresses) = (SocketAddr::from(([0; 4], 0)), Vec::new());
        let mut child = Child { launch: self, process, addr, addresses, said };
        match line {
            Some(Some(line)) => {
                (child.addr, child.addresses) = ReadyLine::read(&line);
                Ok(child)
            }
            Some(None) => Err(child.wait().await),
            None => panic!("no ready line in {:?}; on stderr:\n{}", patience::PATIENCE, child.stderr()),
        }
    }

    fn command(&self) -> Command {
        let mut words = self.wrapper.clone();
        words.push(env!("CARGO_BIN_EXE_lumen").into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["serve", "--json", "--listen", &self.listen.to_string(), "--data-dir"]);
        // What the tests themselves are told by, a server would take for its own.
        let own = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LUMEN_"));
        own.for_each(|(name, _)| {
            command.env_remove(name);
        });
        command.arg(self.dir()).args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Child {
    /// A server in a new directory.
    pub async fn start() -> Self {
        Launch::new().start().await
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Every address that it listens on, as its ready line has them.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Its address as `http://…`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn dir(&self) -> &Path {
        self.launch.dir()
    }

    /// Signs by the key that it made.
    pub fn tokens(&self) -> Tokens {
        Tokens::of(self.dir(), Clock::System)
    }

    /// The producer's client, at where it listens now.
    pub fn api(&self) -> Api {
        Api::new(self.url(), self.tokens().producer())
    }

    /// A stream of the user's, still to be opened.
    pub fn opening(&self, user: &str) -> Opening {
        Opening::new(self.addr, self.tokens().user(user))
    }

    /// How it was started, for another on the same directory.
    pub fn launch(&self) -> Launch {
        self.launch.clone()
    }

    /// Its id, while it has not been waited for.
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Whether it runs no more.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// What it wrote to stderr so far; all of it, once it was waited for.
    pub fn stderr(&self) -> String {
        self.said.text()
    }

    /// Sends a signal by its name, such as `TERM`, `STOP` or `HUP`.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().expect("a child that was not waited for");
        let sent = std::process::Command::new("kill").args(["-s", name, &pid.to_string()]).status();
        assert!(sent.expect("kill").success(), "{name} to {pid}");
    }

    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Kills it as `kill -9` does, and waits for it to be gone.
    pub async fn kill9(&mut self) -> Ended {
        self.process.start_kill().expect("a child to kill");
        self.wait().await
    }

    /// Waits for its end.
    pub async fn wait(&mut self) -> Ended {
        let status = patience::within(self.process.wait()).await;
        let Some(status) = status else { panic!("it does not end; on stderr:\n{}", self.stderr()) };
        if let Some(over) = self.said.over.take() {
            // What it started may hold the pipe, but nothing that it said itself is missing then.
            let _ = patience::within(over).await;
        }
        Ended { status: status.expect("its status"), stderr: self.stderr() }
    }

    /// Starts it again on its directory, on a port that the system chooses. One that still runs is killed before.
    pub async fn restart(&mut self) {
        self.restart_on(SocketAddr::from(([127, 0, 0, 1], 0))).await;
    }

    /// As [`Child::restart`], on the port that it had.
    pub async fn restart_in_place(&mut self) {
        self.restart_on(self.addr).await;
    }

    async fn restart_on(&mut self, addr: SocketAddr) {
        if self.pid().is_some() {
            self.kill9().await;
        }
        let mut again = self.launch.clone().listen(addr).start().await;
        std::mem::swap(self, &mut again);
    }
}

impl Drop for Child {
    /// Waits, so that its directory is not removed under it.
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Kills a process that may still run, by its own id, and waits until it is gone.
pub(super) fn end(process: &mut tokio::process::Child) {
    if process.id().is_none() || process.start_kill().is_err() {
        return;
    }
    while let Ok(None) = process.try_wait() {
        thread::yield_now();
    }
}

impl ReadyLine {
    /// The address that was named first, and all of them.
    fn read(line: &str) -> (SocketAddr, Vec<String>) {
        let ready: Self =
            serde_json::from_str(line).unwrap_or_else(|fault| panic!("{fault} in the ready line {line:?}"));
        let addr = ready.listening.strip_prefix("http://").and_then(|addr| addr.parse().ok());
        (addr.unwrap_or_else(|| panic!("no address in the ready line {line:?}")), ready.addresses)
    }
}

/// The first such line of a pipe, if it has one; the rest is read and forgotten, so that no writer ever waits.
pub async fn first_line(pipe: OwnedFd, such: fn(&str) -> bool) -> Option<String> {
    let (found, line) = oneshot::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(std::fs::File::from(pipe)).lines();
        let line = lines.by_ref().map_while(Result::ok).find(|line| such(line));
        let _ = found.send(line);
        lines.for_each(drop);
    });
    line.await.ok().flatten()
}

impl Said {
    fn collect(pipe: OwnedFd) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let (open, over) = oneshot::channel::<()>();
        let collected = text.clone();
        thread::spawn(move || {
            let mut pipe = std::fs::File::from(pipe);
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = pipe.read(&mut buffer) {
                let more = String::from_utf8_lossy(&buffer[..read]).into_owned();
                collected.lock().unwrap_or_else(PoisonError::into_inner).push_str(&more);
            }
            drop(open);
        });
        Self { text, over: Some(over) }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    /// A stand-in for the server: a shell that gets its command as arguments, and says what a test wants of it.
    fn shell(script: &str) -> Launch {
        Launch::new().wrapper(["sh", "-c", script])
    }

    const READY: &str = r#"echo '{"listening":"http://127.0.0.1:9","pid":1}'; "#;

    #[tokio::test]
    async fn it_is_ready_says_things_and_ends_by_a_signal() {
        let script =
            format!("trap 'echo bye >&2; exit 7' TERM; echo \"$WORD $*\" >&2; {READY} while :; do sleep 0.01; done");
        let mut child = shell(&script).env("WORD", "hello").arg("--more").start().await;
        assert_eq!(child.url(), "http://127.0.0.1:9");
        let dir = child.dir().to_owned();
        child.terminate();
        let ended = child.wait().await;
        assert_eq!(ended.status.code(), Some(7));
        let line = format!("hello serve --json --listen 127.0.0.1:0 --data-dir {} --more\nbye\n", dir.display());
        assert_eq!(ended.stderr, line);
        assert_eq!(child.pid(), None);
        drop(child);
        assert!(!dir.exists());
    }

    #[tokio::test]
    async fn it_is_killed_and_started_again_on_its_directory() {
        let script = format!("echo x >> $6/starts; {READY} while :; do sleep 0.01; done");
        let mut child = shell(&script).start().await;
        let first = child.pid().unwrap();
        child.kill9().await;
        child.restart_in_place().await;
        child.restart().await;
        assert_ne!(child.pid(), Some(first));
        let dir = child.dir().to_owned();
        assert_eq!(std::fs::read_to_string(dir.join("starts")).unwrap(), "x\nx\nx\n");
        assert_eq!(child.kill9().await.status.signal(), Some(9));
        assert_eq!(child.wait().await.status.signal(), Some(9));
        drop(child);
        assert!(!dir.exists());
    }

    #[tokio::test]
    async fn what_does_not_come_up_tells_its_end() {
        let Err(ended) = shell("echo no >&2; exit 3").try_start().await else { panic!("it came up") };
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(3), "no\n"));
    }

    #[tokio::test]
    async fn it_is_gone_once_dropped() {
        let child = shell(&format!("{READY} exec sleep 1000")).start().await;
        let pid = child.pid().unwrap();
        drop(child);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}
