//! What has outlived itself goes: by its life, by age, by number, each a change like any other.

use std::collections::BTreeSet;

use lumen_inbox::domain::change::{Entry, Rows, What};
use lumen_inbox::domain::cursor::{Cursor, Reason};
use lumen_inbox::domain::ids::{NotificationId, Rev};
use lumen_inbox::domain::limits::{SWEEP_INBOXES, SWEEP_ROWS};
use lumen_inbox::store::{Error, Mark, Selection, Standing};
use serde_json::json;

use super::shelf;
use crate::support::shelf::{Shelf, Told, draft, id, keyed, lasting};

const SECOND: i64 = 1_000;
const DAY: i64 = 24 * 3600 * SECOND;

/// The changes of the log that were told: whose, at which rev, what.
fn logged(told: Vec<Told>) -> Vec<(String, Rev, What, Rows)> {
    let logged = told.into_iter().filter_map(|told| match told {
        Told::Change(change) => match change.entry {
            Entry::Logged { rev, logged } => {
                assert_eq!(logged.origin, None);
                Some((change.user.to_string(), rev, logged.what, logged.rows.clone()))
            }
            Entry::Made(_) => None,
        },
        Told::Ended(_) => None,
    });
    logged.collect()
}

/// Which rows a change says that it took away.
fn ids(rows: &Rows) -> BTreeSet<NotificationId> {
    match rows {
        Rows::Ids(ids) => ids.iter().copied().collect(),
        others => panic!("ids, not {others:?}"),
    }
}

#[tokio::test]
async fn a_row_is_there_until_its_life_is_over_and_it_is_swept() {
    let (shelf, _dir) = shelf().await;
    let short = shelf.append(vec![lasting("ada", "short", 3_600)]).await.unwrap().remove(0);
    shelf.append(vec![lasting("ada", "long", 7_200)]).await.unwrap();
    shelf.post("ada", "for good").await;
    shelf.told();
    shelf.skew(3_500 * SECOND);
    assert_eq!(shelf.sweep().await, [0]);
    shelf.skew(100 * SECOND);
    assert_eq!(shelf.counts("ada").await, (3, 3, 3), "until it is swept it is listed and counts");
    assert_eq!(shelf.sweep().await, [1]);
    assert_eq!(shelf.counts("ada").await, (2, 2, 4));
    assert_eq!(shelf.sweep().await, [0]);
    assert_eq!(logged(shelf.told()), [("ada".to_owned(), 4, What::Deleted, Rows::Ids(vec![short.id]))]);
    assert_eq!(shelf.revs_after("ada", 0).await, [2, 3, 4]);
    shelf.skew(1_000 * DAY / 10);
    assert_eq!(shelf.sweep().await, [1]);
    assert_eq!(shelf.counts("ada").await, (1, 1, 5), "without a life a row stays");
}

#[tokio::test]
async fn a_row_goes_after_a_year() {
    let (shelf, _dir) = shelf().await;
    shelf.post("ada", "old").await;
    shelf.post("ben", "old").await;
    shelf.skew(100 * SECOND);
    shelf.post("ada", "newer").await;
    shelf.told();
    shelf.skew(365 * DAY - 150 * SECOND);
    assert_eq!(shelf.sweep().await, [0]);
    shelf.skew(60 * SECOND);
    assert_eq!(shelf.sweep().await, [2]);
    assert_eq!((shelf.counts("ada").await, shelf.counts("ben").await), ((1, 1, 3), (0, 0, 2)));
    let told: Vec<_> = logged(shelf.told()).into_iter().map(|(user, rev, what, _)| (user, rev, what)).collect();
    assert_eq!(told, [("ada".to_owned(), 3, What::Deleted), ("ben".to_owned(), 2, What::Deleted)]);
}

/// Rows 1 to 8, of which these are read, in an inbox for five: what is left.
async fn left_of_eight(read: &[Rev]) -> (Vec<Rev>, (u64, u64, Rev)) {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::with_inbox_rows(dir.path(), 5).await;
    let mut ids = Vec::new();
    for n in 1..=8 {
        ids.push(shelf.post("ada", &n.to_string()).await.id);
    }
    let read = read.iter().map(|rev| ids[*rev as usize - 1]).collect();
    shelf.mark("ada", Mark::Read(Selection::Ids(read))).await;
    assert_eq!(shelf.items("ada").await.len(), 8, "until it is swept");
    assert_eq!(shelf.sweep().await, [3]);
    assert_eq!(shelf.sweep().await, [0]);
    (shelf.items("ada").await.iter().map(|item| item.rev).collect(), shelf.counts("ada").await)
}

