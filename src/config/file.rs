//! A file of the configuration: which one it is, and its keys one by one with their lines.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::faults::Fault;
use super::layers::{Given, Source};
use super::value::Value;

/// A file over this is no configuration but a mistake.
const FILE_BYTES: u64 = 1024 * 1024;

/// The file that was named, else the first that is there, with its text.
///
/// # Errors
/// One that is there, or named, and cannot be read.
pub fn find(named: Option<&Path>, places: &[&str]) -> Result<Option<(PathBuf, String)>, Fault> {
    if let Some(path) = named {
        let cure = "name a file that is there with --config, or leave it out";
        return read(path).map(|text| Some((path.to_owned(), text))).map_err(|fault| unreadable(path, &fault, cure));
    }
    for path in places.iter().map(Path::new) {
        match read(path) {
            Ok(text) => return Ok(Some((path.to_owned(), text))),
            Err(fault) if matches!(fault.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(fault) => {
                return Err(unreadable(
                    path,
                    &fault,
                    "give this user the right to read it, or name another with --config",
                ));
            }
        }
    }
    Ok(None)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES {
        return Err(io::Error::other(format!("it has more than {FILE_BYTES} bytes")));
    }
    Ok(text)
}

fn unreadable(path: &Path, fault: &io::Error, cure: &str) -> Fault {
    Fault::file(path.display().to_string(), format!("the configuration file cannot be read: {fault}: {cure}"))
}

/// The keys of a text in its order, each as `table.key`, or everything in it that is no TOML, since what such a text
/// means otherwise would be guessed. `source` makes one of a line.
pub fn parse(text: &str, source: impl Fn(usize) -> Source) -> (Vec<Given>, Vec<Fault>) {
    let line = |at: usize| text.as_bytes()[..at.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1;
    let (table, broken) = DeTable::parse_recoverable(text);
    // The parser's own text would quote the line, and what it was about to read may be a secret.
    let faults: Vec<_> = broken
        .iter()
        .map(|fault| {
            let at = fault.span().map_or(1, |span| line(span.start));
            Fault::file(source(at).shown().unwrap_or_default(), format!("this is no TOML: {}", fault.message()))
        })
        .collect();
    if !faults.is_empty() {
        return (Vec::new(), faults);
    }
    let mut given = Vec::new();
    for (name, value) in table.get_ref() {
        match value.get_ref() {
            DeValue::Table(keys) if !keys.is_empty() => {
                for (key, value) in keys {
                    given.push((key.span().start, format!("{}.{}", name.get_ref(), key.get_ref()), value));
                }
            }
            _ => given.push((name.span().start, name.get_ref().to_string(), value)),
        }
    }
    given.sort_by_key(|(at, ..)| *at);
    let given =
        given.into_iter().map(|(at, name, value)| Given { name, value: owned(value), source: source(line(at)) });
    (given.collect(), faults)
}

fn owned(value: &Spanned<DeValue>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Number(number),
            Err(_) => Value::Other("a number out of all bounds"),
        },
        DeValue::Boolean(on) => Value::Switch(*on),
        DeValue::Array(entries) => Value::List(entries.iter().map(owned).collect()),
        DeValue::Table(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| name.span().start);
            Value::Table(fields.into_iter().map(|(name, value)| (name.get_ref().to_string(), owned(value))).collect())
        }
        DeValue::Float(_) => Value::Other("a number with a point"),
        DeValue::Datetime(_) => Value::Other("a date"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize) -> Source {
        Source::File { path: "f".into(), line }
    }

    #[test]
    fn keys_come_with_their_lines_in_the_files_order() {
        let text = "top = 1\n[b]\nz = \"x\" # y\na = [1, true]\n[a]\nc = { e = 0x1f, d = 1_000 }\n[[b.t]]\n[empty]\n";
        let (given, faults) = parse(text, at);
        assert_eq!(faults, []);
        let told: Vec<_> = given
            .iter()
            .map(|given| format!("{} = {} {}", given.name, given.value, given.source.shown().unwrap()))
            .collect();
        let expected = [
            "top = 1 f:1",
            "b.z = \"x\" f:3",
            "b.a = [1, true] f:4",
            "a.c = { e = 31, d = 1000 } f:6",
            "b.t = [{  }] f:7",
            "empty = {  } f:8",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn all_that_is_no_toml_is_told_and_nothing_is_quoted() {
        let text = "[a]\nb = hunter2\nc = 1\nd = \"hunter2\ne = 2\n";
        let (given, faults) = parse(text, at);
        let told: Vec<_> = faults.iter().map(Fault::to_string).collect();
        assert!(told.len() >= 2 && told[0].starts_with("f:2: this is no TOML: "), "{told:?}");
        assert!(told.iter().any(|fault| fault.starts_with("f:4: ")) && !told.concat().contains("hunter2"), "{told:?}");
        assert_eq!(given, []);
    }
}
