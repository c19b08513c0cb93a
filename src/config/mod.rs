//! What can be set, as the rooms want it.

use std::time::Duration;

use crate::auth;
use crate::domain::limits::{HEARTBEAT, READERS};
use crate::http;
use crate::hub;
use crate::store;

/// Every room's own configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub http: http::Config,
    pub store: store::Config,
    pub auth: auth::Config,
    pub hub: hub::Config,
    /// Bytes of all buffers together.
    pub buffer_bytes: usize,
}

impl Config {
    /// What holds where nothing is set.
    pub fn defaults() -> Self {
        let drain_window = Duration::from_secs(10);
        Self {
            http: http::Config {
                trusted_proxies: Vec::new(),
                query_token: true,
                head_timeout: Duration::from_secs(10),
                body_timeout: Duration::from_secs(30),
                drain_window,
                connections: 19_000,
            },
            store: store::Config {
                readers: READERS,
                inbox_rows: 10_000,
                max_age: Duration::from_secs(365 * 24 * 3600),
                write_timeout: Duration::from_secs(10),
            },
            auth: auth::Config {
                keys: Vec::new(),
                issuer: None,
                audience: Vec::new(),
                expiry_leeway: Duration::ZERO,
                not_before_leeway: Duration::from_secs(5),
            },
            hub: hub::Config {
                heartbeat: HEARTBEAT,
                too_slow: Duration::from_secs(60),
                retry: Duration::from_secs(2)..=Duration::from_secs(5),
                drain_window,
                streams_per_user: 32,
                streams_per_address: 256,
                streams: 19_000,
                connects_per_s: 10_000,
                sweep_pause: Duration::from_secs(30),
            },
            buffer_bytes: 256 * 1024 * 1024,
        }
    }
}