#[tokio::test]
async fn of_a_full_inbox_the_oldest_read_go_first_and_then_the_oldest_unread() {
    assert_eq!(left_of_eight(&[3, 5, 6, 8]).await, (vec![1, 2, 4, 7, 8], (4, 4, 10)));
    assert_eq!(left_of_eight(&[4, 7]).await, (vec![2, 3, 5, 6, 8], (5, 5, 10)));
    assert_eq!(left_of_eight(&[]).await, (vec![4, 5, 6, 7, 8], (5, 5, 9)));
    assert_eq!(left_of_eight(&[1, 2, 3, 4, 5, 6, 7, 8]).await, (vec![4, 5, 6, 7, 8], (0, 0, 10)));
}

/// What goes for another reason makes room, and nothing goes twice.
#[tokio::test]
async fn what_expires_counts_for_a_full_inbox_and_all_is_one_change() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::with_inbox_rows(dir.path(), 5).await;
    for n in 1..=4 {
        shelf.post("ada", &n.to_string()).await;
    }
    for n in 5..=6 {
        shelf.append(vec![lasting("ada", &n.to_string(), 60)]).await.unwrap();
    }
    shelf.post("ada", "7").await;
    shelf.post("ada", "8").await;
    shelf.told();
    shelf.skew(61 * SECOND);
    assert_eq!(shelf.sweep().await, [3]);
    let revs: Vec<_> = shelf.items("ada").await.iter().map(|item| item.rev).collect();
    assert_eq!((revs, shelf.counts("ada").await), (vec![2, 3, 4, 7, 8], (5, 5, 9)));
    let told = logged(shelf.told());
    assert_eq!((told.len(), told[0].1, ids(&told[0].3).len()), (1, 9, 3));
}

/// The oldest read rows are the ones that expire too.
#[tokio::test]
async fn a_row_that_goes_for_two_reasons_goes_once() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::with_inbox_rows(dir.path(), 5).await;
    for n in 1..=3 {
        shelf.append(vec![lasting("ada", &n.to_string(), 60)]).await.unwrap();
    }
    for n in 4..=10 {
        shelf.post("ada", &n.to_string()).await;
    }
    shelf.mark("ada", Mark::Read(Selection::UpTo(4))).await;
    shelf.skew(366 * DAY);
    shelf.append(vec![lasting("ada", "new", 60)]).await.unwrap();
    assert_eq!(shelf.sweep().await, [10], "all but the last are too old");
    assert_eq!(shelf.counts("ada").await, (1, 1, 13));

    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::with_inbox_rows(dir.path(), 5).await;
    for n in 1..=3 {
        shelf.append(vec![lasting("ada", &n.to_string(), 60)]).await.unwrap();
    }
    for n in 4..=10 {
        shelf.post("ada", &n.to_string()).await;
    }
    shelf.mark("ada", Mark::Read(Selection::UpTo(4))).await;
    shelf.skew(61 * SECOND);
    assert_eq!(shelf.sweep().await, [5], "three that expired, the read one, and the oldest unread");
    let revs: Vec<_> = shelf.items("ada").await.iter().map(|item| item.rev).collect();
    assert_eq!((revs, shelf.counts("ada").await), (vec![6, 7, 8, 9, 10], (5, 5, 12)));
}

#[tokio::test]
async fn an_inbox_that_is_full_is_known_after_a_restart_and_by_a_smaller_bound() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::with_inbox_rows(dir.path(), 7).await;
    for n in 1..=8 {
        shelf.post("ada", &n.to_string()).await;
    }
    for n in 1..=6 {
        shelf.post("ben", &n.to_string()).await;
    }
    shelf.store.close().await.unwrap();
    let shelf = Shelf::with_inbox_rows(dir.path(), 7).await;
    assert_eq!(shelf.sweep().await, [1]);
    assert_eq!((shelf.counts("ada").await.0, shelf.counts("ben").await.0), (7, 6));
    shelf.store.close().await.unwrap();
    let shelf = Shelf::with_inbox_rows(dir.path(), 5).await;
    assert_eq!(shelf.sweep().await, [3]);
    assert_eq!((shelf.counts("ada").await.0, shelf.counts("ben").await.0), (5, 5));
}

