//! The calls that put notifications in. Each is one try; whoever calls decides on another by [`Failure::may_pass`].

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer;
use super::endpoint::Endpoint;
use super::failure::Failure;
use crate::wire::api::{BATCH, NDJSON, NOTIFICATIONS, Published, PublishedAll};

/// How long an answer is waited for: three times what the server gives its writer, and room for the way.
const PATIENCE: Duration = Duration::from_secs(40);

/// Puts in a draft for one user.
///
/// # Errors
/// Of [`Failure::Silent`] and [`Failure::Cut`] the outcome is unknown: only a draft with a key can be sent again.
pub async fn publish(server: &Endpoint, draft: &Value) -> Result<Published, Failure> {
    post(server, NOTIFICATIONS, "application/json", draft.to_string().into()).await
}

/// Puts in drafts, one a line: all of them or none.
///
/// # Errors
/// As for [`publish`]; a problem names the lines at fault in its `errors`.
pub async fn publish_batch(server: &Endpoint, lines: Bytes) -> Result<PublishedAll, Failure> {
    post(server, BATCH, NDJSON, lines).await
}

async fn post<T: DeserializeOwned>(
    server: &Endpoint,
    path: &str,
    media_type: &'static str,
    body: Bytes,
) -> Result<T, Failure> {
    let url = server.url();
    let token = server.access().for_producer()?;
    let request = server.http().post(url.at(path)).timeout(PATIENCE).header(CONTENT_TYPE, media_type);
    let sent = request.header(AUTHORIZATION, token.bearer()).body(body).send().await;
    let answer = sent.map_err(|error| Failure::on_the_way(url, &error, PATIENCE))?;
    if !answer.status().is_success() {
        return Err(answer::refusal(url, answer, PATIENCE).await);
    }
    let body = answer::read(url, answer, PATIENCE).await?;
    serde_json::from_slice(&body)
        .map_err(|fault| Failure::NotLumen { url: url.clone(), what: format!("its answer cannot be read ({fault})") })
}
