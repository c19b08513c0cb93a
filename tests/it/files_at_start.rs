//! Faults rows 7, 9 and 11: what a server finds at its start. A directory or a file that it cannot or should not use, and a
//! database that is damaged, foreign or newer, end it with one line: the path, whose it is and with which mode, the cure.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use lumen_inbox::random;
use rusqlite::Connection;
use serde_json::json;

use crate::support::child::{Child, Launch};
use crate::support::command::sh;
use crate::support::gcc;
use crate::support::rights::{BOUND_BY_RIGHTS, NOBODY, is_root, mounts};

/// A directory in which a server has been: a hundred notifications, all folded in.
async fn used() -> Launch {
    let mut server = Child::start().await;
    let draft =
        |n| json!({"user": format!("u{}", n % 10), "type": "like", "content": "x".repeat(500), "key": format!("{n}")});
    let drafts: Vec<_> = (0..100).map(draft).collect();
    assert_eq!(server.api().batch(&drafts).await.0, 201);
    server.terminate();
    assert_eq!(server.wait().await.status.code(), Some(0));
    server.launch()
}

/// It does not start, and its only line has these words.
async fn assert_refused(launch: Launch, words: &[&str]) {
    let Err(ended) = launch.try_start().await else { panic!("it starts: {words:?}") };
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: "), "{}", ended.stderr);
    for word in words {
        assert!(last.contains(word), "{word:?} is not said in {last:?}");
    }
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{}", ended.stderr);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn give(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
}

/// Whose it is and with which mode, as a refusal has it.
fn ownership(path: &Path) -> String {
    let facts = path.metadata().unwrap();
    format!("{} belongs to uid {} with mode {:04o}, this is uid 0", path.display(), facts.uid(), facts.mode() & 0o7777)
}

