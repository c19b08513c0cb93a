//! What is asked of a run, from what was typed.

use std::fs;

use anyhow::Context;

use super::faulty;
use crate::cli::loadtest::Verdict;
use crate::loadtest::compare::{Base, Comparison};
use crate::loadtest::verdict::Rules;

/// # Errors
/// A threshold that cannot be meant, as [`clap::Error`]; a base that cannot be compared with.
pub fn read(asked: &Verdict) -> anyhow::Result<Rules> {
    let thresholds = asked.threshold.iter().map(|text| text.parse().map_err(|fault| faulty(format!("{fault}"))));
    let thresholds = thresholds.collect::<Result<Vec<_>, _>>()?;
    let comparison = match &asked.compare {
        None => None,
        Some(path) => {
            let rules = asked.max_regress.iter().map(|text| text.parse().map_err(|fault| faulty(format!("{fault}"))));
            let rules = rules.collect::<Result<Vec<_>, _>>()?;
            let name = || format!("{} cannot be compared with", path.display());
            let base = Base::read(&fs::read(path).with_context(name)?).with_context(name)?;
            Some(Comparison::new(base, rules).with_context(name)?)
        }
    };
    Ok(Rules::new(thresholds, comparison))
}
