//! SIGHUP: what a running server takes anew from its files, all of it or nothing.

use tracing::{error, info, warn};

use crate::cli::global::Global;
use crate::cli::serve::Options;
use crate::config::Loaded;
use crate::telemetry::Level;

/// Keys of the configuration that need no restart.
const LIVE: [&str; 1] = ["log.level"];

pub struct Reload<'a> {
    options: &'a Options,
    global: &'a Global,
    open_files: u64,
    /// As it was at the start: what is not live still holds.
    started: Loaded,
    level: Level,
}

impl<'a> Reload<'a> {
    pub fn new(options: &'a Options, global: &'a Global, open_files: u64, started: Loaded, level: Level) -> Self {
        Self { options, global, open_files, started, level }
    }

    pub fn run(&self) {
        let loaded = match Loaded::read(self.options, self.global, std::env::vars_os(), self.open_files) {
            Ok(loaded) => loaded,
            Err(faults) => {
                error!("the configuration is at fault and stays what it was; mend it and send SIGHUP again: {faults}");
                return;
            }
        };
        self.level.set(loaded.config.log.level);
        let mut waiting = loaded.changed_from(&self.started);
        waiting.retain(|key| !LIVE.contains(key));
        if !waiting.is_empty() {
            warn!("only a restart takes what was changed in {}", waiting.join(", "));
        }
        info!("the configuration was read again");
    }
}
