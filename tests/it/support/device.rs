//! What a right client shows of its inbox, made from the events of its streams exactly as the contract says.
//!
//! It reads nothing itself: a story hands it what came, and fetches the list when it says so. How a stream must behave
//! is `conduct`'s.

use std::collections::BTreeMap;

use lumen_inbox::domain::change::{Counts, What};
use lumen_inbox::domain::ids::{NotificationId, Rev};
use lumen_inbox::wire::event::{Event, InboxData, ItemData, MessageData, ReadyData};

use super::conduct::Conduct;
use super::reader::Received;

/// One device of one user, over all its connections.
#[derive(Debug, Clone)]
pub struct Device {
    user: String,
    items: BTreeMap<NotificationId, ItemData>,
    counts: Counts,
    /// The rev from which on it knows every row; `None` before it has begun.
    knows_from: Option<Rev>,
    needs_list: bool,
    conduct: Conduct,
    /// Breaches on earlier connections.
    breaches: Vec<String>,
}

impl Device {
    pub fn new(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            items: BTreeMap::new(),
            counts: Counts::default(),
            knows_from: None,
            needs_list: false,
            conduct: Conduct::new(user, None),
            breaches: Vec::new(),
        }
    }

    /// A new connection begins, for which the client named this cursor.
    pub fn connect(&mut self, cursor: Option<&str>) {
        self.breaches = self.violations();
        self.conduct = Conduct::new(&self.user, cursor);
    }

    /// Whether it was told from where on it knows the inbox.
    pub fn has_begun(&self) -> bool {
        self.knows_from.is_some()
    }

    /// Whether the present connection was told where it begins, and has not ended.
    pub fn is_open(&self) -> bool {
        self.conduct.is_open()
    }

    /// The last rev that the present connection has told.
    pub fn at(&self) -> Rev {
        self.conduct.at()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The items that it shows, newest first.
    pub fn items(&self) -> Vec<&ItemData> {
        let mut items: Vec<_> = self.items.values().collect();
        items.sort_by_key(|item| std::cmp::Reverse(item.rev));
        items
    }

    /// Whether it must fetch the list before it shows the truth.
    pub fn needs_list(&self) -> bool {
        self.needs_list
    }

    /// Every breach of the contract on any connection so far.
    pub fn violations(&self) -> Vec<String> {
        [&self.breaches, self.conduct.breaches()].concat()
    }

    /// Takes the whole list, in a view not older than the last event. What the stream tells of it again changes nothing
    /// in the end.
    pub fn take_list(&mut self, items: Vec<ItemData>, counts: Counts) {
        self.replace(items, 0);
        self.take_counts(counts, counts.rev);
        self.needs_list = false;
    }

    /// Takes a block of the present connection.
    pub fn apply(&mut self, received: &Received) {
        self.conduct.take(received);
        match &received.event {
            Some(Event::Ready(ready)) if received.block.id.is_some() => self.ready(ready),
            Some(Event::Message(message)) => self.message(message),
            Some(Event::Inbox(change)) => self.inbox(change),
            Some(Event::Resync(resync)) => {
                // The history may be another, whose revs say nothing of these.
                self.counts = resync.counts;
                self.take_newest(resync.items.as_deref());
            }
            // A ready without an id says nothing yet: its resync does.
            Some(Event::Ready(_) | Event::Close(_) | Event::Ping | Event::Other) | None => {}
        }
    }

    fn ready(&mut self, ready: &ReadyData) {
        // It sets the badge: from the start, rev 0, a cursor is good in the inbox that came after an erased one too.
        self.counts = ready.counts;
        if ready.resumed && self.at() == 0 {
            self.replace(Vec::new(), 0);
        }
        match (&ready.items, self.knows_from) {
            (Some(items), _) => self.take_newest(Some(items)),
            (None, None) => self.knows_from = Some(self.at() + 1),
            (None, Some(_)) => self.needs_list |= !ready.resumed,
        }
    }

    fn message(&mut self, message: &MessageData) {
        let MessageData { kind, data, counts, counts_rev, .. } = message;
        let item = ItemData { data: data.clone(), kind: kind.clone(), rev: counts.rev };
        self.items.insert(data.id, item);
        self.take_counts(*counts, counts_rev.unwrap_or(counts.rev));
    }

    fn inbox(&mut self, change: &InboxData) {
        let rev = change.counts.rev;
        let chosen: Vec<NotificationId> = match (&change.ids, change.up_to) {
            (Some(ids), None) => {
                ids.iter().filter(|id| self.items.get(id).is_some_and(|item| item.rev < rev)).copied().collect()
            }
            (None, Some(up_to)) => self.items.values().filter(|item| item.rev <= up_to).map(|i| i.data.id).collect(),
            (None, None) if change.change == What::Changed => Vec::new(),
            _ => return self.conduct.breach("a change of nobody knows what", change),
        };
        for id in chosen {
            match (change.change, self.items.get_mut(&id)) {
                (What::Read, Some(item)) => item.data.read = true,
                (What::Unread, Some(item)) => item.data.read = false,
                (What::Deleted, _) => drop(self.items.remove(&id)),
                (What::Seen | What::Changed, _) | (_, None) => {}
            }
        }
        self.needs_list |= change.change == What::Changed;
        self.take_counts(change.counts, change.counts_rev.unwrap_or(rev));
    }

    /// Older counts are dropped; of one rev there is one badge.
    fn take_counts(&mut self, counts: Counts, rev: Rev) {
        let counts = Counts { rev, ..counts };
        if rev == self.counts.rev && counts != self.counts {
            self.conduct.breach("of one rev two badges", (self.counts, counts));
        }
        if rev >= self.counts.rev {
            self.counts = counts;
        }
    }

    /// Takes the newest items in the place of what it showed; without them the list is needed.
    fn take_newest(&mut self, items: Option<&[ItemData]>) {
        let Some(items) = items else {
            self.needs_list = true;
            return;
        };
        if !items.is_sorted_by(|newer, older| newer.rev > older.rev) {
            self.conduct.breach("items that are not newest first", items);
        }
        // Rows never appear below those that are there, so that of an empty inbox all is known.
        let oldest = items.last().map_or(0, |item| item.rev);
        self.replace(items.to_vec(), oldest);
        self.needs_list = false;
    }

    fn replace(&mut self, items: Vec<ItemData>, knows_from: Rev) {
        self.items = items.into_iter().map(|item| (item.data.id, item)).collect();
        self.knows_from = Some(knows_from);
    }

    /// How what it shows differs from the inbox's whole list and counts of the same rev: nothing, if all is well.
    pub fn differences(&self, list: &[ItemData], counts: Counts) -> Vec<String> {
        let mut differences = Vec::new();
        if self.counts != counts {
            differences.push(format!("it shows {:?}, the counts are {counts:?}", self.counts));
        }
        let from = self.knows_from.unwrap_or(Rev::MAX);
        let known = list.iter().filter(|item| item.rev >= from);
        let there: BTreeMap<_, _> = known.map(|item| (item.data.id, item)).collect();
        for (id, item) in &there {
            match self.items.get(id) {
                None => differences.push(format!("it lacks {item:?}")),
                Some(shown) if shown != *item => differences.push(format!("it shows {shown:?}, there is {item:?}")),
                Some(_) => {}
            }
        }
        let gone = self.items.values().filter(|item| !there.contains_key(&item.data.id));
        differences.extend(gone.map(|item| format!("it still shows {item:?}")));
        differences
    }

    /// # Panics
    /// With every violation and difference.
    pub fn assert_shows(&self, list: &[ItemData], counts: Counts) {
        let mut faults = self.violations();
        faults.extend(self.differences(list, counts));
        if !self.has_begun() {
            faults.push("it was told nothing yet".to_owned());
        }
        if self.needs_list {
            faults.push("it was never given the list that it needs".to_owned());
        }
        assert!(faults.is_empty(), "the device of {} at {}:\n{}", self.user, self.at(), faults.join("\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::told::*;

    impl Device {
        fn told(&mut self, text: impl AsRef<str>) {
            received(text.as_ref()).iter().for_each(|block| self.apply(block));
        }
    }

    /// A device of ada's that began at rev 0 with an empty inbox.
    fn begun() -> Device {
        let mut device = Device::new("ada");
        device.connect(None);
        device.told(ready(Some(0), false, &badge(0, 0, 0), ""));
        device
    }

    #[test]
    fn it_shows_what_it_was_told() {
        let mut device = begun();
        for rev in 1..=4 {
            device.told(message(rev, false, &badge(rev, rev, rev), None));
        }
        device.assert_shows(&items(&[(4, false), (3, false), (2, false), (1, false)]), counts(4, 4, 4));
        device.told(inbox(5, "read", ",\"up_to\":3", &badge(1, 1, 5)));
        device.told(inbox(6, "unread", &ids(&[2]), &badge(2, 2, 6)));
        device.told(inbox(7, "deleted", &ids(&[1, 9]), &badge(2, 2, 7)));
        device.told(inbox(8, "seen", ",\"up_to\":4", &badge(2, 0, 8)));
        device.told(PING);
        device.told(close(Some(8)));
        device.assert_shows(&items(&[(4, false), (3, true), (2, false)]), counts(2, 0, 8));
        assert_eq!(device.items().iter().map(|item| item.rev).collect::<Vec<_>>(), [4, 3, 2]);
    }

    #[test]
    fn a_change_with_ids_is_for_rows_that_are_older() {
        let mut device = begun();
        device.told(message(3, false, &badge(1, 1, 3), Some(3)));
        // A row that was merged at 3 stays unread, whatever an older change says of it.
        device.take_list(items(&[(3, false)]), counts(1, 1, 3));
        device.connect(Some("aaaaaa-1"));
        device.told(ready(Some(1), true, &badge(1, 1, 3), ""));
        device.told(inbox(2, "read", &ids(&[3]), &format!("{},\"replayed\":true,\"counts_rev\":3", badge(1, 1, 2))));
        device.told(message(3, false, &badge(1, 1, 3), Some(3)));
        device.assert_shows(&items(&[(3, false)]), counts(1, 1, 3));
    }

    #[test]
    fn counts_go_by_their_rev() {
        let mut device = begun();
        device.told(message(1, false, &badge(5, 5, 1), Some(9)));
        device.told(message(2, false, &badge(5, 5, 2), Some(9)));
        assert_eq!(device.counts(), counts(5, 5, 9));
        device.told(message(3, false, &badge(3, 3, 3), None));
        assert_eq!(device.counts(), counts(5, 5, 9));
        assert_eq!(device.violations(), Vec::<String>::new());
        device.told(message(9, false, &badge(4, 4, 9), Some(9)));
        assert_eq!(device.violations().len(), 1, "one rev with two badges: {:?}", device.violations());
    }

    #[test]
    fn it_resumes_and_steps() {
        let mut device = begun();
        device.told(message(1, false, &badge(1, 1, 1), None));
        device.connect(Some("aaaaaa-1"));
        device.told(ready(Some(1), true, &badge(2, 2, 7), ""));
        device.told(message(2, true, &badge(2, 2, 2), Some(7)));
        device.told(message(5, false, &badge(2, 2, 5), Some(7)));
        // 6 was a row that is gone, and 7 took it away.
        device.told("id: aaaaaa-7\n\n");
        device.told(message(8, false, &badge(3, 3, 8), None));
        device.assert_shows(&items(&[(8, false), (5, false), (2, true), (1, false)]), counts(3, 3, 8));
        assert_eq!(device.at(), 8);
    }

    #[test]
    fn a_snapshot_is_what_it_knows_from_there_on() {
        let snapshot = format!(",\"items\":[{},{}]", item(9, false), item(7, true));
        let list = items(&[(9, false), (7, true), (3, false)]);
        let mut device = Device::new("ada");
        device.connect(None);
        device.told(ready(Some(9), false, &badge(2, 0, 9), &snapshot));
        device.assert_shows(&list, counts(2, 0, 9));
        device.told(message(10, false, &badge(3, 1, 10), None));
        assert_eq!(device.differences(&list, counts(2, 0, 9)).len(), 2);

        let mut bare = Device::new("ada");
        bare.connect(None);
        bare.told(ready(Some(9), false, &badge(2, 0, 9), ""));
        bare.assert_shows(&list, counts(2, 0, 9));
        bare.told(message(10, false, &badge(3, 1, 10), None));
        assert_eq!(bare.differences(&list, counts(3, 1, 10)).len(), 1);
    }

    #[test]
    fn a_resync_begins_anew_whatever_the_old_revs_were() {
        let mut device = begun();
        device.told(message(1, false, &badge(1, 1, 1), None));
        device.told(message(2, false, &badge(2, 2, 2), None));
        for (more, fetch) in [(String::new(), true), (format!(",\"items\":[{}]", item(1, true)), false)] {
            let mut device = device.clone();
            device.connect(Some("bbbbbb-2"));
            device.told(ready(None, false, &badge(0, 0, 2), ""));
            device.told(resync(2, &badge(0, 0, 2), &more));
            assert_eq!(device.needs_list(), fetch);
            if fetch {
                device.take_list(items(&[(1, true)]), counts(0, 0, 2));
            }
            device.told(inbox(3, "unread", &ids(&[1]), &badge(1, 1, 3)));
            device.assert_shows(&items(&[(1, false)]), counts(1, 1, 3));
        }
    }

    #[test]
    fn a_cursor_from_the_start_begins_anew_where_an_inbox_was_erased() {
        let mut device = begun();
        device.told(inbox(1, "changed", "", &badge(2, 2, 1)));
        device.take_list(items(&[(3, false), (2, false)]), counts(2, 2, 3));
        device.connect(Some("aaaaaa-0"));
        device.told(ready(Some(0), true, &badge(1, 1, 1), ""));
        device.told(message(1, false, &badge(1, 1, 1), Some(1)));
        device.assert_shows(&items(&[(1, false)]), counts(1, 1, 1));
    }

    #[test]
    fn a_change_of_many_rows_means_the_list() {
        let mut device = begun();
        device.told(message(1, false, &badge(1, 1, 1), None));
        device.told(inbox(2, "changed", "", &badge(0, 0, 2)));
        assert!(device.needs_list());
        assert!(std::panic::catch_unwind(|| device.assert_shows(&items(&[(1, false)]), counts(0, 0, 2))).is_err());
        device.take_list(items(&[(1, true)]), counts(0, 0, 2));
        device.assert_shows(&items(&[(1, true)]), counts(0, 0, 2));
        // What the list told already comes again by the stream, and changes nothing in the end.
        device.take_list(items(&[(3, true), (1, true)]), counts(0, 0, 4));
        device.told(message(3, false, &badge(1, 1, 3), None));
        device.told(inbox(4, "read", &ids(&[3]), &badge(0, 0, 4)));
        device.assert_shows(&items(&[(3, true), (1, true)]), counts(0, 0, 4));
    }

    #[test]
    fn every_difference_is_found() {
        let mut device = begun();
        device.told(message(1, false, &badge(1, 1, 1), None));
        let list = items(&[(1, false)]);
        assert_eq!(device.differences(&list, counts(1, 1, 1)), Vec::<String>::new());
        for (list, counts) in [
            (items(&[]), counts(1, 1, 1)),
            (items(&[(1, true)]), counts(1, 1, 1)),
            (items(&[(2, false), (1, false)]), counts(1, 1, 1)),
            (list.clone(), counts(2, 1, 1)),
            (list.clone(), counts(1, 0, 1)),
            (list.clone(), counts(1, 1, 2)),
        ] {
            assert_eq!(device.differences(&list, counts).len(), 1, "{list:?} {counts:?}");
        }
    }

    #[test]
    fn what_cannot_be_applied_is_a_violation() {
        let shuffled = format!(",\"items\":[{},{}]", item(1, true), item(2, true));
        for (what, text) in [
            ("nobody knows what", inbox(1, "read", "", &badge(0, 0, 1))),
            ("newest first", resync(4, &badge(0, 0, 4), &shuffled)),
            (
                "two badges",
                [message(1, true, &badge(1, 0, 1), Some(5)), message(2, true, &badge(2, 0, 2), Some(5))].concat(),
            ),
        ] {
            let mut device = begun();
            device.told(text);
            assert!(device.violations().iter().any(|found| found.contains(what)), "{what}: {:?}", device.violations());
            device.connect(None);
            assert!(!device.violations().is_empty(), "forgotten");
        }
    }

    #[test]
    fn whoever_comes_back_without_a_cursor_needs_the_list() {
        let mut device = begun();
        device.told(message(1, false, &badge(1, 1, 1), None));
        device.connect(None);
        device.told(ready(Some(3), false, &badge(2, 2, 3), ""));
        assert!(device.needs_list());
    }
}
