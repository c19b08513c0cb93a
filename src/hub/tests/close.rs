//! How a stream ends, whoever ends it and whether its client reads or not.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_close_that_overtakes_the_ready_has_the_cursor_that_the_client_came_with() {
    let desk = desk().await;
    let cursor: Cursor = "k3f9q2-7".parse().unwrap();
    let cases =
        [(Presented::Cursor(cursor), Some("k3f9q2-7")), (Presented::Nothing, None), (Presented::Unreadable, None)];
    let mut streams = cases.map(|(presented, _)| desk.open_at(presented));
    desk.drain().await;
    for (stream, (_, id)) in streams.iter_mut().zip(cases) {
        let block = next(stream).await;
        assert_eq!((block.event.as_str(), block.id.as_deref()), ("close", id));
    }
}

/// Whoever waits for its turn to read is still told that the stream ends, and at once.
#[tokio::test(start_paused = true)]
async fn a_close_reaches_a_stream_that_waits_to_read() {
    let desk = desk().await;
    let turns = desk.take_all_turns().await;
    let mut stream = desk.open();
    let reading = tokio::spawn(async move { next(&mut stream).await.event });
    tokio::task::yield_now().await;
    desk.drain().await;
    assert_eq!(reading.await.unwrap(), "close");
    drop(turns);
}
