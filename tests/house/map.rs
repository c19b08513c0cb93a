//! The map in `src/lib.rs`: what it names is there, and every room is on it.
//!
//! A row is: floor, room and its files, what it is. A word with a slash is a folder, which the words after it are in; a
//! row that does not begin in the room's column goes on with the room above. `…` means that there is more.

use std::collections::BTreeSet;

use super::floors;
use super::source::{Fault, Source};

/// Where in a row, after its `//! `, a room's name begins, and where it is told what the room is.
const ROOM_COLUMN: usize = 3;
const PROSE_COLUMN: usize = 63;

/// What one row names: each a path without its ending.
struct Row {
    line: usize,
    floor: Option<usize>,
    names: Vec<String>,
}

/// What the map names in a room is there, once the room is.
pub fn names_what_is(lib: &Source, paths: &[&str]) -> Vec<Fault> {
    let there = places(paths);
    let cure = "make the map in src/lib.rs say what is there";
    let mut faults = Vec::new();
    for row in rows(&lib.text) {
        for name in &row.names {
            let room = name.split('/').next().unwrap_or(name);
            if there.contains(room) && !there.contains(name.as_str()) {
                faults.push(lib.fault(row.line, format!("the map names src/{name}, which is not there"), cure));
            }
            if !name.contains('/') && floors::floor(room) != row.floor {
                let what = format!("the map has `{room}` on another floor than tests/house/floors.rs");
                faults.push(lib.fault(row.line, what, cure));
            }
        }
    }
    faults
}

/// Every room of src is on the map.
pub fn is_complete(lib: &Source, paths: &[&str]) -> Vec<Fault> {
    let rows = rows(&lib.text);
    let named: BTreeSet<&str> =
        rows.iter().flat_map(|row| &row.names).filter_map(|name| name.split('/').next()).collect();
    let rooms: BTreeSet<String> = paths.iter().filter_map(|path| floors::room(path)).collect();
    let cure = "give it its row in the map, on the floor where it belongs";
    let missing = rooms.iter().filter(|room| *room != "main" && !named.contains(room.as_str()));
    missing.map(|room| lib.fault(1, format!("the map does not name the room `{room}`"), cure)).collect()
}

/// Every folder and file that these paths show, without `src/` and endings.
fn places(paths: &[&str]) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for path in paths {
        let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
        places.extend(inside.match_indices('/').map(|(at, _)| inside[..at].to_owned()));
        places.insert(inside.to_owned());
    }
    places
}

fn rows(text: &str) -> Vec<Row> {
    let head = text.lines().enumerate().map_while(|(n, line)| Some((n + 1, line.strip_prefix("//!")?)));
    let fenced = head.skip_while(|(_, line)| !line.starts_with(" ```")).skip(1);
    let map = fenced.take_while(|(_, line)| !line.starts_with(" ```"));
    let (mut rows, mut room, mut floor) = (Vec::new(), String::new(), None);
    for (line, text) in map {
        let row: Vec<char> = text.chars().skip(1).collect();
        floor = row.first().and_then(|c| c.to_digit(10)).map(|digit| digit as usize).or(floor);
        if row.get(ROOM_COLUMN).is_some_and(|c| *c != ' ') {
            room.clear();
        }
        let names: String = row.iter().take(PROSE_COLUMN).skip(ROOM_COLUMN).collect();
        rows.push(Row { line, floor, names: read(&names, &mut room) });
    }
    rows
}

/// The paths that the words name; `room` is the room that the row goes on with, or begins.
fn read(words: &str, room: &mut String) -> Vec<String> {
    let mut names = Vec::new();
    let mut folder = room.clone();
    for word in words.split_whitespace().filter(|word| *word != "…") {
        let path = format!("{folder}{word}");
        if word.ends_with('/') {
            if room.is_empty() {
                room.push_str(word);
            }
            folder.clone_from(&path);
        }
        names.push(path.trim_end_matches('/').to_owned());
    }
    names
}

const MAP: &str = "\
//! The map.
//!
//! ```text
//! 3  http/        door/   accept options                         bytes become a request
//!                 edge/   caller …                               what every answer has
//! 2  hub/         registry mailbox                               who is open
//!                 close
//! 0  clock exit
//! ```
";

fn faults(rule: fn(&Source, &[&str]) -> Vec<Fault>, paths: &[&str]) -> Vec<String> {
    rule(&Source::new("src/lib.rs", MAP), paths).iter().map(Fault::to_string).collect()
}

#[test]
fn a_name_without_its_file_is_a_fault() {
    let found = faults(names_what_is, &["src/lib.rs", "src/hub/mod.rs", "src/hub/registry.rs", "src/hub/close/mod.rs"]);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("src/lib.rs:6: the map names src/hub/mailbox, which is not there. Cure: "));
    let found = faults(names_what_is, &["src/http/mod.rs", "src/http/door/options.rs", "src/http/edge/caller.rs"]);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("src/lib.rs:4: the map names src/http/door/accept, which is not there. Cure: "));
}

#[test]
fn a_room_that_is_not_there_yet_is_none() {
    assert!(faults(names_what_is, &["src/lib.rs", "src/main.rs", "src/clock.rs"]).is_empty());
}

#[test]
fn a_room_on_the_wrong_floor_is_a_fault() {
    let lib = Source::new("src/lib.rs", &MAP.replace("2  hub/", "1  hub/"));
    assert_eq!(names_what_is(&lib, &[]).len(), 1);
}

#[test]
fn a_room_without_a_row_is_a_fault() {
    let found = faults(is_complete, &["src/lib.rs", "src/main.rs", "src/exit.rs", "src/cellar/mod.rs", "src/attic.rs"]);
    let missing = ["the map does not name the room `attic`", "the map does not name the room `cellar`"];
    assert_eq!(found.len(), 2);
    assert!(found.iter().zip(missing).all(|(found, missing)| found.contains(missing)));
}
