//! How long a file and a function may be. What a reader must hold in mind at once has a bound.

use super::source::{Fault, Source};

/// Without its tests. Most files stay under 150.
const FILE_LINES: usize = 400;

/// From `fn` to its last bracket. Most functions stay under 40.
const FUNCTION_LINES: usize = 70;

/// A file, without its test modules, has an end that can be seen.
pub fn file(source: &Source) -> Vec<Fault> {
    let tests: usize = source.tests().into_iter().map(Iterator::count).sum();
    let lines = source.text.lines().count() - tests;
    if lines <= FILE_LINES {
        return Vec::new();
    }
    let cure = "find the second noun in it and give that a file of its own";
    vec![source.fault(FILE_LINES + 1, format!("{lines} lines without tests, where {FILE_LINES} are the most"), cure)]
}

/// A function, outside test modules, can be read at one look.
pub fn functions(source: &Source) -> Vec<Fault> {
    let cure = "name the steps and make them functions";
    let tests = source.tests();
    let starts = (0..source.tokens.len()).filter(|at| source.token(*at) == "fn" && source.token(at + 1) != "(");
    let product = starts.filter(|at| !tests.iter().any(|lines| lines.contains(&source.line(*at))));
    product
        .filter_map(|at| {
            let name = source.token(at + 1);
            let lines = source.line(source.close_of(body(source, at)?)) - source.line(at) + 1;
            let what = format!("`{name}` has {lines} lines, where {FUNCTION_LINES} are the most");
            (lines > FUNCTION_LINES).then(|| source.fault(source.line(at), what, cure))
        })
        .collect()
}

/// Where the body of the function there opens; a declaration has none.
fn body(source: &Source, function: usize) -> Option<usize> {
    let mut brackets = 0;
    for at in function..source.tokens.len() {
        match source.token(at) {
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets -= 1,
            "{" if brackets == 0 => return Some(at),
            ";" if brackets == 0 => return None,
            _ => {}
        }
    }
    None
}

fn faults(rule: fn(&Source) -> Vec<Fault>, text: &str) -> Vec<String> {
    rule(&Source::new("src/hub/mod.rs", text)).iter().map(Fault::to_string).collect()
}

#[test]
fn a_long_file_is_a_fault() {
    let tests = "#[cfg(test)]\nmod tests {\n    fn a() {}\n}\n";
    let faults = |lines: usize| faults(file, &format!("{}{tests}", "// line\n".repeat(lines)));
    assert!(faults(400).is_empty());
    assert_eq!(faults(401).len(), 1);
    assert!(faults(401)[0].starts_with("src/hub/mod.rs:401: 401 lines without tests, where 400 are the most. Cure: "));
}

#[test]
fn a_long_function_is_a_fault() {
    let function =
        |head: &str, lines: usize| format!("// one\n{head} {{\n{}}}\nfn next() {{}}\n", "    a();\n".repeat(lines - 2));
    for head in [
        "fn long()",
        "pub async fn long<A, B: Fn(u8) -> [u8; 2]>(a: A, f: fn(u8) -> u8) -> Result<[u8; 2], B>",
        "fn long<I>(items: I)\nwhere\n    I: Iterator<Item = (u8, u8)>,",
    ] {
        let extra = head.matches('\n').count();
        assert!(faults(functions, &function(head, 70 - extra)).is_empty(), "{head}");
        let found = faults(functions, &function(head, 71 - extra));
        assert_eq!(found.len(), 1, "{head}");
        assert!(found[0].starts_with("src/hub/mod.rs:2: `long` has 71 lines, where 70 are the most. Cure: "), "{head}");
    }
    let in_tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function("fn long()", 90));
    assert!(faults(functions, &in_tests).is_empty());
}

#[test]
fn a_declaration_has_no_body_to_be_long() {
    let text = format!(
        "trait A {{\n    fn a(&self) -> [u8; 4];\n}}\nconst B: fn(u8) = b;\nmod c {{\n{}}}\n",
        "// line\n".repeat(90)
    );
    assert!(faults(functions, &text).is_empty());
}
