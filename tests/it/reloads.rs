//! What a running server takes anew when it is told to: its keys and its log's level, all or nothing.

use std::fs;

use lumen_inbox::clock::Clock;
use lumen_inbox::shutdown::Shutdown;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::child::{Child, Launch};
use crate::support::http::Answer;
use crate::support::opening::Opening;
use crate::support::patience;
use crate::support::reader::Reader;
use crate::support::signer::{Signer, put};

/// The lines of a log that is written as JSON, with their levels.
fn levels(server: &Child) -> Vec<String> {
    let text = server.stderr();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.map(|line| line.parse::<Value>().unwrap()["level"].as_str().unwrap().to_owned()).collect()
}

async fn until_logged(server: &Child, level: &str, count: usize) {
    let logged = async {
        while levels(server).iter().filter(|logged| *logged == level).count() < count {
            tokio::task::yield_now().await;
        }
    };
    assert!(patience::within(logged).await.is_some(), "no line at {level}:\n{}", server.stderr());
}

#[tokio::test]
async fn a_hangup_turns_the_logs_level_and_a_bad_file_turns_nothing() {
    let with = |level: &str| format!("[log]\nformat = \"json\"\nlevel = \"{level}\"\n");
    let launch = Launch::new().config(&with("error"));
    let file = launch.dir().join("lumen.toml");
    let mut server = launch.start().await;
    server.api().publish("ada", "unlogged").await;
    assert_eq!(levels(&server), [""; 0]);

    fs::write(&file, with("loud")).unwrap();
    server.signal("HUP");
    until_logged(&server, "ERROR", 1).await;
    server.api().publish("ada", "unlogged").await;
    fs::write(&file, with("debug")).unwrap();
    server.signal("HUP");
    // Reloaded, and a request.
    until_logged(&server, "INFO", 1).await;
    server.api().publish("ada", "logged").await;
    until_logged(&server, "DEBUG", 1).await;
    assert_eq!(levels(&server).iter().filter(|level| *level == "ERROR").count(), 1);

    fs::write(&file, with("debug") + "[limits]\nstreams_per_user = 1\n").unwrap();
    server.signal("HUP");
    until_logged(&server, "WARN", 1).await;
    let mut both = [server.opening("ada").open().await, server.opening("ada").open().await];
    both[0].expect_ready().await;
    both[1].expect_ready().await;
    server.terminate();
    assert_eq!(server.wait().await.status.code(), Some(0));
}

/// What an operator should know of the keys is told once each time.
#[tokio::test]
async fn a_hangup_warns_once_of_each_odd_key() {
    let launch = Launch::new().config("[log]\nformat = \"json\"\n[auth]\nkeys = [\"set\"]\n");
    let odd = json!({"kty": "oct", "use": "enc", "k": "AAAA"});
    let own_key = launch.dir().join("key");
    put(&launch.dir().join("set"), json!({"keys": [Signer::eddsa().jwk(), odd]}).to_string().as_bytes());
    let server = launch.start().await;
    until_logged(&server, "INFO", 2).await;
    let count = |level: &str| levels(&server).iter().filter(|logged| *logged == level).count();
    for (gone, warnings) in [(false, 1), (true, 2)] {
        if gone {
            fs::remove_file(&own_key).unwrap();
        }
        let (reloaded, warned) = (count("INFO") + 1, count("WARN"));
        server.signal("HUP");
        until_logged(&server, "INFO", reloaded).await;
        assert_eq!(count("WARN") - warned, warnings, "{}", server.stderr());
    }
}

/// A backend whose tokens are good for an hour.
struct Backend {
    signer: Signer,
    token: String,
}

impl Backend {
    fn named(kid: &str) -> Self {
        let signer = Signer::eddsa().named(kid);
        let exp = Clock::System.now() / 1000 + 3600;
        let token = signer.sign(&json!({"sub": kid, "scope": "notifications:write", "exp": exp}));
        Self { signer, token }
    }

    /// How a post of it is answered.
    async fn status(&self, server: &Child) -> u16 {
        server.api().with(&*self.token).post(&json!({"user": "ada", "type": "like", "content": "hi"})).await.0
    }

