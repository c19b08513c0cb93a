//! A user's own inbox, changed: read, unread, seen, removed. One call is at most one change.

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::faults::malformed_json;
use super::inbox::Id;
use crate::domain::draft::{shown, unknown_field};
use crate::domain::ids::UserId;
use crate::domain::limits::{BODY_BYTES, MARK_IDS};
use crate::http::App;
use crate::http::door::body::{self, Allowance};
use crate::http::edge::answer::json;
use crate::http::edge::caller::User;
use crate::http::edge::headers::{expect_media, origin};
use crate::store::{Mark, Marked, Selection};
use crate::wire::api::{Changed, ReadRequest, SeenRequest};
use crate::wire::json::parse;
use crate::wire::problem::{FieldError, Problem};

pub async fn read(State(app): State<App>, User(user): User, request: Request) -> Result<Response, Problem> {
    let (headers, wanted) = read_json::<ReadRequest>(&app, request, &["ids", "up_to", "all"]).await?;
    mark(&app, user, Mark::Read(selection(wanted)?), &headers).await
}

pub async fn seen(State(app): State<App>, User(user): User, request: Request) -> Result<Response, Problem> {
    let (headers, SeenRequest { up_to }) = read_json(&app, request, &["up_to"]).await?;
    mark(&app, user, Mark::Seen(up_to), &headers).await
}

pub async fn read_one(
    State(app): State<App>,
    User(user): User,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    mark(&app, user, Mark::Read(Selection::One(id)), &headers).await
}

pub async fn unread_one(
    State(app): State<App>,
    User(user): User,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    mark(&app, user, Mark::Unread(id), &headers).await
}

pub async fn delete(
    State(app): State<App>,
    User(user): User,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    mark(&app, user, Mark::Delete(id), &headers).await
}

async fn mark(app: &App, user: UserId, mark: Mark, headers: &HeaderMap) -> Result<Response, Problem> {
    let Marked { changed, counts } = app.store.mark(user, mark, origin(headers)?).await?;
    json(StatusCode::OK, &Changed { changed, counts })
}

/// A request's headers, and its body as what it should be, with these fields.
async fn read_json<T: DeserializeOwned>(
    app: &App,
    request: Request,
    fields: &[&str],
) -> Result<(HeaderMap, T), Problem> {
    let (head, body) = request.into_parts();
    expect_media(&head.headers, &["application/json"])?;
    let body = body::read(body, BODY_BYTES, Allowance::of(app)).await?;
    let value = parse(&body).map_err(|fault| malformed_json(&fault))?;
    Ok((head.headers, wanted(value, fields)?))
}

fn wanted<T: DeserializeOwned>(body: Value, fields: &[&str]) -> Result<T, Problem> {
    if let Some(detail) = fault(&body, fields) {
        return Err(invalid(detail));
    }
    serde_json::from_value(body).map_err(|fault| invalid(fault.to_string()))
}

/// What is wrong with a mark's body, in the words of its fields.
fn fault(body: &Value, fields: &[&str]) -> Option<String> {
    let Value::Object(body) = body else { return Some(format!("it is an object with {}", fields.join(" or "))) };
    if let Some(name) = body.keys().find(|name| !fields.contains(&name.as_str())) {
        return Some(format!("{} {}", shown(name), unknown_field(name, fields)));
    }
    // A field that is null counts as left out.
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    let is_wrong = |name: &str, is_right: fn(&Value) -> bool| given(name).is_some_and(|value| !is_right(value));
    if is_wrong("up_to", Value::is_u64) || (fields == ["up_to"] && given("up_to").is_none()) {
        return Some("up_to is a rev, 0 or more".to_owned());
    }
    let is_texts = |value: &Value| value.as_array().is_some_and(|ids| ids.iter().all(Value::is_string));
    if is_wrong("ids", is_texts) {
        return Some("ids is an array of ids, each a string".to_owned());
    }
    is_wrong("all", Value::is_boolean).then(|| "all is true".to_owned())
}

