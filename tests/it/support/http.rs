//! A client of the API for stories: each call as (status, body), and a few typed ones where that is what a story means.
//!
//! It keeps connections, follows no redirect, and leaves it to the story whether an answer is the right one.

use std::fmt::Display;

use lumen_inbox::domain::change::Counts;
use lumen_inbox::domain::ids::Rev;
use lumen_inbox::wire::api::{BATCH, NDJSON, NOTIFICATIONS, Published, STREAM_HEADER};
use lumen_inbox::wire::event::ItemData;
use reqwest::{Client, Method, RequestBuilder, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::patience;

/// The status, and the body: `null` where it is empty, a string where it is no JSON.
pub type Answer = (u16, Value);

/// A caller at a server.
#[derive(Clone)]
pub struct Api {
    client: Client,
    base: String,
    token: String,
    stream: Option<String>,
}

/// A page of the list, or all of it with the counts and the cursor of its first page.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Listed {
    pub items: Vec<ItemData>,
    pub next: Option<Rev>,
    #[serde(flatten)]
    pub counts: Counts,
    pub cursor: String,
}

/// The body of an answer that is a success.
///
/// # Panics
/// On any other.
pub fn ok<T: DeserializeOwned>((status, body): Answer) -> T {
    assert!((200..300).contains(&status), "{status} {body}");
    T::deserialize(&body).unwrap_or_else(|fault| panic!("{fault}: {body}"))
}

impl Api {
    /// A caller with this token at `base`, such as `http://127.0.0.1:8080`.
    pub fn new(base: impl Into<String>, token: impl Into<String>) -> Self {
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().expect("a client");
        Self { client, base: base.into(), token: token.into(), stream: None }
    }

    /// Another caller at the same server, over the same connections.
    pub fn with(&self, token: impl Into<String>) -> Self {
        Self { token: token.into(), ..self.clone() }
    }

    /// The same caller at another address.
    pub fn at(&self, base: impl Into<String>) -> Self {
        Self { base: base.into(), ..self.clone() }
    }

    /// The same caller, who names this stream as the origin of what it does.
    pub fn on_stream(&self, stream: impl Into<String>) -> Self {
        Self { stream: Some(stream.into()), ..self.clone() }
    }

