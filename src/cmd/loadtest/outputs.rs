//! Where a run is reported, opened before it starts: a report that cannot be written is known before, not after.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::loadtest::Verdict;
use crate::loadtest::Document;
use crate::loadtest::report::{html, markdown};

/// The files that were asked for.
pub struct Outputs {
    markdown: Option<Output>,
    report: Option<Output>,
}

struct Output {
    path: PathBuf,
    file: File,
}

impl Outputs {
    /// # Errors
    /// A file that cannot be written, by its name.
    pub fn open(asked: &Verdict) -> anyhow::Result<Self> {
        let open = |path: &Option<PathBuf>| path.as_deref().map(Output::open).transpose();
        Ok(Self { markdown: open(&asked.markdown)?, report: open(&asked.report)? })
    }

    /// Writes what was asked for.
    ///
    /// # Errors
    /// A file that could not be written after all, by its name.
    pub fn write(self, document: &Document) -> anyhow::Result<()> {
        if let Some(output) = self.markdown {
            output.write(&markdown::page(document))?;
        }
        if let Some(output) = self.report {
            output.write(&html::page(document))?;
        }
        Ok(())
    }
}

impl Output {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    fn write(mut self, text: &str) -> anyhow::Result<()> {
        self.file.write_all(text.as_bytes()).with_context(|| format!("{} cannot be written", self.path.display()))
    }
}