fn selection(wanted: ReadRequest) -> Result<Selection, Problem> {
    match wanted {
        ReadRequest { ids: Some(ids), up_to: None, all: None } if ids.len() > MARK_IDS => {
            Err(invalid(format!("ids has at most {MARK_IDS} entries")))
        }
        ReadRequest { ids: Some(ids), up_to: None, all: None } => parse_ids(&ids),
        ReadRequest { ids: None, up_to: Some(rev), all: None } => Ok(Selection::UpTo(rev)),
        ReadRequest { ids: None, up_to: None, all: Some(true) } => Ok(Selection::All),
        _ => Err(invalid("say which with one of ids, up_to, and all, which is true".to_owned())),
    }
}

/// An id that is not in the inbox is passed over by the store; a text that is no id is a mistake.
fn parse_ids(ids: &[String]) -> Result<Selection, Problem> {
    let mut parsed = Vec::with_capacity(ids.len());
    let mut faults = Vec::new();
    for (index, text) in ids.iter().enumerate() {
        match text.parse() {
            Ok(id) => parsed.push(id),
            Err(_) => faults.push(FieldError {
                line: None,
                user: None,
                field: format!("ids[{index}]"),
                code: "invalid".to_owned(),
                detail: "an id is a UUID, as the list and the stream give it".to_owned(),
            }),
        }
    }
    if faults.is_empty() {
        Ok(Selection::Ids(parsed))
    } else {
        Err(invalid("some of ids are no ids".to_owned()).with_errors(faults))
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(422, "invalid_body", "The body does not say what to mark", detail, "correct the body as detail says")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn select(body: Value) -> Result<Selection, u16> {
        let wanted = serde_json::from_value(body).expect("a request");
        selection(wanted).map_err(|refusal| refusal.status)
    }

    #[test]
    fn a_body_that_says_nothing_is_told_in_the_words_of_its_fields() {
        let detail = |body: Value| match wanted::<ReadRequest>(body, &["ids", "up_to", "all"]) {
            Ok(wanted) => selection(wanted).unwrap_err().detail,
            Err(refusal) => refusal.detail,
        };
        let rev = "up_to is a rev, 0 or more";
        for (body, told) in [
            (json!({"up_to": -1}), rev),
            (json!({"up_to": 1.5}), rev),
            (json!({"up_to": "1"}), rev),
            (json!({"upto": 1}), "upto is no field here; did you mean up_to? (the fields are ids, up_to, all)"),
            (json!({"a\n": 1}), "a\\n is no field here (the fields are ids, up_to, all)"),
            (json!({"ids": "x"}), "ids is an array of ids, each a string"),
            (json!({"ids": [1]}), "ids is an array of ids, each a string"),
            (json!({"all": 1}), "all is true"),
            (json!([1]), "it is an object with ids or up_to or all"),
            (json!({}), "say which with one of ids, up_to, and all, which is true"),
        ] {
            assert_eq!(detail(body.clone()), told, "{body}");
        }
        for body in [json!({}), json!({"up_to": null}), json!({"up_to": -1})] {
            assert_eq!(wanted::<SeenRequest>(body, &["up_to"]).unwrap_err().detail, rev);
        }
        let nulls = json!({"ids": null, "up_to": 1, "all": null});
        assert!(wanted::<ReadRequest>(nulls, &["ids", "up_to", "all"]).is_ok());
    }

    #[test]
    fn exactly_one_way_to_say_which() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(select(json!({"ids": [id]})), Ok(Selection::Ids(vec![id.parse().unwrap()])));
        assert_eq!(select(json!({"ids": []})), Ok(Selection::Ids(vec![])));
        assert_eq!(select(json!({"up_to": 7})), Ok(Selection::UpTo(7)));
        assert_eq!(select(json!({"all": true})), Ok(Selection::All));
        for bad in [
            json!({}),
            json!({"all": false}),
            json!({"all": true, "up_to": 1}),
            json!({"ids": [id], "up_to": 1}),
            json!({"ids": ["x"]}),
            json!({"ids": vec![id; MARK_IDS + 1]}),
        ] {
            assert_eq!(select(bad.clone()), Err(422), "{bad}");
        }
        assert!(select(json!({"ids": vec![id; MARK_IDS]})).is_ok());
    }
}
