//! What has outlived itself goes: by its life, by age, by number, each a change like any other.

use lumen_inbox::domain::change::{Entry, Rows, What};
use lumen_inbox::domain::ids::Rev;
use lumen_inbox::store::{Mark, Selection};

use super::shelf;
use crate::support::shelf::{Shelf, Told, lasting};

#[tokio::test]
async fn a_row_is_there_until_it_is_swept() {
    let (shelf, _dir) = shelf().await;
    let short = shelf.append(vec![lasting("ada", "short", 60)]).await.unwrap().remove(0);
    shelf.append(vec![lasting("ada", "long", 61)]).await.unwrap();
    shelf.post("ada", "for good").await;
    shelf.skew(59_000);
    assert_eq!(shelf.sweep().await, [0]);
    shelf.skew(1_000);
    assert_eq!(shelf.counts("ada").await, (3, 3, 3));
    shelf.told();
    assert_eq!(shelf.sweep().await, [1]);
    assert_eq!(shelf.counts("ada").await, (2, 2, 4));
    let told = shelf.told();
    let [Told::Change(change)] = told.as_slice() else { panic!("one change, not {told:?}") };
    let Entry::Logged { rev: 4, logged } = &change.entry else { panic!("the log's fourth, not {change:?}") };
    assert_eq!((logged.what, &logged.rows, &logged.origin), (What::Deleted, &Rows::Ids(vec![short.id]), &None));
    assert_eq!((change.counts.unread, change.counts.rev), (2, 4));
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
