//! What the writer's jobs do to each other when they meet in one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::append::append;
use super::cache::Cache;
use super::erase::{erase, refuse_before};
use super::group::{Context, Group};
use super::open::{STATEMENTS, survey};
use super::overfull::Overfull;
use super::retract::retract;
use super::schema;
use super::sweep::sweep;
use crate::domain::cursor::EpochSecret;
use crate::domain::draft::check;
use crate::domain::ids::UserId;
use crate::domain::notification::Key;
use crate::store::commit::{Answer, Ended, Outcome, Retracted, Swept};
use crate::store::refusals::Refusals;

/// A database in memory and what its writer knows of it, for inboxes of three rows at most.
pub(super) fn desk() -> (Connection, Context) {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    schema::migrate(&mut connection).unwrap();
    let context = Context {
        cache: Arc::new(Cache::default()),
        refusals: Arc::new(Refusals::default()),
        overfull: Overfull::new(3, Vec::new()),
        secret: Arc::new(EpochSecret::new(&[0; 32])),
        generation: 1,
        max_age: 1_000_000,
    };
    (connection, context)
}

/// One transaction at this time, committed.
pub(super) fn commit<T>(
    (connection, context): &(Connection, Context),
    now: i64,
    work: impl FnOnce(&mut Group) -> T,
) -> T {
    let transaction = connection.unchecked_transaction().unwrap();
    let mut group = Group::new(&transaction, context, now);
    let done = work(&mut group);
    group.flush().unwrap();
    let news = group.into_news();
    transaction.commit().unwrap();
    context.take_in(news);
    done
}

pub(super) fn ada() -> UserId {
    "ada".parse().unwrap()
}

/// Posts with this key: the rev, and whether it was a duplicate.
fn post(group: &mut Group, key: &str) -> (u64, bool) {
    let draft = check(serde_json::json!({"user": "ada", "type": "like", "content": "x", "key": key})).unwrap();
    match append(group, &[draft]).unwrap().unwrap().answer {
        Answer::Appended(results) => (results[0].rev, results[0].duplicate),
        other => panic!("another's answer: {other:?}"),
    }
}

fn fill(group: &mut Group, keys: std::ops::Range<u64>) {
    for key in keys {
        assert!(!post(group, &key.to_string()).1);
    }
}

fn swept(outcome: &Outcome) -> (u64, usize) {
    let Answer::Swept(Swept { rows, .. }) = outcome.answer else { panic!("another's answer: {:?}", outcome.answer) };
    (rows, outcome.changes.len())
}

#[test]
fn a_transaction_may_erase_a_user_and_make_it_anew() {
    let desk = desk();
    commit(&desk, 1_000, |group| {
        assert_eq!((post(group, "a"), post(group, "b")), ((1, false), (2, false)));
        refuse_before(group, &ada(), 7).unwrap();
    });
    assert_eq!((desk.1.cache.head(&ada()), desk.1.refusals.not_before(&ada())), (Some(2), Some(7)));
    let told = commit(&desk, 1_000, |group| {
        assert_eq!(post(group, "a"), (2, true));
        let told = erase(group, &ada()).unwrap();
        assert_eq!((post(group, "a"), post(group, "c")), ((1, false), (2, false)));
        refuse_before(group, &ada(), 3).unwrap();
        assert_eq!(swept(&sweep(group).unwrap()), (2, 0), "what the erased one had");
        told
    });
    assert_eq!(told.ended, Some(Ended::Erased(ada())));
    let inbox = desk.1.cache.get(&ada()).unwrap();
    assert_eq!((inbox.id, inbox.head, inbox.rows, inbox.unread), (2, 2, 2, 2));
    assert_eq!(desk.1.refusals.not_before(&ada()), Some(3), "the erased one's is forgotten");
    commit(&desk, 1_000, |group| assert!(matches!(erase(group, &ada()).unwrap().answer, Answer::Erased(true))));
    commit(&desk, 1_000, |group| assert!(matches!(erase(group, &ada()).unwrap().answer, Answer::Erased(false))));
    assert_eq!((desk.1.cache.head(&ada()), desk.1.refusals.not_before(&ada())), (None, None));
}

#[test]
fn a_transaction_may_like_unlike_and_like() {
    let desk = desk();
    let key = Key::parse("a").unwrap();
    commit(&desk, 1_000, |group| {
        assert_eq!(post(group, "a"), (1, false));
        let Answer::Retracted(Retracted { removed, counts }) = retract(group, &ada(), &key).unwrap().answer else {
            panic!("another's answer");
        };
        assert_eq!((removed, counts.unread, counts.rev), (true, 0, 2));
        assert_eq!((post(group, "a"), post(group, "a")), ((3, false), (3, true)));
    });
    assert_eq!(desk.1.cache.get(&ada()).map(|inbox| (inbox.rows, inbox.unread, inbox.logged)), Some((1, 1, 1)));
}

/// An inbox that one transaction fills over its bound is known to the next one, and one that it erases no more.
#[test]
fn what_a_transaction_leaves_too_full_the_next_one_sweeps() {
    let desk = desk();
    commit(&desk, 1_000, |group| fill(group, 0..5));
    assert_eq!(desk.1.overfull.from(0), Some(1));
    commit(&desk, 1_000, |group| assert_eq!(swept(&sweep(group).unwrap()), (2, 1)));
    assert_eq!(desk.1.overfull.from(0), None);
    commit(&desk, 1_000, |group| fill(group, 5..7));
    assert_eq!(desk.1.overfull.from(0), Some(1));
    commit(&desk, 1_000, |group| {
        erase(group, &ada()).unwrap();
        assert_eq!(swept(&sweep(group).unwrap()), (5, 0));
    });
    assert_eq!(desk.1.overfull.from(0), None);
}

/// What a transaction that was rolled back would have told memory is dropped with it.
#[test]
fn a_transaction_that_is_rolled_back_teaches_nothing() {
    let desk = desk();
    commit(&desk, 1_000, |group| fill(group, 0..5));
    let before = desk.1.cache.get(&ada());
    let transaction = desk.0.unchecked_transaction().unwrap();
    let mut group = Group::new(&transaction, &desk.1, 1_000);
    assert_eq!(swept(&sweep(&mut group).unwrap()), (2, 1));
    refuse_before(&mut group, &ada(), 7).unwrap();
    erase(&mut group, &ada()).unwrap();
    drop(group);
    transaction.rollback().unwrap();
    assert_eq!((desk.1.overfull.from(0), desk.1.cache.get(&ada())), (Some(1), before));
    assert_eq!(desk.1.refusals.not_before(&ada()), None);
    commit(&desk, 1_000, |group| assert_eq!(swept(&sweep(group).unwrap()), (2, 1)));
}

/// A name that older rules let in is still whose inbox it is: it holds up no sweep, and its tokens stay refused.
#[test]
fn a_name_of_older_rules_is_as_good_as_any() {
    let desk = desk();
    commit(&desk, 1_000, |group| fill(group, 0..5));
    desk.0.execute("UPDATE inbox SET user = '..', not_before = 7", []).unwrap();
    commit(&desk, 1_000, |group| assert_eq!(swept(&sweep(group).unwrap()), (2, 1)));
    let survey = survey(&desk.0, 2).unwrap();
    assert_eq!(survey.not_before, HashMap::from([(UserId::stored(".."), 7)]));
    assert_eq!(survey.overfull, [1]);
}
