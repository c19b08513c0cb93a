//! Text as a terminal may show it.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthStr;

/// `text` in one line, with its control characters escaped: what a user wrote must not steer a terminal, nor turn a
/// line around.
pub fn shown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            _ if steers(char) => {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(char));
            }
            _ => safe.push(char),
        }
    }
    safe
}

/// Controls, the separators of lines and paragraphs, and the marks that change the direction of what follows.
fn steers(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
        || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Columns that `text` takes on a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The spaces that `text` lacks of a column of this width.
pub fn gap(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(text.width()))
}

/// A number with its thousands set apart, like 59,835.
pub fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// An RFC 3339 time as the wall clock here shows it; what is no time, as it came.
pub fn local_time(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => shown(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        assert_eq!(shown("点赞了 \u{1f44d} ü"), "点赞了 \u{1f44d} ü");
        assert_eq!(shown("a\x1b[31m\n\r\t\u{7f}\u{9b}"), "a\\u{1b}[31m\\n\\r\\t\\u{7f}\\u{9b}");
        assert_eq!(shown("\u{202e}\u{2066}\u{2028}"), "\\u{202e}\\u{2066}\\u{2028}");
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(count(59_835), "59,835");
    }
}
