//! Reads of the store: their turns, their room, and that none is older than the news.

use super::*;

/// Reads that stay older than the news are never taken for the end: after five seconds the stream is.
#[tokio::test(start_paused = true)]
async fn reads_that_stay_behind_the_news_end_the_stream() {
    let desk = desk().await;
    let mut stream = desk.open();
    next(&mut stream).await;
    stream.place.mailbox.nudge(99);
    let reading = tokio::spawn(async move { news(&mut stream).await });
    while !reading.is_finished() {
        tokio::time::advance(Duration::from_millis(10)).await;
        tokio::task::yield_now().await;
    }
    let close = reading.await.unwrap();
    assert_eq!(close.event, "close");
    assert!(close.data.as_deref().unwrap().contains("\"reason\":\"store_down\""));
}
