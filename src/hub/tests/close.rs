//! How a stream ends, whoever ends it and whether its client reads or not.

use std::collections::BTreeSet;

use super::*;
use crate::domain::ids::UserId;
use crate::hub::Refused;

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

/// A stream of one who reads no further than the `ready`.
async fn unread(desk: &Desk, request: Request) -> (Subscription, Shutdown) {
    let cut = request.cut.clone();
    let mut stream = desk.hub.subscribe(request).unwrap();
    assert_eq!(next(&mut stream).await.event, "ready");
    (stream, cut)
}

/// What the close says, which must be the next and last that comes.
async fn expect_close(stream: &mut Subscription) -> (String, Option<String>) {
    let block = next(stream).await;
    assert_eq!(block.event, "close");
    assert!(stream.next().await.is_none());
    let Ok(Event::Close(close)) = event::parse("close", block.data.as_deref().unwrap()) else { panic!("a close") };
    assert_eq!(block.retry, Some(close.retry_ms));
    (close.reason, block.id)
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_of_what_there_is_is_ended_and_then_cut() {
    let desk = desk().await;
    let (mut one, one_cut) = unread(&desk, request("ada")).await;
    let (other, other_cut) = unread(&desk, request("ada")).await;
    desk.post().await;
    advance_by_seconds(59).await;
    assert_eq!(desk.hub.presence(&"ada".parse().unwrap()).len(), 2);
    advance_by_seconds(1).await;
    assert_eq!(desk.hub.presence(&"ada".parse().unwrap()).len(), 0, "they are over, though nobody was told yet");
    assert_eq!((desk.post().await, desk.budget.taken()), (0, 0));
    advance_by_seconds(4).await;
    // The one reads on in time, and the news goes with whatever it is told next time.
    let (reason, id) = expect_close(&mut one).await;
    assert_eq!((reason.as_str(), id.as_deref()), ("too_slow", Some("000000-0")));
    drop(one);
    assert!(!other_cut.has_begun());
    advance_by_seconds(1).await;
    assert!(other_cut.has_begun() && !one_cut.has_begun());
    drop(other);
    assert_eq!((desk.hub.streams(), desk.budget.taken()), (0, 0));
}

/// Who takes a frame now and then is slow, but reads.
#[tokio::test(start_paused = true)]
async fn who_takes_a_little_or_waits_for_more_is_not_ended() {
    let config = Config { too_slow: HEARTBEAT / 2, ..hub_config() };
    let desk = desk_with(config, Budget::new(1024 * 1024)).await;
    let (mut slow, _) = unread(&desk, request("ada")).await;
    let mut idle = desk.hub.subscribe(request("ben")).unwrap();
    let waiting = tokio::spawn(async move { while next(&mut idle).await.event != "close" {} });
    for _ in 0..10 {
        desk.post().await;
    }
    for told in 1..=5 {
        advance_by_seconds(6).await;
        assert_eq!(rev(&news(&mut slow).await), told);
    }
    assert_eq!(desk.hub.streams(), 2);
    assert!(!waiting.is_finished(), "there was nothing for it but pings");
    desk.drain().await;
    waiting.await.unwrap();
}

/// A process that was stopped has not waited for its readers meanwhile, nor has it wakes from a sleeping laptop.
#[tokio::test(start_paused = true)]
async fn a_long_stop_is_nobodys_slowness() {
    let desk = desk().await;
    let (mut stream, cut) = unread(&desk, request("ada")).await;
    desk.post().await;
    advance_by_seconds(1).await;
    tokio::time::advance(Duration::from_secs(3_600)).await;
    tokio::task::yield_now().await;
    assert_eq!(rev(&news(&mut stream).await), 1);
    assert!(!cut.has_begun());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_take_the_end_of_its_token_loses_the_connection() {
    let desk = desk().await;
    let (stream, cut) = unread(&desk, Request { expires_at: NOON + 10_000, ..request("ada") }).await;
    advance_by_seconds(14).await;
    assert!(!cut.has_begun());
    advance_by_seconds(1).await;
    assert!(cut.has_begun());
    drop(stream);
}

/// The close is handed to the connection, which cannot get rid of it.
#[tokio::test(start_paused = true)]
async fn a_close_that_is_handed_out_and_goes_nowhere_cuts_the_connection() {
    let desk = desk().await;
    let (mut stream, cut) = unread(&desk, request("ada")).await;
    stream.place.mailbox.close(CloseReason::Erased);
    assert_eq!(next(&mut stream).await.event, "close");
    advance_by_seconds(5).await;
    assert!(cut.has_begun());
}

/// What the reader has not taken of a page is not told before the end, but after it.
#[tokio::test(start_paused = true)]
async fn a_close_overtakes_the_frames_of_a_page() {
    let desk = desk().await;
    for _ in 0..5 {
        desk.post().await;
    }
    let mut stream = desk.open_at(Presented::Cursor("000000-0".parse().unwrap()));
    assert_eq!(next(&mut stream).await.event, "ready");
    let told = [next(&mut stream).await, next(&mut stream).await];
    assert_eq!(told.each_ref().map(rev), [1, 2]);
    assert!(desk.budget.taken() > 0, "the other frames wait");
    stream.place.mailbox.close(CloseReason::TokenExpired);
    let (reason, id) = expect_close(&mut stream).await;
    assert_eq!((reason.as_str(), id.as_deref()), ("token_expired", told[1].id.as_deref()));
    assert_eq!(desk.budget.taken(), 0);

    let mut again = desk.open_at(Presented::Cursor(id.unwrap().parse().unwrap()));
    assert_eq!(next(&mut again).await.event, "ready");
    for rest in 3..=5 {
        assert_eq!(rev(&next(&mut again).await), rest);
    }
}

/// A drain sends nobody back at once, nor all at one time; the first event has its own draw too.
#[tokio::test(start_paused = true)]
async fn each_stream_has_its_own_time_to_come_back() {
    let desk = desk().await;
    let mut streams: Vec<_> = (0..20).map(|_| desk.open()).collect();
    let (mut at_ready, mut at_drain) = (BTreeSet::new(), BTreeSet::new());
    for stream in &mut streams {
        at_ready.insert(next(stream).await.retry.unwrap());
    }
    desk.drain().await;
    for stream in &mut streams {
        at_drain.insert(next(stream).await.retry.unwrap());
    }
    let within = |retries: &BTreeSet<u64>, most| *retries.first().unwrap() >= 2_000 && *retries.last().unwrap() <= most;
    assert!(at_ready.len() > 1 && within(&at_ready, 5_000), "{at_ready:?}");
    // Twenty draws of 13 s, of which all but never are within 3 s.
    assert!(*at_drain.last().unwrap() > 5_000 && within(&at_drain, 15_000), "{at_drain:?}");
    let refused: BTreeSet<u64> = (0..20).map(|_| desk.hub.retry_ms(CloseReason::Draining)).collect();
    assert!(*refused.last().unwrap() > 5_000 && within(&refused, 15_000), "{refused:?}");
    let busy: BTreeSet<u64> = (0..20).map(|_| desk.hub.retry_ms(CloseReason::Busy)).collect();
    assert!(busy.len() > 1 && within(&busy, 5_000), "{busy:?}");
}

/// A key that is there still ends nothing, whoever else's is gone.
#[tokio::test(start_paused = true)]
async fn a_key_that_goes_ends_the_streams_of_its_tokens() {
    let desk = desk().await;
    let mut stream = desk.open();
    assert_eq!(next(&mut stream).await.event, "ready");
    desk.hub.end_without_key(|key| key == KeyId::default());
    // The streams are looked at one shard after the other.
    for _ in 0..=desk.hub.0.registry.shards() {
        tokio::task::yield_now().await;
    }
    desk.post().await;
    assert_eq!(rev(&next(&mut stream).await), 1, "it goes on");
    desk.hub.end_without_key(|key| key != KeyId::default());
    assert_eq!(expect_close(&mut stream).await.0, "token_expired");
}

/// Only those whose tokens are refused from now on; a fresh one may be there already.
#[tokio::test(start_paused = true)]
async fn a_disconnect_ends_the_streams_of_tokens_that_are_refused() {
    let desk = desk().await;
    let ada: UserId = "ada".parse().unwrap();
    let signed = |issued_at| Request { issued_at, ..request("ada") };
    let [mut before, mut at, mut after, mut unsaid] = [Some(NOON - 1), Some(NOON), Some(NOON + 1), None]
        .map(|issued_at| desk.hub.subscribe(signed(issued_at)).unwrap());
    let mut ben = desk.hub.subscribe(request("ben")).unwrap();
    assert_eq!(desk.store.refuse_before(ada.clone(), NOON - 2).await.unwrap(), 1);
    assert_eq!(desk.hub.presence(&ada).len(), 3);
    assert_eq!(desk.store.refuse_before(ada.clone(), NOON).await.unwrap(), 2, "the one is ended already");
    for ended in [&mut before, &mut at, &mut unsaid] {
        assert_eq!(expect_close(ended).await.0, "disconnected");
    }
    assert_eq!([next(&mut after).await.event, next(&mut ben).await.event], ["ready", "ready"]);
    assert_eq!(desk.hub.presence(&ada).len(), 1);
}

/// Whoever asked for it may hang up, or wait no longer, while it is written.
#[tokio::test(start_paused = true)]
async fn a_disconnect_that_nobody_waits_for_ends_the_streams_all_the_same() {
    let desk = desk().await;
    let mut stream = desk.open();
    assert_eq!(next(&mut stream).await.event, "ready");
    let mut asked = Box::pin(desk.store.refuse_before("ada".parse().unwrap(), NOON));
    assert!(futures_util::poll!(asked.as_mut()).is_pending());
    drop(asked);
    assert_eq!(expect_close(&mut stream).await.0, "disconnected");
}

/// A token that was good when it was looked at, and is refused before its stream is there.
#[tokio::test(start_paused = true)]
async fn a_disconnect_between_the_look_at_a_token_and_its_stream_is_not_lost() {
    let desk = desk().await;
    desk.store.refuse_before("ada".parse().unwrap(), NOON).await.unwrap();
    let refused = |issued_at| desk.hub.subscribe(Request { issued_at, ..request("ada") }).err();
    assert_eq!([refused(Some(NOON)), refused(None)], [Some(Refused::Disconnected); 2]);
    assert_eq!((refused(Some(NOON + 1)), desk.hub.streams()), (None, 0));
    assert!(desk.hub.subscribe(request("ben")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_erased_user_is_told_and_finds_another_inbox() {
    let desk = desk().await;
    let (mut stream, mut ben) = (desk.open(), desk.hub.subscribe(request("ben")).unwrap());
    next(&mut stream).await;
    desk.post().await;
    let told = next(&mut stream).await;
    assert!(desk.store.erase("ada".parse().unwrap()).await.unwrap());
    let (reason, id) = expect_close(&mut stream).await;
    assert_eq!((reason.as_str(), &id), ("erased", &told.id));
    assert_eq!(next(&mut ben).await.event, "ready");

    let mut again = desk.open_at(Presented::Cursor(id.unwrap().parse().unwrap()));
    assert_eq!(next(&mut again).await.event, "ready");
    let resync = next(&mut again).await;
    assert_eq!((resync.event.as_str(), rev(&resync)), ("resync", 0));
    desk.post().await;
    let message = next(&mut again).await;
    assert_eq!(rev(&message), 1);
    assert_ne!(message.id, told.id);
}
