//! What a message carries through any server: which run it is of, its number, and when it was to be sent.
//!
//! `~lt.RUN.NUMBER.MICROS~`, found wherever it stands in an event, so that no profile has to know where a server puts
//! what was published. Its characters pass unchanged through JSON, forms, URLs and headers.

use std::fmt;

/// How long a run's name is.
pub const RUN_CHARS: usize = 8;

const BEGIN: &[u8] = b"~lt.";

/// The name of a run: lower-case letters and digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunId([u8; RUN_CHARS]);

impl RunId {
    /// A name from random bytes.
    pub fn new(random: [u8; RUN_CHARS]) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        Self(random.map(|byte| ALPHABET[usize::from(byte & 31)]))
    }

    pub fn as_str(&self) -> &str {
        // Made of ASCII only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The mark of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub run: RunId,
    /// The message's number in its run, from 0.
    pub number: u32,
    /// When it was to be sent: microseconds after the run's first.
    pub due_us: u64,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "~lt.{}.{}.{}~", self.run.as_str(), self.number, self.due_us)
    }
}

impl Stamp {
    /// The message's own name, the same at each try.
    pub fn key(&self) -> String {
        format!("lt-{}-{}", self.run.as_str(), self.number)
    }

    /// The stamp and so much behind it that both have `bytes`; the stamp alone where that is more.
    pub fn padded(&self, bytes: usize) -> String {
        let mut text = self.to_string();
        text.extend(std::iter::repeat_n('x', bytes.saturating_sub(text.len())));
        text
    }

    /// The first stamp in `text`, whatever stands around it.
    pub fn find(text: &[u8]) -> Option<Stamp> {
        Self::next(&mut { text })
    }

    /// Each stamp in `text`, whatever stands around them.
    pub fn all(mut text: &[u8]) -> impl Iterator<Item = Stamp> {
        std::iter::from_fn(move || Self::next(&mut text))
    }

    /// The first stamp in `text`, which is behind it afterwards.
    fn next(text: &mut &[u8]) -> Option<Stamp> {
        loop {
            // What is searched for first is one byte, which is quick, and seldom there.
            let at = text.iter().position(|byte| *byte == BEGIN[0])?;
            let Some(rest) = text[at..].strip_prefix(BEGIN) else {
                *text = &text[at + 1..];
                continue;
            };
            *text = rest;
            if let Some(stamp) = Self::read(rest) {
                return Some(stamp);
            }
        }
    }

    fn read(text: &[u8]) -> Option<Stamp> {
        // A name, two numbers of at most 20 digits, two dots and the end.
        let end = text.iter().take(RUN_CHARS + 43).position(|&byte| byte == b'~')?;
        let text = std::str::from_utf8(&text[..end]).ok()?;
        let (run, numbers) = text.split_once('.')?;
        let (number, due_us) = numbers.split_once('.')?;
        let run = RunId(run.as_bytes().try_into().ok()?);
        Some(Stamp { run, number: number.parse().ok()?, due_us: due_us.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_in_whatever_surrounds_it() {
        let stamp = Stamp { run: RunId::new([1, 2, 3, 4, 5, 6, 7, 8]), number: 42, due_us: 18_446_744_073_709_551_615 };
        assert_eq!(Stamp::find(stamp.to_string().as_bytes()), Some(stamp));
        let around = format!("{{\"a\":\"~lt.no~lt.~\",\"content\":\"{stamp}xxxx\",\"b\":\"~lt.other...~\"}}");
        assert_eq!(Stamp::find(around.as_bytes()), Some(stamp));
        for none in
            ["", "~lt.", "~lt.12345678.1.2", "~lt.1234567.1.2~", "~lt.12345678.-1.2~", "~lt.12345678.4294967296.2~"]
        {
            assert_eq!(Stamp::find(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn each_stamp_of_a_text_is_found() {
        let stamp = |number| Stamp { run: RunId::new([7; 8]), number, due_us: 9 };
        let [one, two] = [stamp(1), stamp(2)];
        let text = format!(r#"[{{"id":"{one}","content":"{one}xx~"}},~~lt.no~{two}{one}"#);
        assert_eq!(Stamp::all(text.as_bytes()).collect::<Vec<_>>(), [one, one, two, one]);
        assert_eq!(Stamp::all(b"~lt.").count(), 0);
    }
}
