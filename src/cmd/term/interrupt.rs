//! Ctrl-C, from the moment of listening on.

use std::future::pending;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub struct Interrupt {
    keyboard: Signal,
    /// SIGTERM, where that is to be heard too.
    termination: Option<Signal>,
}

impl Interrupt {
    /// From now on Ctrl-C no longer ends the process by itself.
    ///
    /// # Errors
    /// The system refuses to tell of signals.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { keyboard: signal(SignalKind::interrupt())?, termination: None })
    }

    /// Neither does SIGTERM, by which CI ends a job: for a command that has something to put away.
    ///
    /// # Errors
    /// As [`Interrupt::listen`].
    pub fn listen_to_termination_too() -> io::Result<Self> {
        Ok(Self { termination: Some(signal(SignalKind::terminate())?), ..Self::listen()? })
    }

    pub async fn come(&mut self) {
        let termination = async {
            match &mut self.termination {
                Some(signal) => signal.recv().await,
                None => pending().await,
            }
        };
        // A signal's stream never ends.
        tokio::select! {
            _ = self.keyboard.recv() => {}
            _ = termination => {}
        }
    }
}
