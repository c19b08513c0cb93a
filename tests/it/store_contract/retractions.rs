//! A producer takes back what it sent, by its key.

use lumen_inbox::domain::change::{Entry, Rows, What};
use lumen_inbox::store::{Mark, Selection};

use super::shelf;
use crate::support::shelf::{Told, keyed};

#[tokio::test]
async fn like_unlike_like_notifies_twice() {
    let (shelf, _dir) = shelf().await;
    let first = shelf.append(vec![keyed("ada", "hi", "k")]).await.unwrap().remove(0);
    shelf.post("ada", "more").await;
    let retracted = shelf.retract("ada", "k").await;
    assert_eq!((retracted.removed, retracted.counts.unread, retracted.counts.rev), (true, 1, 3));
    assert_eq!(shelf.counts("ada").await, (1, 1, 3));
    let again = shelf.append(vec![keyed("ada", "hi", "k")]).await.unwrap().remove(0);
    assert_eq!((again.duplicate, again.rev, again.unread), (false, 4, 2));
    assert_ne!(again.id, first.id);
    let told = shelf.told();
    let Told::Change(change) = &told[2] else { panic!("a change, not {told:?}") };
    let Entry::Logged { rev: 3, logged } = &change.entry else { panic!("the log's third, not {change:?}") };
    assert_eq!((logged.what, &logged.rows, &logged.origin), (What::Deleted, &Rows::Ids(vec![first.id]), &None));
    assert_eq!(change.counts, retracted.counts);
}

#[tokio::test]
async fn a_retraction_frees_a_key_that_outlives_its_row() {
    let (shelf, _dir) = shelf().await;
    let first = shelf.append(vec![keyed("ada", "hi", "k")]).await.unwrap().remove(0);
    shelf.mark("ada", Mark::Delete(first.id)).await;
    assert!(shelf.append(vec![keyed("ada", "hi", "k")]).await.unwrap()[0].duplicate);
    let retracted = shelf.retract("ada", "k").await;
    assert_eq!((retracted.removed, retracted.counts.rev), (false, 2), "its row is gone, which is no change");
    assert!(!shelf.append(vec![keyed("ada", "other", "k")]).await.unwrap()[0].duplicate);
}

#[tokio::test]
async fn what_is_unknown_is_not_removed_and_takes_no_rev() {
    let (shelf, _dir) = shelf().await;
    shelf.append(vec![keyed("ada", "hi", "k")]).await.unwrap();
    shelf.append(vec![keyed("ben", "hi", "k")]).await.unwrap();
    for (user, key, rev) in [("nobody", "k", 0), ("ada", "q", 1), ("ada", "K", 1)] {
        let retracted = shelf.retract(user, key).await;
        assert_eq!((retracted.removed, retracted.counts.rev), (false, rev), "{user} {key}");
    }
    assert!(shelf.retract("ada", "k").await.removed);
    assert!(!shelf.retract("ada", "k").await.removed, "there is nothing left of it");
    assert_eq!((shelf.counts("ada").await, shelf.counts("ben").await), ((0, 0, 2), (1, 1, 1)));
    assert_eq!(shelf.told().len(), 3);
}

#[tokio::test]
async fn a_read_row_goes_without_a_count() {
    let (shelf, _dir) = shelf().await;
    shelf.append(vec![keyed("ada", "hi", "k")]).await.unwrap();
    shelf.post("ada", "more").await;
    shelf.mark("ada", Mark::Read(Selection::UpTo(1))).await;
    let retracted = shelf.retract("ada", "k").await;
    assert_eq!((retracted.removed, retracted.counts.unread, retracted.counts.rev), (true, 1, 4));
    assert_eq!(shelf.counts("ada").await, (1, 1, 4));
}
