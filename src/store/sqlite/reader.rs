//! A few connections that only read, lent for one question at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::fault::Fault;
use super::page;
use crate::domain::change::Item;
use crate::domain::cursor::{EpochSecret, Presented};
use crate::domain::ids::{NotificationId, Rev, UserId};
use crate::store::error::{Error, Fatal};
use crate::store::view::{List, ListQuery, Opening, Page, View};

pub(in crate::store) struct Readers {
    free: Arc<Semaphore>,
    connections: Arc<Mutex<Vec<tokio_rusqlite::Connection>>>,
    secret: Arc<EpochSecret>,
    failed: watch::Sender<Option<Fatal>>,
}

/// A connection, until it goes back.
struct Lent {
    connection: tokio_rusqlite::Connection,
    connections: Arc<Mutex<Vec<tokio_rusqlite::Connection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Lent {
    fn drop(&mut self) {
        let connection = self.connection.clone();
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

impl Readers {
    pub fn new(
        connections: Vec<tokio_rusqlite::Connection>,
        secret: Arc<EpochSecret>,
        failed: watch::Sender<Option<Fatal>>,
    ) -> Self {
        let free = Arc::new(Semaphore::new(connections.len()));
        Self { free, connections: Arc::new(Mutex::new(connections)), secret, failed }
    }

    pub async fn open_at(&self, user: UserId, presented: Presented, snapshot: usize) -> Result<Opening, Error> {
        let secret = self.secret.clone();
        self.read(move |connection| page::open_at(connection, &secret, &user, presented, snapshot)).await
    }

    pub async fn page_after(&self, user: UserId, rev: Rev) -> Result<Page, Error> {
        let secret = self.secret.clone();
        self.read(move |connection| page::page_after(connection, &secret, &user, rev)).await
    }

    pub async fn list(&self, user: UserId, query: ListQuery) -> Result<List, Error> {
        let secret = self.secret.clone();
        self.read(move |connection| page::list(connection, &secret, &user, &query)).await
    }

    pub async fn get(&self, user: UserId, id: NotificationId) -> Result<Option<Item>, Error> {
        self.read(move |connection| page::get(connection, &user, id)).await
    }

    pub async fn view(&self, user: UserId) -> Result<View, Error> {
        let secret = self.secret.clone();
        self.read(move |connection| page::view(connection, &secret, &user).map(|(_, view)| view)).await
    }

    /// Answers one question in one read transaction, which ends before anything is done with the answer: a reader that
    /// stays keeps the write-ahead log from being reset.
    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let lent = self.lend().await?;
        let connection = lent.connection.clone();
        let answer = connection.call(move |connection| {
            // It goes back when the question is answered, also where nobody waits for the answer any more.
            let _lent = lent;
            let transaction = connection.transaction()?;
            // A panic would end the connection's thread for good.
            Ok::<_, rusqlite::Error>(catch_unwind(AssertUnwindSafe(|| question(&transaction))))
        });
        match answer.await {
            Ok(Ok(answer)) => answer.map_err(|fault| self.fault(fault)),
            Ok(Err(_)) => Err(Error::Internal("a reader panicked".to_owned())),
            Err(tokio_rusqlite::Error::Error(fault)) => Err(self.fault(fault)),
            Err(_) => Err(Error::Down),
        }
    }

    /// A disk that cannot be read is no better than one that cannot be written: the process ends.
    fn fault(&self, fault: rusqlite::Error) -> Error {
        let fault = Fault::from(fault);
        if let Fault::Disk(why) = &fault {
            self.failed.send_replace(Some(Fatal::Io(why.clone())));
        }
        fault.into()
    }

    async fn lend(&self) -> Result<Lent, Error> {
        let permit = self.free.clone().acquire_owned().await.map_err(|_| Error::Down)?;
        let connection = self.connections.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = connection.ok_or(Error::Down)?;
        Ok(Lent { connection, connections: self.connections.clone(), _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    async fn one_reader() -> Readers {
        let connection = tokio_rusqlite::Connection::open_in_memory().await.unwrap();
        Readers::new(vec![connection], Arc::new(EpochSecret::new(&[0; 32])), watch::Sender::default())
    }

    /// Whoever hangs up does not let more questions in than there are connections to answer them.
    #[tokio::test]
    async fn a_question_that_nobody_waits_for_keeps_its_connection_until_it_is_answered() {
        let readers = one_reader().await;
        let (release, held) = mpsc::sync_channel::<()>(0);
        let mut asked = Box::pin(readers.read(move |_| Ok(held.recv().is_ok())));
        assert!(futures_util::poll!(asked.as_mut()).is_pending());
        drop(asked);
        assert_eq!(readers.free.available_permits(), 0);
        release.send(()).unwrap();
        assert_eq!(readers.read(|_| Ok(7)).await, Ok(7));
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer() {
        let readers = one_reader().await;
        assert!(matches!(readers.read::<()>(|_| panic!("as asked")).await, Err(Error::Internal(_))));
        assert_eq!(readers.read(|_| Ok(7)).await, Ok(7));
    }
}
