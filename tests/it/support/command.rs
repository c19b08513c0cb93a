//! The built binary as somebody runs it in a shell: typed words and a stdin go in, lines and an exit code come out.
//!
//! It has a home of its own, and nothing of the test's environment but the way to programs.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::child::{self, Child};
use super::patience;

/// What was typed, still to be run.
pub struct Typed {
    command: Command,
    home: TempDir,
    input: Option<String>,
}

/// A command that runs, killed by its own id when it is dropped.
pub struct Running {
    process: tokio::process::Child,
    stdin: Option<ChildStdin>,
    lines: Lines,
    said: watch::Receiver<String>,
    /// Removed after the process that lives in it.
    _home: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    /// All lines of stdout.
    pub lines: Vec<String>,
    pub stderr: String,
}

/// Stdout, line by line as it comes.
struct Lines {
    come: watch::Receiver<Vec<String>>,
    reading: JoinHandle<()>,
    /// How many were handed out.
    taken: usize,
}

/// `lumen` with these words, which white space parts.
pub fn lumen(words: &str) -> Typed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lumen"));
    command.args(words.split_whitespace());
    Typed::new(command)
}

/// A line as a shell takes it, which becomes its command.
pub fn sh(line: &str) -> Typed {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {line}")]);
    Typed::new(command)
}

impl Typed {
    fn new(mut command: Command) -> Self {
        let home = tempfile::tempdir().expect("a home");
        command.env_clear().env("HOME", home.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, home, input: None }
    }

    /// Another word, whatever is in it.
    pub fn word(mut self, word: impl AsRef<OsStr>) -> Self {
        self.command.arg(word);
        self
    }

    /// Says where the server is and which directory has its key.
    pub fn at(self, server: &Child) -> Self {
        self.word("--url").word(server.url()).word("--data-dir").word(server.dir())
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Run in this directory.
    pub fn in_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Stdin is this file.
    pub fn stdin_file(mut self, file: File) -> Self {
        self.command.stdin(file);
        self
    }

    /// Stdin is a pipe that brings this, and ends.
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.input = Some(text.into());
        self.open_stdin()
    }

    /// Stdin is a pipe that stays open.
    pub fn open_stdin(mut self) -> Self {
        self.command.stdin(Stdio::piped());
        self
    }

    pub fn start(mut self) -> Running {
        let mut process = self.command.spawn().unwrap_or_else(|fault| panic!("{fault}: {:?}", self.command));
        let lines = Lines::read(process.stdout.take().expect("its stdout"));
        let mut stderr = BufReader::new(process.stderr.take().expect("its stderr"));
        let (saying, said) = watch::channel(String::new());
        tokio::spawn(async move {
            let mut line = Vec::new();
            while let Ok(1..) = stderr.read_until(b'\n', &mut line).await {
                saying.send_modify(|text| text.push_str(&String::from_utf8_lossy(&line)));
                line.clear();
            }
        });
        let mut stdin = process.stdin.take();
        if let (Some(mut pipe), Some(input)) = (stdin.take_if(|_| self.input.is_some()), self.input) {
            tokio::spawn(async move {
                // A command may have enough before the end.
                let _ = pipe.write_all(input.as_bytes()).await;
            });
        }
        Running { process, stdin, lines, said, _home: self.home }
    }

    /// Runs it to its end.
    pub async fn run(self) -> Done {
        self.start().wait().await
    }
}

impl Running {
    /// The next line of stdout.
    ///
    /// # Panics
    /// When none comes.
    pub async fn line(&mut self) -> String {
        let line = patience::within(self.lines.next()).await.flatten();
        line.unwrap_or_else(|| panic!("no further line after {:?}; on stderr:\n{}", self.lines.all(), self.stderr()))
    }

    /// Waits until stderr has a line with these words, and returns it.
    pub async fn until_said(&mut self, words: &str) -> String {
        let found = |text: &str| {
            text.split_inclusive('\n').find(|line| line.ends_with('\n') && line.contains(words)).map(str::to_owned)
        };
        let said = patience::within(self.said.wait_for(|text| found(text).is_some())).await.and_then(Result::ok);
        let line = said.and_then(|text| found(&text));
        line.unwrap_or_else(|| panic!("{words:?} was not said on stderr:\n{}", self.stderr()))
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.said.borrow().clone()
    }

