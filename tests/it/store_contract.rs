//! What every store must do, whatever it is built on: revs, counts, keys, marks, pages, cursors.

mod erasures;
mod retractions;
mod sweeps;

use lumen_inbox::domain::change::{Entry, Rows, What};
use lumen_inbox::domain::cursor::{Cursor, Presented, Reason};
use lumen_inbox::domain::limits::{LOG_ENTRIES, PAGE_ENTRIES, REPLAY_ENTRIES};
use lumen_inbox::store::{Error, ListQuery, Mark, Selection, Standing};
use serde_json::json;
use tempfile::TempDir;

use crate::support::shelf::{Shelf, content, draft, id, keyed};

async fn shelf() -> (Shelf, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Shelf::open(dir.path()).await, dir)
}

#[tokio::test]
async fn each_change_takes_the_next_rev_and_counts_follow() {
    let (shelf, _dir) = shelf().await;
    let mut ids = Vec::new();
    for n in 1..=4 {
        let appended = shelf.post("ada", &format!("{n}")).await;
        assert_eq!((appended.rev, appended.unread), (n, n));
        ids.push(appended.id);
    }
    assert_eq!(shelf.counts("ada").await, (4, 4, 4));
    let marked = shelf.mark("ada", Mark::Read(Selection::One(ids[0]))).await;
    assert_eq!((marked.changed, marked.counts.rev), (1, 5));
    assert_eq!(shelf.mark("ada", Mark::Seen(3)).await.changed, 2);
    assert_eq!(shelf.counts("ada").await, (3, 1, 6));
    shelf.mark("ada", Mark::Unread(ids[0])).await;
    assert_eq!(shelf.counts("ada").await, (4, 1, 7), "an old row that is unread again is not unseen again");
    shelf.mark("ada", Mark::Delete(ids[3])).await;
    assert_eq!(shelf.counts("ada").await, (3, 0, 8));
    assert_eq!(shelf.mark("ada", Mark::Read(Selection::All)).await.changed, 3);
    assert_eq!(shelf.counts("ada").await, (0, 0, 9));
    assert_eq!(shelf.revs_after("ada", 0).await, [1, 2, 3, 5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn what_changes_nothing_takes_no_rev() {
    let (shelf, _dir) = shelf().await;
    let first = shelf.post("ada", "1").await.id;
    shelf.mark("ada", Mark::Read(Selection::All)).await;
    for mark in [
        Mark::Read(Selection::All),
        Mark::Read(Selection::One(first)),
        Mark::Read(Selection::UpTo(99)),
        Mark::Read(Selection::Ids(vec![first, first])),
        Mark::Seen(1),
    ] {
        let marked = shelf.mark("ada", mark.clone()).await;
        assert_eq!((marked.changed, marked.counts.rev), (0, 2), "{mark:?}");
    }
    shelf.post("ada", "2").await;
    let below_what_is_unread = shelf.mark("ada", Mark::Read(Selection::UpTo(2))).await;
    assert_eq!((below_what_is_unread.changed, below_what_is_unread.counts.rev), (0, 3));
    assert_eq!(shelf.mark("nobody", Mark::Read(Selection::All)).await.counts.rev, 0);
    let missing = shelf.store.mark(id("nobody"), Mark::Delete(first), None).await;
    assert_eq!(missing, Err(Error::NotFound));
    shelf.post("ben", "his own").await;
    for mark in [Mark::Read(Selection::One(first)), Mark::Unread(first), Mark::Delete(first)] {
        let of_another = shelf.store.mark(id("ben"), mark.clone(), None).await;
        assert_eq!(of_another, Err(Error::NotFound), "{mark:?}");
    }
    let passed_over = shelf.mark("ben", Mark::Read(Selection::Ids(vec![first]))).await;
    assert_eq!((passed_over.changed, passed_over.counts.rev), (0, 1));
    assert_eq!(shelf.store.get(&id("ben"), first).await, Ok(None));
    let hers = shelf.store.get(&id("ada"), first).await.unwrap();
    assert_eq!(hers.map(|item| (item.id, item.rev, item.read)), Some((first, 1, true)));
}

#[tokio::test]
async fn the_seen_mark_rises_even_where_no_count_falls() {
    let (shelf, _dir) = shelf().await;
    let first = shelf.post("ada", "1").await.id;
    shelf.mark("ada", Mark::Read(Selection::All)).await;
    assert_eq!(shelf.mark("ada", Mark::Seen(2)).await.counts.rev, 2);
    shelf.mark("ada", Mark::Unread(first)).await;
    assert_eq!(shelf.counts("ada").await, (1, 0, 3));
}

#[tokio::test]
async fn the_row_at_the_seen_mark_is_seen() {
    let (shelf, _dir) = shelf().await;
    let first = shelf.post("ada", "1").await.id;
    shelf.mark("ada", Mark::Seen(1)).await;
    for (mark, unread, rev) in [
        (Mark::Read(Selection::One(first)), 0, 3),
        (Mark::Unread(first), 1, 4),
        (Mark::Read(Selection::All), 0, 5),
        (Mark::Unread(first), 1, 6),
        (Mark::Delete(first), 0, 7),
    ] {
        shelf.mark("ada", mark.clone()).await;
        assert_eq!(shelf.counts("ada").await, (unread, 0, rev), "{mark:?}");
    }
}

#[tokio::test]
async fn a_mark_lists_its_rows_or_says_that_they_are_many() {
    let (shelf, _dir) = shelf().await;
    let mut ids = Vec::new();
    for n in 0..101 {
        ids.push(shelf.post("ada", &n.to_string()).await.id);
    }
    let few = shelf.mark("ada", Mark::Read(Selection::Ids(ids[..100].to_vec()))).await;
    shelf.mark("ada", Mark::Unread(ids[0])).await;
    for id in &ids[1..100] {
        shelf.mark("ada", Mark::Unread(*id)).await;
    }
    let many = shelf.mark("ada", Mark::Read(Selection::Ids(ids.clone()))).await;
    let logged = |rev| {
        let store = shelf.store.clone();
        async move {
            let page = store.page_after(&id("ada"), rev - 1).await.unwrap();
            match &page.entries[0] {
                Entry::Logged { logged, .. } => logged.clone(),
                made => panic!("a logged change, not {made:?}"),
            }
        }
    };
    assert_eq!(logged(few.counts.rev).await.rows, Rows::Ids(ids[..100].to_vec()));
    let many = logged(many.counts.rev).await;
    assert_eq!((many.what, &many.rows), (What::Changed, &Rows::Many));
}

#[tokio::test]
async fn a_key_is_one_notification() {
    let (shelf, _dir) = shelf().await;
    let first = shelf.append(vec![keyed("ada", "hi", "k")]).await.unwrap().remove(0);
    shelf.post("ada", "more").await;
    let again = shelf.append(vec![keyed("ada", "hi", "k")]).await.unwrap().remove(0);
    assert_eq!((again.id, again.duplicate, again.rev, again.unread), (first.id, true, 2, 2));
    let other = shelf.append(vec![draft("ben", "x"), keyed("ada", "ho", "k")]).await;
    assert!(matches!(&other, Err(Error::Conflict(conflicts)) if conflicts.len() == 1 && conflicts[0].draft == 1));
    assert_eq!(shelf.counts("ben").await, (0, 0, 0), "a conflict refuses the whole request");
    assert!(!shelf.append(vec![keyed("ben", "ho", "k")]).await.unwrap()[0].duplicate, "a key is a user's own");
}

#[tokio::test]
async fn keys_hold_within_one_request_and_among_many_at_once() {
    let (shelf, _dir) = shelf().await;
    let twice = shelf.append(vec![keyed("ada", "hi", "k"), keyed("ada", "hi", "k")]).await.unwrap();
    assert_eq!((twice[0].id, twice[0].duplicate, twice[1].duplicate), (twice[1].id, false, true));
    let odd = shelf.append(vec![keyed("ada", "a", "q"), keyed("ada", "b", "q")]).await;
    assert!(matches!(odd, Err(Error::Conflict(_))));
    let at_once = (0..100).map(|_| shelf.append(vec![keyed("ben", "hi", "k")]));
    let answers = futures_util::future::join_all(at_once).await;
    let new = answers.iter().filter(|answer| !answer.as_ref().unwrap()[0].duplicate).count();
    assert_eq!((new, shelf.counts("ben").await), (1, (1, 1, 1)));
}

#[tokio::test]
async fn a_key_outlives_its_removed_row_by_seven_days() {
    let (shelf, dir) = shelf().await;
    let first = shelf.append(vec![keyed("ada", "hi", "k")]).await.unwrap().remove(0);
    shelf.mark("ada", Mark::Delete(first.id)).await;
    let late = shelf.append(vec![keyed("ada", "hi", "k")]).await.unwrap().remove(0);
    assert!(late.duplicate && late.id == first.id);
    shelf.store.close().await.unwrap();
    let shelf = Shelf::open(dir.path()).await;
    assert!(shelf.append(vec![keyed("ada", "hi", "k")]).await.unwrap()[0].duplicate, "after a restart too");
    shelf.skew((7 * 24 * 3600 - 60) * 1000);
    assert!(shelf.append(vec![keyed("ada", "hi", "k")]).await.unwrap()[0].duplicate, "a minute before their end");
    // The clock of the second opening began anew, so a minute after their end is two minutes on.
    shelf.skew(120 * 1000);
    let fresh = shelf.append(vec![keyed("ada", "other", "k")]).await.unwrap().remove(0);
    assert!(!fresh.duplicate && fresh.id != first.id);
}

#[tokio::test]
async fn a_list_is_newest_first_in_keyset_pages() {
    let (shelf, _dir) = shelf().await;
    for n in 1..=5 {
        shelf.post("ada", &n.to_string()).await;
    }
    shelf.append(vec![json!({"user": "ada", "type": "follow", "content": "6"})]).await.unwrap();
    let list = |query| {
        let store = shelf.store.clone();
        async move { store.list(&id("ada"), query).await.unwrap() }
    };
    let first = list(ListQuery { limit: 4, ..ListQuery::default() }).await;
    let second = list(ListQuery { limit: 4, before: first.next, ..ListQuery::default() }).await;
    let revs = |items: &[lumen_inbox::domain::change::Item]| items.iter().map(|item| item.rev).collect::<Vec<_>>();
    assert_eq!((revs(&first.items), revs(&second.items), second.next), (vec![6, 5, 4, 3], vec![2, 1], None));
    let all = list(ListQuery { limit: 6, ..ListQuery::default() }).await;
    assert_eq!((revs(&all.items).len(), all.next), (6, None), "a page that is full and the last");
    let last = list(ListQuery { limit: 2, before: Some(3), ..ListQuery::default() }).await;
    assert_eq!((revs(&last.items), last.next), (vec![2, 1], None));
    shelf.mark("ada", Mark::Read(Selection::UpTo(4))).await;
    let unread = list(ListQuery { limit: 9, unread: true, ..ListQuery::default() }).await;
    assert_eq!(revs(&unread.items), [6, 5]);
    let kind = lumen_inbox::domain::notification::Kind::parse("follow");
    assert_eq!(revs(&list(ListQuery { limit: 9, kind, ..ListQuery::default() }).await.items), [6]);
}

#[tokio::test]
async fn a_page_stops_at_its_limits_with_at_least_one_entry() {
    let (shelf, _dir) = shelf().await;
    for n in 0..PAGE_ENTRIES + 5 {
        shelf.post("ada", &n.to_string()).await;
    }
    let page = shelf.store.page_after(&id("ada"), 0).await.unwrap();
    assert_eq!((page.entries.len(), page.more), (PAGE_ENTRIES, true));
    let rest = shelf.store.page_after(&id("ada"), 100).await.unwrap();
    assert_eq!((rest.entries.len(), rest.more, rest.view.counts.rev), (5, false, 105));
    for _ in 0..20 {
        shelf.post("ben", &"x".repeat(4096)).await;
    }
    let page = shelf.store.page_after(&id("ben"), 0).await.unwrap();
    assert_eq!((page.entries.len(), page.more), (15, true), "64 KiB of entries of 4 KiB and what is around them");
    assert_eq!(shelf.revs_after("ben", 0).await, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_log_keeps_a_thousand_and_its_floor_is_told() {
    let (shelf, _dir) = shelf().await;
    let row = shelf.post("ada", "1").await.id;
    let epoch = shelf.head("ada").await.epoch;
    for n in 0..LOG_ENTRIES + 3 {
        let mark = if n % 2 == 0 { Mark::Read(Selection::One(row)) } else { Mark::Unread(row) };
        shelf.mark("ada", mark).await;
    }
    // The newest thousand are 5..=1004; 4 is the newest that was dropped.
    let view = shelf.open_at("ada", Cursor { epoch, rev: 4 }).await;
    assert_eq!((view.page.view.log_floor, view.standing), (4, Standing::Resumed { missed: LOG_ENTRIES }));
    let below = shelf.open_at("ada", Cursor { epoch, rev: 3 }).await;
    assert_eq!(below.standing, Standing::Resync(Reason::TooMany));
    let start = shelf.open_at("ada", Cursor { epoch, rev: 0 }).await;
    assert_eq!(start.standing, Standing::Resync(Reason::TooMany));
}

#[tokio::test]
async fn whoever_missed_a_thousand_is_replayed_and_one_more_is_too_many() {
    let (shelf, _dir) = shelf().await;
    let drafts = |n: usize| (0..n).map(|n| draft("ada", &n.to_string())).collect::<Vec<_>>();
    shelf.append(drafts(REPLAY_ENTRIES)).await.unwrap();
    let epoch = shelf.head("ada").await.epoch;
    let opening = shelf.open_at("ada", Cursor { epoch, rev: 0 }).await;
    assert_eq!(opening.standing, Standing::Resumed { missed: REPLAY_ENTRIES });
    shelf.append(drafts(1)).await.unwrap();
    let opening = shelf.open_at("ada", Cursor { epoch, rev: 0 }).await;
    assert_eq!(opening.standing, Standing::Resync(Reason::TooMany));
    let snapshot = shelf.store.open_at(&id("ada"), Presented::Unreadable, 2).await.unwrap();
    assert_eq!(snapshot.standing, Standing::Resync(Reason::Unknown));
    let items: Vec<_> = snapshot.items.unwrap().into_iter().map(std::sync::Arc::new).collect();
    assert_eq!(items.iter().map(content).collect::<Vec<_>>(), ["0", "999"]);
}

#[tokio::test]
async fn an_opening_has_its_first_page_or_the_items_that_are_wanted() {
    let (shelf, _dir) = shelf().await;
    for n in 1..=3 {
        shelf.post("ada", &n.to_string()).await;
    }
    let behind = Presented::Cursor(Cursor { rev: 1, ..shelf.head("ada").await });
    for (presented, snapshot, entries, items) in [
        (behind, 0, vec![2, 3], None),
        (behind, 2, vec![2, 3], None),
        (Presented::Nothing, 0, vec![], None),
        (Presented::Nothing, 2, vec![], Some(vec![3, 2])),
        (Presented::Unreadable, 0, vec![], None),
        (Presented::Unreadable, 9, vec![], Some(vec![3, 2, 1])),
    ] {
        let opening = shelf.store.open_at(&id("ada"), presented, snapshot).await.unwrap();
        let told: Vec<u64> = opening.page.entries.iter().map(Entry::rev).collect();
        let wanted = opening.items.map(|items| items.iter().map(|item| item.rev).collect::<Vec<_>>());
        assert_eq!((told, wanted), (entries, items), "{presented:?} with {snapshot}");
    }
}

#[tokio::test]
async fn a_snapshot_ends_at_its_bytes_with_at_least_one_item() {
    let (shelf, _dir) = shelf().await;
    for _ in 0..20 {
        shelf.post("ada", &"x".repeat(4096)).await;
    }
    let opening = shelf.store.open_at(&id("ada"), Presented::Nothing, 100).await.unwrap();
    let revs: Vec<u64> = opening.items.unwrap().iter().map(|item| item.rev).collect();
    assert_eq!(revs, (6..=20).rev().collect::<Vec<_>>(), "64 KiB of items of 4 KiB and what is around them");
}

#[tokio::test]
async fn opening_and_listing_write_nothing() {
    let (shelf, _dir) = shelf().await;
    assert_eq!(shelf.head("ada").await.to_string(), "000000-0");
    let opening = shelf.store.open_at(&id("ada"), Presented::Nothing, 5).await.unwrap();
    assert_eq!((opening.standing, opening.items), (Standing::New, Some(Vec::new())));
    shelf.post("ben", "x").await;
    // Had the opening made an inbox, ben's would be the second, with another epoch than a first one's.
    assert_eq!(shelf.open_at("ada", shelf.head("ben").await).await.standing, Standing::Resync(Reason::Epoch));
}

#[tokio::test]
async fn a_cursor_is_good_over_restarts_and_only_for_its_own_inbox() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(dir.path()).await;
    shelf.post("ada", "1").await;
    shelf.post("ben", "1").await;
    let (ada, ben) = (shelf.head("ada").await, shelf.head("ben").await);
    assert_eq!(shelf.open_at("ada", ben).await.standing, Standing::Resync(Reason::Epoch));
    let ahead = Cursor { rev: 9, ..ada };
    assert_eq!(shelf.open_at("ada", ahead).await.standing, Standing::Resync(Reason::Ahead));
    shelf.store.close().await.unwrap();

    let shelf = Shelf::open(dir.path()).await;
    assert_eq!(shelf.head("ada").await, ada, "a start alone changes no epoch");
    shelf.post("ada", "2").await;
    let now = shelf.head("ada").await;
    assert_ne!(now.epoch, ada.epoch);
    assert_eq!(shelf.open_at("ada", ada).await.standing, Standing::Resumed { missed: 1 });
    let past = Cursor { rev: 2, ..ada };
    assert_eq!(shelf.open_at("ada", past).await.standing, Standing::Resync(Reason::Epoch));
    assert_eq!(shelf.open_at("ada", Cursor { rev: 0, ..ben }).await.standing, Standing::Resumed { missed: 2 });
}

#[tokio::test]
async fn an_inbox_remembers_32_generations() {
    let dir = tempfile::tempdir().unwrap();
    let mut cursors = Vec::new();
    for _ in 0..33 {
        let shelf = Shelf::open(dir.path()).await;
        shelf.post("ada", "x").await;
        cursors.push(shelf.head("ada").await);
        shelf.store.close().await.unwrap();
    }
    let shelf = Shelf::open(dir.path()).await;
    assert_eq!(shelf.open_at("ada", cursors[0]).await.standing, Standing::Resync(Reason::Epoch));
    assert_eq!(shelf.open_at("ada", cursors[1]).await.standing, Standing::Resumed { missed: 31 });
}
