//! What an inbox is, as plain data: the reference that a server is compared with, without merging.
//!
//! Counts are counted anew each time, and nothing is clever. Its log is never trimmed: a story keeps an inbox to fewer
//! entries than the log holds.

use std::collections::{BTreeMap, BTreeSet};

use lumen_inbox::domain::change::{Counts, What};
use lumen_inbox::domain::ids::{NotificationId, Rev};
use lumen_inbox::domain::limits::EVENT_IDS;

/// One inbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    head: Rev,
    /// The seen mark.
    seen: Rev,
    rows: BTreeMap<Rev, Row>,
    log: Vec<Logged>,
    /// Keys that are taken, also by a row that is gone.
    keys: BTreeMap<String, NotificationId>,
    /// Rows whose life may come to its end.
    mortal: BTreeSet<NotificationId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: NotificationId,
    pub content: String,
    pub read: bool,
}

/// A change that made no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    pub rev: Rev,
    pub what: What,
    pub rows: Rows,
}

/// Which rows a logged change names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    Ids(BTreeSet<NotificationId>),
    UpTo(Rev),
    /// More than are named.
    Many,
}

/// What a stream is told of one rev.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Message(Rev, Row),
    Inbox(Logged),
}

/// What the API must answer to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    pub changed: u64,
    pub counts: Counts,
    /// The rev that it took, if it took one.
    pub rev: Option<Rev>,
}

/// An id that is not in the inbox: 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing;

impl Model {
    pub fn head(&self) -> Rev {
        self.head
    }

    pub fn counts(&self) -> Counts {
        let unread = || self.rows.iter().filter(|(_, row)| !row.read);
        let unseen = unread().filter(|(rev, _)| **rev > self.seen).count();
        Counts { unread: unread().count() as u64, unseen: unseen as u64, rev: self.head }
    }

    /// The list, newest first.
    pub fn list(&self) -> Vec<(Rev, &Row)> {
        self.rows.iter().rev().map(|(rev, row)| (*rev, row)).collect()
    }

    /// What a stream that stands at `rev` has missed, told now: rows as they stand, and the log, in rev order.
    pub fn missed_after(&self, rev: Rev) -> Vec<Told> {
        let rows = self.rows.range(rev + 1..).map(|(rev, row)| (*rev, Told::Message(*rev, row.clone())));
        let log = self.log.iter().filter(|entry| entry.rev > rev).map(|entry| (entry.rev, Told::Inbox(entry.clone())));
        let told: BTreeMap<Rev, Told> = rows.chain(log).collect();
        told.into_values().collect()
    }

    pub fn create(&mut self, id: NotificationId, content: &str) -> Outcome {
        self.head += 1;
        self.rows.insert(self.head, Row { id, content: content.to_owned(), read: false });
        Outcome { changed: 1, counts: self.counts(), rev: Some(self.head) }
    }

    /// One that the next end of lives takes.
    pub fn create_mortal(&mut self, id: NotificationId, content: &str) -> Outcome {
        self.mortal.insert(id);
        self.create(id, content)
    }

    /// Who has this key.
    pub fn holder(&self, key: &str) -> Option<NotificationId> {
        self.keys.get(key).copied()
    }

    pub fn create_keyed(&mut self, id: NotificationId, content: &str, key: &str) -> Outcome {
        self.keys.insert(key.to_owned(), id);
        self.create(id, content)
    }

    /// Takes back what has this key, which is free then in any case.
    pub fn retract(&mut self, key: &str) -> Outcome {
        let removed = self.keys.remove(key).map(|id| self.delete(id));
        removed.and_then(Result::ok).unwrap_or_else(|| self.log_change(0, What::Deleted, Rows::Many))
    }