/// One step of one inbox is one rev; over a hundred ids are not named.
#[tokio::test]
async fn a_step_takes_a_thousand_rows_and_over_a_hundred_are_changed() {
    let (shelf, _dir) = shelf().await;
    shelf.append((0..2_100).map(|n| lasting("ada", &n.to_string(), 60)).collect()).await.unwrap();
    let hundred = shelf.append((0..100).map(|n| lasting("ben", &n.to_string(), 61)).collect()).await.unwrap();
    shelf.told();
    shelf.skew(3_600 * SECOND);
    assert_eq!(shelf.sweep().await, [1_000, 1_000, 200]);
    let told = logged(shelf.told());
    let many = |rev| ("ada".to_owned(), rev, What::Changed, Rows::Many);
    assert_eq!(told[..2], [many(2_101), many(2_102)]);
    assert_eq!((&told[2].2, &told[3].2, ids(&told[2].3).len()), (&What::Deleted, &What::Deleted, 100));
    let of_ben = told[2..].iter().find(|(user, ..)| user == "ben").unwrap();
    assert_eq!((of_ben.1, ids(&of_ben.3)), (101, hundred.iter().map(|appended| appended.id).collect()));
    assert_eq!((shelf.counts("ada").await, shelf.counts("ben").await), ((0, 0, 2_103), (0, 0, 101)));
}

#[tokio::test]
async fn a_step_takes_a_thousand_rows_of_all_inboxes_together() {
    let (shelf, _dir) = shelf().await;
    let drafts = (0..1_200).map(|n| lasting(&format!("u{}", n / 6), "x", 60)).collect();
    shelf.append(drafts).await.unwrap();
    shelf.skew(61 * SECOND);
    let first = shelf.store.sweep().await.unwrap();
    assert_eq!((first.rows, first.more), (SWEEP_ROWS as u64, true));
    assert_eq!(shelf.sweep().await, [200]);
    for user in ["u0", "u100", "u199"] {
        assert_eq!(shelf.counts(user).await.0, 0);
    }
}

#[tokio::test]
async fn a_step_changes_a_bounded_number_of_inboxes() {
    let (shelf, _dir) = shelf().await;
    let drafts = (0..2 * SWEEP_INBOXES + 9).map(|n| lasting(&format!("u{n}"), "x", 60)).collect();
    shelf.append(drafts).await.unwrap();
    shelf.skew(61 * SECOND);
    assert_eq!(shelf.sweep().await, [SWEEP_INBOXES as u64, SWEEP_INBOXES as u64, 9]);
    for user in ["u0", "u300", "u508"] {
        assert_eq!(shelf.counts(user).await, (0, 0, 2));
    }
}

#[tokio::test]
async fn a_full_inbox_shrinks_step_by_step() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::with_inbox_rows(dir.path(), 10).await;
    shelf.append((0..1_510).map(|n| draft("ada", &n.to_string())).collect()).await.unwrap();
    shelf.append((0..12).map(|n| draft("ben", &n.to_string())).collect()).await.unwrap();
    shelf.mark("ada", Mark::Read(Selection::UpTo(1_200))).await;
    assert_eq!(shelf.sweep().await, [1_000, 502]);
    let revs: Vec<_> = shelf.items("ada").await.iter().map(|item| item.rev).collect();
    assert_eq!((revs, shelf.counts("ada").await), ((1_501..=1_510).collect(), (10, 10, 1_513)));
    assert_eq!(shelf.counts("ben").await, (10, 10, 13));
}

