//! Sweeps that come by themselves.

use super::*;
use crate::domain::limits::SWEEP_ROWS;

impl Desk {
    async fn post_for_a_second(&self, number: usize) {
        let draft = || check(serde_json::json!({"user": "ada", "type": "like", "content": "x", "ttl_s": 1})).unwrap();
        self.store.append((0..number).map(|_| draft()).collect()).await.unwrap();
    }
}

/// What has ended is told like any other change, step after step, within two pauses.
#[tokio::test(start_paused = true)]
async fn rows_that_have_ended_go_by_themselves() {
    let desk = desk().await;
    let mut stream = desk.open();
    next(&mut stream).await;
    desk.post_for_a_second(1).await;
    let message = message_id(&next(&mut stream).await);
    desk.post().await;
    next(&mut stream).await;
    advance_by_seconds(29).await;
    let counts = desk.store.counts(&"ada".parse().unwrap()).await.unwrap();
    assert_eq!((counts.unread, counts.rev), (2, 2), "nothing is swept before its time");
    advance_by_seconds(1).await;
    let inbox = news(&mut stream).await;
    let Ok(Event::Inbox(told)) = event::parse(&inbox.event, inbox.data.as_deref().unwrap()) else { panic!("a change") };
    assert_eq!((rev(&inbox), told.ids, told.counts.unread), (3, Some(vec![message]), 1));
}

/// Each step comes a little after the one before it, long before the next pause ends.
#[tokio::test(start_paused = true)]
async fn a_sweep_goes_on_while_there_is_more() {
    let desk = desk().await;
    let posted = SWEEP_ROWS * 2 + 1;
    desk.post_for_a_second(posted).await;
    let mut stream = desk.open();
    next(&mut stream).await;
    advance_by_seconds(30).await;
    for job in 1..=100 {
        tokio::time::advance(Duration::from_millis(10)).await;
        // The writer has done what it was asked before.
        desk.store.refuse_before("ben".parse().unwrap(), job).await.unwrap();
    }
    for step in 1..=3 {
        assert_eq!(rev(&news(&mut stream).await), posted as Rev + step);
    }
    assert_eq!(desk.store.counts(&"ada".parse().unwrap()).await.unwrap().unread, 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_hub_outlives_its_store_and_its_streams() {
    let Desk { hub, store, _dir, _still, .. } = desk().await;
    let inner = std::sync::Arc::downgrade(&hub.0);
    let stream = hub.subscribe(request("ada")).unwrap();
    store.close().await.unwrap();
    drop(hub);
    assert!(inner.strong_count() > 0, "the stream goes on");
    drop(stream);
    in_time(async {
        while inner.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