#[tokio::test]
async fn a_directory_that_is_not_its_own_to_write_is_told() {
    if !is_root() {
        return;
    }
    let refused = async |prepare: fn(&Path), words: &[&str]| {
        let launch = used().await;
        prepare(launch.dir());
        let ownership = ownership(launch.dir());
        assert_refused(launch.wrapper(BOUND_BY_RIGHTS), &[words, &[&ownership]].concat()).await;
    };
    let without_log = |dir: &Path| {
        fs::remove_file(dir.join("lumen.db-wal")).unwrap();
        set_mode(dir, 0o555);
    };
    refused(without_log, &["cannot open the database", "readonly", "let this user"]).await;
    let without_database = |dir: &Path| {
        fs::remove_file(dir.join("lumen.db")).unwrap();
        set_mode(dir, 0o555);
    };
    refused(without_database, &["cannot open the database", "Permission denied", "let this user"]).await;
    let new = |dir: &Path| {
        fs::remove_file(dir.join("lumen.lock")).unwrap();
        set_mode(dir, 0o555);
    };
    refused(new, &["cannot be used as the data directory", "Permission denied", "the right to write there"]).await;
    let given_away = |dir: &Path| {
        set_mode(dir, 0o700);
        give(dir);
    };
    refused(given_away, &["data directory", "Permission denied"]).await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_told() {
    if !is_root() {
        return;
    }
    let owned = tempfile::tempdir().unwrap();
    give(owned.path());
    let below = owned.path().join("missing/data");
    let serve =
        [&BOUND_BY_RIGHTS[..], &[env!("CARGO_BIN_EXE_lumen"), "serve --listen 127.0.0.1:0 --data-dir"]].concat();
    let done = sh(&format!("{} {}", serve.join(" "), below.display())).run().await;
    let told = format!("error: {} cannot be used as the data directory: Permission denied", below.display());
    let last = done.stderr.lines().last().unwrap_or_default();
    assert_eq!((done.code, last.starts_with(&told)), (Some(1), true), "{}", done.stderr);
    for word in [&ownership(owned.path()), "or name another directory with --data-dir"] {
        assert!(last.contains(word), "{}", done.stderr);
    }
}

#[tokio::test]
async fn a_disk_that_is_mounted_to_be_read_is_told() {
    if !is_root() {
        return;
    }
    let launch = used().await;
    let dir = launch.dir().to_owned();
    let wrapper = mounts(&dir, "mount --bind $dir $dir && mount -o remount,bind,ro $dir");
    let words = ["Read-only file system", &ownership(&dir.join("lumen.lock")), "mount it for writing"];
    assert_refused(launch.wrapper(wrapper), &words).await;
}

#[tokio::test]
async fn a_network_file_system_is_refused_by_its_name() {
    let shim = gcc::build("mountinfo.c", "mountinfo.so", &["-shared", "-fPIC"]);
    for (kind, refused) in [("nfs4", true), ("cifs", true), ("9p", true), ("fuse.sshfs", true), ("ext4", false)] {
        let launch = Launch::new();
        let device = launch.dir().metadata().unwrap().dev();
        let numbers =
            format!("{}:{}", device >> 8 & 0xfff | device >> 32 & !0xfff, device & 0xff | device >> 12 & !0xff);
        let mounts = tempfile::NamedTempFile::new().unwrap();
        fs::write(&mounts, format!("1 0 {numbers} / / rw - {kind} source rw\n")).unwrap();
        let launch = launch.env("LD_PRELOAD", &shim).env("MOUNTINFO", mounts.path());
        let dir = launch.dir().display().to_string();
        match refused {
            true => {
                assert_refused(launch, &[&dir, &format!("a network file system ({kind})"), "a disk of this host"]).await
            }
            false => drop(launch.start().await),
        }
    }
}

#[tokio::test]
async fn files_of_others_and_files_that_are_none_are_refused() {
    if !is_root() {
        return;
    }
    const OWNED: &str = "belongs to another user";
    const OPEN: &str = "can be written by others";
    type Case = (fn(&Path), &'static str, [&'static str; 2]);
    let cases: [Case; 8] = [
        (|dir| give(&dir.join("lumen.db")), "lumen.db", [OWNED, "run lumen as that user"]),
        (|dir| give(&dir.join("lumen.db-wal")), "lumen.db-wal", [OWNED, "chown"]),
        (|dir| give(&dir.join("lumen.db-shm")), "lumen.db-shm", [OWNED, "chown"]),
        (|dir| set_mode(&dir.join("lumen.db"), 0o620), "lumen.db", [OPEN, "chmod 600"]),
        (|dir| set_mode(&dir.join("lumen.db-wal"), 0o602), "lumen.db-wal", [OPEN, "chmod 600"]),
        (|dir| set_mode(&dir.join("lumen.db"), 0o400), "lumen.db", ["cannot open the database", "Permission denied"]),
        (
            |dir| set_mode(&dir.join("lumen.db-wal"), 0o000),
            "lumen.db-wal",
            ["cannot open the database", "let this user"],
        ),
        (|dir| give(&dir.join("lumen.lock")), "lumen.lock", ["Permission denied", "chown"]),
    ];
    for (prepare, name, words) in cases {
        let launch = used().await;
        for path in ["lumen.db", "lumen.db-wal", "lumen.db-shm"] {
            assert!(launch.dir().join(path).exists(), "{path} stays behind");
        }
        prepare(launch.dir());
        let ownership = ownership(&launch.dir().join(name));
        assert_refused(launch.wrapper(BOUND_BY_RIGHTS), &[&words[..], &[&ownership]].concat()).await;
    }
    let replaced = async |name: &str, by: fn(&Path), words: &[&str]| {
        let launch = used().await;
        let path = launch.dir().join(name);
        fs::rename(&path, launch.dir().join("old")).unwrap();
        by(&path);
        let path = path.display().to_string();
        assert_refused(launch, &[words, &[&path]].concat()).await;
    };
    replaced("lumen.db", |path| fs::create_dir(path).unwrap(), &["is a directory, and no plain file"]).await;
    replaced("lumen.db-wal", |path| fs::create_dir(path).unwrap(), &["is a directory, and no plain file"]).await;
    let linked = |path: &Path| symlink(path.with_file_name("old"), path).unwrap();
    replaced("lumen.db", linked, &["is a symbolic link, and no plain file", "--data-dir"]).await;
}

