//! From bytes to drafts: cuts lines, numbers them, sees that each is JSON, and keys those without a key.
//!
//! What a draft may say is the server's to check; only what could not be sent at all is refused here.

use std::io::{self, Read};
use std::thread;

use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::domain::limits::{DRAFT_BYTES, REQUEST_ROWS, USER_ID_BYTES};
use crate::wire::json::{self, Rule};

/// Bytes of a line: a draft of the largest size for as many users as one request may have, each with its quotes and
/// comma.
const LINE_BYTES: usize = DRAFT_BYTES + REQUEST_ROWS * (USER_ID_BYTES + 3);
/// Bytes of one read, which are cut and checked while the batch before is on its way.
const READ_BYTES: usize = 64 * 1024;
/// Reads that wait to be sent: some thousand usual lines.
const READS_AHEAD: usize = 8;

/// A draft that can be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its line in the input, from 1.
    pub number: u64,
    /// Notifications that it makes.
    pub rows: usize,
    /// JSON in one line, with its end.
    pub text: Vec<u8>,
}

/// What a line that is not blank turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    Draft(Draft),
    Fault(Fault),
}

/// What is wrong with the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// A line that cannot be sent.
    Line { number: u64, why: String },
    /// It broke off here.
    Input { why: String },
    /// As a whole it is something else than a draft a line.
    Form { why: &'static str },
}

/// Reads in a thread of its own, which nobody needs to wait for: a read of a terminal or a pipe may never end. It ends
/// when nobody receives any more.
pub fn read(mut reader: impl Read + Send + 'static, run: String) -> mpsc::Receiver<Vec<Line>> {
    let (sender, receiver) = mpsc::channel(READS_AHEAD);
    thread::spawn(move || {
        let mut cutter = Cutter::new(run);
        let mut bytes = vec![0; READ_BYTES];
        loop {
            let lines = match reader.read(&mut bytes) {
                Ok(0) => break,
                Ok(read) => cutter.push(&bytes[..read]),
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
                Err(fault) => {
                    let _ = sender.blocking_send(vec![Line::Fault(Fault::Input { why: fault.to_string() })]);
                    return;
                }
            };
            if sender.blocking_send(lines).is_err() || cutter.form == Form::Other {
                return;
            }
        }
        let _ = sender.blocking_send(cutter.end());
    });
    receiver
}

/// Cuts bytes into lines, wherever the reads were cut.
struct Cutter {
    run: String,
    number: u64,
    line: Vec<u8>,
    too_long: bool,
    form: Form,
}

/// What the first line that is not blank shows of the whole.
#[derive(PartialEq, Eq)]
enum Form {
    Unseen,
    Lines,
    /// No line of it is a draft.
    Other,
}

impl Cutter {
    fn new(run: String) -> Self {
        Self { run, number: 1, line: Vec::new(), too_long: false, form: Form::Unseen }
    }

    fn push(&mut self, mut bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.keep(&bytes[..end]);
            lines.extend(self.end_line());
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
        lines
    }

    /// The last line, where no line end follows it.
    fn end(&mut self) -> Vec<Line> {
        self.end_line().into_iter().collect()
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.too_long |= self.line.len() + bytes.len() > LINE_BYTES;
        if !self.too_long {
            self.line.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self) -> Option<Line> {
        let number = self.number;
        self.number += 1;
        let line = std::mem::take(&mut self.line);
        if self.form == Form::Other {
            return None;
        }
        if self.form == Form::Unseen && !line.trim_ascii().is_empty() {
            let other = other_form(&line);
            self.form = if other.is_some() { Form::Other } else { Form::Lines };
            if let Some(why) = other {
                return Some(Line::Fault(Fault::Form { why }));
            }
        }
        if std::mem::take(&mut self.too_long) {
            return Some(Line::Fault(Fault::Line { number, why: format!("longer than {LINE_BYTES} bytes") }));
        }
        let mut text = line.as_slice();
        if number == 1 {
            // Some editors begin a file with it.
            text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        }
        let text = text.trim_ascii();
        (!text.is_empty()).then(|| match draft(text, number, &self.run) {
            Ok(draft) => Line::Draft(draft),
            Err(why) => Line::Fault(Fault::Line { number, why }),
        })
    }
}

fn draft(text: &[u8], number: u64, run: &str) -> Result<Draft, String> {
    let Value::Object(mut fields) = json::parse(text).map_err(|fault| no_json(&fault))? else {
        return Err("a draft is a JSON object".to_owned());
    };
    let rows = rows(&fields);
    if !fields.contains_key("key") {
        fields.insert("key".to_owned(), key(run, number).into());
    }
    let mut text = Value::Object(fields).to_string().into_bytes();
    text.push(b'\n');
    Ok(Draft { number, rows, text })
}

/// Why a line's JSON is not taken, without the words that only a parser knows.
fn no_json(fault: &json::Fault) -> String {
    let why = json::fault_in_line(fault);
    let column = why.rsplit(' ').next().unwrap_or_default();
    match fault.rule {
        Rule::DoubledName | Rule::Nul | Rule::Depth | Rule::Values | Rule::Integer => why,
        Rule::Cut => format!("no JSON: it breaks off after column {column}"),
        Rule::Syntax if why.starts_with("expected ident") => format!("no JSON: an unknown word at column {column}"),
        Rule::Empty | Rule::ByteOrderMark | Rule::Trailing | Rule::Syntax => format!("no JSON: {why}"),
    }
}

/// What a text is that begins like this, where it is no draft a line, and what makes one of it.
fn other_form(first: &[u8]) -> Option<&'static str> {
    match first {
        [0x1f, 0x8b, ..] => Some("it is compressed by gzip; unpack it with gunzip -c"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'{', 0, ..] | [0, b'{', ..] => {
            Some("it is UTF-16; make it UTF-8 with iconv -f UTF-16 -t UTF-8")
        }
        _ => match first.strip_prefix("\u{feff}".as_bytes()).unwrap_or(first).trim_ascii() {
            [b'[', ..] => Some("it is a JSON array; make a line of each entry with jq -c '.[]'"),
            b"{" => Some("its JSON goes over several lines; make a line of each object with jq -c ."),
            _ => None,
        },
    }
}

