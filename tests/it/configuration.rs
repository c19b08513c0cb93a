//! What can be set: in layers, checked as a whole, and shown as it holds. How a running server follows is `reloads`'s.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::child::{Child, Launch};
use crate::support::command::{Typed, lumen};
use crate::support::http::Api;
use crate::support::opening::Opening;
use crate::support::relay::Relay;

/// The file that is shipped, which is the defaults.
const SHIPPED: &str = include_str!("../../lumen.toml");
const SECRET: &str = "hunter2-hunter2-hunter2-hunter2-";

/// A working directory, with a file in it as a server finds it by itself.
struct Place(TempDir);

impl Place {
    fn with(text: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.0.path().join("lumen.toml"), text).unwrap();
        place
    }

    fn serve(&self, words: &str) -> Typed {
        lumen(&format!("serve {words}")).in_dir(self.0.path()).word("--data-dir").word(self.0.path().join("data"))
    }

    /// What holds, as `--print-config --json` shows it.
    async fn holds(&self, words: &str, variables: &[(&str, &str)]) -> Value {
        let typed = variables.iter().fold(self.serve(words), |typed, (name, value)| typed.env(name, value));
        let done = typed.word("--print-config").word("--json").run().await;
        assert_eq!((done.code, done.lines.len()), (Some(0), 1), "{done:?}");
        assert!(!self.0.path().join("data").exists(), "nothing is started");
        done.lines[0].parse().unwrap()
    }

    /// What holds, as a file.
    async fn printed(&self, words: &str) -> String {
        let done = self.serve(words).word("--print-config").run().await;
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
        done.lines.join("\n") + "\n"
    }
}

#[tokio::test]
async fn each_layer_goes_over_the_one_below() {
    let place = Place::with("[http]\nlisten = [\"127.0.0.1:1\"]\n[log]\nlevel = \"warn\"\n");
    fs::write(place.0.path().join("other.toml"), "[stream]\nheartbeat = \"9s\"\n").unwrap();
    let told = |holds: &Value| {
        let at = |pointer: &str| holds.pointer(pointer).unwrap().clone();
        (at("/http/listen"), at("/log/level"), at("/stream/heartbeat"))
    };
    let variables = [("LUMEN_HTTP_LISTEN", "127.0.0.1:2,[::1]:2"), ("LUMEN_LOG_LEVEL", "debug")];
    for (words, variables, expected) in [
        ("", &[][..], (json!(["127.0.0.1:1"]), json!("warn"), json!("15s"))),
        ("", &variables, (json!(["127.0.0.1:2", "[::1]:2"]), json!("debug"), json!("15s"))),
        ("-q --listen [::]:3", &variables, (json!(["[::]:3"]), json!("error"), json!("15s"))),
        ("--config other.toml", &[], (json!(["127.0.0.1:8080"]), json!("info"), json!("9s"))),
    ] {
        assert_eq!(told(&place.holds(words, variables).await), expected, "{words} {variables:?}");
    }
}

#[tokio::test]
async fn what_is_printed_says_the_same_again_and_where_it_came_from() {
    let place = Place::with("[limits]\nstreams_per_user = 7\nconnects_per_s = 10000\n");
    let first = place.printed("--listen unix:/run/x --listen localhost:1").await;
    for line in [
        "listen = [\"unix:/run/x\", \"127.0.0.1:1\"]  # --listen\n",
        "streams_per_user = 7  # lumen.toml:2\n",
        "connects_per_s = 10000\n",
    ] {
        assert!(first.contains(line), "{line} in {first}");
    }
    fs::write(place.0.path().join("again.toml"), &first).unwrap();
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  #").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(values(&place.printed("--config again.toml").await), values(&first));
    // The shipped file changes nothing, which a server in a checkout of lumen finds by itself.
    let (shipped, none) = (Place::with(SHIPPED), Place::with(""));
    assert_eq!(shipped.printed("").await, none.printed("").await);
    let keys = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(|line| line.split(" = ").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(keys(&none.printed("").await), keys(SHIPPED), "the shipped file has every key, in its order");
}

/// Faults row 35.
#[tokio::test]
async fn every_fault_is_told_at_once_and_nothing_secret_is_shown() {
    let place = Place::with(&format!(
        "[http]\nlisten = [\"127.0.0.1:99999\"]\nhead_timout = \"1s\"\n[auth]\nkeys = [\"{SECRET}\"]\n\
         secret = \"{SECRET}\"\n[limits]\nstreams_per_user = 0\n"
    ));
    let typed = || place.serve("").env("LUMEN_STREAM_HEARTBEAT", "soon").env("LUMEN_JWT_SECRET", SECRET);
    for done in [typed().run().await, typed().word("--print-config").run().await] {
        assert_eq!((done.code, done.lines.len()), (Some(2), 0), "{done:?}");
        let lines: Vec<_> = done.stderr.lines().collect();
        for told in [
            "error: http.listen = [\"127.0.0.1:99999\"] (lumen.toml:2): an address of this host and a port, such as ",
            "error: http.head_timout (lumen.toml:3): no such key; did you mean http.head_timeout?",
            "error: auth.keys (lumen.toml:5): its file is not there: ",
            "error: auth.secret (lumen.toml:6): no such key: take it out",
            "error: limits.streams_per_user = 0 (lumen.toml:8): 1 to ",
            "error: stream.heartbeat = \"soon\" (LUMEN_STREAM_HEARTBEAT): a time is a whole number and a unit",
            "error: LUMEN_JWT_SECRET: no such variable: unset it",
        ] {
            assert_eq!(lines.iter().filter(|line| line.starts_with(told)).count(), 1, "{told}: {}", done.stderr);
        }
        assert_eq!(lines.len(), 7, "{}", done.stderr);
        assert!(!done.stderr.contains("hunter2"), "{}", done.stderr);
    }
    let broken = Place::with(&format!("[auth]\nsecret = {SECRET}\n")).serve("").run().await;
    assert_eq!((broken.code, broken.stderr.contains("hunter2")), (Some(2), false), "{broken:?}");
    assert!(broken.stderr.starts_with("error: lumen.toml:2: this is no TOML: "), "{broken:?}");
    let missing = place.serve("--config nowhere.toml").run().await;
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.starts_with("error: nowhere.toml: the configuration file cannot be read: "), "{missing:?}");
}

