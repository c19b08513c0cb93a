//! Durations as they are typed: `500ms`, `30s`, `5m`, `1h`, `30d`.

use std::time::Duration;

/// Reads a whole number and its unit.
///
/// # Errors
/// A text that is no duration.
pub fn parse(text: &str) -> Result<Duration, String> {
    let fault = || "a time is a whole number and a unit: 500ms, 30s, 5m, 1h or 30d".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(fault()),
    };
    let number: u64 = number.parse().map_err(|_| fault())?;
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(fault)
}