/// Faults row 7. Each page but the first in turn is damaged, so that tables and indexes are among them.
#[tokio::test]
async fn a_damaged_database_is_refused_with_its_cure() {
    let whole = used().await;
    let bytes = fs::read(whole.dir().join("lumen.db")).unwrap();
    let page = 4096;
    let mut damaged: Vec<(String, Vec<u8>)> = Vec::new();
    let noise = |bytes: usize| (0..bytes).map(|_| random::within(0..=255) as u8).collect::<Vec<u8>>();
    damaged.push(("random bytes".to_owned(), noise(bytes.len())));
    damaged.push(("half of it".to_owned(), bytes[..bytes.len() / 2 / page * page].to_owned()));
    damaged.push(("half a page".to_owned(), bytes[..page / 2].to_owned()));
    for root in roots(&whole.dir().join("lumen.db")) {
        let mut torn = bytes.clone();
        torn[(root - 1) * page..root * page].copy_from_slice(&noise(page));
        damaged.push((format!("page {root}"), torn));
    }
    assert!(damaged.len() > 10);
    for (what, bytes) in damaged {
        let launch = Launch::new();
        let path = launch.dir().join("lumen.db");
        fs::write(&path, &bytes).unwrap();
        set_mode(&path, 0o600);
        let words = [&format!("{} is damaged: ", path.display()), "restore a copy of the whole data directory"];
        let Err(ended) = launch.clone().try_start().await else { panic!("{what}: it starts") };
        let last = ended.stderr.lines().last().unwrap_or_default();
        assert_eq!(ended.status.code(), Some(1), "{what}: {}", ended.stderr);
        assert!(words.iter().all(|word| last.contains(word)), "{what}: {}", ended.stderr);
        assert_eq!(fs::read(&path).unwrap(), bytes, "{what}: it is left as it is");
    }
}

/// Faults row 8: a part of the files comes back, or a part is lost. SQLite by itself would remove the log.
#[tokio::test]
async fn a_log_without_its_database_is_refused_and_kept() {
    let lose: [fn(&Path); 2] = [|path| fs::remove_file(path).unwrap(), |path| fs::write(path, "").unwrap()];
    for lose in lose {
        let mut server = Child::start().await;
        server.api().publish("ada", "in the log").await;
        server.kill9().await;
        let (database, log) = (server.dir().join("lumen.db"), server.dir().join("lumen.db-wal"));
        let kept = (fs::read(&database).unwrap(), fs::read(&log).unwrap());
        lose(&database);
        let words = [&log.display().to_string(), "but not the database", "put the database back beside its log"];
        assert_refused(server.launch(), &words).await;
        assert_eq!(fs::read(&log).unwrap(), kept.1);
        fs::write(&database, kept.0).unwrap();
        set_mode(&database, 0o600);
        server.restart().await;
        assert_eq!(server.api().publish("ada", "next").await.rev, 2);
    }
}

/// The first pages of all tables and indexes.
fn roots(path: &Path) -> Vec<usize> {
    let database = Connection::open(path).unwrap();
    let mut select = database.prepare("SELECT rootpage FROM sqlite_schema WHERE rootpage > 1").unwrap();
    let roots = select.query_map([], |row| row.get::<_, u32>(0)).unwrap();
    roots.map(|root| root.unwrap() as usize).collect()
}

/// Faults row 11.
#[tokio::test]
async fn a_foreign_or_a_newer_database_is_refused_and_left_as_it_is() {
    for (sql, words) in [
        ("CREATE TABLE t (x)", ["is not a database of lumen", "give another --data-dir"]),
        (
            "PRAGMA application_id = 0x4c754d6e; PRAGMA user_version = 99",
            ["by a newer lumen (schema 99", "newer lumen again"],
        ),
    ] {
        let launch = Launch::new();
        let path = launch.dir().join("lumen.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let bytes = fs::read(&path).unwrap();
        set_mode(&path, 0o600);
        assert_refused(launch.clone(), &[words[0], words[1], &path.display().to_string()]).await;
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
