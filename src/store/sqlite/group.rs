//! One transaction of the writer: the inboxes that it touches, in copies that are its own until COMMIT returned.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::cache::{Cache, Inbox};
use super::fault::Fault;
use super::overfull::Overfull;
use crate::domain::change::{Change, Entry, Logged, Rows, What};
use crate::domain::cursor::{Epoch, EpochSecret};
use crate::domain::ids::{Millis, NotificationId, Rev, UserId};
use crate::domain::limits::{EVENT_IDS, GENERATIONS, LOG_ENTRIES};
use crate::store::refusals::Refusals;

/// What the writer knows beside the database.
pub(in crate::store) struct Context {
    pub cache: Arc<Cache>,
    pub refusals: Arc<Refusals>,
    pub overfull: Overfull,
    pub secret: Arc<EpochSecret>,
    pub generation: i64,
    /// Age from which on a row is swept.
    pub max_age: Millis,
}

/// What memory learns from a transaction, once it is committed.
#[derive(Default)]
pub(super) struct News {
    /// `None` where the inbox is the user's no more.
    copies: HashMap<UserId, Option<Inbox>>,
    erased: Vec<i64>,
    not_before: Vec<(UserId, Option<Millis>)>,
}

impl Context {
    pub(super) fn take_in(&self, news: News) {
        self.overfull.look_at(news.copies.values().flatten());
        self.overfull.forget(&news.erased);
        self.refusals.enter(news.not_before);
        self.cache.enter(news.copies);
    }
}

pub(super) struct Group<'a> {
    pub connection: &'a Connection,
    pub context: &'a Context,
    pub now: Millis,
    news: News,
}

impl<'a> Group<'a> {
    pub fn new(connection: &'a Connection, context: &'a Context, now: Millis) -> Self {
        Self { connection, context, now, news: News::default() }
    }

    /// The user's inbox as this transaction has it, if there is one.
    pub fn inbox(&self, user: &UserId) -> Result<Option<Inbox>, Fault> {
        if let Some(copy) = self.news.copies.get(user) {
            return Ok(*copy);
        }
        match self.context.cache.get(user) {
            Some(inbox) => Ok(Some(inbox)),
            None => Ok(load(self.connection, &self.context.secret, user)?),
        }
    }

    /// The user's inbox, made where there is none.
    pub fn inbox_or_new(&mut self, user: &UserId) -> Result<Inbox, Fault> {
        if let Some(inbox) = self.inbox(user)? {
            return Ok(inbox);
        }
        let mut insert = self.connection.prepare_cached("INSERT INTO inbox (user) VALUES (?1)")?;
        insert.execute([user.as_str()])?;
        Ok(Inbox::new(self.connection.last_insert_rowid()))
    }

    /// Whose inbox it is; nobody's once it was erased.
    pub fn owner(&self, inbox: i64) -> Result<Option<UserId>, Fault> {
        let mut select = self.connection.prepare_cached("SELECT user FROM inbox WHERE id = ?1")?;
        let user: Option<Option<String>> = select.query_row([inbox], |row| row.get(0)).optional()?;
        Ok(user.flatten().map(|user| UserId::stored(&user)))
    }

    /// Takes the next rev. The first one of an inbox in this run of the server notes the generation.
    pub fn take_rev(&self, inbox: &mut Inbox) -> Result<Rev, Fault> {
        inbox.head += 1;
        if inbox.generation != Some(self.context.generation) {
            self.note_generation(inbox)?;
        }
        Ok(inbox.head)
    }

