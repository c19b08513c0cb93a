//! An answer, read to its end, so that its connection serves the next request.

use std::io;

use super::body::{Body, BodyFault};
use super::head::{self, Head, HeadFault};
use super::{Link, READ_BYTES};
use crate::loadtest::reason;

/// What is kept of an answer: a problem of ordinary length. The rest is read and let go.
const KEPT_BYTES: usize = 16 * 1024;

pub struct Answer {
    pub status: u16,
    /// `503 Service Unavailable`, and what it says beside.
    pub told: String,
    /// Whether another request may follow on its connection.
    pub keeps: bool,
}

/// Why there is no answer, or no whole one.
#[derive(Debug, thiserror::Error)]
pub enum AnswerFault {
    #[error("the connection ended before its answer")]
    Ended,
    #[error("the connection broke before its answer: {0}")]
    Broken(#[from] io::Error),
    #[error(transparent)]
    Head(#[from] HeadFault),
    #[error(transparent)]
    Body(#[from] BodyFault),
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it may be another in a while.
    pub fn is_passing(&self) -> bool {
        self.status >= 500 || self.status == 429
    }
}

/// Reads an answer.
///
/// # Errors
/// [`AnswerFault`].
pub async fn read(link: &mut Link) -> Result<Answer, AnswerFault> {
    let (head, early) = head(link).await?;
    rest(link, &head, &early).await
}

/// Reads an answer's head; with it comes what came of the body in one piece with it.
///
/// # Errors
/// [`AnswerFault`].
pub async fn head(link: &mut Link) -> Result<(Head, Vec<u8>), AnswerFault> {
    let mut bytes = Vec::new();
    loop {
        let read = link.read(READ_BYTES, |read| {
            bytes.extend_from_slice(read);
            read.len()
        });
        if read.await? == 0 {
            return Err(AnswerFault::Ended);
        }
        if let Some(head) = head::read(&bytes)? {
            let early = bytes.split_off(head.bytes);
            return Ok((head, early));
        }
    }
}

/// Reads what follows a head.
///
/// # Errors
/// [`AnswerFault`].
pub async fn rest(link: &mut Link, head: &Head, early: &[u8]) -> Result<Answer, AnswerFault> {
    let mut reading = Reading { body: head.body, kept: Vec::new(), surplus: 0 };
    reading.take(early)?;
    while reading.body != Body::Ended {
        let read = link.read(READ_BYTES, |bytes| reading.take(bytes).map(|()| bytes.len()));
        match read.await?? {
            0 if reading.body == Body::UntilClose => break,
            0 => return Err(AnswerFault::Ended),
            _ => {}
        }
    }
    let told = format!("{}{}", head.status(), said(&reading.kept));
    // What comes after an answer is none to the next request.
    Ok(Answer { status: head.status, told, keeps: head.keeps && reading.surplus == 0 })
}

/// A body while it is read.
struct Reading {
    body: Body,
    kept: Vec<u8>,
    /// Bytes after its end.
    surplus: usize,
}

impl Reading {
    fn take(&mut self, bytes: &[u8]) -> Result<(), BodyFault> {
        let kept = &mut self.kept;
        self.surplus += self.body.take(bytes, |piece| {
            let room = KEPT_BYTES - kept.len();
            kept.extend_from_slice(&piece[..room.min(piece.len())]);
        })?;
        Ok(())
    }
}

/// The beginning of what a refusal says; of a problem its code.
fn said(body: &[u8]) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let code = problem.as_ref().and_then(|problem| problem.get("code")).and_then(|code| code.as_str());
    let text = match code {
        Some(code) => code.to_owned(),
        None => String::from_utf8_lossy(body).lines().next().unwrap_or_default().trim().to_owned(),
    };
    if text.is_empty() { String::new() } else { format!(": {}", reason::short(&text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_answer_so_much_is_kept_as_tells_why() {
        let mut reading = Reading { body: Body::Length(11 * KEPT_BYTES as u64), kept: Vec::new(), surplus: 0 };
        for _ in 0..11 {
            reading.take(&[b'x'; KEPT_BYTES]).unwrap();
        }
        assert_eq!((reading.body, reading.kept.len()), (Body::Ended, KEPT_BYTES));
        assert!(said(&reading.kept).len() < 200);
        assert_eq!(said(br#"{"code":"busy"}"#), ": busy");
        assert_eq!(said(b"no, \nbecause"), ": no,");
    }
}
