//! A refusal as `application/problem+json` (RFC 9457): what, why and the cure.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was refused. Never holds a token, a key or a path of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Always `about:blank`: `code` is what programs compare.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// What.
    pub title: Cow<'static, str>,
    pub status: u16,
    /// Why.
    pub detail: Cow<'static, str>,
    /// Stable, for programs.
    pub code: Cow<'static, str>,
    /// What to do about it.
    pub cure: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds, also sent as `Retry-After`.
    #[serde(skip)]
    pub retry_after_s: Option<u64>,
}

/// One of several faults of one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Line of a batch, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    pub field: String,
    pub code: String,
    pub detail: String,
}

impl Problem {
    pub fn new(
        status: u16,
        code: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
        cure: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind: "about:blank".into(),
            title: title.into(),
            status,
            detail: detail.into(),
            code: code.into(),
            cure: cure.into(),
            errors: Vec::new(),
            retry_after_s: None,
        }
    }

    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}
