//! The configuration as a whole: the shipped file, the layers, the faults, and what is printed.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use tempfile::TempDir;

use super::layers::{SHIPPED, variable};
use super::*;
use crate::auth::KeyFile;
use crate::cli::{Cli, Command};

const OPEN_FILES: u64 = 20_000;

/// Of RFC 8410.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

/// A file and a key beside it.
struct Site(TempDir);

impl Site {
    fn with(text: &str) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        fs::write(site.file(), text).unwrap();
        fs::write(site.key(), PUBLIC_KEY).unwrap();
        fs::set_permissions(site.key(), Permissions::from_mode(0o644)).unwrap();
        site
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("lumen.toml")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("site.key")
    }

    fn read(&self, flags: &str, variables: &[(&str, &str)]) -> Result<Loaded, Faults> {
        let file = self.file();
        let words = ["lumen", "serve", "--config", file.to_str().unwrap()];
        let cli = Cli::try_parse_from(words.into_iter().chain(flags.split_whitespace())).unwrap();
        let Command::Serve(options) = cli.command else { panic!("not serve") };
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        Loaded::read(&options, &cli.global, variables, OPEN_FILES)
    }

    /// The faults, with the directory's name taken out.
    fn faults(&self, flags: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let dir = format!("{}/", self.0.path().display());
        let Faults(faults) = self.read(flags, variables).expect_err("faults");
        faults.iter().map(|fault| fault.to_string().replace(&dir, "")).collect()
    }
}

fn shipped() -> Loaded {
    Loaded::of(Layers::shipped(), OPEN_FILES).unwrap()
}

