//! Looks after the database's files beside the writer, once a second: that they are still there, that the log does not
//! grow, and, while writes fail, whether they go through again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{info, warn};

use super::checkpoint::{Extent, fold, save_lost_log};
use super::fault::{Fault, survived};
use super::files::InPlace;
use super::schema;
use crate::shutdown::Shutdown;
use crate::store::error::Fatal;
use crate::store::writable::Writable;

/// Size of the log from which on it is worth folding in: pages that change again and again are written once.
const WORTHWHILE_BYTES: u64 = 4 * 1024 * 1024;
/// Pause between two looks. At the writer's full speed the log grows by some 30 MB in this time.
const PAUSE: Duration = Duration::from_secs(1);

/// The task that does it, until it is stopped.
pub(in crate::store) struct Caretaker {
    stop: Shutdown,
    running: Mutex<Option<JoinHandle<()>>>,
}

/// What one look needs.
pub(in crate::store) struct Rounds {
    pub files: InPlace,
    pub writable: Arc<Writable>,
    pub failed: watch::Sender<Option<Fatal>>,
}

impl Caretaker {
    pub fn start(connection: tokio_rusqlite::Connection, rounds: Rounds) -> Self {
        let stop = Shutdown::default();
        let running = tokio::spawn(run(connection, Arc::new(rounds), stop.clone()));
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
impl Drop for Caretaker {
    fn drop(&mut self) {
        self.stop.begin();
    }
}

async fn run(connection: tokio_rusqlite::Connection, rounds: Arc<Rounds>, stop: Shutdown) {
    let mut folds = true;
    loop {
        let rounds = rounds.clone();
        let round = connection.call(move |connection| Ok::<_, rusqlite::Error>(rounds.go(connection)));
        let Ok(Ok(folded)) = round.await else { return };
        // Told when it begins and when it is over: a full disk stays full for many rounds.
        match folded {
            Err(ref fault) if folds => {
                warn!(?fault, "the database's log cannot be folded in; it is tried on every second")
            }
            Ok(()) if !folds => info!("the database's log is folded in again"),
            _ => {}
        }
        folds = folded.is_ok();
        tokio::select! {
            () = stop.begun() => return,
            () = sleep(PAUSE) => {}
        }
    }
}

impl Rounds {
    /// One look, and whether the log could be folded in where that was worth it.
    ///
    /// # Errors
    /// Nothing may be acknowledged any more, as all who listen to `failed` were told before this returns.
    fn go(&self, connection: &Connection) -> Result<Result<(), Fault>, Fatal> {
        self.look(connection).inspect_err(|fatal| drop(self.failed.send_replace(Some(fatal.clone()))))
    }

    fn look(&self, connection: &Connection) -> Result<Result<(), Fault>, Fatal> {
        let log_bytes = self.files.log_bytes().inspect_err(|_| save_lost_log(connection, &self.files))?;
        if !self.writable.is_so() && survived(schema::touch(connection))?.is_ok() && self.writable.worked() {
            info!("writes go through again");
        }
        if log_bytes < WORTHWHILE_BYTES {
            return Ok(Ok(()));
        }
        survived(fold(connection, Extent::Passing).map(drop))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::store::sqlite::checkpoint::tests::{database, weigh};

    fn rounds(dir: &Path) -> (Connection, Rounds) {
        let (connection, files) = database(dir);
        (connection, Rounds { files, writable: Arc::default(), failed: watch::Sender::default() })
    }

    #[test]
    fn a_log_is_folded_in_once_it_is_worth_it() {
        let dir = tempfile::tempdir().unwrap();
        let (connection, rounds) = rounds(dir.path());
        let database_bytes = || dir.path().join("lumen.db").metadata().unwrap().len();
        weigh(&connection, 2_000_000);
        let before = database_bytes();
        rounds.go(&connection).unwrap().unwrap();
        assert_eq!(database_bytes(), before, "two megabytes are not");
        weigh(&connection, 2_500_000);
        rounds.go(&connection).unwrap().unwrap();
        assert!(database_bytes() > before + 4_500_000);
    }

    #[test]
    fn writes_that_go_through_again_are_noticed_and_none_that_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let (connection, rounds) = rounds(dir.path());
        rounds.writable.failed();
        let other = Connection::open(dir.path().join("lumen.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        rounds.go(&connection).unwrap().unwrap();
        assert!(!rounds.writable.is_so(), "the other one is at it");
        other.execute_batch("ROLLBACK").unwrap();
        rounds.go(&connection).unwrap().unwrap();
        assert!(rounds.writable.is_so());
    }

    #[test]
    fn a_log_that_is_gone_is_saved_and_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let (connection, rounds) = rounds(dir.path());
        let before = dir.path().join("lumen.db").metadata().unwrap().len();
        weigh(&connection, 100_000);
        let log = dir.path().join("lumen.db-wal");
        fs::remove_file(&log).unwrap();
        let gone = Fatal::Gone { path: log, replaced: false };
        assert_eq!(rounds.go(&connection).unwrap_err(), gone);
        assert_eq!(*rounds.failed.borrow(), Some(gone));
        assert!(dir.path().join("lumen.db").metadata().unwrap().len() > before + 100_000);
    }

    #[tokio::test]
    async fn it_looks_until_it_is_stopped_or_dropped() {
        for stopped in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let (_connection, rounds) = rounds(dir.path());
            let writable = rounds.writable.clone();
            writable.failed();
            let mut failed = rounds.failed.subscribe();
            let connection = tokio_rusqlite::Connection::open(dir.path().join("lumen.db")).await.unwrap();
            let caretaker = Caretaker::start(connection, rounds);
            let looked = async {
                while !writable.is_so() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), looked).await.expect("a look");
            assert_eq!(Arc::strong_count(&writable), 2, "it goes on");
            if stopped {
                caretaker.stop().await;
                assert_eq!(Arc::strong_count(&writable), 1, "it is over by then");
            }
            drop(caretaker);
            let over = tokio::time::timeout(Duration::from_secs(20), failed.changed()).await;
            assert!(over.expect("an end").is_err(), "nobody can tell of a failure any more");
        }
    }
}
