//! Where drafts come from, and the run that their lines are keyed by.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::Context;
use aws_lc_rs::digest;

use crate::random;

const CHUNK_BYTES: usize = 64 * 1024;

/// Drafts to read.
pub struct Source {
    pub reader: File,
    /// The same for the same file, and other for every pipe: keys are made of it.
    pub run: String,
    /// Nobody could know the run: a pipe's is drawn.
    pub drawn: bool,
    /// Somebody types them.
    pub terminal: bool,
    /// Lines of a file that are not blank.
    pub lines: Option<u64>,
}

/// Opens a file, or stdin for `-`. A file is read through once for its hash, wherever it stands to be read.
///
/// # Errors
/// It cannot be opened or read.
pub fn open(path: &Path, run: Option<String>) -> anyhow::Result<Source> {
    let stdin = path.as_os_str() == "-";
    let name = if stdin { "stdin".to_owned() } else { path.display().to_string() };
    let opened = if stdin { standard_input() } else { File::open(path) };
    opened.and_then(|file| source(file, run)).with_context(|| format!("{name} cannot be read"))
}

fn standard_input() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

fn source(mut reader: File, run: Option<String>) -> io::Result<Source> {
    let facts = reader.metadata()?;
    if facts.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !facts.is_file() {
        let (drawn, terminal) = (run.is_none(), reader.is_terminal());
        let run = run.unwrap_or_else(|| hex(&random::bytes::<8>()));
        return Ok(Source { reader, run, drawn, terminal, lines: None });
    }
    let here = reader.stream_position()?;
    let (hash, lines) = survey(&mut reader)?;
    reader.seek(SeekFrom::Start(here))?;
    Ok(Source { reader, run: run.unwrap_or(hash), drawn: false, terminal: false, lines: Some(lines) })
}

/// The first half of a file's SHA-256, and how many of its lines are not blank.
fn survey(file: &mut impl Read) -> io::Result<(String, u64)> {
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut chunk = vec![0; CHUNK_BYTES];
    let (mut lines, mut blank) = (0, true);
    loop {
        let read = match file.read(&mut chunk) {
            Ok(0) => break,
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
            read => &chunk[..read?],
        };
        hash.update(read);
        for byte in read {
            if *byte == b'\n' {
                blank = true;
            } else if blank && !byte.is_ascii_whitespace() {
                blank = false;
                lines += 1;
            }
        }
    }
    Ok((hex(&hash.finish().as_ref()[..16]), lines))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_has_the_same_run_each_time_and_is_read_from_where_it_stands() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one\ntwo\n\n \r\nthree").unwrap();
        let runs = [0, 0, 4].map(|at| {
            file.seek(SeekFrom::Start(at)).unwrap();
            let mut source = source(file.try_clone().unwrap(), None).unwrap();
            let mut rest = String::new();
            source.reader.read_to_string(&mut rest).unwrap();
            (source.run, source.drawn, source.lines, rest)
        });
        assert_eq!(runs[0], runs[1]);
        assert_ne!(runs[0].0, runs[2].0);
        assert_eq!(runs[0].0.len(), 32);
        assert_eq!((runs[0].1, runs[0].2, runs[0].3.as_str()), (false, Some(3), "one\ntwo\n\n \r\nthree"));
        assert_eq!((runs[2].2, runs[2].3.as_str()), (Some(2), "two\n\n \r\nthree"));
    }

    #[test]
    fn a_pipe_has_a_run_of_its_own_unless_it_is_named() {
        let draw = |run: Option<&str>| {
            let (reader, _writer) = io::pipe().unwrap();
            let reader = File::from(std::os::fd::OwnedFd::from(reader));
            let source = source(reader, run.map(str::to_owned)).unwrap();
            (source.run, source.drawn, source.lines)
        };
        let (first, second) = (draw(None), draw(None));
        assert_ne!(first.0, second.0);
        assert_eq!((first.1, first.2), (true, None));
        assert_eq!(draw(Some("mine")), ("mine".to_owned(), false, None));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let missing = open(Path::new("/nowhere/drafts"), None).err().unwrap();
        assert!(format!("{missing:#}").starts_with("/nowhere/drafts cannot be read: "), "{missing:#}");
        assert!(open(Path::new("/"), None).is_err());
    }
}
