//! What holds, as it stands in a file: valid input again, with a word on where each value came from that is no default.

use serde_json::Map;

use super::settings::Setting;

/// As TOML.
pub fn toml(settings: &[Setting]) -> String {
    let mut text = String::new();
    let mut table = "";
    for setting in settings {
        let (own, key) = parts(setting.key);
        if own != table {
            let parted = if table.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{parted}[{own}]\n"));
            table = own;
        }
        text.push_str(&format!("{key} = {}", setting.value));
        if let Some(source) = setting.source.shown().filter(|_| setting.value != setting.default) {
            // A path may have anything in it, and a comment ends with its line.
            text.push_str(&format!("  # {}", source.escape_debug()));
        }
        text.push('\n');
    }
    text
}

/// As one JSON object of tables.
pub fn json(settings: &[Setting]) -> serde_json::Value {
    let mut tables = Map::new();
    for setting in settings {
        let (table, key) = parts(setting.key);
        let table = tables.entry(table).or_insert_with(|| Map::new().into());
        table[key] = setting.value.json();
    }
    tables.into()
}

fn parts(key: &str) -> (&str, &str) {
    key.split_once('.').unwrap_or(("", key))
}
