//! Words that only one room says, and words that nobody says.

use super::source::{Fault, Source};

/// A `//!` head in the first line.
pub fn head(source: &Source) -> Vec<Fault> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    let cure = "begin the file with a `//!` head that says what it is and what it leaves to others";
    vec![source.fault(1, "the file has no head".to_owned(), cure)]
}

/// SQL is in one place.
pub fn rusqlite(source: &Source) -> Vec<Fault> {
    let cure = "ask `store::Store`, or put the query into src/store/sqlite";
    confine(source, "src/store/sqlite", &["rusqlite", "tokio_rusqlite"], cure)
}

/// The web server's library is in one place.
pub fn axum(source: &Source) -> Vec<Fault> {
    let cure = "hand in a type of our own, or put this into src/http";
    confine(source, "src/http", &["axum", "axum_core", "hyper", "hyper_util"], cure)
}

/// What a user sees on a terminal is written in one place; clippy denies the standard macros, this finds any.
pub fn prints(source: &Source) -> Vec<Fault> {
    let cure = "return what is to be said and let src/cmd print it, or log it with tracing";
    let macros = ["print", "println", "eprint", "eprintln"];
    let mut faults = confine(source, "src/cmd", &macros, cure);
    faults.retain(|fault| {
        source.tokens.iter().enumerate().any(|(at, token)| {
            token.line == fault.line && macros.contains(&token.text.as_str()) && source.token(at + 1) == "!"
        })
    });
    faults
}

/// No drawer for everything: a name says what is inside.
pub fn names(source: &Source) -> Vec<Fault> {
    const DRAWERS: [&str; 5] = ["util", "utils", "helper", "helpers", "common"];
    let cure = "name it after what it does, or move each part to the room that needs it";
    let in_path = source.path.split(['/', '.']).filter(|name| DRAWERS.contains(name)).map(|name| (1, name));
    let modules = (0..source.tokens.len()).filter(|at| source.token(*at) == "mod");
    let in_code = modules.map(|at| (source.line(at), source.token(at + 1))).filter(|(_, name)| DRAWERS.contains(name));
    let found = in_path.chain(in_code);
    found.map(|(line, name)| source.fault(line, format!("`{name}` could hold anything"), cure)).collect()
}

/// Nothing is left for later in the code itself.
pub fn unfinished(source: &Source) -> Vec<Fault> {
    const NOTES: [&str; 3] = ["TODO", "FIXME", "XXX"];
    const MACROS: [&str; 2] = ["todo", "unimplemented"];
    let cure = "do it, or file it as an issue and say here what is, not what is missing";
    let noted = source.comments.iter().filter_map(|comment| {
        let mut words = comment.text.split(|c: char| !c.is_alphanumeric());
        words.find(|word| NOTES.contains(word)).map(|word| (comment.line, word))
    });
    let macros =
        (0..source.tokens.len()).filter(|at| MACROS.contains(&source.token(*at)) && source.token(at + 1) == "!");
    let found = noted.chain(macros.map(|at| (source.line(at), source.token(at))));
    found.map(|(line, word)| source.fault(line, format!("`{word}` leaves something undone"), cure)).collect()
}

/// A test that is not run proves nothing.
pub fn ignored(source: &Source) -> Vec<Fault> {
    let cure = "make the test quick and steady enough to be run each time, or take it out";
    let attributes = (0..source.tokens.len()).filter(|at| source.says(*at, &["#", "["]));
    let ignoring = attributes.filter(|at| match source.token(at + 2) {
        "ignore" => true,
        "cfg_attr" => (at + 3..source.tokens.len())
            .take_while(|inner| source.token(*inner) != "]")
            .any(|inner| source.says(inner, &[",", "ignore"])),
        _ => false,
    });
    ignoring.map(|at| source.fault(source.line(at), "the test is ignored".to_owned(), cure)).collect()
}

