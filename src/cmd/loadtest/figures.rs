//! The figures that a threshold can be on.

use serde_json::json;

use crate::cli::global::Global;
use crate::cmd::term::{Out, gap};
use crate::exit::Exit;
use crate::loadtest::figures::{Unit, figures};

pub async fn list(global: &Global) -> anyhow::Result<Exit> {
    let mut out = Out::stdout();
    let width = figures().map(|figure| figure.name.len()).max().unwrap_or(0);
    for figure in figures() {
        let unit = unit(figure.unit);
        let line = if global.json {
            json!({"name": figure.name, "unit": unit, "what": figure.what}).to_string()
        } else {
            format!("{}{}  {unit:5}  {}", figure.name, gap(&figure.name, width), figure.what)
        };
        out.line(&line).await?;
    }
    Ok(Exit::Ok)
}

/// As the document has it.
fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Time => "us",
        Unit::Bytes => "bytes",
        Unit::Percent => "%",
        Unit::Count => "count",
        Unit::PerSecond => "/s",
    }
}
