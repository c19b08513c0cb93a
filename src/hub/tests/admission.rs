//! Who is let in, and that whatever is counted is given back.

use std::net::IpAddr;

use super::*;
use crate::hub::Refused;

fn from(user: &str, address: &str) -> Request {
    let from = Some(address.parse::<IpAddr>().unwrap());
    Request { from, counts_for_address: true, ..request(user) }
}

impl Desk {
    fn refuses(&self, request: Request) -> Option<Refused> {
        self.hub.subscribe(request).err()
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_has_its_cap_and_no_other_is_touched() {
    let desk = desk_with(Config { streams_per_user: 2, ..hub_config() }, Budget::new(1024 * 1024)).await;
    let mut open = vec![desk.hub.subscribe(request("ada")).unwrap(), desk.hub.subscribe(request("ada")).unwrap()];
    assert_eq!(desk.refuses(request("ada")), Some(Refused::TooManyOfUser { most: 2 }));
    open.push(desk.hub.subscribe(request("ben")).unwrap());
    assert_eq!(desk.hub.streams(), 3, "who is refused is not counted");
    // Those that were open are none the worse for it.
    assert_eq!(next(&mut open[0]).await.event, "ready");
    open.remove(0);
    open.push(desk.hub.subscribe(request("ada")).unwrap());
    drop(open);
    assert_eq!(desk.hub.streams(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_address_has_its_cap_whoever_its_users_are() {
    let desk = desk_with(Config { streams_per_address: 2, ..hub_config() }, Budget::new(1024 * 1024)).await;
    let refused = Some(Refused::TooManyOfAddress { most: 2 });
    let one = desk.hub.subscribe(from("ada", "192.0.2.1")).unwrap();
    let other = desk.hub.subscribe(from("ben", "::ffff:192.0.2.1")).unwrap();
    assert_eq!(desk.refuses(from("cyd", "192.0.2.1")), refused);
    let elsewhere = desk.hub.subscribe(from("cyd", "192.0.2.2")).unwrap();
    // A trusted proxy itself counts for nothing, and a Unix socket has no address.
    let uncounted = desk.hub.subscribe(Request { counts_for_address: false, ..from("cyd", "192.0.2.1") }).unwrap();
    let nowhere = desk.hub.subscribe(Request { from: None, ..from("cyd", "192.0.2.1") }).unwrap();
    drop(one);
    let again = desk.hub.subscribe(from("cyd", "192.0.2.1")).unwrap();

    let six = ["2001:db8::1", "2001:db8::2"].map(|address| desk.hub.subscribe(from("dan", address)).unwrap());
    assert_eq!(desk.refuses(from("dan", "2001:db8::ffff:3")), refused, "a /64 counts as one");
    let beside = desk.hub.subscribe(from("dan", "2001:db8:0:1::1")).unwrap();
    drop((other, elsewhere, uncounted, nowhere, again, six, beside));
    assert_eq!((desk.hub.streams(), desk.hub.0.admission.addresses()), (0, 0), "and nothing is left of any");
}

#[tokio::test(start_paused = true)]
async fn all_together_have_their_cap() {
    let desk = desk_with(Config { streams: 2, ..hub_config() }, Budget::new(1024 * 1024)).await;
    let open = ["ada", "ben"].map(|user| desk.hub.subscribe(from(user, "192.0.2.1")).unwrap());
    assert_eq!(desk.refuses(from("cyd", "192.0.2.2")), Some(Refused::TooMany { most: 2 }));
    drop(open);
    desk.hub.subscribe(request("cyd")).unwrap();
}

/// Whoever is refused for one reason is given back what was counted before it.
#[tokio::test(start_paused = true)]
async fn a_refusal_gives_back_what_it_counted() {
    let config = Config { streams_per_user: 1, connects_per_s: 2, ..hub_config() };
    let desk = desk_with(config, Budget::new(1024 * 1024)).await;
    let open = desk.hub.subscribe(from("ada", "192.0.2.1")).unwrap();
    assert_eq!(desk.refuses(from("ada", "192.0.2.9")), Some(Refused::TooManyOfUser { most: 1 }));
    let other = desk.hub.subscribe(from("ben", "192.0.2.1")).unwrap();
    assert_eq!(desk.refuses(from("cyd", "192.0.2.8")), Some(Refused::TooFast { per_s: 2 }));
    assert_eq!((desk.hub.streams(), desk.hub.0.admission.addresses()), (2, 1));
    assert!(desk.hub.presence(&"cyd".parse().unwrap()).is_empty());
    drop((open, other));
    assert_eq!((desk.hub.streams(), desk.hub.0.admission.addresses()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_second_has_its_number_of_streams_and_the_next_one_its_own() {
    let desk = desk_with(Config { connects_per_s: 4, ..hub_config() }, Budget::new(1024 * 1024)).await;
    let let_in = |tries: usize| (0..tries).filter(|_| desk.hub.subscribe(request("ada")).is_ok()).count();
    assert_eq!(let_in(6), 4);
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(let_in(6), 2);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(let_in(6), 4, "a quiet minute is worth no more than a second");
}

/// Two that come at once for the last place: one has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_place_is_given_once() {
    const MOST: usize = 20;
    let budget = Budget::new(1024 * 1024);
    let caps = [
        Config { streams_per_user: MOST, ..hub_config() },
        Config { streams_per_address: MOST, ..hub_config() },
        Config { streams: MOST, ..hub_config() },
    ];
    for config in caps {
        let desk = std::sync::Arc::new(moving_desk(config, budget.clone()).await);
        let racing: Vec<_> = (0..4)
            .map(|_| {
                let desk = desk.clone();
                tokio::task::spawn_blocking(move || {
                    let tries = (0..500).map(|_| desk.hub.subscribe(from("ada", "192.0.2.1")));
                    let mut open: Vec<_> = tries.flatten().collect();
                    let most = open.len();
                    // Half of them go, and come again.
                    open.truncate(most / 2);
                    open.extend((0..500).flat_map(|_| desk.hub.subscribe(from("ada", "192.0.2.1"))));
                    open
                })
            })
            .collect();
        let open = futures_util::future::join_all(racing).await;
        let open: Vec<_> = open.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!((open.len(), desk.hub.streams()), (MOST, MOST));
        drop(open);
        assert_eq!((desk.hub.streams(), desk.hub.0.admission.addresses()), (0, 0));
    }
}

/// While pages fill what they may have, nobody is let in who would only wait for one.
#[tokio::test(start_paused = true)]
async fn without_room_for_a_page_none_is_let_in() {
    let desk = desk().await;
    let mut full = desk.budget.share(Use::Body);
    assert!(full.grow(1024 * 1024 / 4 * 3 - PAGE_BYTES + 1));
    assert_eq!(desk.refuses(request("ada")), Some(Refused::NoRoom));
    full.shrink(1);
    assert_eq!(desk.refuses(request("ada")), None);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_with_the_drain_is_refused() {
    let desk = desk().await;
    desk.drain().await;
    assert_eq!(desk.refuses(from("ada", "192.0.2.1")), Some(Refused::Draining));
    assert_eq!((desk.hub.streams(), desk.hub.0.admission.addresses()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_operator_sees_who_is_there_since_when_and_from_where() {
    let desk = desk().await;
    let mut first = desk.hub.subscribe(from("ada", "192.0.2.1")).unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    let second = desk.hub.subscribe(request("ada")).unwrap();
    let present = desk.hub.presence(&"ada".parse().unwrap());
    let seen: Vec<_> = present.iter().map(|presence| (presence.since, presence.from)).collect();
    assert_eq!(seen, [(NOON, Some("192.0.2.1".parse().unwrap())), (NOON + 3_000, None)]);
    let ready = next(&mut first).await;
    assert!(ready.data.unwrap().contains(&format!("\"stream\":\"{}\"", present[0].stream)));
    assert_ne!(present[0].stream, present[1].stream);
    assert!(desk.hub.presence(&"ben".parse().unwrap()).is_empty());
    second.place.mailbox.close(CloseReason::Disconnected);
    drop(first);
    assert!(desk.hub.presence(&"ada".parse().unwrap()).is_empty());
}