/// A fault for each of the words that stands outside `home`, a file or folder without its ending.
fn confine(source: &Source, home: &str, words: &[&str], cure: &'static str) -> Vec<Fault> {
    if source.path.strip_prefix(home).is_some_and(|rest| rest.starts_with(['/', '.'])) {
        return Vec::new();
    }
    let found = source.tokens.iter().filter(|token| words.contains(&token.text.as_str()));
    found.map(|token| source.fault(token.line, format!("`{}` belongs to {home}", token.text), cure)).collect()
}

fn lines(rule: fn(&Source) -> Vec<Fault>, path: &str, text: &str) -> Vec<usize> {
    rule(&Source::new(path, text)).iter().map(|fault| fault.line).collect()
}

#[test]
fn a_file_without_a_head_is_a_fault() {
    assert_eq!(lines(head, "src/hub/mod.rs", "use std::fmt;\n//! Too late.\n"), [1]);
    assert_eq!(lines(head, "tests/it/main.rs", "//!\n"), [1]);
    assert!(lines(head, "src/hub/mod.rs", "//! Who is open.\n").is_empty());
}

#[test]
fn sql_elsewhere_is_a_fault() {
    let text = "//! rusqlite may be named here.\nuse rusqlite::Connection;\nfn a(_: tokio_rusqlite::Connection) {}\n";
    assert_eq!(lines(rusqlite, "src/store/mod.rs", text), [2, 3]);
    assert_eq!(lines(rusqlite, "src/store/sqlite_too.rs", text), [2, 3]);
    assert!(lines(rusqlite, "src/store/sqlite/open.rs", text).is_empty());
    assert!(lines(rusqlite, "src/store/sqlite.rs", text).is_empty());
}

#[test]
fn axum_elsewhere_is_a_fault() {
    let text = "use axum::Router;\nuse hyper_util::rt::TokioIo;\nuse hyper::body;\n";
    assert_eq!(lines(axum, "src/hub/mod.rs", text), [1, 2, 3]);
    assert!(lines(axum, "src/http/door/accept.rs", text).is_empty());
}

#[test]
fn printing_elsewhere_is_a_fault() {
    let text =
        "fn a(print: u8) {\n    println!(\"hi\");\n    anstream::eprint!(\"hi\");\n    print(\"println!\");\n}\n";
    assert_eq!(lines(prints, "src/hub/mod.rs", text), [2, 3]);
    assert_eq!(lines(prints, "src/main.rs", text), [2, 3]);
    assert!(lines(prints, "src/cmd/term/mod.rs", text).is_empty());
}

#[test]
fn a_drawer_is_a_fault() {
    assert_eq!(lines(names, "src/hub/utils.rs", ""), [1]);
    assert_eq!(lines(names, "tests/it/common/mod.rs", ""), [1]);
    assert_eq!(lines(names, "src/hub/mod.rs", "mod mailbox;\nmod helpers {}\npub mod util;\n"), [2, 3]);
    assert!(lines(names, "src/hub/mod.rs", "use tokio_util::sync;\nlet common = 1;\n").is_empty());
}

#[test]
fn something_undone_is_a_fault() {
    let text = "// TODO: later\nfn a() {\n    todo!()\n}\n/* and\nFIXME */\nfn b() {\n    unimplemented!(\"b\")\n}\n";
    assert_eq!(lines(unfinished, "src/hub/mod.rs", text), [1, 6, 3, 8]);
    assert!(lines(unfinished, "src/hub/mod.rs", "let todo = \"TODO\"; // METODOS\n").is_empty());
}

#[test]
fn an_ignored_test_is_a_fault() {
    let text = "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n#[cfg_attr(not(linux), ignore)]\nfn b() {}\n";
    assert_eq!(lines(ignored, "tests/it/main.rs", text), [2, 4]);
    assert!(lines(ignored, "tests/it/main.rs", "#[test]\nfn ignore() {}\n").is_empty());
}