/// Design §4: a late retry brings nothing back that was swept, whatever swept it, for seven days.
#[tokio::test]
async fn a_key_outlives_its_swept_row_by_seven_days() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::with_inbox_rows(dir.path(), 1).await;
    let expiring = json!({"user": "ada", "type": "like", "content": "x", "key": "life", "ttl_s": 60});
    let lived = shelf.append(vec![expiring.clone()]).await.unwrap().remove(0);
    let pushed = shelf.append(vec![keyed("ben", "x", "number")]).await.unwrap().remove(0);
    let aged = shelf.append(vec![keyed("eve", "x", "age")]).await.unwrap().remove(0);
    shelf.post("ben", "one too many").await;
    shelf.skew(61 * SECOND);
    assert_eq!(shelf.sweep().await, [2]);
    shelf.skew(7 * DAY - 100 * SECOND);
    shelf.sweep().await;
    for (again, first) in [(expiring.clone(), &lived), (keyed("ben", "x", "number"), &pushed)] {
        let duplicate = shelf.append(vec![again]).await.unwrap().remove(0);
        assert_eq!((duplicate.duplicate, duplicate.id), (true, first.id));
    }
    let other = shelf.append(vec![keyed("ben", "other", "number")]).await;
    assert!(matches!(other, Err(Error::Conflict(_))), "with another body it is still a mistake: {other:?}");
    shelf.skew(160 * SECOND);
    assert!(!shelf.append(vec![expiring]).await.unwrap()[0].duplicate);
    assert!(!shelf.append(vec![keyed("ben", "other", "number")]).await.unwrap()[0].duplicate);

    shelf.skew(358 * DAY);
    assert!(shelf.sweep().await[0] > 0);
    let duplicate = shelf.append(vec![keyed("eve", "x", "age")]).await.unwrap().remove(0);
    assert_eq!((duplicate.duplicate, duplicate.id, shelf.counts("eve").await), (true, aged.id, (0, 0, 2)));
    shelf.skew(7 * DAY + 60 * SECOND);
    shelf.sweep().await;
    assert!(!shelf.append(vec![keyed("eve", "x", "age")]).await.unwrap()[0].duplicate);
}

#[tokio::test]
async fn a_retraction_frees_the_key_of_a_swept_row() {
    let (shelf, _dir) = shelf().await;
    let draft = || vec![json!({"user": "ada", "type": "like", "content": "x", "key": "k", "ttl_s": 60})];
    shelf.append(draft()).await.unwrap();
    shelf.skew(61 * SECOND);
    shelf.sweep().await;
    let retracted = shelf.retract("ada", "k").await;
    assert_eq!((retracted.removed, retracted.counts.rev), (false, 2));
    assert!(!shelf.append(draft()).await.unwrap()[0].duplicate);
}

#[tokio::test]
async fn counts_fall_as_the_rows_that_go_were_counted() {
    let (shelf, _dir) = shelf().await;
    for n in 1..=6 {
        shelf.append(vec![lasting("ada", &n.to_string(), 60)]).await.unwrap();
    }
    let kept = shelf.post("ada", "kept").await.id;
    shelf.mark("ada", Mark::Read(Selection::UpTo(2))).await;
    shelf.mark("ada", Mark::Seen(4)).await;
    shelf.mark("ada", Mark::Read(Selection::One(kept))).await;
    assert_eq!(shelf.counts("ada").await, (4, 2, 10));
    shelf.skew(61 * SECOND);
    assert_eq!(shelf.sweep().await, [6]);
    assert_eq!(shelf.counts("ada").await, (0, 0, 11));
    shelf.mark("ada", Mark::Unread(kept)).await;
    assert_eq!(shelf.counts("ada").await, (1, 1, 12));
}

/// Faults row 27, age: the log reaches back thirty days, and its floor says so.
#[tokio::test]
async fn the_log_reaches_back_thirty_days() {
    let (shelf, _dir) = shelf().await;
    let row = shelf.post("ada", "1").await.id;
    let at = async |rev| shelf.open_at("ada", Cursor { rev, ..shelf.head("ada").await }).await;
    shelf.mark("ada", Mark::Read(Selection::One(row))).await;
    shelf.mark("ada", Mark::Unread(row)).await;
    shelf.skew(DAY);
    shelf.mark("ada", Mark::Read(Selection::One(row))).await;
    shelf.told();
    shelf.skew(29 * DAY - 100 * SECOND);
    assert_eq!(shelf.sweep().await, [0]);
    assert_eq!(at(0).await.standing, Standing::Resumed { missed: 4 });

    shelf.skew(200 * SECOND);
    assert_eq!(shelf.sweep().await, [0]);
    assert_eq!(shelf.counts("ada").await, (0, 0, 4), "it is no change");
    assert_eq!(logged(shelf.told()), []);
    assert_eq!(at(2).await.standing, Standing::Resync(Reason::TooMany));
    assert_eq!(at(0).await.standing, Standing::Resync(Reason::TooMany));
    let still = at(3).await;
    assert_eq!((still.standing, still.page.view.log_floor), (Standing::Resumed { missed: 1 }, 3));
    assert_eq!(shelf.store.page_after(&id("ada"), 1).await.unwrap().view.log_floor, 3, "told to an open stream too");

    shelf.skew(DAY);
    shelf.sweep().await;
    assert_eq!(at(3).await.standing, Standing::Resync(Reason::TooMany));
    assert_eq!(at(4).await.standing, Standing::Resumed { missed: 0 });
    // What was dropped counts no more for the thousand that are kept.
    for n in 0..1_000 {
        shelf.mark("ada", if n % 2 == 0 { Mark::Unread(row) } else { Mark::Read(Selection::One(row)) }).await;
    }
    assert_eq!(at(4).await.standing, Standing::Resumed { missed: 1_000 });
    shelf.mark("ada", Mark::Unread(row)).await;
    assert_eq!(at(5).await.standing, Standing::Resumed { missed: 1_000 });
    assert_eq!(at(4).await.standing, Standing::Resync(Reason::TooMany));
}

