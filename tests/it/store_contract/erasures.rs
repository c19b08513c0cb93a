//! What an operator does to a user: the inbox loses its name, or tokens signed until some moment are refused.

use lumen_inbox::domain::cursor::{Cursor, Reason};
use lumen_inbox::store::{Ended, Mark, Standing};

use super::shelf;
use crate::support::shelf::{Shelf, Told, draft, id, keyed};

#[tokio::test]
async fn an_erased_user_is_new_and_old_cursors_are_told() {
    let (shelf, _dir) = shelf().await;
    let first = shelf.append(vec![keyed("ada", "secret", "k")]).await.unwrap().remove(0);
    shelf.post("ada", "2").await;
    shelf.mark("ada", Mark::Delete(first.id)).await;
    let old = shelf.head("ada").await;
    assert!(shelf.store.erase(id("ada")).await.unwrap());
    assert_eq!((shelf.head("ada").await.to_string(), shelf.items("ada").await), ("000000-0".to_owned(), Vec::new()));
    assert_eq!(shelf.store.head_in_memory(&id("ada")), None);
    assert_eq!(shelf.open_at("ada", old).await.standing, Standing::Resync(Reason::Epoch));

    let anew = shelf.append(vec![keyed("ada", "anew", "k")]).await.unwrap().remove(0);
    assert_eq!((anew.rev, anew.unread, anew.duplicate), (1, 1, false));
    assert_ne!(shelf.head("ada").await.epoch, old.epoch);
    assert_eq!(shelf.open_at("ada", old).await.standing, Standing::Resync(Reason::Epoch));
    assert_eq!(shelf.open_at("ada", Cursor { rev: 0, ..old }).await.standing, Standing::Resumed { missed: 1 });
    shelf.sweep().await;
    assert_eq!(shelf.counts("ada").await, (1, 1, 1), "what is left of the old one goes, and nothing else");
}

#[tokio::test]
async fn an_erasure_is_told_in_commit_order() {
    let (shelf, _dir) = shelf().await;
    let post = || shelf.append(vec![draft("ada", "x")]);
    let (before, erased, after) = tokio::join!(post(), shelf.store.erase(id("ada")), post());
    assert_eq!((before.unwrap()[0].rev, erased, after.unwrap()[0].rev), (1, Ok(true), 1));
    let told = shelf.told();
    assert!(matches!(told.as_slice(), [Told::Change(_), Told::Ended(_), Told::Change(_)]), "{told:?}");
    assert_eq!(shelf.store.erase(id("nobody")).await, Ok(false));
    assert!(matches!(shelf.told().as_slice(), [Told::Ended(Ended::Erased(user))] if *user == id("nobody")));
}

#[tokio::test]
async fn tokens_are_refused_up_to_a_moment_that_only_rises() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(dir.path()).await;
    assert_eq!(shelf.store.not_before(&id("ada")), None);
    for (asked, holds) in [(500, 500), (400, 500), (600, 600)] {
        shelf.store.refuse_before(id("ada"), asked).await.unwrap();
        assert_eq!(shelf.store.not_before(&id("ada")), Some(holds));
        let refused = Ended::Refused(id("ada"), holds);
        assert!(matches!(shelf.told().as_slice(), [Told::Ended(ended)] if *ended == refused), "and no rev");
    }
    assert_eq!(shelf.head("ada").await.to_string(), "000000-0");
    shelf.store.close().await.unwrap();

    let shelf = Shelf::open(dir.path()).await;
    assert_eq!((shelf.store.not_before(&id("ada")), shelf.store.not_before(&id("ben"))), (Some(600), None));
    shelf.post("ada", "1").await;
    assert_eq!(shelf.store.not_before(&id("ada")), Some(600));
    shelf.store.erase(id("ada")).await.unwrap();
    assert_eq!(shelf.store.not_before(&id("ada")), None);
    shelf.store.close().await.unwrap();
    let shelf = Shelf::open(dir.path()).await;
    assert_eq!(shelf.store.not_before(&id("ada")), None);
}
