//! `lumen serve`: the daemon, from its data directory to its last line.

mod greeting;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::term::Notes;
use crate::auth::Keys;
use crate::budget::Budget;
use crate::cli::global::Global;
use crate::cli::serve::Options;
use crate::clock::Clock;
use crate::config::Config;
use crate::exit::Exit;
use crate::home::{self, Home};
use crate::http::{self, Parts};
use crate::hub::Hub;
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::wire::event::CloseReason;

/// How long a process whose disk failed waits for its streams and callers to be told.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves until a signal comes, then ends in good order.
///
/// # Errors
/// What keeps it from starting, or a disk that failed under it.
pub async fn run(options: &Options, global: &Global) -> anyhow::Result<Exit> {
    raise_open_files();
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let home = Home::prepare(home::locate(global.data_dir.clone())?)?;
    let _lock = home.lock()?;
    let keys = Arc::new(Keys::load_or_create(&home.key())?);
    let listener = bind(options.listen)?;
    let addr = listener.local_addr().context("cannot tell the address that it listens on")?;

    let config = Config::defaults();
    let budget = Budget::new(config.buffer_bytes);
    let opened = Store::open(&home.database(), config.store, Clock::System).await;
    let (store, commits) = opened.map_err(|fault| anyhow!("{fault}: {}", fault.cure()))?;
    let hub = Hub::start(store.clone(), commits, Clock::System, config.hub, budget.clone());
    let shutdown = Shutdown::default();
    let parts =
        Parts { config: config.http, budget, store: store.clone(), hub: hub.clone(), keys, clock: Clock::System };
    let mut serving = pin!(http::serve(listener, parts, shutdown.clone()));

    greeting::tell(addr, &home, global).await?;
    let fatal = tokio::select! {
        () = signals.come() => None,
        fatal = store.failed() => Some(fatal),
        // It ends only after the shutdown has begun.
        () = &mut serving => None,
    };
    info!(streams = hub.streams(), "draining");
    // First it is no longer ready: who is told to go must not find it so.
    shutdown.begin();
    if let Some(fatal) = fatal {
        hub.end_all(CloseReason::StoreDown);
        let _ = timeout(LAST_WORDS, serving).await;
        return Err(fatal.into());
    }
    hub.drain();
    let ended = async {
        serving.await;
        store.close().await
    };
    tokio::select! {
        fatal = store.failed() => Err(fatal.into()),
        closed = ended => {
            closed?;
            Notes::new(global.quiet).say("ended in good order");
            Ok(Exit::Ok)
        }
    }
}

/// A stream is a descriptor, and the usual limit of a shell is 1,024.
fn raise_open_files() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(open_files) => debug!(open_files, "limit of open files"),
        Err(fault) => warn!(%fault, "the limit of open files cannot be raised"),
    }
}

fn bind(addr: SocketAddr) -> anyhow::Result<TcpListener> {
    http::bind(addr).map_err(|fault| {
        let cure = match fault.kind() {
            io::ErrorKind::AddrInUse => "end the program that has it, or name another with --listen (port 0 takes any)",
            io::ErrorKind::PermissionDenied => "name a port from 1024 on with --listen",
            io::ErrorKind::AddrNotAvailable => "name an address of this host with --listen",
            _ => "name another address with --listen",
        };
        anyhow!("cannot listen on {addr}: {fault}: {cure}")
    })
}

/// What asks a server to end: SIGTERM of a service manager, SIGINT of a terminal.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn come(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
