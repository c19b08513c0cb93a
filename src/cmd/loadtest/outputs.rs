//! Where a run is reported, opened before it starts: a report that cannot be written is known before, not after. Until
//! there is something to write, an earlier report stays as it is.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::conflict;
use crate::cli::loadtest::Verdict;
use crate::loadtest::Document;
use crate::loadtest::report::{html, markdown};

/// The files that were asked for.
#[derive(Debug)]
pub struct Outputs {
    markdown: Option<Output>,
    report: Option<Output>,
}

/// A file, which is not there afterwards if it was not there before and nothing was written.
#[derive(Debug)]
struct Output {
    path: PathBuf,
    file: File,
    /// It was made by this run, and there is no report in it.
    empty: bool,
}

impl Outputs {
    /// # Errors
    /// A file that cannot be written, by its name; the same one twice, as [`clap::Error`].
    pub fn open(asked: &Verdict) -> anyhow::Result<Self> {
        let open = |path: &Option<PathBuf>| path.as_deref().map(Output::open).transpose();
        let opened = Self { markdown: open(&asked.markdown)?, report: open(&asked.report)? };
        if let (Some(markdown), Some(report)) = (&opened.markdown, &opened.report)
            && is_one(&markdown.metadata()?, &report.metadata()?)
        {
            let path = report.path.display();
            Err(conflict(format!("--report and --markdown are the same file, {path}: say another for one of them")))?;
        }
        Ok(opened)
    }

    /// Writes what was asked for: each, also when another could not be written.
    ///
    /// # Errors
    /// The first file that could not be written after all, by its name.
    pub fn write(self, document: &Document) -> anyhow::Result<()> {
        let markdown = self.markdown.map(|output| output.write(&markdown::page(document)));
        let report = self.report.map(|output| output.write(&html::page(document)));
        [markdown, report].into_iter().flatten().collect()
    }
}

impl Output {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let new = OpenOptions::new().write(true).create_new(true).open(path);
        let (file, empty) = match new {
            // A link to what is not there yet is there itself: that is made without knowing it.
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {
                (OpenOptions::new().write(true).create(true).truncate(false).open(path), false)
            }
            new => (new, true),
        };
        Ok(Self { path: path.to_owned(), file: file.with_context(|| cannot_be_written(path))?, empty })
    }

    fn metadata(&self) -> anyhow::Result<Metadata> {
        self.file.metadata().with_context(|| cannot_be_written(&self.path))
    }

    fn write(mut self, text: &str) -> anyhow::Result<()> {
        let mut write = || {
            // A pipe or a terminal has no length.
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
            }
            self.file.write_all(text.as_bytes())
        };
        write().with_context(|| cannot_be_written(&self.path))?;
        self.empty = false;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.empty {
            // There is nobody to tell, and an empty file does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn cannot_be_written(path: &Path) -> String {
    format!("{} cannot be written", path.display())
}

/// By whatever names they were opened. What is no file, such as /dev/null, can take several reports.
fn is_one(one: &Metadata, other: &Metadata) -> bool {
    one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
mod tests {
    use super::super::plan::typed;
    use super::*;
    use crate::loadtest::report::sample::sample;

    fn open(markdown: &Path, report: &Path) -> anyhow::Result<Outputs> {
        let line = format!("--markdown {} --report {}", markdown.display(), report.display());
        Outputs::open(&typed(&line).0.verdict)
    }

    #[test]
    fn an_earlier_report_stays_until_another_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let [earlier, new] = ["earlier", "new"].map(|name| directory.path().join(name));
        let long = "an earlier report".repeat(10_000);
        fs::write(&earlier, &long).unwrap();
        let outputs = open(&earlier, &new).unwrap();
        assert!(new.exists() && fs::read_to_string(&earlier).unwrap() == long);
        drop(outputs);
        assert!(!new.exists() && fs::read_to_string(&earlier).unwrap() == long);
        open(&earlier, &new).unwrap().write(&sample()).unwrap();
        assert_eq!(fs::read_to_string(&earlier).unwrap(), markdown::page(&sample()));
        assert_eq!(fs::read_to_string(&new).unwrap(), html::page(&sample()));
    }

    #[test]
    fn one_file_is_not_for_two_reports() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| directory.path().join(name));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for (markdown, report) in [(&file, &file), (&file, &link), (&directory.path().join("./file"), &file)] {
            let fault = open(markdown, report).unwrap_err().downcast::<clap::Error>().unwrap();
            assert!(fault.exit_code() == 2 && !file.exists(), "{fault}");
        }
        let null = Path::new("/dev/null");
        open(null, null).unwrap().write(&sample()).unwrap();
        let fault = open(null, directory.path()).unwrap_err().to_string();
        assert!(fault.ends_with("cannot be written"), "{fault}");
    }

    #[test]
    fn a_report_that_cannot_be_written_costs_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let page = directory.path().join("page");
        let fault = open(Path::new("/dev/full"), &page).unwrap().write(&sample()).unwrap_err();
        assert!(fault.to_string().starts_with("/dev/full cannot be written"), "{fault}");
        assert_eq!(fs::read_to_string(&page).unwrap(), html::page(&sample()));
    }
}
