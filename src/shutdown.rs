//! One signal, handed down: first drain, then stop.

use tokio_util::sync::CancellationToken;

/// Tells tasks to begin ending. Cheap to clone; a child of nothing, so that a test owns its own.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// From now on nothing new is begun.
    pub fn begin(&self) {
        self.0.cancel();
    }

    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until [`Shutdown::begin`] was called.
    pub async fn begun(&self) {
        self.0.cancelled().await;
    }
}
