//! What the writer's jobs cost: they hold up everyone, so that none looks at rows which it leaves as they are.

use rusqlite::{Connection, StatementStatus, params};

use super::group::Context;
use super::mark::{COUNT_UNSEEN, READ_UP_TO, mark};
use super::sweep::{OLDEST_READ, OLDEST_UNREAD, sweep};
use super::transactions::{ada, commit, desk};
use crate::domain::ids::NotificationId;
use crate::domain::limits::{LOG_AGE_MS, SWEEP_ROWS};
use crate::store::commit::{Answer, Marked, Swept};
use crate::store::job::{Mark, Selection};

/// Steps of SQLite's machine that this statement has taken.
fn steps((connection, _): &(Connection, Context), sql: &str) -> i32 {
    connection.prepare_cached(sql).unwrap().get_status(StatementStatus::VmStep)
}

/// A desk on which ada's inbox has so many rows, all read, of which the oldest have a life that ends at once.
fn desk_with_read_rows(rows: i64, expired: i64) -> (Connection, Context) {
    let desk = desk();
    let (connection, context) = &desk;
    connection.execute("INSERT INTO inbox (user, head, rows) VALUES ('ada', ?1, ?1)", [rows]).unwrap();
    let insert = "WITH RECURSIVE revs (rev) AS (VALUES (1) UNION ALL SELECT rev + 1 FROM revs WHERE rev < ?1)
        INSERT INTO notification (inbox, rev, id, type, body, read, created_at, expires_at)
        SELECT 1, rev, CAST(printf('%016d', rev) AS BLOB), 'like', '{}', 1, 0, IIF(rev <= ?2, 0, NULL) FROM revs";
    connection.execute(insert, params![rows, expired]).unwrap();
    let inbox = commit(&desk, 0, |group| group.inbox(&ada()).unwrap().unwrap());
    context.overfull.look_at([&inbox].into_iter());
    desk
}

#[test]
fn rows_enough_that_are_read_are_not_followed_by_a_walk_to_the_unread() {
    let desk = desk_with_read_rows(500, 0);
    commit(&desk, 1_000, |group| sweep(group).unwrap());
    assert!(steps(&desk, OLDEST_READ) > 0);
    assert_eq!(steps(&desk, OLDEST_UNREAD), 0);
}

/// Neither, where what has ended is enough already.
#[test]
fn rows_enough_that_have_ended_are_followed_by_no_walk() {
    let desk = desk_with_read_rows(500, 497);
    commit(&desk, 1_000, |group| sweep(group).unwrap());
    assert_eq!(desk.1.cache.get(&ada()).unwrap().rows, 3);
    assert_eq!((steps(&desk, OLDEST_READ), steps(&desk, OLDEST_UNREAD)), (0, 0));
}

/// The clock went back after most of these entries, so that all of an inbox go for the sake of its newest.
#[test]
fn a_step_stops_at_the_inbox_whose_log_takes_the_last_of_its_room() {
    let desk = desk();
    let log = "WITH RECURSIVE revs (rev) AS (VALUES (1) UNION ALL SELECT rev + 1 FROM revs WHERE rev < 600)
        INSERT INTO log (inbox, rev, what, at) SELECT ?1, rev, 'read', IIF(rev = 600, 1, 1000) FROM revs";
    for inbox in 1..=3 {
        desk.0.execute("INSERT INTO inbox (user, head, logged) VALUES (?1, 600, 600)", [inbox.to_string()]).unwrap();
        desk.0.execute(log, [inbox]).unwrap();
    }
    let left = || desk.0.query_row("SELECT COUNT(*) FROM log", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((step(&desk, LOG_AGE_MS + 1), left()), (true, 600));
    assert_eq!((step(&desk, LOG_AGE_MS + 1), left()), (false, 0));
}

/// What has ended has taken all the room: what is too old is for the next step.
#[test]
fn a_step_without_room_chooses_no_more() {
    let desk = desk_with_read_rows(SWEEP_ROWS as i64 + 1, 0);
    desk.0.execute("UPDATE notification SET expires_at = 0 WHERE rev > 1", []).unwrap();
    let newest_left =
        || desk.0.query_row("SELECT IFNULL(MAX(rev), 0) FROM notification", [], |row| row.get::<_, i64>(0));
    // The ids are text, and so of a time far from now.
    let now = 60_000_000_000_000;
    assert_eq!((step(&desk, now), newest_left()), (true, Ok(1)));
    assert_eq!((step(&desk, now), newest_left()), (false, Ok(0)));
}

/// An inbox that was erased counts as a row, also where nothing was in it.
#[test]
fn a_step_takes_a_bounded_number_of_erased_inboxes() {
    let desk = desk();
    let erased = "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
        INSERT INTO inbox (user) SELECT NULL FROM numbers";
    desk.0.execute(erased, [SWEEP_ROWS as i64 + 500]).unwrap();
    let left = || desk.0.query_row("SELECT COUNT(*) FROM inbox", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((step(&desk, 1_000), left()), (true, 500));
    assert_eq!((step(&desk, 1_000), left()), (false, 0));
}

/// Sweeps a step, and says whether there is more.
fn step(desk: &(Connection, Context), now: i64) -> bool {
    match commit(desk, now, |group| sweep(group).unwrap()).answer {
        Answer::Swept(Swept { more, .. }) => more,
        other => panic!("another's answer: {other:?}"),
    }
}

fn marked(desk: &(Connection, Context), mark_as: &Mark) -> Marked {
    match commit(desk, 1_000, |group| mark(group, &ada(), mark_as, None).unwrap().unwrap()).answer {
        Answer::Marked(marked) => marked,
        other => panic!("another's answer: {other:?}"),
    }
}

#[test]
fn where_nothing_is_unread_or_unseen_no_mark_looks_for_it() {
    let desk = desk_with_read_rows(500, 0);
    for mark in [Mark::Read(Selection::All), Mark::Read(Selection::UpTo(400)), Mark::Seen(300)] {
        assert_eq!(marked(&desk, &mark).changed, 0);
    }
    assert_eq!((steps(&desk, READ_UP_TO), steps(&desk, COUNT_UNSEEN)), (0, 0));
    assert_eq!(desk.1.cache.get(&ada()).unwrap().seen, 300, "the mark rises all the same");
}

#[test]
fn what_is_unread_and_seen_is_not_counted_as_unseen() {
    let desk = desk_with_read_rows(500, 0);
    let id = desk.0.query_row("SELECT id FROM notification WHERE rev = 7", [], |row| row.get(0)).unwrap();
    marked(&desk, &Mark::Seen(10));
    assert_eq!(marked(&desk, &Mark::Unread(NotificationId::from_bytes(id))).counts.unread, 1);
    let read = marked(&desk, &Mark::Read(Selection::All));
    assert_eq!((read.changed, read.counts.unread), (1, 0));
    assert!(steps(&desk, READ_UP_TO) > 0);
    assert_eq!(steps(&desk, COUNT_UNSEEN), 0);
}
