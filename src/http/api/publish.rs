//! `POST /notifications`: one draft, for one user or several.

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::faults::{Faults, conflict, malformed_json};
use crate::domain::draft::{DRAFT_TOO_LARGE, Fault, check};
use crate::domain::limits::BODY_BYTES;
use crate::http::App;
use crate::http::door::body::{self, Allowance};
use crate::http::edge::answer::json;
use crate::http::edge::caller::Producer;
use crate::http::edge::headers;
use crate::store::{Appended, Error};
use crate::wire::api::{Published, PublishedAll};
use crate::wire::json::parse;
use crate::wire::problem::Problem;

pub async fn post(State(app): State<App>, _: Producer, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    headers::expect_media(&head.headers, &["application/json"])?;
    let key = idempotency_key(&head.headers)?.map(str::to_owned);
    let body = body::read(body, BODY_BYTES, Allowance::of(&app)).await?;

    let draft = parse(&body).map_err(|fault| malformed_json(&fault))?;
    // Who names `users` is answered with a list, also when it has one entry.
    let is_several = draft.get("users").is_some();
    let addressed = check(with_key(draft, key)).map_err(refuse)?;
    let rows = app.store.append(vec![addressed]).await.map_err(|fault| match fault {
        Error::Conflict(conflicts) => conflict(conflicts, None),
        other => other.into(),
    })?;

    let status = status(&rows);
    let mut results: Vec<Published> = rows.into_iter().map(|row| published(row, None)).collect();
    match results.pop() {
        Some(only) if !is_several && results.is_empty() => json(status, &only),
        last => {
            results.extend(last);
            json(status, &PublishedAll { results })
        }
    }
}

/// The header that is the key of a draft without one.
///
/// # Errors
/// A 400 for a header that is there twice or is no text.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    headers::text(headers, "idempotency-key")
}

/// The draft with a key, its own where it has one.
pub fn with_key(mut draft: Value, key: Option<String>) -> Value {
    if let (Value::Object(fields), Some(key)) = (&mut draft, key) {
        fields.entry("key").or_insert(Value::String(key));
    }
    draft
}

/// 201, or 200 when nothing new was made.
pub fn status(rows: &[Appended]) -> StatusCode {
    if rows.iter().all(|row| row.duplicate) { StatusCode::OK } else { StatusCode::CREATED }
}

pub fn published(row: Appended, line: Option<usize>) -> Published {
    let Appended { draft: _, id, user, rev, unread, streams, duplicate } = row;
    Published { line, id, user, rev, unread_count: unread, streams, duplicate }
}

fn refuse(faults: Vec<Fault>) -> Problem {
    if let Some(fault) = faults.iter().find(|fault| fault.code == DRAFT_TOO_LARGE) {
        return Problem::new(
            413,
            DRAFT_TOO_LARGE,
            "The draft is too large",
            fault.detail.clone(),
            "shorten content or extra; what is long belongs behind link",
        );
    }
    let mut listed = Faults::default();
    listed.add(None, faults);
    listed.problem()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_draft_keeps_its_own_key() {
        let key = || Some("K".to_owned());
        assert_eq!(with_key(json!({"a": 1}), key()), json!({"a": 1, "key": "K"}));
        assert_eq!(with_key(json!({"key": "own"}), key()), json!({"key": "own"}));
        assert_eq!(with_key(json!({"a": 1}), None), json!({"a": 1}));
        assert_eq!(with_key(json!([1]), key()), json!([1]));
    }

    #[test]
    fn a_draft_over_its_limit_is_413_and_any_other_fault_422() {
        let status = |draft| refuse(check(draft).unwrap_err()).status;
        assert_eq!(status(json!({"user": "u", "type": "like", "content": "x".repeat(16 * 1024)})), 413);
        assert_eq!(status(json!({"user": "u", "type": "like", "content": "x".repeat(5 * 1024)})), 422);
        assert_eq!(status(json!(null)), 422);
    }
}
