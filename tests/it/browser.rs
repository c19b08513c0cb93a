//! The seed's page in a real browser, at the daemon's own origin: what it shows while it is open, and what after the
//! server was away.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use lumen_inbox::clock::Clock;
use lumen_inbox::domain::limits::{CONTENT_BYTES, HEARTBEAT, REPLAY_ENTRIES};
use lumen_inbox::wire::api::Published;
use serde_json::{Value, json};

use crate::support::browser::{Browser, Heard};
use crate::support::child::{Child, Launch};
use crate::support::http::{Api, ok};
use crate::support::patience;
use crate::support::server::Server;
use crate::support::shelf::NOON;
use crate::support::tokens::Tokens;

/// Between two posts, for a page that comes back meanwhile: more than a page of what it missed in the two seconds that
/// it takes at the least.
const PACE: Duration = Duration::from_millis(10);

/// A daemon whom a page follows, and who can go away and come back.
struct Site {
    server: Child,
    /// Where the page finds it.
    home: SocketAddr,
    tokens: Tokens,
    producer: Api,
}

/// How a server goes away.
#[derive(Clone, Copy, PartialEq)]
enum Going {
    Killed,
    Drained,
}

impl Site {
    /// On an address of the loopback net that no other test listens on: there its port stays free while it is away.
    async fn at(last: u8) -> Self {
        let home = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
        let server = Launch::new().listen(home).start().await;
        let tokens = Tokens::of(server.dir(), Clock::System);
        let producer = Api::new(server.url(), tokens.producer());
        Self { home: server.addr(), server, tokens, producer }
    }

    /// A browser at this site, with ada's page and more in the query of its stream.
    async fn page(&self, more: &str) -> Browser {
        let browser = Browser::start().await;
        browser.open(&self.server.url(), &self.tokens.user("ada"), more).await;
        browser
    }

    /// Another device of hers.
    fn device(&self) -> Api {
        self.producer.with(self.tokens.user("ada"))
    }

    async fn post(&self, content: &str) -> Published {
        post(&self.producer, content).await
    }

    async fn go(&mut self, how: Going) {
        if how == Going::Killed {
            self.server.kill9().await;
            return;
        }
        self.server.terminate();
        let ended = self.server.wait().await;
        assert!(ended.status.success(), "{ended:?}");
    }

    /// Starts it again where no page looks for it.
    async fn come_up_elsewhere(&mut self) {
        self.server.restart().await;
        self.producer = self.producer.at(self.server.url());
    }

    async fn come_home(&mut self) {
        self.server = self.server.launch().listen(self.home).start().await;
        self.producer = self.producer.at(self.server.url());
    }
}

/// Alice likes something of ada's, and says so.
async fn post(producer: &Api, content: &str) -> Published {
    let draft = json!({"user": "ada", "type": "like", "content": content, "sender": {"username": "alice"}});
    ok(producer.post(&draft).await)
}

fn toasts_of(contents: &[impl AsRef<str>]) -> Vec<String> {
    contents.iter().map(|content| format!("alice {}", content.as_ref())).collect()
}

/// Of the messages that the page heard: the rev of the cursor and whether it was missed.
async fn told(page: &Browser) -> Vec<(u64, bool)> {
    let messages = page.heard("message", 0).await;
    messages.iter().map(|Heard { id, data, .. }| (rev_of(id), data["replayed"] == true)).collect()
}

fn rev_of(cursor: &str) -> u64 {
    cursor.split_once('-').and_then(|(_, rev)| rev.parse().ok()).unwrap_or_else(|| panic!("no cursor: {cursor:?}"))
}

#[tokio::test]
async fn a_notification_is_shown_with_the_unread_count_and_as_it_was_written() {
    let site = Site::at(201).await;
    let page = site.page("").await;
    page.heard("ready", 1).await;
    let contents = [
        "点赞了你的作品",
        "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script> &amp; </li>",
        "line\nfeed\r\nboth\rreturn\n\ndata: no\nid: zzzzzz-9\n\nevent: close\n\n",
        "separators \u{2028}\u{2029}\u{85} \u{feff}mark, \u{200b}nothing, \u{202e}turned, e\u{301}, \u{1b}[31m, tab\t, \u{7f}",
        "emoji 👩‍👩‍👧‍👦🏳️‍🌈 \u{10ffff} \u{fffd} \u{ffff}",
        "quotes \" ' ` \\ \\u0041 ${1} {{1}} %41 +",
        &"好".repeat(CONTENT_BYTES / "好".len()),
    ];
    for (n, content) in contents.iter().enumerate() {
        let published = site.post(content).await;
        assert_eq!(published.streams, 1, "the page is there");
        assert_eq!(page.toasts(n + 1).await, toasts_of(&contents[..=n]));
        assert_eq!(page.badge().await, published.unread_count.to_string());
    }
    let strange: bool =
        page.eval("return document.title !== '' || document.querySelector('#toasts li *') !== null").await;
    assert!(!strange, "markup is shown, not obeyed");
    let told: Vec<(u64, bool)> = told(&page).await;
    assert_eq!(told, (1..=contents.len() as u64).map(|rev| (rev, false)).collect::<Vec<_>>());
}

#[tokio::test]
async fn after_a_kill_the_page_shows_what_came_meanwhile() {
    shows_what_came_meanwhile(Site::at(202).await, Going::Killed).await;
}