fn rows(fields: &Map<String, Value>) -> usize {
    fields.get("users").and_then(Value::as_array).map_or(1, |users| users.len().max(1))
}

/// The key of a line without one: the same at every sending of the same run.
fn key(run: &str, number: u64) -> String {
    format!("{run}:{number}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(reads: &[&[u8]]) -> Vec<Line> {
        let mut cutter = Cutter::new("run".into());
        let mut lines: Vec<Line> = reads.iter().flat_map(|read| cutter.push(read)).collect();
        lines.extend(cutter.end());
        lines
    }

    fn good(number: u64, rows: usize, text: &str) -> Line {
        Line::Draft(Draft { number, rows, text: format!("{text}\n").into_bytes() })
    }

    #[test]
    fn lines_are_keyed_by_run_and_number_unless_they_have_a_key() {
        let lines = cut(&["\u{feff}{\"user\": \"a\"}\r\n\n  \n{\"users\":[\"a\",\"b\"],\"key\":\"k\"}".as_bytes()]);
        let expected = [good(1, 1, r#"{"user":"a","key":"run:1"}"#), good(4, 2, r#"{"users":["a","b"],"key":"k"}"#)];
        assert_eq!(lines, expected);
    }

    #[test]
    fn bad_lines_are_told_by_number_and_the_others_go_on() {
        let lines = cut(&[b"{\"a\":1,\"a\":2}\n[]\n{\"user\"\n\xff\n{}\n"]);
        let (last, faulty) = lines.split_last().unwrap();
        assert_eq!(last, &good(5, 1, r#"{"key":"run:5"}"#));
        for (number, line) in (1..).zip(faulty) {
            assert!(matches!(line, Line::Fault(Fault::Line { number: found, .. }) if *found == number), "{line:?}");
        }
        assert_eq!(faulty.len(), 4);
    }

    #[test]
    fn what_is_no_draft_a_line_is_told_once_for_all() {
        let utf16: Vec<u8> = "\u{feff}{}\n{}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (text, cure) in [
            (&b"\n[\n  {\"user\": \"a\"}\n]\n"[..], "jq -c '.[]'"),
            (b"\xef\xbb\xbf[{}]", "jq -c '.[]'"),
            (b"{\n  \"user\": \"a\"\n}\n{\n}\n", "jq -c ."),
            (&utf16, "iconv"),
            (b"\x1f\x8b\x08\0\n\n\xff", "gunzip"),
        ] {
            let lines = cut(&[text]);
            assert!(matches!(lines[..], [Line::Fault(Fault::Form { why })] if why.contains(cure)), "{cure}: {lines:?}");
        }
        assert_eq!(cut(&[b"{}\n[1]\n{}\n"]).len(), 3, "a line that is one later is a faulty one");
    }

    #[test]
    fn a_line_that_is_no_json_is_told_in_plain_words() {
        for (text, why) in [
            (r#"{"user": "a","#, "no JSON: it breaks off after column 13"),
            ("nope", "no JSON: an unknown word at column 2"),
            ("{user: 1}", "no JSON: key must be a string at column 2"),
        ] {
            assert_eq!(cut(&[text.as_bytes()]), [Line::Fault(Fault::Line { number: 1, why: why.into() })]);
        }
    }

    #[test]
    fn a_line_over_its_bound_is_a_bad_one_and_not_kept() {
        let mut cutter = Cutter::new("run".into());
        for _ in 0..=LINE_BYTES / READ_BYTES + 1 {
            assert_eq!(cutter.push(&[b' '; READ_BYTES]), []);
        }
        assert!(cutter.line.len() <= LINE_BYTES);
        let lines = cutter.push(b"\n{}\n");
        assert!(matches!(
            lines[..],
            [Line::Fault(Fault::Line { number: 1, .. }), Line::Draft(Draft { number: 2, .. })]
        ));
        let whole = format!("{}{{}}\n", " ".repeat(LINE_BYTES - 2));
        assert!(matches!(cut(&[whole.as_bytes()])[..], [Line::Draft(_)]));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_reads_are_cut(
            text in prop::collection::vec(prop::sample::select(b"{}\"a:1\n\r ".to_vec()), 0..120),
            size in 1usize..20,
        ) {
            let reads: Vec<&[u8]> = text.chunks(size).collect();
            prop_assert_eq!(cut(&reads), cut(&[&text]));
        }
    }

    #[tokio::test]
    async fn a_read_that_fails_is_told_after_what_was_read() {
        struct Breaking(bool);
        impl Read for Breaking {
            fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(io::Error::other("broken"));
                }
                (&b"{}\n{}"[..]).read(bytes)
            }
        }
        let mut lines = read(Breaking(false), "run".into());
        assert_eq!(lines.recv().await.unwrap(), [good(1, 1, r#"{"key":"run:1"}"#)]);
        assert_eq!(lines.recv().await.unwrap(), [Line::Fault(Fault::Input { why: "broken".into() })]);
        assert_eq!(lines.recv().await, None);
    }
}
