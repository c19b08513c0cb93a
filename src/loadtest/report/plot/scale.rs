//! From values to places on a picture, and the ticks that read well there.

use crate::loadtest::figures;

/// What the values of an axis are, and so how its ticks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Those of a figure.
    Of(figures::Unit),
    /// Seconds of a run.
    Seconds,
    /// From 0 to 100, each nine the same step.
    Percentile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Linear,
    Log,
    Nines,
}

/// An axis: which values it shows, and where. Places are from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    kind: Kind,
    unit: Unit,
    from: f64,
    to: f64,
    pub ticks: Vec<f64>,
}

impl Scale {
    /// Even steps over all of `values`.
    pub fn linear(unit: Unit, from: f64, to: f64, ticks: usize) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        let step = step(unit, (to - from) / ticks as f64);
        let first = (from / step).ceil();
        let ticks = (0..=ticks * 3).map(|n| (first + n as f64) * step).take_while(|tick| *tick <= to + step * 1e-9);
        Self { kind: Kind::Linear, unit, from, to, ticks: ticks.collect() }
    }

    /// Even steps from 0 to a tick over the highest value.
    pub fn from_zero(unit: Unit, highest: f64, ticks: usize) -> Self {
        let step = step(unit, highest.max(1e-9) / ticks as f64);
        Self::linear(unit, 0.0, (highest.max(1e-9) / step).ceil() * step, ticks)
    }

    /// Each power of ten the same step, from a tick under the lowest value to one over the highest; both over 0.
    pub fn log(unit: Unit, lowest: f64, highest: f64) -> Self {
        let exponents = lowest.log10().floor() as i32..=highest.log10().ceil() as i32;
        let steps = exponents.flat_map(|exponent| [1.0, 2.0, 5.0].map(|mark| (mark, mark * 10f64.powi(exponent))));
        let steps: Vec<(f64, f64)> = steps.collect();
        let from = steps.iter().map(|step| step.1).rfind(|step| *step <= lowest).unwrap_or(lowest);
        let to = steps.iter().map(|step| step.1).find(|step| *step >= highest && *step > from).unwrap_or(from * 10.0);
        // Over many powers of ten, these alone are written.
        let few = (to / from).log10() < 2.5;
        let ticks = steps.iter().filter(|(mark, step)| (few || *mark == 1.0) && (from..=to).contains(step));
        let ticks = ticks.map(|(_, step)| *step).collect();
        Self { kind: Kind::Log, unit, from, to, ticks }
    }

    /// Percentiles up to the last that `count` values can tell of.
    pub fn percentiles(count: u64) -> Self {
        let to = (count.max(100) as f64).log10().min(6.0);
        let nines = [50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999];
        let ticks = nines.into_iter().filter(|tick| nines_of(*tick) <= to + 1e-9).collect();
        Self { kind: Kind::Nines, unit: Unit::Percentile, from: 0.0, to, ticks }
    }

    /// Where a value is; one beyond the axis is at its end.
    pub fn place(&self, value: f64) -> f64 {
        let place = match self.kind {
            Kind::Linear => (value - self.from) / (self.to - self.from),
            Kind::Log => (value / self.from).max(f64::MIN_POSITIVE).log10() / (self.to / self.from).log10(),
            Kind::Nines => nines_of(value) / self.to,
        };
        place.clamp(0.0, 1.0)
    }

    pub fn is_log(&self) -> bool {
        self.kind == Kind::Log
    }

    /// A value in the axis's unit.
    pub fn text(&self, value: f64) -> String {
        match self.unit {
            Unit::Of(unit) => unit.shown(value),
            Unit::Seconds => format!("{} s", trimmed(value)),
            Unit::Percentile => format!("{} %", trimmed(value)),
        }
    }
}

/// At most four digits after the point, and none that says nothing.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.4}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// How many nines: 90 % is 1, 99 % is 2.
fn nines_of(percentile: f64) -> f64 {
    (100.0 / (100.0 - percentile).max(1e-9)).log10()
}

/// The step nearest over `rough` that people count in: 1, 2 or 5 of a power of ten, and of long times parts of a minute
/// and of an hour.
fn step(unit: Unit, rough: f64) -> f64 {
    let (base, ladder): (f64, &[f64]) = match unit {
        Unit::Seconds if rough > 10.0 => {
            const STEPS: [f64; 11] = [15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0];
            return STEPS.into_iter().find(|step| *step >= rough).unwrap_or(14_400.0);
        }
        Unit::Of(figures::Unit::Count) => (10f64.powf(rough.log10().floor()).max(1.0), &[1.0, 2.0, 5.0, 10.0]),
        _ => (10f64.powf(rough.log10().floor()), &[1.0, 2.0, 5.0, 10.0]),
    };
    ladder.iter().map(|mark| mark * base).find(|step| *step >= rough * (1.0 - 1e-9)).unwrap_or(base * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_those_that_people_count_in() {
        let time = Unit::Of(figures::Unit::Time);
        assert_eq!(Scale::linear(Unit::Seconds, -3.0, 36.0, 8).ticks, [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0]);
        assert_eq!(Scale::linear(Unit::Seconds, 0.0, 600.0, 8).ticks.len(), 6);
        assert_eq!(Scale::from_zero(Unit::Of(figures::Unit::Count), 3.0, 5).ticks, [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(Scale::from_zero(time, 0.0, 5).ticks[0], 0.0);
        assert_eq!(Scale::log(time, 30.0, 400.0).ticks, [20.0, 50.0, 100.0, 200.0, 500.0]);
        assert_eq!(Scale::log(time, 30.0, 400_000.0).ticks, [100.0, 1_000.0, 10_000.0, 100_000.0]);
        assert_eq!(Scale::percentiles(1_000).ticks, [50.0, 90.0, 99.0, 99.9]);
    }

    #[test]
    fn a_value_has_its_place_and_none_is_beyond_the_axis() {
        let time = Unit::Of(figures::Unit::Time);
        let log = Scale::log(time, 10.0, 1_000.0);
        assert!((log.place(100.0) - 0.5).abs() < 1e-9 && log.is_log());
        assert_eq!((log.place(0.0), log.place(1e9)), (0.0, 1.0));
        let nines = Scale::percentiles(10_000);
        assert!((nines.place(99.0) - 0.5).abs() < 1e-9);
        assert_eq!((nines.place(0.0), nines.place(100.0)), (0.0, 1.0));
        let flat = Scale::linear(time, 5.0, 5.0, 5);
        assert_eq!(flat.place(5.0), 0.0);
    }

    #[test]
    fn units_fit() {
        let told = |unit, value| Scale::linear(unit, 0.0, 1.0, 5).text(value);
        assert_eq!(told(Unit::Of(figures::Unit::Time), 1_500.0), "1.5 ms");
        assert_eq!(told(Unit::Seconds, -0.0), "0 s");
        assert_eq!(told(Unit::Percentile, 99.99), "99.99 %");
    }
}
