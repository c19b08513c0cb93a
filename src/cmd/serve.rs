//! `lumen serve`: the daemon, from its configuration to its last line.

mod greeting;
mod listen;
mod open_files;
mod reload;
mod signals;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::time::{sleep, timeout};
use tracing::info;

use self::open_files::OpenFiles;
use self::reload::Reload;
use self::signals::{Asked, Signals};
use super::term::{Notes, Out};
use crate::auth::Keys;
use crate::budget::Budget;
use crate::cli::global::Global;
use crate::cli::serve::Options;
use crate::clock::Clock;
use crate::config::Loaded;
use crate::exit::Exit;
use crate::home::{self, Home};
use crate::http::{self, Parts};
use crate::hub::Hub;
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::telemetry;
use crate::wire::event::CloseReason;

/// How long a process whose disk failed waits for its streams and callers to be told, and how long one that drains
/// waits for its disk beyond the drain window.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What is true however it ends.
const KEPT: &str = "what was acknowledged is on disk, and the next start goes on from there";

/// Serves until a signal comes, then ends in good order.
///
/// # Errors
/// What keeps it from starting, a disk that failed under it, or a second signal.
pub async fn run(options: &Options, global: &Global) -> anyhow::Result<Exit> {
    let open_files = OpenFiles::raise();
    let loaded = Loaded::read(options, global, std::env::vars_os(), open_files.limit())?;
    if options.print_config {
        return print(&loaded, global).await;
    }
    let config = loaded.config.clone();
    let level = telemetry::init(config.log.level, config.log.format);
    signals::outlive_file_size_limit();
    let home = Home::prepare(home::locate(global.data_dir.clone())?)?;
    let _lock = home.lock()?;
    let keys = Arc::new(Keys::open(&config.auth, &home.key())?);
    let (listeners, addresses) = listen::bind(&config.listen)?;
    let opened = Store::open(&home.database(), config.store, Clock::System).await;
    let (store, commits) = opened.map_err(|fault| anyhow!("{fault}: {}", fault.cure()))?;
    if let Some(file) = loaded.file() {
        info!(file = %file.display(), "configured");
    }
    open_files.tell(config.hub.streams);
    let budget = Budget::new(config.buffer_bytes);
    let hub = Hub::start(store.clone(), commits, Clock::System, config.hub, budget.clone());
    let limit = open_files.limit();
    let reload =
        Reload { options, global, open_files: limit, started: loaded, keys: keys.clone(), hub: hub.clone(), level };
    let drain_window = config.http.drain_window;
    let parts =
        Parts { config: config.http, budget, store: store.clone(), hub: hub.clone(), keys, clock: Clock::System };
    let shutdown = Shutdown::default();
    let serving = http::serve(listeners, parts, shutdown.clone());

    // Before it says that it is ready: from then on signals are for it to handle.
    let signals = Signals::listen(options.until_stdin_ends).context("cannot listen for signals")?;
    greeting::tell(&addresses, &home, global).await?;
    Running { store, hub, shutdown, signals, drain_window }.until_it_ends(serving, &reload).await?;
    Notes::new(global.quiet).say("ended in good order");
    Ok(Exit::Ok)
}

/// A server that has said that it is ready.
struct Running {
    store: Store,
    hub: Hub,
    shutdown: Shutdown,
    signals: Signals,
    drain_window: Duration,
}

impl Running {
    async fn until_it_ends(mut self, serving: impl Future<Output = ()>, reload: &Reload<'_>) -> anyhow::Result<()> {
        let mut serving = pin!(serving);
        let fatal = loop {
            tokio::select! {
                asked = self.signals.come() => match asked {
                    Asked::End => break None,
                    Asked::Reload => reload.run(),
                },
                fatal = self.store.failed() => break Some(fatal),
                // It ends only after the shutdown has begun.
                () = &mut serving => break None,
            }
        };
        info!(streams = self.hub.streams(), "draining");
        // First it is no longer ready: who is told to go must not find it so.
        self.shutdown.begin();
        match fatal {
            None => self.drain(serving).await,
            Some(fatal) => {
                self.hub.end_all(CloseReason::StoreDown);
                let _ = timeout(LAST_WORDS, serving).await;
                Err(fatal.into())
            }
        }
    }

    /// Sends every stream away, and ends with the last request and the last write, or at once if it is asked again.
    async fn drain(mut self, serving: impl Future<Output = ()>) -> anyhow::Result<()> {
        self.hub.drain();
        let ended = async {
            serving.await;
            self.store.close().await
        };
        tokio::select! {
            fatal = self.store.failed() => Err(fatal.into()),
            () = self.signals.end_again() => Err(anyhow!("a second signal ended it before it had drained; {KEPT}")),
            () = sleep(self.drain_window + LAST_WORDS) => Err(anyhow!("the disk did not end in time; {KEPT}")),
            closed = ended => Ok(closed?),
        }
    }
}

async fn print(loaded: &Loaded, global: &Global) -> anyhow::Result<Exit> {
    let text = if global.json { loaded.json().to_string() } else { loaded.toml() };
    Out::stdout().line(text.trim_end()).await?;
    Ok(Exit::Ok)
}
