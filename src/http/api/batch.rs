//! `POST /notifications/batch`: a draft a line, all stored or none.

use axum::extract::{Request, State};
use axum::response::Response;

use super::faults::{Faults, conflict, empty_batch, line_fault, too_many_rows};
use super::publish::{idempotency_key, published, status, with_key};
use crate::domain::draft::{Fault, check};
use crate::domain::limits::{BATCH_BYTES, REQUEST_ROWS};
use crate::domain::notification::Addressed;
use crate::http::App;
use crate::http::door::body::{self, Allowance};
use crate::http::edge::answer::json;
use crate::http::edge::caller::Producer;
use crate::http::edge::headers::expect_media;
use crate::http::edge::problem::internal;
use crate::store::Error;
use crate::wire::api::{NDJSON, PublishedAll};
use crate::wire::json::parse;
use crate::wire::problem::Problem;

pub async fn post(State(app): State<App>, _: Producer, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    expect_media(&head.headers, &[NDJSON, "application/ndjson", "application/jsonl"])?;
    let key = idempotency_key(&head.headers)?.map(str::to_owned);
    let body = body::read(body, BATCH_BYTES, Allowance::of(&app)).await?;

    // Eight megabytes take some 100 ms to check, for which no stream should wait.
    let checked = tokio::task::spawn_blocking(move || Batch::check(&body, key.as_deref()));
    let Batch { drafts, lines } = checked.await.map_err(|fault| internal(&fault))??;
    let rows = app.store.append(drafts).await.map_err(|fault| match fault {
        Error::Conflict(conflicts) => conflict(conflicts, Some(&lines)),
        other => other.into(),
    })?;

    let status = status(&rows);
    let results = rows.into_iter().map(|row| {
        let line = lines.get(row.draft).copied();
        published(row, line)
    });
    json(status, &PublishedAll { results: results.collect() })
}

/// Checked drafts, and the line of each.
#[derive(Debug)]
struct Batch {
    drafts: Vec<Addressed>,
    lines: Vec<usize>,
}

impl Batch {
    /// Blank lines are passed over, and still count. `key` with `#` and the line is the key of a draft without one.
    fn check(body: &[u8], key: Option<&str>) -> Result<Batch, Problem> {
        let numbered = || body.split(|&byte| byte == b'\n').zip(1..).filter(|(text, _)| !text.trim_ascii().is_empty());
        // Counted before anything is parsed: millions of empty objects fit into a body, each with its faults.
        match numbered().take(REQUEST_ROWS + 1).count() {
            0 => return Err(empty_batch()),
            1..=REQUEST_ROWS => {}
            _ => return Err(too_many_rows()),
        }
        let mut batch = Batch { drafts: Vec::new(), lines: Vec::new() };
        let mut faults = Faults::default();
        for (text, line) in numbered() {
            match check_line(text, key.map(|key| format!("{key}#{line}"))) {
                Ok(draft) => {
                    batch.drafts.push(draft);
                    batch.lines.push(line);
                }
                Err(found) => faults.add(Some(line), found),
            }
        }
        if !faults.is_empty() {
            return Err(faults.problem());
        }
        let rows: usize = batch.drafts.iter().map(|draft| draft.users.len()).sum();
        if rows > REQUEST_ROWS { Err(too_many_rows()) } else { Ok(batch) }
    }
}

fn check_line(text: &[u8], key: Option<String>) -> Result<Addressed, Vec<Fault>> {
    match parse(text) {
        Ok(draft) => check(with_key(draft, key)),
        Err(fault) => Err(vec![line_fault(&fault)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(user: &str) -> String {
        format!(r#"{{"user":"{user}","type":"like","content":"x"}}"#)
    }

    fn faults(body: &str) -> Vec<(Option<usize>, String, String)> {
        let problem = Batch::check(body.as_bytes(), None).unwrap_err();
        assert_eq!((problem.status, problem.code.as_ref()), (422, "invalid_draft"));
        problem.errors.into_iter().map(|error| (error.line, error.field, error.code)).collect()
    }

    #[test]
    fn blank_lines_are_passed_over_and_counted() {
        let body = format!("{}\r\n\n  \n{}\n", line("a"), line("b"));
        let batch = Batch::check(body.as_bytes(), None).unwrap();
        assert_eq!(batch.lines, [1, 4]);
        assert_eq!(batch.drafts[1].users[0].as_str(), "b");
    }

    #[test]
    fn every_faulty_line_is_named() {
        let body = format!("{}\n{{\n\n{}\n{{\"user\":\"c\"}}\n[]", line("a"), line(""));
        let found = faults(&body);
        let expected = [
            (2, "", "malformed_json"),
            (4, "user", "invalid"),
            (5, "type", "missing"),
            (5, "content", "missing"),
            (6, "", "type"),
        ];
        assert_eq!(found, expected.map(|(line, field, code)| (Some(line), field.to_owned(), code.to_owned())));
    }

    #[test]
    fn drafts_that_share_a_line_or_span_several_are_told_how_they_stand() {
        for body in [format!("{0}{0}", line("a")), "{\"user\":\n\"a\"}".to_owned()] {
            let problem = Batch::check(body.as_bytes(), None).unwrap_err();
            assert!(problem.errors[0].detail.contains("--data-binary"), "{}", problem.errors[0].detail);
        }
        let problem = Batch::check(format!("\u{feff}{}", line("a")).as_bytes(), None).unwrap_err();
        assert!(problem.detail.contains("without a byte order mark"), "{}", problem.detail);
    }

    #[test]
    fn a_key_of_the_request_numbers_its_lines() {
        let own = r#"{"user":"b","type":"like","content":"x","key":"own"}"#;
        let body = format!("\n{}\n{own}", line("a"));
        let batch = Batch::check(body.as_bytes(), Some("K")).unwrap();
        let keys: Vec<_> = batch.drafts.iter().map(|draft| draft.notification.key.as_ref().unwrap().as_str()).collect();
        assert_eq!(keys, ["K#2", "own"]);
    }

    #[test]
    fn rows_are_bounded_by_lines_and_by_users() {
        let code = |body: &str| Batch::check(body.as_bytes(), None).unwrap_err().code.into_owned();
        let full = format!("{}\n", line("a")).repeat(REQUEST_ROWS);
        assert_eq!(Batch::check(full.as_bytes(), None).unwrap().drafts.len(), REQUEST_ROWS);
        assert_eq!(code(&format!("{full}{}", line("a"))), "too_many_rows");
        assert_eq!(code(&"{}\n".repeat(REQUEST_ROWS + 1)), "too_many_rows");
        let users: Vec<String> = (0..REQUEST_ROWS).map(|user| format!("\"{user}\"")).collect();
        let wide = format!(r#"{{"users":[{}],"type":"like","content":"x"}}"#, users.join(","));
        assert!(Batch::check(wide.as_bytes(), None).is_ok());
        assert_eq!(code(&format!("{wide}\n{}", line("a"))), "too_many_rows");
        assert_eq!(code(" \n\n"), "empty_batch");
    }
}
