//! The power cut itself is proved: what it keeps, what it takes, and that it does not look away.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::support::gcc;
use crate::support::powercut::{Shim, cut};

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// A folder on a disk that forgets.
struct Bench {
    temp: TempDir,
    seed: Option<u64>,
}

impl Bench {
    fn new() -> Self {
        Self { temp: TempDir::new().unwrap(), seed: None }
    }

    fn seeded(seed: u64) -> Self {
        Self { seed: Some(seed), ..Self::new() }
    }

    fn dir(&self) -> PathBuf {
        self.temp.path().join("dir")
    }

    fn image(&self) -> PathBuf {
        self.temp.path().join("image")
    }

    /// Takes the steps in a process of their own, ends it by kill -9, and leaves the folder as it was then.
    fn run(&self, steps: &[&str]) -> &Self {
        let (signal, words) = self.outcome(steps);
        assert_eq!(signal, Some(SIGKILL), "the probe was not there to be killed: {words}");
        self
    }

    /// The signal that ended the process, and what it said on stderr.
    fn outcome(&self, steps: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(probe());
        Shim::build().apply(&mut command, &self.dir(), &self.image(), self.seed);
        command.args(steps).current_dir(self.dir()).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A dot when all steps are taken, or nothing if it ended before.
        child.stdout.take().unwrap().read_exact(&mut [0]).ok();
        child.kill().unwrap();
        let ended = child.wait_with_output().unwrap();
        (ended.status.signal(), String::from_utf8(ended.stderr).unwrap())
    }

    /// Cuts the power; what is then in the folder.
    fn cut(&self) -> BTreeMap<String, String> {
        cut(&self.dir(), &self.image());
        contents(&self.dir())
    }
}

fn probe() -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    PROBE.get_or_init(|| gcc::build("powercut_probe.c", "powercut_probe", &[]))
}

fn contents(dir: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let text = |path: PathBuf| String::from_utf8(fs::read(path).unwrap()).unwrap();
    entries.map(|entry| (entry.file_name().into_string().unwrap(), text(entry.path()))).collect()
}

fn files<const N: usize>(files: [(&str, &str); N]) -> BTreeMap<String, String> {
    files.map(|(name, text)| (name.to_owned(), text.to_owned())).into()
}

