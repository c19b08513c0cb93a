//! Which paths of the crate a file names, in `use` lines and anywhere else.

use super::source::Source;

/// A path from the root of the crate, such as `["hub", "mailbox", "Mailbox"]`, and the line that says it.
pub type Said = (usize, Vec<String>);

/// Every path that begins with `crate`, with the crate's name, or with `super`.
pub fn of(source: &Source) -> Vec<Said> {
    let mut said = Vec::new();
    let mut inline: Vec<(String, usize)> = Vec::new();
    for at in 0..source.tokens.len() {
        inline.retain(|(_, close)| at < *close);
        match source.token(at) {
            "mod" if source.token(at + 2) == "{" => {
                inline.push((source.token(at + 1).to_owned(), source.close_of(at + 2)));
            }
            "crate" | "lumen_inbox" if source.token(at + 1) == "::" => {
                expand(source, at + 2, Vec::new(), &mut said);
            }
            "super" if source.token(at + 1) == "::" && (at < 2 || !source.says(at - 2, &["super", "::"])) => {
                let mut path = modules(&source.path);
                path.extend(inline.iter().map(|(name, _)| name.clone()));
                let mut next = at;
                while source.says(next, &["super", "::"]) {
                    path.pop();
                    next += 2;
                }
                expand(source, next, path, &mut said);
            }
            _ => {}
        }
    }
    said
}

/// The module that a file is: `["hub", "mailbox"]`, and nothing for the roots.
pub fn modules(path: &str) -> Vec<String> {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut names: Vec<String> = inside.split('/').map(str::to_owned).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

/// Follows the path there, and each branch of a `{…}`; returns where it ends.
fn expand(source: &Source, mut at: usize, mut path: Vec<String>, into: &mut Vec<Said>) -> usize {
    let (start, line) = (at, source.line(at));
    loop {
        if source.token(at) == "{" {
            while !matches!(source.token(at), "}" | "") {
                at = expand(source, at + 1, path.clone(), into);
                // What follows a path is a comma, the end, or ` as another`.
                while !matches!(source.token(at), "," | "}" | "") {
                    at += 1;
                }
            }
            return at + 1;
        }
        if source.token(at).starts_with(|c: char| c == '_' || c == '*' || c.is_alphabetic()) {
            path.push(source.token(at).to_owned());
            at += 1;
        }
        if source.token(at) != "::" {
            // Nothing is said between the last comma of a group and its end.
            if source.token(at) != "}" || at > start {
                into.push((line, path));
            }
            return at;
        }
        at += 1;
    }
}

fn said(path: &str, text: &str) -> Vec<String> {
    of(&Source::new(path, text)).into_iter().map(|(line, path)| format!("{line} {}", path.join("::"))).collect()
}

#[test]
fn groups_are_followed() {
    let text = "use crate::{\n    domain::{ids::Rev, cursor as c},\n    wire,\n};\nlet rev = crate::domain::ids::Rev::MAX + 1;\n";
    let paths = ["2 domain::ids::Rev", "2 domain::cursor", "3 wire", "5 domain::ids::Rev::MAX"];
    assert_eq!(said("src/hub/mod.rs", text), paths);
}

#[test]
fn super_is_followed_from_where_it_stands() {
    assert_eq!(said("src/hub/mailbox.rs", "use super::super::http::Parts;"), ["1 http::Parts"]);
    assert_eq!(said("src/hub/mod.rs", "use super::http::Parts;"), ["1 http::Parts"]);
    assert_eq!(said("src/hub.rs", "mod tests {\n    use super::Hub;\n}\nuse super::http;"), ["2 hub::Hub", "4 http"]);
    assert_eq!(said("src/hub/mod.rs", "pub(super) fn a(self: &Self) {}"), Vec::<String>::new());
}
