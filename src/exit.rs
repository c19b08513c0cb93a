//! How a command ends.

use std::process::ExitCode;

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Ok = 0,
    /// It failed; the last line on stderr says why.
    Failed = 1,
    /// What was typed or configured cannot be meant.
    Usage = 2,
    /// `loadtest` did all of it, and a threshold was missed.
    Missed = 99,
    /// Ctrl-C, after saying what was done so far.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