    /// Writes to an open stdin.
    pub async fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("an open stdin");
        stdin.write_all(text.as_bytes()).await.expect("a stdin that is read");
    }

    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Nobody reads its stdout any more.
    pub async fn close_stdout(&mut self) {
        self.lines.reading.abort();
        // Only when the task is gone is its end of the pipe closed.
        let _ = (&mut self.lines.reading).await;
    }

    /// Sends a signal by its name, such as `INT`.
    pub fn signal(&self, name: &str) {
        let pid = self.process.id().expect("a command that runs");
        let sent = std::process::Command::new("kill").args(["-s", name, &pid.to_string()]).status();
        assert!(sent.expect("kill").success(), "{name} to {pid}");
    }

    /// Sends a signal again and again, as an impatient hand does, and waits for its end.
    pub async fn signal_until_ended(mut self, name: &str) -> Done {
        let ended = patience::within(async {
            while self.process.try_wait().expect("its status").is_none() {
                self.signal(name);
                patience::pause(Duration::from_millis(50)).await;
            }
        });
        assert!(ended.await.is_some(), "{name} does not end it; on stderr:\n{}", self.stderr());
        self.wait().await
    }

    /// Waits for its end: longer, as long as it says something new on stderr.
    pub async fn wait(mut self) -> Done {
        let ended = loop {
            let said = self.stderr().len();
            let ended = patience::within(async {
                let status = self.process.wait().await.expect("its status");
                while self.lines.come.changed().await.is_ok() {}
                while self.said.changed().await.is_ok() {}
                status
            });
            let ended = ended.await;
            if ended.is_some() || self.stderr().len() == said {
                break ended;
            }
        };
        let (lines, stderr) = (self.lines.all(), self.stderr());
        match ended {
            Some(status) => Done { code: status.code(), lines, stderr },
            None => panic!("it does not end; on stdout:\n{}\non stderr:\n{stderr}", lines.join("\n")),
        }
    }
}

impl Drop for Running {
    /// Waits, so that its home is not removed under it.
    fn drop(&mut self) {
        child::end(&mut self.process);
    }
}

impl Lines {
    fn read(stdout: ChildStdout) -> Self {
        let (coming, come) = watch::channel(Vec::new());
        let reading = tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                coming.send_modify(|lines| lines.push(line));
            }
        });
        Self { come, reading, taken: 0 }
    }

    async fn next(&mut self) -> Option<String> {
        let taken = self.taken;
        let line = self.come.wait_for(|lines| lines.len() > taken).await.ok()?[taken].clone();
        self.taken += 1;
        Some(line)
    }

    fn all(&self) -> Vec<String> {
        self.come.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    #[tokio::test]
    async fn words_and_stdin_go_in_and_lines_and_a_code_come_out() {
        let done = sh("sh -c 'cat; echo bye >&2; exit 7'").stdin("one\ntwo").run().await;
        assert_eq!((done.code, done.stderr.as_str()), (Some(7), "bye\n"));
        assert_eq!(done.lines, ["one", "two"]);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"three\n").unwrap();
        file.rewind().unwrap();
        assert_eq!(sh("cat").stdin_file(file).run().await.lines, ["three"]);
    }

    #[tokio::test]
    async fn it_is_talked_to_and_signalled_while_it_runs() {
        // Not INT, which a shell cannot trap where the tests run in the background.
        let script =
            "sh -c 'trap \"exit 9\" USR1; while read -r word; do echo \"got $word\"; echo \"heard $word\" >&2; done'";
        let mut running = sh(script).open_stdin().start();
        running.write("a\n").await;
        assert_eq!(running.line().await, "got a");
        assert_eq!(running.until_said("heard").await, "heard a\n");
        running.signal("USR1");
        running.end_input();
        assert_eq!(running.wait().await.code, Some(9));
    }

    #[tokio::test]
    async fn its_environment_is_its_own() {
        let done = sh("env").env("WORD", "x").run().await;
        let mut names: Vec<_> = done.lines.iter().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        names.retain(|name| !["PWD", "_", "SHLVL", "OLDPWD"].contains(name));
        names.sort_unstable();
        assert_eq!(names, ["HOME", "PATH", "WORD"]);
    }

    #[tokio::test]
    async fn it_writes_into_a_closed_pipe_and_is_gone_once_dropped() {
        let mut running = sh("sh -c 'read -r word; echo lost; sleep 1000'").open_stdin().start();
        running.close_stdout().await;
        running.write("go\n").await;
        let pid = running.process.id().unwrap();
        drop(running);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
        // Again and again: another child that is being started may hold the pipe for a moment, and a single line would go
        // into that.
        let mut writing = sh("sh -c 'read -r word; exec yes'").open_stdin().start();
        writing.close_stdout().await;
        writing.write("go\n").await;
        assert_eq!(writing.wait().await.code, None, "SIGPIPE ends it");
    }
}