/// A stream is opened and a notification comes on it, by this address.
async fn serves(server: &Child, addr: std::net::SocketAddr) {
    let mut reader = Opening::new(addr, server.tokens().user("ada")).open().await;
    reader.expect_ready().await;
    let posted = server.api().at(format!("http://{addr}")).publish("ada", "hi").await;
    assert_eq!(reader.expect_message().await.data.id, posted.id);
    reader.hang_up();
}

#[tokio::test]
async fn it_listens_on_both_families_and_on_a_socket_at_once() {
    let launch = Launch::new();
    let socket = launch.dir().join("lumen.sock");
    let unix = format!("unix:{}", socket.display());
    let launch = launch.arg("--listen").arg("[::1]:0").arg("--listen").arg(&unix);
    let mut server = launch.start().await;
    let [v4, v6, last] = server.addresses() else { panic!("{:?}", server.addresses()) };
    assert_eq!((v4, last), (&server.url(), &unix));
    let v6 = v6.strip_prefix("http://").unwrap().parse().unwrap();
    let relay = Relay::to(&socket).await;
    for addr in [server.addr(), v6, relay.addr()] {
        serves(&server, addr).await;
    }
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o660);

    let other = Launch::new().arg("--listen").arg(&unix);
    let refused = other.clone().try_start().await.err().expect("two servers on one socket");
    let told = format!("error: cannot listen on {unix}: ");
    let last = refused.stderr.lines().last().unwrap();
    assert!(last.starts_with(&told) && last.ends_with("end the server that has it, or name another path"), "{last}");
    assert_eq!(refused.status.code(), Some(1));
    serves(&server, relay.addr()).await;

    server.kill9().await;
    assert!(socket.exists(), "a kill leaves it");
    server.restart().await;
    serves(&server, relay.addr()).await;
    server.terminate();
    assert_eq!(server.wait().await.status.code(), Some(0));
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_socket_alone_is_enough_and_a_file_in_its_way_stays() {
    let place = Place::with("");
    let path = place.0.path().join("s");
    let unix = format!("unix:{}", path.display());
    let mut serving = place.serve("--json").word("--listen").word(&unix).start();
    let ready: Value = serving.line().await.parse().unwrap();
    assert_eq!((&ready["listening"], &ready["addresses"]), (&json!(unix), &json!([unix])));
    let relay = Relay::to(&path).await;
    let probe = Api::new(format!("http://{}", relay.addr()), "");
    assert_eq!(probe.send(probe.request(Method::GET, "/readyz")).await.0, 200);
    serving.signal("TERM");
    assert_eq!(serving.wait().await.code, Some(0));
    fs::write(&path, "mine").unwrap();
    let done = place.serve("").word("--listen").word(&unix).run().await;
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("is no socket: move the file away, or name another path"), "{done:?}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

#[tokio::test]
async fn what_is_set_holds() {
    let config = "[stream]\nheartbeat = \"1s\"\nretry_min = \"7s\"\nretry_max = \"7s\"\n\
                  [limits]\nstreams_per_user = 1\n";
    let server = Launch::new().config(config).start().await;
    let mut reader = server.opening("ada").open().await;
    let ready = reader.expect_ready().await;
    assert_eq!(ready.heartbeat_s, 1);
    let mut second = server.opening("ada").open().await;
    let close = second.expect_close().await;
    assert_eq!((close.reason.as_str(), close.retry_ms), ("too_many_streams", 7_000));
    while !reader.next().await.is_ping() {}
}

/// Room for a few descriptors of many is still left for requests and the database.
#[tokio::test]
async fn streams_are_as_many_as_descriptors_allow() {
    let mut server = Launch::new().wrapper(["prlimit", "--nofile=64:256"]).start().await;
    let mut readers = Vec::new();
    for n in 0..128 {
        readers.push(server.opening(&format!("u{n}")).open().await);
    }
    for reader in &mut readers {
        reader.expect_ready().await;
    }
    let mut over = server.opening("one-more").open().await;
    assert_eq!(over.expect_close().await.reason, "too_many_streams");
    let posted = server.api().publish("u0", "hi").await;
    assert_eq!(readers[0].expect_message().await.data.id, posted.id);
    server.terminate();
    assert_eq!(server.wait().await.status.code(), Some(0));
}
