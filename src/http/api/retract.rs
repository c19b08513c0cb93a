//! `DELETE /notifications?user=&key=`: a producer takes back what it sent, by the key that it gave it.

use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};

use crate::domain::ids::{UserId, UserIdFault};
use crate::domain::notification::Key;
use crate::http::App;
use crate::http::edge::answer::json;
use crate::http::edge::caller::Producer;
use crate::http::edge::problem::malformed;
use crate::http::edge::query::Query;
use crate::store;
use crate::wire::api::Retracted;
use crate::wire::problem::Problem;

pub async fn delete(State(app): State<App>, _: Producer, uri: Uri) -> Result<Response, Problem> {
    let (user, key) = named(&Query::of(&uri))?;
    let store::Retracted { removed, counts } = app.store.retract(user, key).await?;
    json(StatusCode::OK, &Retracted { removed, counts })
}

fn named(query: &Query) -> Result<(UserId, Key), Problem> {
    query.only(&["user", "key"])?;
    let wanted = |name: &str| {
        let value = query.get(name)?;
        value.ok_or_else(|| unnamed(format!("{name} is missing")))
    };
    let user = wanted("user")?.parse().map_err(|fault: UserIdFault| unnamed(format!("user is no user id: {fault}")))?;
    let key = Key::parse(wanted("key")?).map_err(|fault| unnamed(format!("key is no key: {fault}")))?;
    Ok((user, key))
}

fn unnamed(detail: String) -> Problem {
    let cure = "say what to take back as ?user=ID&key=KEY, percent-encoded";
    malformed("bad_parameter", "What to take back is not named", detail, cure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_take_back_is_named_by_user_and_key() {
        let named = |query: &str| named(&Query::of(&format!("/path?{query}").parse().unwrap()));
        let (user, key) = named("key=like%3A9%26x&user=zo%C3%AB%2F1").unwrap();
        assert_eq!((user.as_str(), key.as_str()), ("zoë/1", "like:9&x"));
        for faulty in ["", "user=a", "key=k", "user=&key=k", "user=a&key=", "user=a%0a&key=k", "user=a&key=%00"] {
            assert_eq!(named(faulty).unwrap_err().status, 400, "{faulty}");
        }
        for faulty in ["user=a&key=k&id=1", "user=a&user=a&key=k"] {
            assert_eq!(named(faulty).unwrap_err().code, "bad_parameter", "{faulty}");
        }
    }
}
