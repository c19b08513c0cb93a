//! Reads of the store: their turns, their room, and that none is older than the news.

use tokio::task::JoinHandle;

use super::*;

async fn until_it_is_done<T>(task: &JoinHandle<T>) {
    in_time(async {
        while !task.is_finished() {
            tokio::time::advance(Duration::from_millis(10)).await;
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A read that is older than the news is repeated a little later, and is no fault yet.
#[tokio::test(start_paused = true)]
async fn a_read_that_is_behind_the_news_is_repeated() {
    let desk = desk().await;
    let mut stream = desk.open();
    next(&mut stream).await;
    stream.place.mailbox.nudge(1);
    assert!(futures_util::poll!(stream.next()).is_pending(), "it reads");
    in_time(async {
        while desk.hub.0.catch_up.available_permits() < CATCH_UP_READS {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(futures_util::poll!(stream.next()).is_pending(), "it has read that there is nothing, and waits");
    desk.post().await;
    tokio::time::advance(Duration::from_millis(50)).await;
    assert_eq!(rev(&next(&mut stream).await), 1);
}

/// Reads that stay older than the news are never taken for the end: after five seconds the stream is.
#[tokio::test(start_paused = true)]
async fn reads_that_stay_behind_the_news_end_the_stream() {
    let desk = desk().await;
    let mut stream = desk.open();
    next(&mut stream).await;
    stream.place.mailbox.nudge(99);
    let reading = tokio::spawn(async move { news(&mut stream).await });
    until_it_is_done(&reading).await;
    let close = reading.await.unwrap();
    assert_eq!(close.event, "close");
    assert!(close.data.as_deref().unwrap().contains("\"reason\":\"store_down\""));
}

/// The head is below what the stream itself was told, and stays so: that is a history that was taken back.
#[tokio::test(start_paused = true)]
async fn a_history_that_was_taken_back_is_a_resync_and_no_fault_of_the_store() {
    let desk = desk().await;
    let mut stream = desk.open();
    next(&mut stream).await;
    desk.post().await;
    let told = next(&mut stream).await;
    let cursor: Cursor = told.id.as_deref().unwrap().parse().unwrap();
    stream.cursor = Some(Cursor { rev: 5, ..cursor });
    stream.place.mailbox.nudge(5);
    let reading = tokio::spawn(async move { (news(&mut stream).await, stream) });
    until_it_is_done(&reading).await;
    let (resync, mut stream) = reading.await.unwrap();
    assert_eq!((resync.event.as_str(), rev(&resync)), ("resync", 1));
    assert_eq!(stream.place.mailbox.heard(), 1, "and the news of then is forgotten");
    assert!(resync.data.as_deref().unwrap().contains("\"reason\":\"ahead\""));
    desk.post().await;
    assert_eq!(rev(&news(&mut stream).await), 2, "and it goes on from there");
}

/// The question goes on without its stream, and so does its turn.
#[tokio::test(start_paused = true)]
async fn a_stream_that_goes_while_it_reads_keeps_its_turn_until_the_answer() {
    let desk = desk().await;
    let turns = desk.hub.0.catch_up.clone();
    let mut stream = desk.open();
    assert!(futures_util::poll!(stream.next()).is_ready(), "the first bytes");
    assert!(futures_util::poll!(stream.next()).is_pending(), "it reads");
    assert_eq!(turns.available_permits(), CATCH_UP_READS - 1);
    drop(stream);
    assert_eq!(turns.available_permits(), CATCH_UP_READS - 1, "though nobody waits for the answer");
    in_time(async {
        while turns.available_permits() < CATCH_UP_READS {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(desk.budget.taken(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_for_its_turn_or_for_room_still_pings() {
    let desk = desk().await;
    let mut stream = desk.open();
    next(&mut stream).await;
    desk.post_unheard(&stream).await;
    let turns = desk.take_all_turns().await;
    desk.post().await;
    assert!(futures_util::poll!(stream.next()).is_pending(), "it must read, and waits for its turn");
    advance_by_seconds(HEARTBEAT.as_secs()).await;
    assert_eq!(next(&mut stream).await.event, "ping");

    let mut full = desk.budget.share(Use::Body);
    assert!(full.grow(1024 * 1024));
    drop(turns);
    assert!(futures_util::poll!(stream.next()).is_pending(), "it has its turn, and waits for room");
    for _ in 0..50 {
        desk.store.counts(&"ada".parse().unwrap()).await.unwrap();
        assert_eq!(desk.hub.0.catch_up.available_permits(), CATCH_UP_READS - 1, "it would have read long ago");
    }
    advance_by_seconds(HEARTBEAT.as_secs()).await;
    assert_eq!(next(&mut stream).await.event, "ping");
    drop(full);
    tokio::time::advance(Duration::from_millis(50)).await;
    assert_eq!([rev(&next(&mut stream).await), rev(&next(&mut stream).await)], [1, 2]);
}

/// A page takes room before it is read, keeps what its frames need, and gives it back as they are handed out.
#[tokio::test(start_paused = true)]
async fn a_page_has_room_as_long_as_it_waits_for_its_reader() {
    let desk = desk().await;
    for _ in 0..3 {
        desk.post().await;
    }
    let mut stream = desk.open_at(Presented::Cursor("000000-0".parse().unwrap()));
    assert!(futures_util::poll!(stream.next()).is_ready(), "the first bytes");
    assert!(futures_util::poll!(stream.next()).is_pending(), "it reads");
    assert_eq!(desk.budget.taken(), PAGE_BYTES);
    let mut handed = vec![stream.next().await.unwrap()];
    let mut taken = vec![desk.budget.taken()];
    for _ in 0..3 {
        handed.push(stream.next().await.unwrap());
        taken.push(desk.budget.taken());
    }
    let left: Vec<usize> = (1..=4).map(|n| handed[n..].iter().map(|frame| frame.len()).sum()).collect();
    assert_eq!(taken, left);
    assert!(futures_util::poll!(stream.next()).is_pending());
}

/// News that finds no room is not lost: its stream reads it from the store.
#[tokio::test(start_paused = true)]
async fn news_without_room_sends_the_stream_to_the_store() {
    let desk = desk().await;
    let mut stream = desk.open();
    next(&mut stream).await;
    desk.post().await;
    let waiting = desk.budget.taken();
    assert!(waiting > 0, "news that waits has room");
    let mut full = desk.budget.share(Use::Body);
    assert!(full.grow(1024 * 1024 / 2 - waiting));
    assert_eq!(desk.post().await, 1, "it is the stream's all the same");
    assert_eq!(desk.budget.taken(), full.bytes(), "a mailbox that lags has none");
    let told = [next(&mut stream).await, next(&mut stream).await];
    assert_eq!(told.each_ref().map(rev), [1, 2]);
    assert!(told.iter().all(|block| block.data.as_deref().unwrap().contains("\"replayed\":true")));
    drop(full);
    desk.post().await;
    assert_eq!(rev(&next(&mut stream).await), 3);
    desk.post().await;
    drop(stream);
    assert_eq!(desk.budget.taken(), 0, "what waited for it went with it");
}

/// A stream that is where its inbox is has nothing to read, nor has one that only had news under way.
#[tokio::test(start_paused = true)]
async fn the_head_check_leaves_alone_who_misses_nothing() {
    let desk = desk().await;
    let mut idle = desk.open();
    let mut late = desk.open();
    next(&mut idle).await;
    next(&mut late).await;
    desk.post().await;
    assert_eq!(rev(&next(&mut idle).await), 1);
    // From here on whoever reads is not heard of again.
    let _turns = desk.take_all_turns().await;
    advance_by_seconds(30).await;
    assert_eq!(rev(&next(&mut late).await), 1, "under way when it was checked, and here before it is confirmed");
    advance_by_seconds(3).await;
    desk.post().await;
    for stream in [&mut idle, &mut late] {
        let message = news(stream).await;
        assert_eq!(rev(&message), 2);
        assert!(!message.data.as_deref().unwrap().contains("replayed"));
    }
}

/// It missed nothing, so that there is nothing to tell, and nothing wrong; nor is there when it looks once more.
#[tokio::test(start_paused = true)]
async fn a_stream_that_comes_back_to_the_head_goes_on_from_there() {
    let desk = desk().await;
    desk.post().await;
    let head = next(&mut desk.open()).await.id.unwrap();
    let mut stream = desk.open_at(Presented::Cursor(head.parse().unwrap()));
    let ready = next(&mut stream).await;
    assert!(ready.data.as_deref().unwrap().contains("\"resumed\":true,\"missed\":0"), "{ready:?}");
    for told in [2, 3] {
        desk.post().await;
        let block = next(&mut stream).await;
        assert_eq!((block.event.as_str(), rev(&block)), ("message", told));
        stream.place.mailbox.nudge(told);
    }
}

/// A page that ran out of entries below its head moves the client's cursor there, without an event.
#[tokio::test(start_paused = true)]
async fn a_page_whose_last_entry_is_older_than_its_head_steps_over_the_rest() {
    let desk = desk().await;
    let mut stream = desk.open();
    next(&mut stream).await;
    for _ in 0..4 {
        desk.post().await;
    }
    let mut page = desk.store.page_after(&"ada".parse().unwrap(), 0).await.unwrap();
    page.entries.truncate(2);
    stream.take_page(page);
    let blocks = [next(&mut stream).await, next(&mut stream).await, next(&mut stream).await];
    assert_eq!(blocks.each_ref().map(rev), [1, 2, 4]);
    assert!(blocks[1].data.is_some() && blocks[2].data.is_none());
    desk.post().await;
    let message = next(&mut stream).await;
    assert_eq!(rev(&message), 5);
    assert!(!message.data.as_deref().unwrap().contains("replayed"), "it is where the head was");
}
