//! What comes on a connection before it is a request: the connection ends, the server lives, and no answer is a fault of
//! its own. `TOKEN` in the input stands for a good token.

#![no_main]

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use lumen_inbox::auth::{Claims, Keys};
use lumen_inbox::budget::Budget;
use lumen_inbox::clock::Clock;
use lumen_inbox::config::Config;
use lumen_inbox::http::{self, Address, Listener, Parts};
use lumen_inbox::hub::Hub;
use lumen_inbox::shutdown::Shutdown;
use lumen_inbox::store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

/// Far over what an answer takes.
const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3600);

struct Site {
    runtime: Runtime,
    addr: SocketAddr,
    token: String,
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (addr, token) = runtime.block_on(start());
    Site { runtime, addr, token }
});

async fn start() -> (SocketAddr, String) {
    // As every program of Rust's does, but for one whose `main` is the fuzzer's: a peer that went is no reason to end.
    drop(signal(SignalKind::pipe()).expect("signals"));
    // Its directory is left to the system, as the process ends without a word.
    let dir = tempfile::tempdir().expect("a directory").keep();
    let keys = Keys::load_or_create(&dir.join("key")).expect("a key");
    let (config, clock) = (Config::defaults(), Clock::System);
    let token = keys.sign(&Claims::user(&"ada".parse().expect("a user"), clock.now(), 1_000 * HOUR));
    let budget = Budget::new(config.buffer_bytes);
    let (store, commits) =
        Store::open(&dir.join("lumen.db"), config.store, clock.clone()).await.expect("the store opens");
    let hub = Hub::start(store.clone(), commits, clock.clone(), config.hub, budget.clone());
    let listener = Listener::bind(&Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))).expect("a port");
    let Ok(Address::Tcp(addr)) = listener.address() else { panic!("no address") };
    let parts = Parts { config: config.http, budget, store, hub, keys: Arc::new(keys), clock };
    tokio::spawn(http::serve(vec![listener], parts, Shutdown::default()));
    (addr, token)
}

/// Sends it all and hears the server out; a stream is left once it is open.
async fn talk(addr: SocketAddr, sent: &[u8]) -> Vec<u8> {
    let mut link = TcpStream::connect(addr).await.expect("it listens");
    let mut heard = Vec::new();
    if link.write_all(sent).await.is_ok() && link.shutdown().await.is_ok() {
        while let Ok(1..) = link.read_buf(&mut heard).await {
            if heard.windows(13).any(|bytes| bytes == b"event: ready\n") {
                break;
            }
        }
    }
    heard
}

fuzz_target!(|sent: &[u8]| {
    let site = &*SITE;
    let sent = String::from_utf8_lossy(sent).replace("TOKEN", &site.token);
    let heard = site.runtime.block_on(async { timeout(PATIENCE, talk(site.addr, sent.as_bytes())).await });
    let heard = heard.expect("an end");
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.is_empty() || heard.starts_with("HTTP/1."), "{heard}");
    for status in heard.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse::<u16>().ok()) {
        assert!((100..500).contains(&status), "{heard}");
    }
});
