//! Data on stdout, a line at a time.

use std::fmt::Display;
use std::io;

use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use tokio::io::{AsyncWriteExt, Stdout};

/// Stdout, written without holding up anything else: a reader that stalls cannot keep Ctrl-C from being heard.
pub struct Out {
    stdout: Stdout,
    colour: bool,
}

/// Whoever read stdout has gone.
#[derive(Debug, thiserror::Error)]
#[error("stdout was closed")]
pub struct ClosedPipe;

impl Out {
    /// Colours are for terminals, and not where NO_COLOR is set.
    pub fn stdout() -> Self {
        let colour = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        Self { stdout: tokio::io::stdout(), colour }
    }

    #[cfg(test)]
    pub fn plain() -> Self {
        Self { stdout: tokio::io::stdout(), colour: false }
    }

    /// Writes a line and sees it off.
    ///
    /// # Errors
    /// [`ClosedPipe`], or what else keeps it from being written.
    pub async fn line(&mut self, line: &str) -> anyhow::Result<()> {
        let text = format!("{line}\n");
        let written = async {
            self.stdout.write_all(text.as_bytes()).await?;
            self.stdout.flush().await
        };
        match written.await {
            Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Err(ClosedPipe.into()),
            written => Ok(written.map_err(|fault| anyhow::anyhow!("stdout cannot be written: {fault}"))?),
        }
    }

    /// `text` in a style, where colours are shown.
    pub fn styled(&self, style: Style, text: impl Display) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}
