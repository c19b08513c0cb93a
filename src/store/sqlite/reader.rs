//! A few connections that only read, lent for one question at a time.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::fault::Fault;
use super::page;
use crate::domain::change::Item;
use crate::domain::cursor::{EpochSecret, Presented};
use crate::domain::ids::{NotificationId, Rev, UserId};
use crate::store::error::Error;
use crate::store::view::{List, ListQuery, Opening, Page, View};

pub(in crate::store) struct Readers {
    free: Semaphore,
    connections: Mutex<Vec<tokio_rusqlite::Connection>>,
    secret: Arc<EpochSecret>,
}

/// A connection that goes back when it is dropped, also by a caller that did not wait for its answer.
struct Lent<'a> {
    readers: &'a Readers,
    connection: tokio_rusqlite::Connection,
    _permit: SemaphorePermit<'a>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let connection = self.connection.clone();
        self.readers.connections.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

impl Readers {
    pub fn new(connections: Vec<tokio_rusqlite::Connection>, secret: Arc<EpochSecret>) -> Self {
        Self { free: Semaphore::new(connections.len()), connections: Mutex::new(connections), secret }
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
        let answer = lent.connection.call(move |connection| {
            let transaction = connection.transaction()?;
            question(&transaction)
        });
        answer.await.map_err(|fault| match fault {
            tokio_rusqlite::Error::Error(fault) => Fault::from(fault).into(),
            _ => Error::Down,
        })
    }

    async fn lend(&self) -> Result<Lent<'_>, Error> {
        let permit = self.free.acquire().await.map_err(|_| Error::Down)?;
        let connection = self.connections.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(Lent { readers: self, connection: connection.ok_or(Error::Down)?, _permit: permit })
    }
}
