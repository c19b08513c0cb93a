//! Ctrl-C, from the moment of listening on.

use std::fs;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A wrapper may send one signal twice, to the process and to its group (`timeout` does), and another with it. A hand is
/// slower.
pub const ECHO: Duration = Duration::from_millis(250);

pub struct Interrupt {
    signals: Vec<Signal>,
    heard: Heard,
}

/// When one was heard.
#[derive(Default)]
struct Heard(Option<Instant>);

impl Interrupt {
    /// From now on Ctrl-C no longer ends the process by itself.
    ///
    /// # Errors
    /// The system refuses to tell of signals.
    pub fn listen() -> io::Result<Self> {
        Self::of(vec![SignalKind::interrupt()])
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
        Self::of(all)
    }

    fn of(kinds: Vec<SignalKind>) -> io::Result<Self> {
        let signals = kinds.into_iter().map(signal).collect::<io::Result<_>>()?;
        Ok(Self { signals, heard: Heard::default() })
    }

    /// The next one: what comes with the one before is passed over.
    pub async fn come(&mut self) {
        loop {
            poll_fn(|context| match self.signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            if self.heard.is_another(Instant::now()) {
                return;
            }
        }
    }
}

impl Heard {
    /// Whether what is heard now is no echo of the one before.
    fn is_another(&mut self, now: Instant) -> bool {
        let another = self.0.is_none_or(|before| now.saturating_duration_since(before) >= ECHO);
        if another {
            self.0 = Some(now);
        }
        another
    }
}

/// Whether whoever started this process had it ignore a signal.
fn is_ignored(kind: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_one_is_its_echo_and_the_next_is_another() {
        let (begun, mut heard) = (Instant::now(), Heard::default());
        let mut is_another = |ms| heard.is_another(begun + Duration::from_millis(ms));
        assert_eq!(
            [0, 0, 200, 249, 250, 499, 500].map(&mut is_another),
            [true, false, false, false, true, false, true]
        );
    }
}