    fn note_generation(&self, inbox: &mut Inbox) -> Result<(), Fault> {
        let generation = self.context.generation;
        let mut note = self
            .connection
            .prepare_cached("INSERT INTO generation (inbox, first_rev, generation) VALUES (?1, ?2, ?3)")?;
        note.execute(params![inbox.id, inbox.head as i64, generation])?;
        let mut trim = self.connection.prepare_cached(
            "DELETE FROM generation WHERE inbox = ?1 AND first_rev <= (SELECT first_rev FROM generation
             WHERE inbox = ?1 ORDER BY first_rev DESC LIMIT 1 OFFSET ?2)",
        )?;
        trim.execute(params![inbox.id, GENERATIONS as i64])?;
        inbox.generation = Some(generation);
        inbox.epoch = self.context.secret.epoch(generation, inbox.id);
        Ok(())
    }

    /// Logs a change of the rows `ids`, or of those up to a rev, as the inbox's next.
    pub fn log(&self, inbox: &mut Inbox, what: What, rows: Rows, origin: Option<&Arc<str>>) -> Result<Entry, Fault> {
        let (what, rows) = match rows {
            Rows::Ids(ids) if ids.len() > EVENT_IDS => (What::Changed, Rows::Many),
            rows => (what, rows),
        };
        let rev = self.take_rev(inbox)?;
        let logged = Logged { what, rows, origin: origin.cloned() };
        insert_logged(self.connection, inbox.id, rev, &logged, self.now)?;
        inbox.logged += 1;
        self.trim_log(inbox)?;
        Ok(Entry::Logged { rev, logged: Arc::new(logged) })
    }

    fn trim_log(&self, inbox: &mut Inbox) -> Result<(), Fault> {
        while inbox.logged > LOG_ENTRIES as u64 {
            let mut trim = self.connection.prepare_cached(
                "DELETE FROM log WHERE inbox = ?1 AND rev = (SELECT MIN(rev) FROM log WHERE inbox = ?1) RETURNING rev",
            )?;
            let dropped: i64 = trim.query_row([inbox.id], |row| row.get(0))?;
            inbox.log_floor = dropped.unsigned_abs();
            inbox.logged -= 1;
        }
        Ok(())
    }

    pub fn change(&self, user: &UserId, inbox: &Inbox, entry: Entry) -> Change {
        Change { user: user.clone(), epoch: inbox.epoch, entry, counts: inbox.counts() }
    }

    /// Takes a changed copy back.
    pub fn keep(&mut self, user: &UserId, inbox: Inbox) {
        self.news.copies.insert(user.clone(), Some(inbox));
    }

    /// The user has no inbox any more, and nothing that was known of it.
    pub fn forget(&mut self, user: &UserId, inbox: &Inbox) {
        self.news.copies.insert(user.clone(), None);
        self.news.erased.push(inbox.id);
        self.news.not_before.push((user.clone(), None));
    }

    pub fn refuse_before(&mut self, user: &UserId, not_before: Millis) {
        self.news.not_before.push((user.clone(), Some(not_before)));
    }

    /// Writes the inboxes' rows, once each, as the last thing before COMMIT.
    pub fn flush(&self) -> Result<(), Fault> {
        let mut update = self.connection.prepare_cached(
            "UPDATE inbox SET head = ?2, unread = ?3, unseen = ?4, seen = ?5, rows = ?6, logged = ?7, log_floor = ?8
             WHERE id = ?1",
        )?;
        for inbox in self.news.copies.values().flatten() {
            let Inbox { id, head, unread, unseen, seen, rows, logged, log_floor, .. } = *inbox;
            let numbers = [head, unread, unseen, seen, rows, logged, log_floor].map(|number| number as i64);
            let [head, unread, unseen, seen, rows, logged, log_floor] = numbers;
            update.execute(params![id, head, unread, unseen, seen, rows, logged, log_floor])?;
        }
        Ok(())
    }

    pub fn into_news(self) -> News {
        self.news
    }
}

/// Reads an inbox and its latest generation.
pub(super) fn load(connection: &Connection, secret: &EpochSecret, user: &UserId) -> rusqlite::Result<Option<Inbox>> {
    let mut select = connection.prepare_cached(
        "SELECT id, head, unread, unseen, seen, rows, logged, log_floor,
                (SELECT generation FROM generation WHERE inbox = inbox.id ORDER BY first_rev DESC LIMIT 1)
         FROM inbox WHERE user = ?1",
    )?;
    let row = select.query_row([user.as_str()], |row| {
        let number = |index| row.get::<_, i64>(index).map(i64::unsigned_abs);
        let id = row.get(0)?;
        let generation: Option<i64> = row.get(8)?;
        Ok(Inbox {
            id,
            head: number(1)?,
            unread: number(2)?,
            unseen: number(3)?,
            seen: number(4)?,
            rows: number(5)?,
            logged: number(6)?,
            log_floor: number(7)?,
            generation,
            epoch: generation.map_or(Epoch::NONE, |generation| secret.epoch(generation, id)),
        })
    });
    row.optional()
}

fn insert_logged(connection: &Connection, inbox: i64, rev: Rev, logged: &Logged, now: Millis) -> rusqlite::Result<()> {
    let (up_to, ids) = match &logged.rows {
        Rows::Ids(ids) => (None, Some(ids.iter().flat_map(NotificationId::as_bytes).copied().collect::<Vec<u8>>())),
        Rows::UpTo(rev) => (Some(*rev as i64), None),
        Rows::Many => (None, None),
    };
    let mut insert = connection.prepare_cached(
        "INSERT INTO log (inbox, rev, what, up_to, ids, origin, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let origin = logged.origin.as_deref();
    insert.execute(params![inbox, rev as i64, logged.what.as_str(), up_to, ids, origin, now])?;
    Ok(())
}
