//! What a running server is told by signals, and what must not end it.

use std::future::pending;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

use crate::cmd::term::ECHO;

/// SIGTERM of a service manager and SIGINT of a terminal: end. SIGHUP: read the files again.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// Where its end asks to end as well.
    stdin: Option<pipe::Receiver>,
}

impl Signals {
    /// From now on none of them ends the process by itself; what does is the end of stdin, if that is to be.
    ///
    /// # Errors
    /// The system refuses to tell of signals, or stdin is no pipe.
    pub fn listen(until_stdin_ends: bool) -> io::Result<Self> {
        let stdin = || pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self {
            stdin: until_stdin_ends.then(stdin).transpose()?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next one that asks to end, or to reload.
    pub async fn come(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
            _ = self.hang_up.recv() => Asked::Reload,
            () = ended(&mut self.stdin) => Asked::End,
        }
    }

    /// The next one that asks to end, after one has: others are passed over, and so is what comes with the first.
    pub async fn end_again(&mut self) {
        let first = Instant::now();
        while self.come().await != Asked::End || first.elapsed() < ECHO {}
    }
}

/// Waits for the end of stdin, which comes once.
async fn ended(stdin: &mut Option<pipe::Receiver>) {
    let Some(pipe) = stdin else { return pending().await };
    while let Ok(1..) = pipe.read(&mut [0; 64]).await {}
    *stdin = None;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    End,
    Reload,
}

/// A write over the limit of the size of files (`ulimit -f`) kills a process without a word; with a handler in its place it
/// fails, and is told as what it is.
pub fn outlive_file_size_limit() {
    const SIGXFSZ: i32 = 25;
    // Handled from here on, also when nobody listens.
    if let Err(fault) = signal(SignalKind::from_raw(SIGXFSZ)) {
        warn!(%fault, "a limit of the size of files would end this process at once");
    }
}