/// Faults row 24, the store's part.
#[tokio::test]
async fn a_full_inbox_from_its_start_is_too_many() {
    let (shelf, _dir) = shelf().await;
    shelf.append((0..10_000).map(|n| draft("ada", &n.to_string())).collect()).await.unwrap();
    assert_eq!(shelf.sweep().await, [0], "ten thousand are not too many to keep");
    let start = shelf.open_at("ada", Cursor { rev: 0, ..shelf.head("ada").await }).await;
    assert_eq!((start.standing, start.page.entries.len()), (Standing::Resync(Reason::TooMany), 0));
    shelf.post("ada", "one more").await;
    assert_eq!(shelf.sweep().await, [1]);
    assert_eq!(shelf.counts("ada").await, (10_000, 10_000, 10_002));
}

/// Faults row 41: the clock goes wrong by an hour, either way, and comes back.
#[tokio::test]
async fn a_turned_clock_changes_no_order_and_ends_nothing_early_by_more_than_its_skew() {
    let (shelf, _dir) = shelf().await;
    let hour = 3_600 * SECOND;
    shelf.append(vec![lasting("ada", "before", 7_200)]).await.unwrap();
    shelf.skew(hour);
    shelf.append(vec![lasting("ada", "ahead", 7_200)]).await.unwrap();
    shelf.sweep().await;
    shelf.skew(-2 * hour);
    shelf.append(vec![lasting("ada", "behind", 7_200)]).await.unwrap();
    shelf.mark("ada", Mark::Seen(2)).await;
    shelf.skew(hour);
    shelf.append(vec![lasting("ada", "after", 7_200)]).await.unwrap();
    shelf.sweep().await;
    assert_eq!(shelf.revs_after("ada", 0).await, [1, 2, 3, 4, 5]);
    assert_eq!(shelf.items("ada").await.iter().map(|item| item.rev).collect::<Vec<_>>(), [1, 2, 3, 5]);
    assert_eq!(shelf.counts("ada").await, (4, 2, 5));
    // The one that was made while the clock was an hour behind goes an hour early, not more; the others in their time.
    let mut left = Vec::new();
    for minutes in [59, 2, 58, 2, 58, 2] {
        shelf.skew(minutes * 60 * SECOND);
        shelf.sweep().await;
        left.push(shelf.items("ada").await.iter().map(|item| item.rev).collect::<Vec<_>>());
    }
    assert_eq!(left, [vec![1, 2, 3, 5], vec![1, 2, 5], vec![1, 2, 5], vec![2], vec![2], vec![]]);
    assert_eq!(shelf.counts("ada").await, (0, 0, 8));
}

/// Faults row 41: a machine that thinks that it is 1970, as one without a battery does.
#[tokio::test]
async fn a_clock_at_1970_sweeps_nothing() {
    let (shelf, _dir) = shelf().await;
    shelf.append(vec![lasting("ada", "before", 60)]).await.unwrap();
    shelf.mark("ada", Mark::Read(Selection::All)).await;
    shelf.skew(-crate::support::shelf::NOON);
    let then = shelf.post("ada", "in 1970").await;
    assert_eq!((then.rev, shelf.sweep().await), (3, vec![0]));
    shelf.skew(-DAY);
    assert_eq!((shelf.post("ada", "in 1969").await.rev, shelf.sweep().await), (4, vec![0]));
    assert_eq!(shelf.counts("ada").await, (2, 2, 4));
    let revs: Vec<_> = shelf.items("ada").await.iter().map(|item| item.rev).collect();
    assert_eq!((revs, shelf.revs_after("ada", 0).await), (vec![1, 3, 4], vec![1, 2, 3, 4]));
}