    /// Takes the rows whose life is over, if lives end now, and then the oldest read and the oldest unread of those that
    /// are too many; all of it is one change.
    pub fn sweep(&mut self, lives_end: bool, most: usize) -> Outcome {
        let mut gone = BTreeSet::new();
        if lives_end {
            gone.extend(self.rows.iter().filter(|(_, row)| self.mortal.contains(&row.id)).map(|(rev, _)| *rev));
        }
        for read in [true, false] {
            let oldest = self.rows.iter().filter(|(rev, row)| row.read == read && !gone.contains(rev));
            let excess = (self.rows.len() - gone.len()).saturating_sub(most);
            let oldest: Vec<Rev> = oldest.take(excess).map(|(rev, _)| *rev).collect();
            gone.extend(oldest);
        }
        let ids: BTreeSet<_> = gone.iter().filter_map(|rev| self.rows.remove(rev)).map(|row| row.id).collect();
        match ids.len() {
            0..=EVENT_IDS => self.log_change(ids.len(), What::Deleted, Rows::Ids(ids)),
            many => self.log_change(many, What::Changed, Rows::Many),
        }
    }

    /// # Errors
    /// [`Missing`].
    pub fn read(&mut self, id: NotificationId) -> Result<Outcome, Missing> {
        self.find(id)?;
        Ok(self.read_ids(&[id]))
    }

    /// Ids that are not there are passed over.
    pub fn read_ids(&mut self, ids: &[NotificationId]) -> Outcome {
        let chosen: BTreeSet<Rev> = ids.iter().filter_map(|id| self.find(*id).ok()).collect();
        let changed = self.set_read(&chosen, true);
        match changed.len() {
            0..=EVENT_IDS => self.log_change(changed.len(), What::Read, Rows::Ids(changed)),
            _ => self.log_change(changed.len(), What::Changed, Rows::Many),
        }
    }

    /// Over the head it counts as the head.
    pub fn read_up_to(&mut self, up_to: Rev) -> Outcome {
        let up_to = up_to.min(self.head);
        let chosen = self.rows.range(..=up_to).map(|(rev, _)| *rev).collect();
        let changed = self.set_read(&chosen, true).len();
        self.log_change(changed, What::Read, Rows::UpTo(up_to))
    }

    pub fn read_all(&mut self) -> Outcome {
        self.read_up_to(self.head)
    }

    /// # Errors
    /// [`Missing`].
    pub fn unread(&mut self, id: NotificationId) -> Result<Outcome, Missing> {
        let rev = self.find(id)?;
        let changed = self.set_read(&BTreeSet::from([rev]), false);
        Ok(self.log_change(changed.len(), What::Unread, Rows::Ids(changed)))
    }

    /// Raises the mark, which never falls; `changed` is how much the unseen count fell.
    pub fn seen(&mut self, up_to: Rev) -> Outcome {
        let up_to = up_to.min(self.head);
        let before = self.counts().unseen;
        self.seen = self.seen.max(up_to);
        let fell = before - self.counts().unseen;
        self.log_change(fell as usize, What::Seen, Rows::UpTo(up_to))
    }

    /// # Errors
    /// [`Missing`].
    pub fn delete(&mut self, id: NotificationId) -> Result<Outcome, Missing> {
        let rev = self.find(id)?;
        self.rows.remove(&rev);
        Ok(self.log_change(1, What::Deleted, Rows::Ids(BTreeSet::from([id]))))
    }

    fn find(&self, id: NotificationId) -> Result<Rev, Missing> {
        self.rows.iter().find(|(_, row)| row.id == id).map(|(rev, _)| *rev).ok_or(Missing)
    }

    /// Which of these were not so yet.
    fn set_read(&mut self, chosen: &BTreeSet<Rev>, read: bool) -> BTreeSet<NotificationId> {
        let mut changed = BTreeSet::new();
        for rev in chosen {
            let row = self.rows.get_mut(rev).expect("a row that is there");
            if row.read != read {
                row.read = read;
                changed.insert(row.id);
            }
        }
        changed
    }