#[test]
fn what_was_synced_stays_and_the_rest_is_gone() {
    let bench = Bench::new();
    bench.run(&["open a", "put kept", "sync", "names", "put -lost", "at 0 K"]);
    assert_eq!(contents(&bench.dir()), files([("a", "Kept-lost")]));
    assert_eq!(bench.cut(), files([("a", "kept")]));
    assert_eq!(fs::metadata(bench.dir().join("a")).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_file_needs_its_own_sync_and_its_folders() {
    let bench = Bench::new();
    bench.run(&["open never", "put a", "names", "open nameless", "put b", "sync", "open neither", "put c"]);
    assert_eq!(bench.cut(), files([("never", "")]));
}

#[test]
fn a_rename_lasts_from_the_folders_sync_on() {
    let steps = ["open key", "put old", "sync", "names", "empty new", "put new", "sync", "rename new key"];
    let bench = Bench::new();
    bench.run(&steps);
    assert_eq!(contents(&bench.dir()), files([("key", "new")]));
    assert_eq!(bench.cut(), files([("key", "old")]));
    let bench = Bench::new();
    bench.run(&steps).run(&["names"]);
    assert_eq!(bench.cut(), files([("key", "new")]), "another process may sync the folder");
    let bench = Bench::new();
    bench.run(&[&steps[..], &["names"]].concat());
    assert_eq!(bench.cut(), files([("key", "new")]));
}

#[test]
fn a_rename_without_the_files_sync_leaves_an_empty_file() {
    let bench = Bench::new();
    bench.run(&["open new", "put new", "rename new key", "names"]);
    assert_eq!(bench.cut(), files([("key", "")]));
}

#[test]
fn a_removal_lasts_from_the_folders_sync_on() {
    let bench = Bench::new();
    bench.run(&["open a", "put a", "sync", "names", "unlink a"]);
    assert_eq!(bench.cut(), files([("a", "a")]));
    bench.run(&["rename a b", "names"]);
    assert_eq!(bench.cut(), files([("b", "a")]));
    bench.run(&["unlink b", "names"]);
    assert_eq!(bench.cut(), files([]));
}

#[test]
fn a_name_that_is_used_again_is_another_file() {
    let bench = Bench::new();
    bench.run(&["open a", "put old", "sync", "names", "unlink a", "open a", "put newer", "sync"]);
    assert_eq!(bench.cut(), files([("a", "old")]));
    bench.run(&["unlink a", "open a", "put newer", "sync", "names", "put -lost"]);
    assert_eq!(bench.cut(), files([("a", "newer")]));
}

#[test]
fn a_removed_file_does_not_come_back_in_the_next_one() {
    let bench = Bench::new();
    bench.run(&["open a", "put old", "sync", "names", "unlink a", "names"]);
    bench.run(&["open b", "put new", "names"]);
    assert_eq!(bench.cut(), files([("b", "")]));
}

#[test]
fn a_length_is_synced_with_the_bytes() {
    let bench = Bench::new();
    bench.run(&["open a", "put 0123456789", "sync", "names", "size 3"]);
    assert_eq!(bench.cut(), files([("a", "0123456789")]));
    bench.run(&["open a", "size 3", "size 5", "at 6 6", "sync"]);
    assert_eq!(bench.cut(), files([("a", "012\0\0\x006")]));
    bench.run(&["empty a", "put x"]);
    assert_eq!(bench.cut(), files([("a", "012\0\0\x006")]));
    bench.run(&["open a", "sync", "size 2", "at 4 4", "sync"]);
    assert_eq!(bench.cut(), files([("a", "01\0\x004")]));
    bench.run(&["open a", "sync", "empty a", "at 2 2", "sync"]);
    assert_eq!(bench.cut(), files([("a", "\0\x002")]));
    bench.run(&["empty a", "put x", "sync"]);
    assert_eq!(bench.cut(), files([("a", "x")]));
}

#[test]
fn every_way_to_write_is_followed() {
    let bench = Bench::new();
    bench.run(&["open a", "put one", "sync", "names", "append a", "put -two", "dup", "gather -three", "sync"]);
    assert_eq!(bench.cut(), files([("a", "one-two-three")]));
}

#[test]
fn a_killed_process_alone_loses_nothing() {
    let bench = Bench::new();
    bench.run(&["open a", "put kept", "names"]).run(&["open a", "sync"]);
    assert_eq!(bench.cut(), files([("a", "kept")]));
    bench.run(&["open a", "at 4 -on", "sync"]);
    assert_eq!(bench.cut(), files([("a", "kept-on")]));
}

#[test]
fn with_a_seed_some_writes_come_early() {
    let left = |seed| {
        let bench = Bench::seeded(seed);
        bench.run(&["open a", "sync", "names", "fill 200"]);
        bench.cut().remove("a").unwrap()
    };
    let written = |text: &str| text.as_bytes().chunks(512).map(|sector| sector[0] != 0).collect::<Vec<bool>>();
    let early = written(&left(1));
    let count = early.iter().filter(|early| **early).count();
    assert!((20..80).contains(&count), "about one write in four comes early, not {count} of 200");
    assert!(early.windows(2).any(|pair| pair == [false, true]), "a later write comes before an earlier one");
    assert_eq!(early, written(&left(1)), "a seed decides");
    assert_ne!(early, written(&left(2)), "another seed decides otherwise");
}

#[test]
fn with_a_seed_some_names_come_early() {
    let left = |bench: &Bench| bench.run(&["open a", "fill 40"]).cut().len();
    assert_eq!(left(&Bench::new()), 0);
    assert!((0..20).any(|seed| left(&Bench::seeded(seed)) == 0));
    assert!((0..20).any(|seed| left(&Bench::seeded(seed)) == 1));
}

#[test]
fn with_a_seed_a_sync_still_holds() {
    for seed in 0..20 {
        let bench = Bench::seeded(seed);
        bench.run(&["open a", "fill 20", "size 700", "sync", "names", "fill 20"]);
        let text = bench.cut().remove("a").unwrap();
        assert!(text.starts_with(&format!("{}{}", "a".repeat(512), "b".repeat(188))), "seed {seed}: {text:?}");
    }
}

#[test]
fn a_write_may_be_torn() {
    let whole = "x".repeat(4096);
    let torn = (0..40).filter(|seed| {
        let bench = Bench::seeded(*seed);
        bench.run(&["open a", "sync", "names", &format!("put {whole}")]);
        let text = bench.cut().remove("a").unwrap();
        !text.is_empty() && text != whole
    });
    assert!(torn.count() > 0, "none of 40 writes of eight sectors came in part");
}

#[test]
fn what_cannot_be_followed_ends_the_process() {
    for (steps, call) in [
        (&["open a", "size 4096", "map"][..], "a: is written through memory"),
        (&["open b", "put b", "open a", "copy b"], "copy_file_range: writes to a file"),
        (&["open a", "truncate a"], "a: is truncated by its path"),
        (&["open a", "put a", "punch"], "fallocate with holes"),
        (&["mkdir below", "open below/a"], "only files directly in it"),
        (&["mkdir below", "names"], "below: is no plain file"),
    ] {
        let bench = Bench::new();
        let (signal, words) = bench.outcome(steps);
        assert_eq!(signal, Some(SIGABRT), "{steps:?}: {words}");
        assert!(words.starts_with("powercut: ") && words.contains(call), "{steps:?}: {words}");
    }
}

#[test]
fn shared_memory_of_sqlite_is_let_through_and_lost() {
    let bench = Bench::new();
    bench.run(&["open a-shm", "size 4096", "map", "names"]);
    assert_eq!(bench.cut(), files([("a-shm", "")]));
}
