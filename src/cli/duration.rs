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

/// A time as it is typed, in the largest unit that has a whole number of it.
pub fn shown(time: Duration) -> String {
    let millis = time.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let fits = units.iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    let (unit, name) = fits.copied().unwrap_or(if millis == 0 { (1, "s") } else { (1, "ms") });
    format!("{}{name}", millis / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_as_it_is_typed() {
        for text in ["0s", "1ms", "1500ms", "30s", "90s", "5m", "25h", "365d"] {
            assert_eq!(shown(parse(text).unwrap()), text);
        }
        assert_eq!(shown(Duration::from_secs(3600)), "1h");
    }
}
