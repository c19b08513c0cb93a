//! Ctrl-C, from the moment of listening on.

use std::fs;
use std::future::poll_fn;
use std::io;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub struct Interrupt(Vec<Signal>);

impl Interrupt {
    /// From now on Ctrl-C no longer ends the process by itself.
    ///
    /// # Errors
    /// The system refuses to tell of signals.
    pub fn listen() -> io::Result<Self> {
        Ok(Self(vec![signal(SignalKind::interrupt())?]))
    }

    /// Neither does SIGTERM, by which CI ends a job, nor SIGQUIT, nor SIGHUP, which a terminal sends that is closed: for a
    /// command that has something to put away.
    ///
    /// # Errors
    /// As [`Interrupt::listen`].
    pub fn listen_to_all_that_end() -> io::Result<Self> {
        let mut all = vec![SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit()];
        // Under `nohup` a run outlives its terminal.
        if !is_ignored(SignalKind::hangup()) {
            all.push(SignalKind::hangup());
        }
        Ok(Self(all.into_iter().map(signal).collect::<io::Result<_>>()?))
    }

    pub async fn come(&mut self) {
        poll_fn(|context| match self.0.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

/// Whether whoever started this process had it ignore a signal.
fn is_ignored(kind: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}