    /// A stream of a user for whom it signs.
    async fn reader(&self, server: &Child, user: &str) -> Reader {
        let exp = Clock::System.now() / 1000 + 3600;
        let mut reader = Opening::new(server.addr(), self.signer.sign(&json!({"sub": user, "exp": exp}))).open().await;
        reader.expect_ready().await;
        reader
    }

    /// Posts until it is told to stop; what answers other than a success there were.
    fn keep_posting(&self, server: &Child) -> Load {
        let (api, stop) = (server.api().with(&*self.token), Shutdown::default());
        let stopped = stop.clone();
        let refused = tokio::spawn(async move {
            let mut refused = Vec::new();
            while !stopped.has_begun() {
                let (status, body) = api.post(&json!({"user": "bob", "type": "like", "content": "load"})).await;
                refused.extend((status != 201).then_some((status, body)));
            }
            refused
        });
        Load { stop, refused }
    }
}

struct Load {
    stop: Shutdown,
    refused: JoinHandle<Vec<Answer>>,
}

impl Load {
    async fn assert_all_went_well(self) {
        self.stop.begin();
        assert_eq!(patience::within(self.refused).await.unwrap().unwrap(), []);
    }
}

/// Faults row 16: keys change under load, and nobody who is let in before and after is ever refused between, or loses a
/// stream. With a key end the streams of its tokens.
#[tokio::test]
async fn keys_change_under_load_and_nobody_is_refused() {
    let (old, new) = (Backend::named("old"), Backend::named("new"));
    let launch = Launch::new();
    let file = launch.dir().join("lumen.toml");
    let with = |keys: &[&Backend]| {
        let keys = keys.iter().map(|backend| {
            let key = backend.signer.write(file.parent().unwrap(), backend.signer.header["kid"].as_str().unwrap());
            format!("{{ file = {:?}, kid = {:?} }}", key.path.file_name().unwrap(), key.kid.unwrap())
        });
        format!("[log]\nformat = \"json\"\n[auth]\nkeys = [{}]\n", keys.collect::<Vec<_>>().join(", "))
    };
    let server = launch.config(&with(&[&old])).start().await;
    assert_eq!((old.status(&server).await, new.status(&server).await), (201, 401));
    let load = [old.keep_posting(&server), old.keep_posting(&server)];
    let mut leaving = [old.reader(&server, "ann").await, old.reader(&server, "cid").await];

    fs::write(&file, with(&[&old, &new])).unwrap();
    server.signal("HUP");
    let comes = async { while new.status(&server).await != 201 {} };
    patience::within(comes).await.expect("the new key");
    let more = new.keep_posting(&server);
    let mut staying = [new.reader(&server, "ann").await, server.opening("ann").open().await];
    staying[1].expect_ready().await;
    // A key that is none, a key file that is none, a file that is none: each time all keys stay.
    for (round, (bad, of)) in
        [("none", "new"), ("[auth]\nkeys = [\"none\"]\n", "lumen.toml"), ("[", "lumen.toml")].into_iter().enumerate()
    {
        fs::write(file.with_file_name(of), bad).unwrap();
        server.signal("HUP");
        until_logged(&server, "ERROR", round + 1).await;
        assert_eq!((old.status(&server).await, new.status(&server).await), (201, 201), "{bad}");
    }
    for load in load.into_iter().chain([more]) {
        load.assert_all_went_well().await;
    }
    server.api().publish("ann", "all are there").await;
    for reader in staying.iter_mut().chain(&mut leaving[..1]) {
        assert_eq!(reader.expect_message().await.data.content, "all are there");
    }
    fs::write(&file, with(&[&new])).unwrap();
    server.signal("HUP");
    for reader in &mut leaving {
        let close = reader.expect_close().await;
        assert_eq!((close.reason.as_str(), close.reconnect), ("token_expired", true));
    }
    let goes = async { while old.status(&server).await != 401 {} };
    patience::within(goes).await.expect("the old key's end");
    server.api().publish("ann", "these go on").await;
    for reader in &mut staying {
        assert_eq!(reader.expect_message().await.data.content, "these go on");
    }
    assert_eq!(new.status(&server).await, 201);
}
