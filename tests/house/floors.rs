//! The floors: a room may use what is below it, and of its own floor only what stands here.

use super::paths;
use super::source::{Fault, Source};

/// The rooms of each floor, the lowest first. A room need not be there yet.
const FLOORS: [&[&str]; 5] = [
    &["domain", "wire", "budget", "clock", "random", "telemetry", "shutdown", "exit", "ownership", "web"],
    &["store", "auth", "home"],
    &["hub", "client"],
    &["http", "loadtest"],
    &["main", "cmd", "config", "cli"],
];

/// The only steps sideways: from a room, and to which path.
const SIDEWAYS: [(&str, &[&str]); 9] = [
    ("main", &["cmd"]),
    ("main", &["config"]),
    ("main", &["cli"]),
    ("cmd", &["config"]),
    ("cmd", &["cli"]),
    ("config", &["cli"]),
    ("wire", &["domain"]),
    ("clock", &["domain", "ids"]),
    ("random", &["domain", "ids"]),
];

const DOWNWARD: &str =
    "let the upper room hand it in, or move what both need to a floor below (tests/house/floors.rs has the floors)";

/// Imports go only downward.
pub fn imports(source: &Source) -> Vec<Fault> {
    // The root names all rooms and uses none.
    let Some(room) = room(&source.path) else { return Vec::new() };
    let said = paths::of(source).into_iter();
    said.filter_map(|(line, path)| refuse(&room, &path).map(|what| source.fault(line, what, DOWNWARD))).collect()
}

/// The floor of a room, counted from 0.
pub fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// The room that a file belongs to; none for `src/lib.rs`.
pub fn room(path: &str) -> Option<String> {
    match path {
        "src/main.rs" => Some("main".to_owned()),
        _ => paths::modules(path).into_iter().next(),
    }
}

fn refuse(room: &str, path: &[String]) -> Option<String> {
    let to = path.first()?;
    let said = path.join("::");
    if to == room {
        return None;
    }
    let Some(below) = floor(to) else {
        return Some(format!("`{said}` is in no room that tests/house/floors.rs knows"));
    };
    let Some(own) = floor(room) else {
        return Some(format!("`{room}` is no room that tests/house/floors.rs knows"));
    };
    let beside = SIDEWAYS.iter().any(|(from, prefix)| *from == room && path.starts_with(&owned(prefix)));
    if below < own || beside {
        return None;
    }
    Some(match below == own {
        true => format!("`{room}` uses `{said}`, but rooms of one floor do not know each other"),
        false => format!("`{room}` on floor {own} uses `{said}` on floor {below}"),
    })
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|name| (*name).to_owned()).collect()
}

fn faults(path: &str, text: &str) -> Vec<String> {
    imports(&Source::new(path, text)).iter().map(Fault::to_string).collect()
}

#[test]
fn a_step_up_is_a_fault() {
    let faults = faults("src/hub/mailbox.rs", "//! Head.\n\nuse crate::http::Parts;\n");
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("src/hub/mailbox.rs:3: `hub` on floor 2 uses `http::Parts` on floor 3. Cure: "));
}

#[test]
fn a_step_sideways_is_a_fault() {
    assert_eq!(faults("src/store/sqlite/open.rs", "use crate::auth::Keys;").len(), 1);
    assert_eq!(faults("src/hub/mod.rs", "fn a() { super::client::open() }").len(), 1);
    assert_eq!(faults("src/cli/mod.rs", "use crate::{domain::ids, cmd::serve};").len(), 1);
    assert_eq!(faults("src/config.rs", "use crate::cmd;").len(), 1);
    assert_eq!(faults("src/domain/ids.rs", "use crate::wire::json;").len(), 1);
    assert_eq!(faults("src/clock.rs", "use crate::domain::cursor::Cursor;").len(), 1);
    assert_eq!(faults("src/cmd/serve.rs", "use crate::main;").len(), 1);
}

#[test]
fn a_room_that_nobody_knows_is_a_fault() {
    assert_eq!(faults("src/hub/mod.rs", "use crate::cellar::Wine;").len(), 1);
    assert_eq!(faults("src/cellar.rs", "use crate::domain::ids;").len(), 1);
}

#[test]
fn steps_down_and_the_named_ones_sideways_are_none() {
    assert!(faults("src/main.rs", "use lumen_inbox::{cli, cmd, config, exit::Exit};").is_empty());
    assert!(
        faults("src/cmd/serve.rs", "use crate::cli::Serve;\nuse crate::http;\nuse crate::store::Store;").is_empty()
    );
    assert!(
        faults("src/hub/mod.rs", "use crate::store::Store;\nuse crate::wire::event;\nuse super::clock;").is_empty()
    );
    assert!(faults("src/wire/event.rs", "use super::sse::Encoder;\nuse crate::domain::ids::Rev;").is_empty());
    assert!(faults("src/clock.rs", "use crate::domain::ids::Millis;").is_empty());
    assert!(faults("src/lib.rs", "pub mod http;").is_empty());
}
