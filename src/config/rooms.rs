//! Each room's configuration from the keys: the one place that says which keys there are, of what kind, for whom.

use std::time::Duration;

use super::descriptors;
use super::kinds::{key_file, list, name, one_of, parsed, size, switch, text, time, whole};
use super::settings::Settings;
use super::{Config, Log};
use crate::auth::KeyFile;
use crate::domain::limits::{BATCH_BYTES, READERS};
use crate::telemetry::Format;
use crate::{auth, http, hub, store};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// More than any site has, and far below where a sum could overflow: beyond is a mistake of units.
const MANY: i64 = 1_000_000_000;
/// Memory of the buffers at least: a batch whose body comes in while another's is read.
const BUFFER_BYTES: u64 = 2 * BATCH_BYTES as u64;

const LEVELS: [(&str, &str); 5] =
    [("error", "error"), ("warn", "warn"), ("info", "info"), ("debug", "debug"), ("trace", "trace")];
const FORMATS: [(&str, Format); 2] = [("text", Format::Text), ("json", Format::Json)];

/// Reads every key. `open_files` is the process's limit, which caps what the keys leave open.
pub fn configure(settings: &mut Settings, open_files: u64) -> Config {
    let listen = settings.read("http.listen", list(parsed));
    let addresses: &[http::Address] = &listen;
    let twice = addresses.iter().enumerate().any(|(n, address)| is_fixed(address) && addresses[..n].contains(address));
    settings.require(!listen.is_empty(), "http.listen", || "at least one address is needed".to_owned());
    settings.require(!twice, "http.listen", || "an address stands there twice: leave it once".to_owned());
    let drain_window = settings.read("http.drain_window", time(SECOND..=10 * MINUTE));
    Config {
        listen,
        http: http(settings, drain_window, open_files),
        store: store(settings),
        auth: auth(settings),
        hub: hub(settings, drain_window, open_files),
        buffer_bytes: settings.read("limits.buffers", size(BUFFER_BYTES)),
        log: Log {
            level: settings.read("log.level", one_of(&LEVELS)),
            format: settings.read("log.format", one_of(&FORMATS)),
        },
    }
}

/// Port 0 is another one each time.
fn is_fixed(address: &http::Address) -> bool {
    !matches!(address, http::Address::Tcp(addr) if addr.port() == 0)
}

fn http(settings: &mut Settings, drain_window: Duration, open_files: u64) -> http::Config {
    http::Config {
        trusted_proxies: settings.read("http.trusted_proxies", list(parsed)),
        query_token: settings.read("http.query_token", switch),
        head_timeout: settings.read("http.head_timeout", time(SECOND..=5 * MINUTE)),
        body_timeout: settings.read("http.body_timeout", time(SECOND..=HOUR)),
        drain_window,
        connections: descriptors::connections(open_files),
    }
}

fn store(settings: &mut Settings) -> store::Config {
    store::Config {
        readers: READERS,
        inbox_rows: settings.read("store.inbox_rows", whole(1..=MANY)),
        max_age: settings.read("store.max_age", time(MINUTE..=36_500 * DAY)),
        write_timeout: settings.read("store.write_timeout", time(SECOND..=5 * MINUTE)),
    }
}

fn auth(settings: &mut Settings) -> auth::Config {
    let keys = settings.read("auth.keys", list(key_file));
    if let Err(fault) = KeyFile::check_together(&keys) {
        settings.require(false, "auth.keys", || fault.to_string());
    }
    auth::Config {
        keys,
        issuer: settings.read("auth.issuer", text),
        audience: settings.read("auth.audience", list(name)),
        expiry_leeway: settings.read("auth.expiry_leeway", time(Duration::ZERO..=5 * MINUTE)),
        not_before_leeway: settings.read("auth.not_before_leeway", time(Duration::ZERO..=5 * MINUTE)),
    }
}

fn hub(settings: &mut Settings, drain_window: Duration, open_files: u64) -> hub::Config {
    let retry_min = settings.read("stream.retry_min", time(Duration::from_millis(100)..=5 * MINUTE));
    let retry_max = settings.read("stream.retry_max", time(Duration::from_millis(100)..=5 * MINUTE));
    settings.require(retry_min <= retry_max, "stream.retry_min", || {
        "it is over stream.retry_max: lower the one or raise the other".to_owned()
    });
    let streams: usize = settings.read("limits.streams", whole(0..=MANY));
    hub::Config {
        heartbeat: settings.read("stream.heartbeat", time(SECOND..=5 * MINUTE)),
        too_slow: settings.read("stream.too_slow", time(SECOND..=HOUR)),
        retry: retry_min..=retry_max,
        drain_window,
        streams_per_user: settings.read("limits.streams_per_user", whole(1..=MANY)),
        streams_per_address: settings.read("limits.streams_per_address", whole(1..=MANY)),
        streams: if streams == 0 { descriptors::streams(open_files) } else { streams },
        connects_per_s: settings.read("limits.connects_per_s", whole(1..=MANY)),
        sweep_pause: settings.read("store.sweep_pause", time(SECOND..=MINUTE)),
    }
}
