//! Where a run is reported, opened before it starts: a report that cannot be written is known before, not after. Until
//! there is something to write, an earlier report stays as it is.
//!
//! `-` is stdout, which takes one document: it has that instead of the summary. A report may go to a pipe, which has nobody
//! to read it yet or no more: nothing else is held up by that.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::task::spawn_blocking;

use super::conflict;
use crate::cli::loadtest::Verdict;
use crate::loadtest::Document;
use crate::loadtest::report::{html, markdown};

/// What goes to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Printed {
    Summary,
    Json,
    Markdown,
    Report,
}

/// What was asked for.
#[derive(Debug)]
pub struct Outputs {
    pub printed: Printed,
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
    /// Dropped before it is done, it leaves nothing.
    ///
    /// # Errors
    /// A file that cannot be written, by its name; the same one twice, as [`clap::Error`].
    pub async fn open(asked: &Verdict, json: bool) -> anyhow::Result<Self> {
        let open = async |path: &Option<PathBuf>| match path {
            Some(path) if !is_stdout(path) => Output::open(path).await.map(Some),
            _ => Ok(None),
        };
        let printed = Printed::of(asked, json)?;
        let opened = Self { printed, markdown: open(&asked.markdown).await?, report: open(&asked.report).await? };
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
    pub async fn write(self, document: &Document) -> anyhow::Result<()> {
        let markdown = write(self.markdown, || markdown::page(document));
        let report = write(self.report, || html::page(document));
        let (markdown, report) = tokio::join!(markdown, report);
        markdown.and(report)
    }
}

impl Printed {
    fn of(asked: &Verdict, json: bool) -> Result<Self, clap::Error> {
        let to_stdout = |path: &Option<PathBuf>| path.as_deref().is_some_and(is_stdout);
        let asked = [
            (json, Self::Json),
            (to_stdout(&asked.markdown), Self::Markdown),
            (to_stdout(&asked.report), Self::Report),
        ];
        let mut asked = asked.into_iter().filter_map(|(is_asked, printed)| is_asked.then_some(printed));
        match (asked.next(), asked.next()) {
            (printed, None) => Ok(printed.unwrap_or(Self::Summary)),
            _ => Err(conflict("stdout takes one document: say one of --json, --markdown - and --report -")),
        }
    }
}

fn is_stdout(path: &Path) -> bool {
    path == "-"
}

async fn write(output: Option<Output>, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    let Some(output) = output else { return Ok(()) };
    let text = text();
    spawn_blocking(move || output.write(&text)).await?
}

impl Output {
    async fn open(path: &Path) -> anyhow::Result<Self> {
        let new = OpenOptions::new().write(true).create_new(true).open(path);
        let (file, empty) = match new {
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {
                let path = path.to_owned();
                // A link to what is not there yet is there itself: that is made without knowing it.
                let open = move || OpenOptions::new().write(true).create(true).truncate(false).open(path);
                (spawn_blocking(open).await?, false)
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

    async fn open(markdown: &Path, report: &Path) -> anyhow::Result<Outputs> {
        let line = format!("--markdown {} --report {}", markdown.display(), report.display());
        Outputs::open(&typed(&line).0.verdict, false).await
    }

    #[tokio::test]
    async fn stdout_takes_one_document() {
        let printed = async |line: &str| {
            let (options, global) = typed(line);
            Outputs::open(&options.verdict, global.json).await.map(|outputs| outputs.printed)
        };
        for (line, expected) in [
            ("", Printed::Summary),
            ("--json", Printed::Json),
            ("--markdown -", Printed::Markdown),
            ("--report - --markdown /dev/null", Printed::Report),
        ] {
            assert_eq!(printed(line).await.unwrap(), expected, "{line}");
        }
        for line in ["--json --report -", "--markdown - --report -"] {
            let fault = printed(line).await.unwrap_err().downcast::<clap::Error>().unwrap();
            assert!(fault.exit_code() == 2 && fault.to_string().contains("stdout takes one document"), "{fault}");
        }
        assert!(!Path::new("-").exists());
    }

    #[tokio::test]
    async fn an_earlier_report_stays_until_another_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let [earlier, new] = ["earlier", "new"].map(|name| directory.path().join(name));
        let long = "an earlier report".repeat(10_000);
        fs::write(&earlier, &long).unwrap();
        let outputs = open(&earlier, &new).await.unwrap();
        assert!(new.exists() && fs::read_to_string(&earlier).unwrap() == long);
        drop(outputs);
        assert!(!new.exists() && fs::read_to_string(&earlier).unwrap() == long);
        open(&earlier, &new).await.unwrap().write(&sample()).await.unwrap();
        assert_eq!(fs::read_to_string(&earlier).unwrap(), markdown::page(&sample()));
        assert_eq!(fs::read_to_string(&new).unwrap(), html::page(&sample()));
    }

    #[tokio::test]
    async fn one_file_is_not_for_two_reports() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| directory.path().join(name));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for (markdown, report) in [(&file, &file), (&file, &link), (&directory.path().join("./file"), &file)] {
            let fault = open(markdown, report).await.unwrap_err().downcast::<clap::Error>().unwrap();
            assert!(fault.exit_code() == 2 && !file.exists(), "{fault}");
        }
        let null = Path::new("/dev/null");
        open(null, null).await.unwrap().write(&sample()).await.unwrap();
        let fault = open(null, directory.path()).await.unwrap_err().to_string();
        assert!(fault.ends_with("cannot be written"), "{fault}");
    }

    #[tokio::test]
    async fn a_report_that_cannot_be_written_costs_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let page = directory.path().join("page");
        let fault = open(Path::new("/dev/full"), &page).await.unwrap().write(&sample()).await.unwrap_err();
        assert!(fault.to_string().starts_with("/dev/full cannot be written"), "{fault}");
        assert_eq!(fs::read_to_string(&page).unwrap(), html::page(&sample()));
    }
}
