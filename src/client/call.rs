//! One call of the API: asked once, and its answer read as what it should be.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;

use super::access::Token;
use super::answer;
use super::endpoint::Endpoint;
use super::failure::Failure;

/// How long an answer is waited for: three times what the server gives its writer, and room for the way.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// What is sent along, and of which media type.
pub type Body = Option<(&'static str, Bytes)>;

/// # Errors
/// Of [`Failure::Silent`] and [`Failure::Cut`] the outcome is unknown.
pub async fn call<T: DeserializeOwned>(
    server: &Endpoint,
    token: &Token,
    method: Method,
    at: Url,
    body: Body,
) -> Result<T, Failure> {
    let url = server.url();
    let mut request = server.http().request(method.clone(), at).timeout(PATIENCE).header(AUTHORIZATION, token.bearer());
    if let Some((media_type, body)) = body {
        request = request.header(CONTENT_TYPE, media_type).body(body);
    }
    let begun = Instant::now();
    let answer = request.send().await.map_err(|error| Failure::on_the_way(url, &error, PATIENCE))?;
    answer::log(&method, &answer, begun);
    if !answer.status().is_success() {
        return Err(answer::refusal(url, answer, PATIENCE).await);
    }
    let body = answer::read(url, answer, PATIENCE).await?;
    serde_json::from_slice(&body)
        .map_err(|fault| Failure::NotLumen { url: url.clone(), what: format!("its answer cannot be read ({fault})") })
}
