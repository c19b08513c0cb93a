//! Looks up key after key through the layers: what holds, where it came from, and every fault on the way.

use super::faults::{Fault, Faults};
use super::layers::{Given, Layers, Source, variable};
use super::value::Value;

/// What a kind makes of a value: its meaning, and the value as it is shown.
pub type Reading<T> = Result<(T, Value), String>;

/// Keys whose values are never shown before they are known to be right: a key file's place is where somebody may put
/// the key itself.
const HIDDEN: [&str; 1] = ["auth.keys"];

/// A key, and what holds for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub key: &'static str,
    pub value: Value,
    pub default: Value,
    pub source: Source,
}

/// A configuration that is being read.
pub struct Settings {
    given: Vec<Given>,
    settings: Vec<Setting>,
    faults: Vec<Fault>,
}

impl Settings {
    pub fn of(layers: Layers) -> Self {
        Self { given: layers.given, settings: Vec::new(), faults: layers.faults }
    }

    /// What the uppermost layer says that says something right. Each layer's value is read, and faults are kept.
    ///
    /// # Panics
    /// The shipped file does not have the key, or not rightly.
    pub fn read<T>(&mut self, key: &'static str, kind: impl Fn(&Value, &Source) -> Reading<T>) -> T {
        let mut found = None;
        for given in self.given.iter().filter(|given| given.is_of(key)) {
            match kind(&given.value, &given.source) {
                Ok((meaning, value)) => {
                    let default = found.map_or_else(|| value.clone(), |(_, setting): (T, Setting)| setting.default);
                    found = Some((meaning, Setting { key, value, default, source: given.source.clone() }));
                }
                Err(why) if HIDDEN.contains(&key) => {
                    self.faults.push(Fault::hidden(key, given.source.shown(), why));
                }
                Err(why) => self.faults.push(Fault::value(key, &given.value, &given.source, why)),
            }
        }
        let (meaning, setting) = found.expect("the shipped file has every key");
        self.settings.push(setting);
        meaning
    }

    /// Adds a fault of a key that was read, unless `holds`.
    pub fn require(&mut self, holds: bool, key: &str, why: impl FnOnce() -> String) {
        if let (false, Some(setting)) = (holds, self.settings.iter().find(|setting| setting.key == key)) {
            self.faults.push(Fault::value(key, &setting.value, &setting.source, why()));
        }
    }

    /// All that was read, in the order of the shipped file.
    ///
    /// # Errors
    /// Everything that is wrong, with whatever was given and is no key.
    pub fn finish(mut self) -> Result<Vec<Setting>, Faults> {
        for given in &self.given {
            if let Some(fault) = self.unknown(given) {
                self.faults.push(fault);
            }
        }
        if !self.faults.is_empty() {
            return Err(Faults(self.faults));
        }
        let place = |key: &str| self.given.iter().position(|given| given.name == key);
        self.settings.sort_by_key(|setting| place(setting.key));
        Ok(self.settings)
    }

    fn unknown(&self, given: &Given) -> Option<Fault> {
        let known = || self.settings.iter().map(|setting| setting.key);
        let table = |key: &'static str| key.split('.').next().unwrap_or(key);
        let is_empty_table = given.value == Value::Table(Vec::new()) && known().any(|key| table(key) == given.name);
        if is_empty_table || known().any(|key| given.is_of(key)) {
            return None;
        }
        Some(match &given.source {
            Source::Variable(name) => {
                let meant = nearest(name, known().map(variable)).map(|meant| format!("; did you mean {meant}?"));
                let why = format!("no such variable{}", meant.unwrap_or_else(|| ": unset it".to_owned()));
                Fault::hidden(name, None, why)
            }
            source => {
                let bare = |key: &str| key.split_once('.').map_or(key.to_owned(), |(_, bare)| bare.to_owned());
                // A key at the wrong table is meant as well as one with a slip.
                let moved = || known().find(|key| bare(key) == bare(&given.name)).map(str::to_owned);
                let meant = nearest(&given.name, known().map(str::to_owned)).or_else(moved);
                let meant = meant.map(|meant| format!("; did you mean {meant}?"));
                let cure = ": take it out; the shipped lumen.toml has all keys".to_owned();
                Fault::hidden(&given.name, source.shown(), format!("no such key{}", meant.unwrap_or(cure)))
            }
        })
    }
}

/// The name that is but a few slips away, if one is.
fn nearest(typed: &str, known: impl Iterator<Item = String>) -> Option<String> {
    // A third of it may be wrong; beyond that it would be guessing.
    let slips = typed.len() / 3;
    let ranked = known.map(|known| (strsim::osa_distance(typed, &known), known));
    ranked.filter(|(distance, _)| *distance <= slips.min(4)).min().map(|(_, known)| known)
}
