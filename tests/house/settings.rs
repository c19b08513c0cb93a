//! The README's table of what can be set has exactly the tables and keys of the shipped `lumen.toml`.

use std::collections::BTreeMap;

/// Keys by table.
type Settings<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// What a configuration file sets, in its order.
pub fn of_the_file(text: &str) -> Settings<'_> {
    let (mut settings, mut table) = (Settings::new(), "");
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = name;
        } else if let Some((key, _)) = line.split_once('=')
            && !line.starts_with('#')
        {
            settings.entry(table).or_default().push(key.trim());
        }
    }
    settings
}

/// What the rows of a README tell, each ``| `[table]` | `key`, `key` (words) |``.
pub fn of_the_readme(text: &str) -> Settings<'_> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `[")?.split_once("]` |"));
    rows.map(|(table, keys)| (table, keys.split('`').skip(1).step_by(2).collect())).collect()
}

#[test]
fn a_key_that_is_not_told_is_found() {
    let file = "# a = 1\n[http]\n# What it is.\nlisten = [\"x\"]\nhead_timeout = \"1s\"\n[log]\nlevel = \"info\"\n";
    let told = "| table | has |\n| `[http]` | `listen` (addresses), `head_timeout` |\n| `[log]` | `level` |\n";
    assert_eq!(of_the_file(file), of_the_readme(told));
    assert_ne!(of_the_file(file), of_the_readme(&told.replace("`level`", "")));
    assert_ne!(of_the_file(&file.replace("[log]", "[logs]")), of_the_readme(told));
}
