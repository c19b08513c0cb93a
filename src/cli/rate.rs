//! Rates as they are typed: `500/s`, `30/m`, `1000/h`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// How often something may happen, at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    per_second: f64,
    /// In which it was typed.
    unit: Unit,
}

/// A time in which something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

/// A text that is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RateFault {
    #[error("a rate is a number over 0 and a unit of time: 500/s, 30/m or 1000/h")]
    Shape,
    #[error("a rate is from 0.001/h to 1000000000/s")]
    Bounds,
}

/// A lower rate is none, and no time holds what many take at it; between the messages of a higher one there is none.
const BOUNDS: RangeInclusive<f64> = 0.001 / 3600.0..=1e9;

impl Rate {
    pub fn per_second(self) -> f64 {
        self.per_second
    }

    /// The time that `count` of them take.
    pub fn time_for(self, count: usize) -> Duration {
        Duration::try_from_secs_f64(count as f64 / self.per_second).unwrap_or(Duration::MAX)
    }

    /// How many fit into `span`, at least one.
    pub fn count_in(self, span: Duration) -> usize {
        // The cast saturates.
        (self.per_second * span.as_secs_f64()).max(1.0) as usize
    }
}

impl FromStr for Rate {
    type Err = RateFault;

    fn from_str(text: &str) -> Result<Self, RateFault> {
        let (number, unit) = text.trim().split_once('/').ok_or(RateFault::Shape)?;
        let unit = match unit.trim() {
            "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            _ => return Err(RateFault::Shape),
        };
        let number = number.trim();
        // The parser of floats also takes signs, exponents and names.
        if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(RateFault::Shape);
        }
        let per_second = number.parse::<f64>().map_err(|_| RateFault::Shape)? / unit.seconds();
        match per_second {
            0.0 => Err(RateFault::Shape),
            _ if BOUNDS.contains(&per_second) => Ok(Self { per_second, unit }),
            _ => Err(RateFault::Bounds),
        }
    }
}

impl fmt::Display for Rate {
    /// As it was typed: what the division left behind is rounded away.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = (self.per_second * self.unit.seconds(), self.unit.as_str());
        write!(f, "{}/{unit}", (number * 1e6).round() / 1e6)
    }
}

impl Unit {
    fn seconds(self) -> f64 {
        match self {
            Unit::Second => 1.0,
            Unit::Minute => 60.0,
            Unit::Hour => 3600.0,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Unit::Second => "s",
            Unit::Minute => "m",
            Unit::Hour => "h",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_and_a_unit() {
        let second = |text: &str| text.parse::<Rate>().map(|rate| rate.time_for(1));
        assert_eq!(second("500/s"), Ok(Duration::from_millis(2)));
        assert_eq!(second("30/m"), Ok(Duration::from_secs(2)));
        assert_eq!(second(" 1800 / h "), Ok(Duration::from_secs(2)));
        assert_eq!(second("0.5/s"), Ok(Duration::from_secs(2)));
        for text in ["", "500", "/s", "0/s", "-1/s", "+1/s", "1e3/s", "inf/s", "NaN/s", "1/d", "1/s/s", "1.2.3/s", "."]
        {
            assert_eq!(text.parse::<Rate>(), Err(RateFault::Shape), "{text:?}");
        }
    }

    #[test]
    fn a_rate_is_told_as_it_was_typed() {
        for text in ["500/s", "0.5/s", "7/m", "5/h", "0.001/h", "1000000000/s"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_rate_that_no_time_holds_is_told_its_bounds() {
        for text in ["0.001/h", "1000000000/s"] {
            assert!(text.parse::<Rate>().is_ok(), "{text}");
        }
        let (tiny, huge) = (format!("0.{}1/h", "0".repeat(300)), format!("{}/s", "9".repeat(400)));
        for text in ["0.0000000000001/h", "0.0009/h", "1000000001/s", &tiny, &huge] {
            assert_eq!(text.parse::<Rate>(), Err(RateFault::Bounds), "{text}");
        }
    }

    #[test]
    fn a_span_holds_at_least_one() {
        let rate: Rate = "500/s".parse().unwrap();
        assert_eq!(rate.count_in(Duration::from_millis(100)), 50);
        assert_eq!("1/h".parse::<Rate>().unwrap().count_in(Duration::from_millis(100)), 1);
    }
}
