//! Reads answers: bodies within a bound, and of a refusal what it says.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};

use super::endpoint::ServerUrl;
use super::failure::{Failure, status_may_pass};
use crate::wire::problem::{MEDIA_TYPE, Problem};

/// Bytes of an answer that are read: that of a batch has 10,000 rows of some 300 bytes.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// The code of a path that the server does not know.
const NO_ROUTE: &str = "no_route";

/// Reads a whole body.
///
/// # Errors
/// A body that is cut, or that is too long to be lumen's.
pub async fn read(url: &ServerUrl, mut answer: Response, patience: Duration) -> Result<BytesMut, Failure> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| Failure::on_the_way(url, &error, patience))? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            let what = format!("it answered with more than {ANSWER_BYTES} bytes");
            return Err(Failure::NotLumen { url: url.clone(), what });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Logs that a request was answered. Its query is left out, where a token could stand.
pub fn log(method: &Method, answer: &Response, begun: Instant) {
    let ms = begun.elapsed().as_millis();
    tracing::debug!(%method, path = answer.url().path(), status = answer.status().as_u16(), %ms, "answered");
}

/// What an answer says that is not the wanted one.
pub async fn refusal(url: &ServerUrl, answer: Response, patience: Duration) -> Failure {
    let status = answer.status();
    let mut asked = answer.url().clone();
    asked.set_query(None);
    let location = header(answer.headers(), LOCATION).map(str::to_owned);
    let retry_after_s = header(answer.headers(), RETRY_AFTER).and_then(|seconds| seconds.parse::<u64>().ok());
    if is_type(answer.headers(), MEDIA_TYPE) {
        let body = match read(url, answer, patience).await {
            Ok(body) => body,
            Err(failure) => return failure,
        };
        if let Ok(mut problem) = serde_json::from_slice::<Problem>(&body) {
            if problem.code == NO_ROUTE {
                return Failure::NoRoute { asked: asked.to_string() };
            }
            problem.retry_after_s = retry_after_s;
            return Failure::Problem(Box::new(problem));
        }
    }
    if status_may_pass(status.as_u16()) {
        let retry_after = retry_after_s.map(Duration::from_secs);
        return Failure::Gateway { url: url.clone(), status: status.as_u16(), retry_after };
    }
    Failure::NotLumen { url: url.clone(), what: unlike_lumen(status, location) }
}

/// Whether an answer's content type is `media_type`, whatever its parameters.
pub fn is_type(headers: &HeaderMap, media_type: &str) -> bool {
    let essence = header(headers, CONTENT_TYPE).and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
}

pub fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn unlike_lumen(status: StatusCode, location: Option<String>) -> String {
    match location {
        Some(location) => format!("it answered {status} and sends elsewhere, to {location}"),
        None => format!("it answered {status} without saying why"),
    }
}
