//! Answers that are JSON.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::problem::internal;
use crate::wire::problem::Problem;

/// An answer with `value` as its body.
pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Response, Problem> {
    match serde_json::to_vec(value) {
        Ok(body) => Ok(json_text(status, "application/json", body)),
        Err(fault) => Err(internal(&fault)),
    }
}

/// An answer with JSON that is written already. An inbox is nobody's to keep a copy of.
pub fn json_text(status: StatusCode, media_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