    /// What changed neither a row nor a count takes no rev.
    fn log_change(&mut self, changed: usize, what: What, rows: Rows) -> Outcome {
        let rev = (changed > 0).then_some(self.head + 1);
        if let Some(rev) = rev {
            self.head = rev;
            self.log.push(Logged { rev, what, rows });
        }
        Outcome { changed: changed as u64, counts: self.counts(), rev }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> NotificationId {
        NotificationId::from_bytes([n; 16])
    }

    fn outcome(changed: u64, unread: u64, unseen: u64, rev: Rev, took: bool) -> Outcome {
        Outcome { changed, counts: Counts { unread, unseen, rev }, rev: took.then_some(rev) }
    }

    /// An inbox with so many unread rows, of revs and ids from 1.
    fn with(rows: u8) -> Model {
        let mut model = Model::default();
        for n in 1..=rows {
            assert_eq!(model.create(id(n), "c"), outcome(1, n.into(), n.into(), n.into(), true));
        }
        model
    }

    fn named(ids: &[u8]) -> Rows {
        Rows::Ids(ids.iter().map(|n| id(*n)).collect())
    }

    #[test]
    fn an_empty_inbox_takes_nothing_amiss() {
        let mut model = Model::default();
        assert_eq!(model.read_all(), outcome(0, 0, 0, 0, false));
        assert_eq!(model.read_up_to(9), outcome(0, 0, 0, 0, false));
        assert_eq!(model.seen(9), outcome(0, 0, 0, 0, false));
        assert_eq!(model.read_ids(&[id(1)]), outcome(0, 0, 0, 0, false));
        assert_eq!(
            (model.read(id(1)), model.unread(id(1)), model.delete(id(1))),
            (Err(Missing), Err(Missing), Err(Missing))
        );
        assert_eq!(model, Model::default());
    }

    #[test]
    fn one_is_read_and_unread_and_each_again_takes_no_rev() {
        let mut model = with(2);
        assert_eq!(model.read(id(1)), Ok(outcome(1, 1, 1, 3, true)));
        assert_eq!(model.read(id(1)), Ok(outcome(0, 1, 1, 3, false)));
        assert_eq!(model.unread(id(2)), Ok(outcome(0, 1, 1, 3, false)));
        assert_eq!(model.unread(id(1)), Ok(outcome(1, 2, 2, 4, true)));
        let logged = [
            Logged { rev: 3, what: What::Read, rows: named(&[1]) },
            Logged { rev: 4, what: What::Unread, rows: named(&[1]) },
        ];
        assert_eq!(model.log, logged);
    }

    #[test]
    fn many_are_read_by_ids_that_count_once_and_only_where_they_change() {
        let mut model = with(4);
        model.read(id(2)).unwrap();
        assert_eq!(model.read_ids(&[id(3), id(9), id(3), id(2), id(1)]), outcome(2, 1, 1, 6, true));
        assert_eq!(model.log[1].rows, named(&[1, 3]));
        assert_eq!(model.read_ids(&[id(3), id(2)]), outcome(0, 1, 1, 6, false));
    }

    #[test]
    fn over_a_hundred_ids_are_not_named() {
        let mut model = with(202);
        let ids: Vec<_> = (1..=202).map(id).collect();
        assert_eq!(model.read_ids(&ids[..100]), outcome(100, 102, 102, 203, true));
        assert_eq!((model.log[0].what, model.log[0].rows != Rows::Many), (What::Read, true));
        assert_eq!(model.read_ids(&ids), outcome(102, 0, 0, 204, true));
        assert_eq!((model.log[1].what, &model.log[1].rows), (What::Changed, &Rows::Many));
    }

    #[test]
    fn up_to_takes_rows_by_their_rev_and_the_head_for_what_is_over_it() {
        let mut model = with(3);
        model.delete(id(1)).unwrap();
        model.create(id(5), "c");
        assert_eq!(model.read_up_to(3), outcome(2, 1, 1, 6, true));
        assert_eq!(model.read_up_to(4), outcome(0, 1, 1, 6, false));
        assert_eq!(model.read_up_to(99), outcome(1, 0, 0, 7, true));
        assert_eq!(model.log.last(), Some(&Logged { rev: 7, what: What::Read, rows: Rows::UpTo(6) }));
        assert_eq!(model.read_all(), outcome(0, 0, 0, 7, false));
        model.create(id(8), "c");
        assert_eq!(model.read_all(), outcome(1, 0, 0, 9, true));
        assert_eq!(model.log.last().unwrap().rows, Rows::UpTo(8));
    }

    #[test]
    fn the_seen_mark_only_rises_and_silently_where_no_count_falls() {
        let mut model = with(4);
        assert_eq!(model.seen(2), outcome(2, 4, 2, 5, true));
        assert_eq!(model.seen(1), outcome(0, 4, 2, 5, false));
        // Read rows are not unseen: over them the mark rises without a rev.
        model.read_all();
        assert_eq!(model.counts(), Counts { unread: 0, unseen: 0, rev: 6 });
        assert_eq!(model.seen(3), outcome(0, 0, 0, 6, false));
        assert_eq!(model.unread(id(3)), Ok(outcome(1, 1, 0, 7, true)));
        assert_eq!(model.unread(id(4)), Ok(outcome(1, 2, 1, 8, true)));
        // Over the head it is the head, so that what comes later is unseen.
        assert_eq!(model.seen(99), outcome(1, 2, 0, 9, true));
        assert_eq!(model.log.last().unwrap().rows, Rows::UpTo(8));
        assert_eq!(model.create(id(9), "c"), outcome(1, 3, 1, 10, true));
    }

    #[test]
    fn what_is_deleted_is_gone_with_its_counts() {
        let mut model = with(3);
        model.read(id(1)).unwrap();
        assert_eq!(model.delete(id(1)), Ok(outcome(1, 2, 2, 5, true)));
        assert_eq!(model.delete(id(3)), Ok(outcome(1, 1, 1, 6, true)));
        assert_eq!(model.delete(id(3)), Err(Missing));
        assert_eq!(model.list().iter().map(|(rev, row)| (*rev, row.id)).collect::<Vec<_>>(), [(2, id(2))]);
    }

    #[test]
    fn a_key_is_held_until_it_is_taken_back() {
        let mut model = Model::default();
        assert_eq!(model.create_keyed(id(1), "c", "k"), outcome(1, 1, 1, 1, true));
        assert_eq!((model.holder("k"), model.holder("q")), (Some(id(1)), None));
        assert_eq!(model.retract("k"), outcome(1, 0, 0, 2, true));
        assert_eq!(model.log, [Logged { rev: 2, what: What::Deleted, rows: named(&[1]) }]);
        assert_eq!((model.holder("k"), model.retract("k")), (None, outcome(0, 0, 0, 2, false)));
        model.create_keyed(id(2), "c", "k");
        model.delete(id(2)).unwrap();
        assert_eq!(model.holder("k"), Some(id(2)), "it outlives its row");
        assert_eq!((model.retract("k"), model.holder("k")), (outcome(0, 0, 0, 4, false), None));
    }

    #[test]
    fn a_sweep_takes_what_is_over_and_then_the_oldest_of_too_many() {
        let mut model = with(4);
        model.create_mortal(id(5), "c");
        assert_eq!(model.sweep(false, 5), outcome(0, 5, 5, 5, false));
        assert_eq!(model.sweep(true, 5), outcome(1, 4, 4, 6, true));
        assert_eq!(model.sweep(true, 5), outcome(0, 4, 4, 6, false));
        model.read_ids(&[id(2), id(4)]);
        model.create_mortal(id(7), "c");
        assert_eq!(model.sweep(true, 3), outcome(2, 2, 2, 9, true), "the mortal one and the oldest that is read");
        assert_eq!(model.log.last().unwrap().rows, named(&[7, 2]));
        assert_eq!(model.sweep(false, 1), outcome(2, 1, 1, 10, true), "the read one and the oldest unread");
        assert_eq!(model.list().iter().map(|(_, row)| row.id).collect::<Vec<_>>(), [id(3)]);
        let mut many = with(101);
        assert_eq!(many.sweep(false, 0), outcome(101, 0, 0, 102, true));
        assert_eq!(many.log, [Logged { rev: 102, what: What::Changed, rows: Rows::Many }]);
    }

    #[test]
    fn what_was_missed_is_told_as_it_stands_now_in_rev_order() {
        let mut model = with(3);
        model.read(id(2)).unwrap();
        model.delete(id(3)).unwrap();
        let row = |n: u8, read: bool| Told::Message(n.into(), Row { id: id(n), content: "c".to_owned(), read });
        let read = Told::Inbox(Logged { rev: 4, what: What::Read, rows: named(&[2]) });
        let deleted = Told::Inbox(Logged { rev: 5, what: What::Deleted, rows: named(&[3]) });
        assert_eq!(model.missed_after(0), [row(1, false), row(2, true), read, deleted.clone()]);
        assert_eq!(model.missed_after(4), [deleted]);
        assert_eq!(model.missed_after(5), []);
    }
}
