//! Ctrl-C, from the moment of listening on.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub struct Interrupt(Signal);

impl Interrupt {
    /// From now on Ctrl-C no longer ends the process by itself.
    ///
    /// # Errors
    /// The system refuses to tell of signals.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::interrupt()).map(Self)
    }

    pub async fn come(&mut self) {
        // A signal's stream never ends.
        self.0.recv().await;
    }
}
