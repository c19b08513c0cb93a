//! SIGHUP: what a running server takes anew from its files, all of it or nothing.

use std::sync::Arc;

use tracing::{error, info, warn};

use crate::auth::Keys;
use crate::cli::global::Global;
use crate::cli::serve::Options;
use crate::config::Loaded;
use crate::hub::Hub;
use crate::telemetry::Level;

/// What of the configuration a running server takes: these keys, or all of these tables.
const LIVE: [&str; 2] = ["auth.", "log.level"];

/// A server's way back to what it was started with.
pub struct Reload<'a> {
    pub options: &'a Options,
    pub global: &'a Global,
    /// The limit of open files, as at the start.
    pub open_files: u64,
    /// As it was at the start: what is not live still holds.
    pub started: Loaded,
    pub keys: Arc<Keys>,
    pub hub: Hub,
    pub level: Level,
}

impl Reload<'_> {
    /// Reads everything again, and says what came of it in one line.
    pub fn run(&self) {
        let loaded = match self.read() {
            Ok(loaded) => loaded,
            Err(fault) => {
                error!("nothing was reloaded and all is as before; mend this and send SIGHUP again: {fault}");
                return;
            }
        };
        let keys = self.keys.clone();
        self.hub.end_without_key(move |key| keys.has(key));
        self.level.set(loaded.config.log.level);
        let mut waiting = loaded.changed_from(&self.started);
        waiting.retain(|key| !LIVE.iter().any(|live| key.starts_with(live)));
        if waiting.is_empty() {
            info!("reloaded");
        } else {
            warn!("reloaded; only a restart takes what was changed in {}", waiting.join(", "));
        }
    }

    fn read(&self) -> anyhow::Result<Loaded> {
        let loaded = Loaded::read(self.options, self.global, std::env::vars_os(), self.open_files)?;
        self.keys.reload(&loaded.config.auth)?;
        Ok(loaded)
    }
}
