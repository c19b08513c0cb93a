//! What is good enough, and where it is reported.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::duration;

/// What is good enough, and where it is reported.
#[derive(Debug, Args)]
#[command(next_help_heading = "Verdict and reports")]
pub struct Verdict {
    /// What must hold, like 'delivery.p99<50ms', or the run ends with 99. May be given several times; that nothing is
    /// lost, duplicated, out of order, unknown or unacknowledged, no count wrong and no stream failed must hold anyway,
    /// unless it is said otherwise, like 'lost<=5'. --figures lists what can be asked.
    #[arg(long, value_name = "THRESHOLD")]
    pub threshold: Vec<String>,

    /// The JSON document of an earlier run to compare with.
    #[arg(long, value_name = "FILE", requires = "max_regress")]
    pub compare: Option<PathBuf>,

    /// How much worse than there a figure may be, like delivery.p99=10%, or the run ends with 99. May be given several
    /// times.
    #[arg(long, value_name = "FIGURE=PERCENT", requires = "compare")]
    pub max_regress: Vec<String>,

    /// A delivery that takes longer counts as late.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = late)]
    pub late: Duration,

    /// How long streams and answers are awaited after the last message; what is missing then is lost [default: 10s, with
    /// --scenario deploy 30s].
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub settle: Option<Duration>,

    /// List every figure that a threshold can be on, with its unit, and do nothing else.
    #[arg(long)]
    pub figures: bool,

    /// Write a summary in Markdown, for CI; - is stdout.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,

    /// Write a page with all figures and pictures, which loads nothing from elsewhere; - is stdout.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

fn late(text: &str) -> Result<Duration, String> {
    let late = duration::parse(text)?;
    if late.is_zero() { Err("everything takes longer than no time".to_owned()) } else { Ok(late) }
}