    /// A request of this caller's, to which the story may add what it likes.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        match &self.stream {
            Some(stream) => request.header(STREAM_HEADER, stream),
            None => request,
        }
    }

    /// # Errors
    /// When no whole answer came: the outcome is unknown.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        let answer = patience::within(async {
            let response = request.send().await?;
            Ok((response.status().as_u16(), response.text().await?))
        });
        let (status, text) = answer.await.unwrap_or_else(|| panic!("no answer from {}", self.base))?;
        let body = if text.is_empty() { Value::Null } else { text.parse().unwrap_or(Value::String(text)) };
        Ok((status, body))
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap_or_else(|fault| panic!("no answer: {fault:?}"))
    }

    async fn get_at(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    async fn post_to(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// Posts a `like` for one user, which must be new.
    pub async fn publish(&self, user: &str, content: &str) -> Published {
        let (status, body) = self.post(&json!({"user": user, "type": "like", "content": content})).await;
        assert_eq!(status, 201, "{body}");
        ok((status, body))
    }

    pub async fn post(&self, draft: &Value) -> Answer {
        self.post_to(NOTIFICATIONS, draft.clone()).await
    }

    /// As [`Api::post`], for a server that may die over it.
    ///
    /// # Errors
    /// When no whole answer came: the outcome is unknown.
    pub async fn try_post(&self, draft: &Value) -> Result<Answer, reqwest::Error> {
        self.try_send(self.request(Method::POST, NOTIFICATIONS).json(draft)).await
    }

    pub async fn batch(&self, drafts: &[Value]) -> Answer {
        let lines: String = drafts.iter().map(|draft| format!("{draft}\n")).collect();
        self.send(self.request(Method::POST, BATCH).header("content-type", NDJSON).body(lines)).await
    }

    /// A page, with a query such as `limit=5&unread=true`.
    pub async fn list(&self, query: &str) -> Answer {
        self.get_at(&format!("{NOTIFICATIONS}?{query}")).await
    }

    /// All pages.
    pub async fn list_all(&self) -> Listed {
        let mut all: Listed = ok(self.list("limit=100").await);
        while let Some(before) = all.next {
            let page: Listed = ok(self.list(&format!("limit=100&before={before}")).await);
            all.items.extend(page.items);
            all.next = page.next;
        }
        all
    }

    pub async fn counts(&self) -> Answer {
        self.get_at(&format!("{NOTIFICATIONS}/unread-count")).await
    }

    pub async fn get(&self, id: impl Display) -> Answer {
        self.get_at(&format!("{NOTIFICATIONS}/{id}")).await
    }

    pub async fn read(&self, id: impl Display) -> Answer {
        self.send(self.request(Method::POST, &format!("{NOTIFICATIONS}/{id}/read"))).await
    }

    pub async fn unread(&self, id: impl Display) -> Answer {
        self.send(self.request(Method::POST, &format!("{NOTIFICATIONS}/{id}/unread"))).await
    }

    pub async fn read_ids(&self, ids: &[impl Display]) -> Answer {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        self.post_to(&format!("{NOTIFICATIONS}/read"), json!({"ids": ids})).await
    }

    pub async fn read_up_to(&self, rev: Rev) -> Answer {
        self.post_to(&format!("{NOTIFICATIONS}/read"), json!({"up_to": rev})).await
    }

    pub async fn read_all(&self) -> Answer {
        self.post_to(&format!("{NOTIFICATIONS}/read"), json!({"all": true})).await
    }

    pub async fn seen(&self, rev: Rev) -> Answer {
        self.post_to(&format!("{NOTIFICATIONS}/seen"), json!({"up_to": rev})).await
    }

    pub async fn delete(&self, id: impl Display) -> Answer {
        self.send(self.request(Method::DELETE, &format!("{NOTIFICATIONS}/{id}"))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::script::{Script, Then};

    fn answer(status: &str, body: &str) -> (String, Then) {
        let length = body.len();
        (format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"), Then::Close)
    }

    #[tokio::test]
    async fn answers_are_handed_back_as_they_are() {
        let script = Script::start([
            answer("200 OK", r#"{"changed":1,"unread_count":2,"unseen_count":3,"rev":4}"#),
            answer("404 Not Found", ""),
            answer("302 Found\r\nLocation: /elsewhere", "moved"),
            (String::new(), Then::Reset),
        ])
        .await;
        let api = Api::new(format!("http://{}", script.addr()), "t");
        let changed: lumen_inbox::wire::api::Changed = ok(api.on_stream("s1").read("a").await);
        assert_eq!((changed.changed, changed.counts), (1, Counts { unread: 2, unseen: 3, rev: 4 }));
        assert_eq!(api.with("u").delete("b").await, (404, Value::Null));
        assert_eq!(api.batch(&[json!({"user": "u"}), json!(1)]).await, (302, json!("moved")));
        assert!(api.try_post(&json!({})).await.is_err());
        let [read, delete, batch, _] = &script.requests()[..] else { panic!("{:?}", script.requests()) };
        assert!(read.starts_with(&format!("POST {NOTIFICATIONS}/a/read HTTP/1.1\r\n")), "{read}");
        assert!(read.contains("lumen-stream: s1\r\n") && read.contains("authorization: Bearer t\r\n"), "{read}");
        assert!(delete.starts_with("DELETE ") && delete.contains("authorization: Bearer u\r\n"), "{delete}");
        assert!(batch.ends_with("\r\n\r\n{\"user\":\"u\"}\n1\n") && batch.contains(NDJSON), "{batch}");
    }

    #[tokio::test]
    async fn all_pages_are_one_list() {
        let page = |rev: u64, next: &str| {
            let item = format!(
                r#"{{"id":"00000000-0000-7000-8000-{rev:012}","content":"c","read":false,"created_at":"t","type":"like","rev":{rev}}}"#
            );
            answer(
                "200 OK",
                &format!(
                    r#"{{"items":[{item}],"next":{next},"unread_count":2,"unseen_count":2,"rev":{rev},"cursor":"aaaaaa-{rev}"}}"#
                ),
            )
        };
        let script = Script::start([page(9, "9"), page(7, "null")]).await;
        let listed = Api::new(format!("http://{}", script.addr()), "t").list_all().await;
        assert_eq!(listed.items.iter().map(|item| item.rev).collect::<Vec<_>>(), [9, 7]);
        assert_eq!((listed.counts.rev, listed.cursor.as_str()), (9, "aaaaaa-9"));
        assert!(script.requests()[1].starts_with(&format!("GET {NOTIFICATIONS}?limit=100&before=9 ")));
    }
}
