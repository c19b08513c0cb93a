//! A file as the rules see it: its words with their lines, comments and texts kept apart.
//!
//! This is not a parser. rustfmt has normalised the code, so words, brackets and lines are enough.

use std::fmt;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

/// One file. Lines count from 1.
pub struct Source {
    /// From the root of the project, such as `src/hub/mailbox.rs`.
    pub path: String,
    pub text: String,
    /// The code: words, `::` and single signs. A text or a character is the one token `""`.
    pub tokens: Vec<Token>,
    /// The comments, a piece a line.
    pub comments: Vec<Token>,
}

pub struct Token {
    pub line: usize,
    pub text: String,
}

/// What is wrong where, and what to do about it.
#[derive(Debug)]
pub struct Fault {
    pub path: String,
    pub line: usize,
    pub what: String,
    pub cure: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}. Cure: {}.", self.path, self.line, self.what, self.cure)
    }
}

/// Every Rust file under these folders of the project.
pub fn read(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in folders {
        walk(root, folder, &mut sources);
        assert!(!sources.is_empty(), "no Rust file under {folder}: the rules would hold of nothing");
    }
    sources
}

fn walk(root: &Path, folder: &str, into: &mut Vec<Source>) {
    let entries = fs::read_dir(root.join(folder)).unwrap_or_else(|fault| panic!("{folder}: {fault}"));
    let names = entries.map(|entry| entry.expect("the folder can be listed").file_name().into_string());
    let mut names: Vec<String> = names.map(|name| name.expect("names are UTF-8")).collect();
    names.sort();
    for name in names {
        let path = format!("{folder}/{name}");
        if root.join(&path).is_dir() {
            walk(root, &path, into);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(root.join(&path)).unwrap_or_else(|fault| panic!("{path}: {fault}"));
            into.push(Source::new(&path, &text));
        }
    }
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let mut lexer = Lexer { rest: text, line: 1, tokens: Vec::new(), comments: Vec::new() };
        while lexer.step() {}
        Self { path: path.to_owned(), text: text.to_owned(), tokens: lexer.tokens, comments: lexer.comments }
    }

    /// The token there, or nothing after the end.
    pub fn token(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    pub fn line(&self, at: usize) -> usize {
        self.tokens.get(at).map_or_else(|| self.text.lines().count(), |token| token.line)
    }

    /// Whether the tokens from there on are these.
    pub fn says(&self, at: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(n, word)| self.token(at + n) == *word)
    }

    /// Where the `{` there is closed.
    pub fn close_of(&self, open: usize) -> usize {
        let mut depth = 0;
        for at in open..self.tokens.len() {
            match self.token(at) {
                "{" => depth += 1,
                "}" if depth == 1 => return at,
                "}" => depth -= 1,
                _ => {}
            }
        }
        self.tokens.len()
    }

    /// The lines of each `#[cfg(test)] mod … { … }`.
    pub fn tests(&self) -> Vec<RangeInclusive<usize>> {
        let starts =
            (0..self.tokens.len()).filter(|at| self.says(*at, &["#", "[", "cfg", "(", "test", ")", "]", "mod"]));
        let inline = starts.filter(|at| self.token(at + 9) == "{");
        inline.map(|at| self.line(at)..=self.line(self.close_of(at + 9))).collect()
    }

    pub fn fault(&self, line: usize, what: String, cure: &'static str) -> Fault {
        Fault { path: self.path.clone(), line, what, cure }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
    comments: Vec<Token>,
}

impl Lexer<'_> {
    /// Takes the next piece; false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.take_comment(end);
        } else if self.rest.starts_with("/*") {
            self.take_comment(block_comment(self.rest));
        } else if let Some(length) = text_literal(self.rest) {
            self.push("\"\"");
            self.take(length);
        } else if first == '_' || first.is_alphanumeric() {
            let end = self.rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(self.rest.len());
            self.push(&self.rest[..end]);
            self.take(end);
        } else if self.rest.starts_with("::") {
            self.push("::");
            self.take(2);
        } else {
            if !first.is_whitespace() {
                self.push(&self.rest[..first.len_utf8()]);
            }
            self.take(first.len_utf8());
        }
        true
    }

    fn push(&mut self, text: &str) {
        self.tokens.push(Token { line: self.line, text: text.to_owned() });
    }

    fn take_comment(&mut self, length: usize) {
        for (n, text) in self.rest[..length].split('\n').enumerate() {
            self.comments.push(Token { line: self.line + n, text: text.to_owned() });
        }
        self.take(length);
    }

    fn take(&mut self, length: usize) {
        self.line += self.rest[..length].matches('\n').count();
        self.rest = &self.rest[length..];
    }
}

/// How long the block comment is that begins here; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let step = match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// How long the text, raw text or character is that begins here, if one does. A lifetime is none.
fn text_literal(text: &str) -> Option<usize> {
    let unprefixed = text.trim_start_matches(['b', 'c', 'r']);
    let prefix = text.len() - unprefixed.len();
    if prefix > 2 {
        return None;
    }
    let hashes = unprefixed.len() - unprefixed.trim_start_matches('#').len();
    let raw = text[..prefix].contains('r');
    let body = &unprefixed[hashes..];
    if raw && body.starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let length = body[1..].find(&end).map_or(body.len(), |at| 1 + at + end.len());
        return Some(prefix + hashes + length);
    }
    match unprefixed.chars().next() {
        Some('"') => Some(prefix + escaped(unprefixed, '"')),
        Some('\'') if prefix == 0 || text.starts_with('b') => {
            let mut inside = unprefixed.chars().skip(1);
            let character = inside.next() == Some('\\') || inside.next() == Some('\'');
            character.then(|| prefix + escaped(unprefixed, '\''))
        }
        _ => None,
    }
}

/// How long the quoted piece is that begins here, with its quotes.
fn escaped(text: &str, quote: char) -> usize {
    let mut skip = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if skip => skip = false,
            '\\' => skip = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn words_are_kept_apart_from_texts_and_comments() {
    let text =
        "/* a /* b */ c */ let x: &'a str = r#\"d \" e\"#; // f\nlet y = ('\\'', b'\"', '\"', \"g\\\"h\", b::c);\n";
    let source = Source::new("src/x.rs", text);
    let words: Vec<&str> = source.tokens.iter().map(|token| token.text.as_str()).collect();
    assert_eq!(words.join(" "), "let x : & ' a str = \"\" ; let y = ( \"\" , \"\" , \"\" , \"\" , b :: c ) ;");
    assert_eq!(source.line(10), 2);
    let comments: Vec<&str> = source.comments.iter().map(|token| token.text.as_str()).collect();
    assert_eq!(comments, ["/* a /* b */ c */", "// f"]);
}

#[test]
fn a_test_module_is_known_by_its_lines() {
    let source = Source::new("src/x.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n");
    assert_eq!(source.tests(), [2..=5]);
}

#[test]
fn a_fault_names_file_line_and_cure() {
    let fault = Source::new("src/x.rs", "").fault(7, "it is torn".to_owned(), "mend it");
    assert_eq!(fault.to_string(), "src/x.rs:7: it is torn. Cure: mend it.");
}