#[tokio::test]
async fn after_an_end_in_good_order_the_page_shows_what_came_meanwhile() {
    shows_what_came_meanwhile(Site::at(203).await, Going::Drained).await;
}

async fn shows_what_came_meanwhile(mut site: Site, going: Going) {
    let page = site.page("").await;
    page.heard("ready", 1).await;
    let first = site.post("一").await;
    page.toasts(1).await;
    site.go(going).await;
    if going == Going::Drained {
        let close = page.heard("close", 1).await.remove(0);
        assert_eq!((&close.data["reason"], &close.data["reconnect"]), (&json!("draining"), &json!(true)));
        assert_eq!(rev_of(&close.id), 1);
    }
    // Nobody can say when the browser comes back, so what it is to miss is posted where it does not look.
    site.come_up_elsewhere().await;
    for content in ["二", "三", "四"] {
        site.post(content).await;
    }
    assert_eq!(site.device().read(first.id).await.0, 200);
    site.go(going).await;
    site.come_home().await;

    assert_eq!(page.toasts(4).await, toasts_of(&["一", "二", "三", "四"]));
    assert_eq!(page.badge().await, "3");
    let back = page.heard("ready", 2).await.remove(1);
    assert_eq!((&back.data["resumed"], &back.data["missed"]), (&json!(true), &json!(4)));
    assert_eq!(rev_of(&back.id), 1);
    page.heard("inbox", 1).await;
    site.post("五").await;
    assert_eq!(page.toasts(5).await, toasts_of(&["一", "二", "三", "四", "五"]));
    assert_eq!(page.badge().await, "4");
    assert_eq!(told(&page).await, [(1, false), (2, true), (3, true), (4, true), (6, false)]);
}

/// The parameter stays in the page's URL for good, and the browser's own header must win over it.
#[tokio::test]
async fn a_page_that_begins_at_the_start_gets_each_once_although_it_comes_back_while_more_come() {
    let mut site = Site::at(204).await;
    let mut contents: Vec<String> = ["一", "二", "三"].map(str::to_owned).into();
    for content in &contents {
        site.post(content).await;
    }
    let page = site.page("&last_event_id=000000-0").await;
    assert_eq!(page.toasts(3).await, toasts_of(&contents));
    assert_eq!((page.badge().await.as_str(), told(&page).await), ("3", vec![(1, true), (2, true), (3, true)]));
    site.go(Going::Killed).await;
    site.come_home().await;
    let mut back = pin!(page.heard("ready", 2));
    loop {
        tokio::select! {
            _ = &mut back => break,
            () = patience::pause(PACE) => {}
        }
        let content = contents.len().to_string();
        site.post(&content).await;
        contents.push(content);
    }
    assert!(contents.len() < REPLAY_ENTRIES, "not too many to be replayed");
    assert_eq!(page.toasts(contents.len()).await, toasts_of(&contents));
    assert_eq!(page.badge().await, contents.len().to_string());
    contents.push("末".to_owned());
    site.post("末").await;
    assert_eq!(page.toasts(contents.len()).await, toasts_of(&contents));
    let told = told(&page).await;
    assert!(told[3].1 && !told[contents.len() - 1].1, "the first was missed, the last was not: {told:?}");
    assert_eq!(told.iter().map(|(rev, _)| *rev).collect::<Vec<_>>(), (1..=contents.len() as u64).collect::<Vec<_>>());
}

/// The time is the test's, for the sake of the heartbeat.
#[tokio::test(start_paused = true)]
async fn other_events_reach_who_listens_for_them_and_raise_no_toast() {
    let _still = patience::stand_still();
    let server = Server::start_by(Clock::tokio(NOON)).await;
    let first = post(server.api(), "before").await;
    let page = Browser::start().await;
    let url = format!("http://{}", server.addr());
    page.open(&url, &server.tokens.user("ada"), "&last_event_id=zzzzzz-1").await;
    page.heard("resync", 1).await;
    assert_eq!(server.user("ada").read(first.id).await.0, 200);
    page.heard("inbox", 1).await;
    for _ in 0..=HEARTBEAT.as_secs() {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    page.heard("ping", 1).await;
    post(server.api(), "点赞了你的作品").await;
    assert_eq!(page.toasts(1).await, ["alice 点赞了你的作品"]);
    assert_eq!(page.badge().await, "1");

    let heard = page.heard_all().await;
    let names: Vec<&str> = heard.iter().map(|heard| heard.name.as_str()).collect();
    assert_eq!(names, ["open", "ready", "resync", "inbox", "ping", "message"]);
    let [_, ready, resync, inbox, ping, message] = &heard[..] else { unreachable!("six, as above") };
    assert_eq!((ready.id.as_str(), &ready.data["user"], &ready.data["missed"]), ("", &json!("ada"), &Value::Null));
    assert_eq!((&resync.data["reason"], &resync.data["unread_count"]), (&json!("epoch"), &json!(1)));
    assert_eq!((&inbox.data["change"], &inbox.data["ids"]), (&json!("read"), &json!([first.id])));
    assert_eq!([resync, inbox, ping, message].map(|heard| rev_of(&heard.id)), [1, 2, 2, 3]);
    server.stop().await;
}
