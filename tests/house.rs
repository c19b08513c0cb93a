//! Tidiness as a test: what the house promises about its own files.
//!
//! A rule is a function of one source (path and text), so that each is shown to fail on a faulty sample where it is
//! written, in `house/`. Here each is held against every file. A failure names the file, the line and the cure.

#[path = "house/floors.rs"]
mod floors;
#[path = "house/map.rs"]
mod map;
#[path = "house/paths.rs"]
mod paths;
#[path = "house/settings.rs"]
mod settings;
#[path = "house/sizes.rs"]
mod sizes;
#[path = "house/source.rs"]
mod source;
#[path = "house/words.rs"]
mod words;

use source::{Fault, Source};

#[test]
fn imports_go_only_downward() {
    hold(floors::imports, &["src"]);
}

#[test]
fn each_file_begins_with_a_head() {
    hold(words::head, &["src", "tests"]);
}

#[test]
fn only_the_sqlite_store_says_rusqlite() {
    hold(words::rusqlite, &["src"]);
}

#[test]
fn only_http_says_axum_and_hyper() {
    hold(words::axum, &["src"]);
}

#[test]
fn only_cmd_prints() {
    hold(words::prints, &["src"]);
}

#[test]
fn no_name_is_a_drawer_for_everything() {
    hold(words::names, &["src", "tests"]);
}

#[test]
fn nothing_is_left_unfinished() {
    hold(words::unfinished, &["src", "tests"]);
}

#[test]
fn no_test_is_switched_off() {
    hold(words::ignored, &["src", "tests"]);
}

#[test]
fn files_are_short() {
    hold(sizes::file, &["src", "tests"]);
}

#[test]
fn functions_are_short() {
    hold(sizes::functions, &["src"]);
}

#[test]
fn the_map_tells_the_truth() {
    let house = source::read(&["src"]);
    let paths: Vec<&str> = house.iter().map(|source| source.path.as_str()).collect();
    let lib = house.iter().find(|source| source.path == "src/lib.rs").expect("the house has a src/lib.rs");
    tell(map::names_what_is(lib, &paths));
    tell(map::is_complete(lib, &paths));
}

#[test]
fn the_readme_tells_of_every_setting() {
    let told = settings::of_the_readme(include_str!("../README.md"));
    assert_eq!(told, settings::of_the_file(include_str!("../lumen.toml")));
}

/// Holds the rule against each file under these folders.
fn hold(rule: fn(&Source) -> Vec<Fault>, folders: &[&str]) {
    tell(source::read(folders).iter().flat_map(rule).collect());
}

fn tell(faults: Vec<Fault>) {
    let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert!(lines.is_empty(), "the house is untidy:\n{}\n", lines.join("\n"));
}