/// A key with another value than its default: in a file, in a variable, and what it makes of the defaults.
type Other = (&'static str, &'static str, &'static str, fn(&mut Config));

const OTHERS: [Other; 26] = [
    ("http.listen", r#"["[::1]:9", "unix:/run/x"]"#, "[::1]:9, unix:/run/x", |c| {
        c.listen = vec!["[::1]:9".parse().unwrap(), "unix:/run/x".parse().unwrap()];
    }),
    ("http.trusted_proxies", r#"["10.0.0.0/8"]"#, "10.0.0.0/8", |c| {
        c.http.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    }),
    ("http.query_token", "false", "false", |c| c.http.query_token = false),
    ("http.head_timeout", r#""2s""#, "2s", |c| c.http.head_timeout = seconds(2)),
    ("http.body_timeout", r#""1m""#, "1m", |c| c.http.body_timeout = seconds(60)),
    ("http.drain_window", r#""20s""#, "20s", |c| {
        c.http.drain_window = seconds(20);
        c.hub.drain_window = seconds(20);
    }),
    ("store.inbox_rows", "1_000_000", "1000000", |c| c.store.inbox_rows = 1_000_000),
    ("store.max_age", r#""30d""#, "30d", |c| c.store.max_age = seconds(30 * 24 * 3600)),
    ("store.write_timeout", r#""5s""#, "5s", |c| c.store.write_timeout = seconds(5)),
    ("store.sweep_pause", r#""60s""#, "60s", |c| c.hub.sweep_pause = seconds(60)),
    ("auth.keys", "KEY", "KEY", |_| {}),
    ("auth.issuer", r#""me""#, "me", |c| c.auth.issuer = Some("me".to_owned())),
    ("auth.audience", r#"["a", "b"]"#, "a,b", |c| c.auth.audience = vec!["a".to_owned(), "b".to_owned()]),
    ("auth.expiry_leeway", r#""1s""#, "1s", |c| c.auth.expiry_leeway = seconds(1)),
    ("auth.not_before_leeway", r#""0s""#, "0s", |c| c.auth.not_before_leeway = seconds(0)),
    ("stream.heartbeat", r#""1s""#, "1s", |c| c.hub.heartbeat = seconds(1)),
    ("stream.too_slow", r#""90s""#, "90s", |c| c.hub.too_slow = seconds(90)),
    ("stream.retry_min", r#""500ms""#, "500ms", |c| c.hub.retry = Duration::from_millis(500)..=seconds(5)),
    ("stream.retry_max", r#""9s""#, "9s", |c| c.hub.retry = seconds(2)..=seconds(9)),
    ("limits.streams_per_user", "1", "1", |c| c.hub.streams_per_user = 1),
    ("limits.streams_per_address", "0x10", "16", |c| c.hub.streams_per_address = 16),
    ("limits.streams", "100", "100", |c| c.hub.streams = 100),
    ("limits.connects_per_s", "1", "1", |c| c.hub.connects_per_s = 1),
    ("limits.buffers", r#""1GiB""#, "1GiB", |c| c.buffer_bytes = 1 << 30),
    ("log.level", r#""warn""#, "warn", |c| c.log.level = "warn"),
    ("log.format", r#""json""#, "json", |c| c.log.format = Format::Json),
];

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn in_file(key: &str, value: &str) -> String {
    let (table, key) = key.split_once('.').unwrap();
    format!("[{table}]\n{key} = {value}\n")
}

#[test]
fn every_key_is_set_by_a_file_and_by_a_variable() {
    let default = shipped();
    for setting in &default.settings {
        assert!(OTHERS.iter().any(|(key, ..)| *key == setting.key), "{} is not tried", setting.key);
    }
    for (key, file, word, change) in OTHERS {
        let site = Site::with("");
        let path = site.key().to_str().unwrap().to_owned();
        let mut expected = default.config.clone();
        change(&mut expected);
        if key == "auth.keys" {
            expected.auth.keys = vec![KeyFile { path: site.key(), kid: None, algorithm: None }];
        }
        fs::write(site.file(), in_file(key, &file.replace("KEY", "[\"site.key\"]"))).unwrap();
        let by_file = site.read("", &[]).unwrap();
        fs::write(site.file(), "").unwrap();
        let by_variable = site.read("", &[(&variable(key), &word.replace("KEY", &path))]).unwrap();
        for loaded in [by_file, by_variable] {
            assert_eq!(loaded.changed_from(&default), [key]);
            assert_eq!(loaded.config, expected, "{key}");
        }
    }
}

#[test]
fn the_shipped_file_says_of_each_key_what_it_is_for() {
    let lines: Vec<_> = SHIPPED.lines().collect();
    for (n, line) in lines.iter().enumerate() {
        assert!(line.chars().count() <= 120, "{line}");
        let is_told = n > 0 && (lines[n - 1].starts_with('#') || lines[n - 1].contains(" = "));
        assert!(is_told || line.is_empty() || line.starts_with(['#', '[']), "{line}");
    }
    let site = Site::with(SHIPPED);
    assert_eq!(site.read("", &[]).unwrap().config, Config::defaults());
}

#[test]
fn a_layer_goes_over_the_one_below() {
    let site = Site::with("[log]\nlevel = \"warn\"\n[http]\nlisten = [\"127.0.0.1:1\"]\nhead_timeout = \"11s\"\n");
    let variables = [("LUMEN_LOG_LEVEL", "debug"), ("LUMEN_HTTP_LISTEN", "127.0.0.1:2")];
    let told = |loaded: &Loaded| {
        let listen: Vec<_> = loaded.config.listen.iter().map(ToString::to_string).collect();
        (listen.join(" "), loaded.config.log.level, loaded.config.http.head_timeout.as_secs())
    };
    assert_eq!(told(&shipped()), ("127.0.0.1:8080".to_owned(), "info", 10));
    assert_eq!(told(&site.read("", &[]).unwrap()), ("127.0.0.1:1".to_owned(), "warn", 11));
    assert_eq!(told(&site.read("", &variables).unwrap()), ("127.0.0.1:2".to_owned(), "debug", 11));
    let typed = site.read("-q --listen localhost:3 --listen [::1]:4", &variables).unwrap();
    assert_eq!(told(&typed), ("127.0.0.1:3 [::1]:4".to_owned(), "error", 11));
    assert_eq!(told(&site.read("", &[("LUMEN_LOG_LEVEL", "")]).unwrap()).1, "warn", "an empty one is none");

    let text = typed.toml().replace(&format!("{}/", site.0.path().display()), "");
    for line in [
        "listen = [\"127.0.0.1:3\", \"[::1]:4\"]  # --listen\n",
        "level = \"error\"  # --quiet\n",
        "head_timeout = \"11s\"  # lumen.toml:5\n",
        "body_timeout = \"30s\"\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn what_is_printed_is_valid_and_says_the_same() {
    let mut tables = BTreeMap::<&str, String>::new();
    for (key, value, ..) in OTHERS {
        let (table, key) = key.split_once('.').unwrap();
        let value = value.replace("KEY", r#"[{ file = "site.key", kid = "a", algorithm = "EdDSA" }]"#);
        tables.entry(table).or_default().push_str(&format!("{key} = {value}\n"));
    }
    let text: String = tables.iter().map(|(table, keys)| format!("[{table}]\n{keys}")).collect();
    let odd = r#"issuer = "a\"b\\\u0001\u007f\n ü # x""#;
    let site = Site::with(&text.replace("issuer = \"me\"", odd));
    let loaded = site.read("", &[]).unwrap();
    assert_eq!(loaded.config.auth.issuer.as_deref(), Some("a\"b\\\u{1}\u{7f}\n ü # x"));
    assert_eq!(loaded.changed_from(&shipped()).len(), shipped().settings.len(), "each is another");
    // Elsewhere, so that no path is seen from the file.
    let again = Site::with(&loaded.toml()).read("", &[]).unwrap();
    assert_eq!(again.config, loaded.config);
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  # ").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(values(&again.toml()), values(&loaded.toml()));
    assert_eq!(loaded.json()["limits"]["streams"], 100);
    assert_eq!(loaded.json()["auth"]["keys"][0]["kid"], "a");
    assert_eq!(values(&shipped().toml()), shipped().toml().lines().collect::<Vec<_>>(), "a default came from nowhere");
}

#[test]
fn every_fault_is_told_at_once_with_its_place_and_no_secret() {
    let site = Site::with(
        "top = \"hunter2\"\n[http]\nhead_timeout = \"10\"\nlistn = [\"hunter2\"]\ndrain_window = 5\n[limits]\n\
         heartbeat = \"5s\"\nstreams_per_user = 0\n[auth]\nkeys = [{ file = \"hunter2\" }]\nsecret = \"hunter2\"\n\
         [strem]\nretry_min = \"9s\"\n[stream]\nretry_min = \"9s\"\n[log]\nlevel = \"loud\"\n",
    );
    let variables = [
        ("LUMEN_STORE_INBOX_ROWS", "many"),
        ("LUMEN_LIMIT_STREAMS", "hunter2"),
        ("LUMEN_SECRET", "hunter2"),
        ("LUMEN_AUTH_KEYS", "hunter2"),
        ("OTHERS_SECRET", "hunter2"),
    ];
    let faults = site.faults("", &variables);
    let a_file = "its file is not there: put it there, or take it out of auth.keys";
    let mut expected = [
        "http.head_timeout = \"10\" (lumen.toml:3): a time is a whole number and a unit: 500ms, 30s, 5m, 1h or 30d",
        "http.drain_window = 5 (lumen.toml:5): a number where a text in quotes is needed, like \"30s\"",
        "limits.streams_per_user = 0 (lumen.toml:8): 1 to 1000000000 is needed",
        "log.level = \"loud\" (lumen.toml:17): one of these is needed: error, warn, info, debug, trace",
        "store.inbox_rows = \"many\" (LUMEN_STORE_INBOX_ROWS): a whole number is needed",
        &format!("auth.keys (lumen.toml:10): {a_file}"),
        &format!("auth.keys (LUMEN_AUTH_KEYS): {a_file}"),
        "stream.retry_min = \"9s\" (lumen.toml:15): it is over stream.retry_max: lower the one or raise the other",
        "top (lumen.toml:1): no such key: take it out; the shipped lumen.toml has all keys",
        "http.listn (lumen.toml:4): no such key; did you mean http.listen?",
        "limits.heartbeat (lumen.toml:7): no such key; did you mean stream.heartbeat?",
        "auth.secret (lumen.toml:11): no such key: take it out; the shipped lumen.toml has all keys",
        "strem.retry_min (lumen.toml:13): no such key; did you mean stream.retry_min?",
        "LUMEN_LIMIT_STREAMS: no such variable; did you mean LUMEN_LIMITS_STREAMS?",
        "LUMEN_SECRET: no such variable: unset it",
    ];
    let mut told: Vec<_> = faults.iter().map(String::as_str).collect();
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);
}

#[test]
fn a_value_has_its_bounds() {
    for (key, good, bad) in [
        (
            "http.listen",
            vec![r#"["127.0.0.1:0", "127.0.0.1:0"]"#],
            vec!["[]", r#""127.0.0.1:1""#, r#"["host:1"]"#, r#"["[::1]:1", "[::1]:1"]"#, "[1]", "1.5"],
        ),
        ("http.trusted_proxies", vec!["[]", r#"["0.0.0.0/0"]"#], vec![r#"["10.0.0.1/8"]"#, "[8]"]),
        ("http.query_token", vec!["true"], vec!["1", r#""true""#]),
        ("http.head_timeout", vec![r#""1s""#, r#""5m""#], vec![r#""999ms""#, r#""301s""#, "10"]),
        ("http.drain_window", vec![r#""1s""#, r#""10m""#], vec![r#""0s""#, r#""11m""#, "1979-05-27"]),
        ("store.sweep_pause", vec![r#""1s""#, r#""1m""#], vec![r#""61s""#]),
        ("store.inbox_rows", vec!["1", "1000000000"], vec!["0", "-1", "1000000001", "99999999999999999999"]),
        (
            "auth.keys",
            vec![r#"["site.key"]"#],
            vec![
                r#"[{ kid = "a" }]"#,
                r#"[{ file = "site.key", kidd = "a" }]"#,
                r#"[{ file = "site.key", kid = "" }]"#,
                r#"[{ file = "site.key", algorithm = "HS256" }]"#,
                r#"[{ file = 1 }]"#,
                "[1]",
            ],
        ),
        ("auth.audience", vec![r#"["a"]"#], vec![r#"[""]"#]),
        ("stream.heartbeat", vec![r#""1s""#, r#""5m""#], vec![r#""0s""#, r#""6m""#]),
        ("limits.streams", vec!["0", "1"], vec!["-1"]),
        (
            "limits.buffers",
            vec![r#""16MiB""#, r#""17408KiB""#, r#""1GiB""#],
            vec![r#""15MiB""#, r#""16MB""#, r#""MiB""#, r#""99999999999999GiB""#, r#""16 MiB""#, "16777216"],
        ),
    ] {
        for value in good {
            Site::with(&in_file(key, value)).read("", &[]).unwrap_or_else(|faults| panic!("{faults}"));
        }
        for value in bad {
            let faults = Site::with(&in_file(key, value)).faults("", &[]);
            assert_eq!(faults.len(), 1, "{key} = {value}: {faults:?}");
            assert!(faults[0].starts_with(key) && faults[0].contains("(lumen.toml:2): "), "{faults:?}");
        }
    }
}

#[test]
fn streams_without_a_number_are_as_many_as_fit() {
    let of = |text: &str| Site::with(text).read("", &[]).unwrap().config;
    assert_eq!((of("").hub.streams, of("").http.connections), (19_488, 19_936));
    assert_eq!(of("[limits]\nstreams = 7\n").hub.streams, 7);
}

#[test]
fn a_path_is_seen_from_the_file_that_names_it() {
    let site = Site::with("[auth]\nkeys = [\"site.key\"]\n");
    let loaded = site.read("", &[]).unwrap();
    assert_eq!(loaded.config.auth.keys[0].path, site.key());
}

#[test]
fn a_file_that_is_named_must_be_there_and_be_toml() {
    let site = Site::with("[http]\nlisten = hunter2\n[log]\nlevel = \"loud\"\n");
    let faults = site.faults("", &[("LUMEN_LOG_LEVEL", "loud")]);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("lumen.toml:2: this is no TOML: ") && faults[1].contains("(LUMEN_LOG_LEVEL)"));
    assert!(!faults.concat().contains("hunter2"), "{faults:?}");
    fs::remove_file(site.file()).unwrap();
    let faults = site.faults("", &[("LUMEN_LOG_LEVEL", "loud")]);
    assert!(faults[0].starts_with("lumen.toml: the configuration file cannot be read: No such file"), "{faults:?}");
    assert_eq!(faults.len(), 2);
    fs::create_dir(site.file()).unwrap();
    assert_eq!(site.faults("", &[]).len(), 1);
    let place = file::find(None, &["/nowhere/at/all", site.key().to_str().unwrap()]);
    assert_eq!(place.unwrap().unwrap().0, site.key());
    assert_eq!(file::find(None, &["/dev/null/x", "/nowhere"]).unwrap(), None);
    assert!(file::find(Some(Path::new("/dev/zero")), &[]).is_err());
}

#[test]
fn variables_of_others_are_passed_over() {
    let linked = [
        ("LUMEN_PORT", "tcp://10.0.0.1:8080"),
        ("LUMEN_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("LUMEN_SERVICE_HOST", "10.0.0.1"),
        ("LUMEN_DATA_DIR", "/x"),
        ("LUMEN_URL", "http://x"),
        ("LUMEN_TOKEN", "x"),
        ("LUMENS", "x"),
    ];
    assert_eq!(Site::with("[http]\n").read("", &linked).unwrap().config, Config::defaults());
}

/// Each is what somebody may take for the place of a key.
#[test]
fn a_secret_in_the_place_of_something_else_is_not_shown() {
    let secret = "hunter2-".repeat(40);
    for keys in [
        format!("\"{secret}\""),
        format!("\"site.key/{secret}\""),
        format!("{{ file = \"{secret}\", algorithm = \"HS256\" }}"),
        format!("{{ file = \"site.key\", algorithm = \"{}\" }}", &secret[..32]),
    ] {
        let told = Site::with(&format!("[auth]\nkeys = [{keys}]\n")).faults("", &[]);
        assert!(told.len() == 1 && told[0].starts_with("auth.keys (lumen.toml:2): "), "{told:?}");
        assert!(!told[0].contains("hunter2"), "{told:?}");
    }
    let named = Site::with("[auth]\nkeys = [{ file = \"site.key\", algorithm = \"HS512\" }]\n").faults("", &[]);
    assert!(named[0].contains("site.key is given the algorithm \"HS512\""), "{named:?}");
}

/// Files that are good each, and not together.
#[test]
fn keys_are_held_against_each_other() {
    let twice = "[{ file = \"site.key\", kid = \"a\" }, { file = \"site.key\", kid = \"a\" }]".to_owned();
    let too_many = format!("[{}]", "\"site.key\", ".repeat(17));
    for (keys, told) in
        [(twice, "both name a key \"a\""), (too_many, "the key files hold 17 keys, but 16 are the most")]
    {
        let faults = Site::with(&format!("[auth]\nkeys = {keys}\n[limits]\nstreams_per_user = 0\n")).faults("", &[]);
        assert_eq!(faults.len(), 2, "with all else that is wrong: {faults:?}");
        assert!(faults[0].starts_with("auth.keys") && faults[0].contains(told), "{faults:?}");
        assert!(faults[0].contains(" (lumen.toml:2): "), "{faults:?}");
    }
}
