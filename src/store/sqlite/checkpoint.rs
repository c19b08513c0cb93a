//! Folds the write-ahead log into the database beside the writer, so that no commit waits for it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::warn;

use super::fault::Fault;
use crate::shutdown::Shutdown;
use crate::store::error::Fatal;

/// Size of the log from which on it is worth folding in: pages that change again and again are written once.
const WORTHWHILE_BYTES: u64 = 4 * 1024 * 1024;
/// Pause between two looks at the log. At the writer's full speed it grows by some 30 MB in this time.
const PAUSE: Duration = Duration::from_secs(1);

/// The task that does it, until it is stopped.
pub(in crate::store) struct Checkpointer {
    stop: Shutdown,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl Checkpointer {
    pub fn start(
        connection: tokio_rusqlite::Connection,
        database: &Path,
        failed: watch::Sender<Option<Fatal>>,
    ) -> Self {
        let mut wal = database.as_os_str().to_owned();
        wal.push("-wal");
        let stop = Shutdown::default();
        let running = tokio::spawn(run(connection, wal.into(), stop.clone(), failed));
        Self { stop, running: Mutex::new(Some(running)) }
    }

    /// Ends it, and waits until its connection rests.
    pub async fn stop(&self) {
        self.stop.begin();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            // It can only have ended already.
            let _ = running.await;
        }
    }
}

/// A store that is dropped, and not closed, leaves no task behind.
impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop.begin();
    }
}

async fn run(
    connection: tokio_rusqlite::Connection,
    wal: PathBuf,
    stop: Shutdown,
    failed: watch::Sender<Option<Fatal>>,
) {
    loop {
        tokio::select! {
            () = stop.begun() => return,
            () = sleep(PAUSE) => {}
        }
        let bytes = tokio::fs::metadata(&wal).await.map_or(0, |wal| wal.len());
        if bytes < WORTHWHILE_BYTES {
            continue;
        }
        // PASSIVE waits for nobody and nobody for it: what a reader or the writer is at stays for the next time.
        let folded =
            connection.call(|connection| connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())));
        let Err(tokio_rusqlite::Error::Error(fault)) = folded.await else { continue };
        match Fault::from(fault) {
            // After a failed fsync a later one may say yes and lie, so nothing may be acknowledged any more.
            Fault::Disk(why) => {
                failed.send_replace(Some(Fatal(why)));
                return;
            }
            fault => warn!(?fault, "the database's log could not be folded in; it is tried again"),
        }
    }
}
