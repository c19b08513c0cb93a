//! Requests drawn at random: near what a call takes, so that most get far, with each piece now and then another's.

use std::fmt;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::Union;
use serde_json::{Map, Value, json};

use crate::wire::api::{BATCH, NDJSON, NOTIFICATIONS, STREAM};

/// Every call that is served: its method, and its path, in which braces hold a place.
pub const CALLS: [(&str, &str); 17] = [
    ("POST", NOTIFICATIONS),
    ("GET", NOTIFICATIONS),
    ("POST", BATCH),
    ("GET", STREAM),
    ("GET", "/api/v1/notifications/unread-count"),
    ("POST", "/api/v1/notifications/read"),
    ("POST", "/api/v1/notifications/seen"),
    ("GET", "/api/v1/notifications/{id}"),
    ("DELETE", "/api/v1/notifications/{id}"),
    ("POST", "/api/v1/notifications/{id}/read"),
    ("POST", "/api/v1/notifications/{id}/unread"),
    ("DELETE", NOTIFICATIONS),
    ("GET", "/api/v1/users/{user}/presence"),
    ("DELETE", "/api/v1/users/{user}/streams"),
    ("DELETE", "/api/v1/users/{user}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
];

/// Whose inboxes there are; the last is nobody's.
pub const USERS: [&str; 5] = ["ada", "ben", "zoë/☃ %", "c", "nobody"];

/// A request, as far as it stands by itself: whom a token is for and which notification is meant are names for what
/// the site has.
#[derive(Clone)]
pub struct Asked {
    /// The call that it is near to.
    pub call: usize,
    pub method: String,
    /// May hold [`ID`].
    pub target: String,
    pub bearer: Bearer,
    pub in_query: bool,
    pub headers: Vec<(String, Vec<u8>)>,
    pub sending: Sending,
}

/// Stands for the id of a notification that was made.
pub const ID: &str = "{id}";

#[derive(Debug, Clone)]
pub enum Bearer {
    Nobody,
    User(&'static str),
    Producer,
    Operator,
    Ended,
    /// Signed with another key.
    Forged,
    /// Well signed, whatever it claims.
    Claims(Value),
    /// This text, with what it begins with.
    Raw(Vec<u8>),
}

/// How the body comes.
#[derive(Debug, Clone)]
pub enum Sending {
    Whole(Vec<u8>),
    /// In pieces of so many bytes, its length not told.
    Pieces(Vec<u8>, usize),
    /// It breaks off.
    Broken(Vec<u8>),
    /// More than any call takes.
    TooMuch,
}

/// As a person would note it.
impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.in_query { "in the query" } else { "in the header" };
        write!(f, "{} {} by {:?} {place}", self.method, self.target, self.bearer)?;
        for (name, value) in &self.headers {
            write!(f, "; {name}: {}", value.escape_ascii())?;
        }
        match &self.sending {
            Sending::Whole(body) => write!(f, "; whole: {}", body.escape_ascii()),
            Sending::Pieces(body, size) => write!(f, "; in pieces of {size}: {}", body.escape_ascii()),
            Sending::Broken(body) => write!(f, "; broken off: {}", body.escape_ascii()),
            Sending::TooMuch => write!(f, "; too much"),
        }
    }
}

pub fn asked() -> impl Strategy<Value = Asked> {
    Union::new((0..CALLS.len()).map(|call| near(call).boxed()))
}

fn near(call: usize) -> impl Strategy<Value = Asked> {
    let (method, path) = CALLS[call];
    let head = (method_near(method), path_near(path), query_near(path), headers_near(path));
    let caller = (bearer_near(path, method), prop::bool::weighted(0.1));
    (head, caller, sending_near(path, method)).prop_map(move |(head, (bearer, in_query), sending)| {
        let (method, path, query, headers) = head;
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        Asked { call, method, target, bearer, in_query, headers, sending }
    })
}

fn method_near(right: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        17 => Just(right.to_owned()),
        2 => select(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"][..])
            .prop_map(str::to_owned),
        1 => "[!#$%&'*+.^_`|~A-Za-z0-9-]{1,40}",
    ]
}

fn path_near(template: &'static str) -> impl Strategy<Value = String> {
    let filled =
        (id(), user()).prop_map(move |(id, user)| template.replace("{id}", &id).replace("{user}", &user)).boxed();
    prop_oneof![
        16 => filled.clone(),
        3 => edited(filled.prop_map(String::into_bytes), "[/%.;:~A-Za-z0-9é]{0,3}")
            .prop_map(|path| String::from_utf8_lossy(&path).into_owned()),
        1 => "[/%.;:@&=~+$A-Za-z0-9é☃_-]{0,60}".prop_map(|path| format!("/{path}")),
    ]
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(ID.to_owned()),
        1 => Just("01890a5d-ac96-774b-bcce-b302099a8057".to_owned()),
        1 => "[0-9a-fA-F-]{0,40}",
        1 => "(%[0-9a-f]{2}|%|[a-z.]){0,12}",
    ]
}

/// A user as a path has it.
fn user() -> impl Strategy<Value = String> {
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    prop_oneof![
        6 => select(&USERS[..]).prop_map(percent),
        1 => "[a-z0-9]{1,3}",
        1 => "(%[0-9a-f]{2}|%|[a-z.]){0,12}",
        1 => Just("x".repeat(129)),
    ]
}

fn query_near(path: &'static str) -> impl Strategy<Value = String> {
    let names: &[&str] = match path {
        STREAM => &["snapshot", "last_event_id", "token"],
        NOTIFICATIONS => &["limit", "before", "unread", "type", "user", "key"],
        _ => &["token", "limit", "x"],
    };
    let value = prop_oneof![
        2 => "[0-9]{1,3}",
        2 => select(&["true", "false", "like", "comment", "ada", "%7A", "k", "000000-0", "k3f9q2-7"][..])
            .prop_map(str::to_owned),
        1 => "-?[0-9]{1,24}(e3|\\.5)?",
        1 => "(%[0-9a-f]{2}|%|[a-z+=/?. -]){0,12}",
    ];
    let pair = (prop_oneof![9 => select(names).prop_map(str::to_owned), 1 => "[a-z%+]{0,8}"], value);
    let pairs = vec(pair.prop_map(|(name, value)| format!("{name}={value}")), 0..3);
    // What a retraction needs.
    let both = (select(&["ada", "zo%C3%AB/%E2%98%83+%25"][..]), "[ab]{1,2}")
        .prop_map(|(user, key)| format!("user={user}&key={key}"));
    prop_oneof![
        4 => Just(String::new()),
        2 => both,
        3 => pairs.prop_map(|pairs| pairs.join("&").replace(' ', "+")),
        1 => "[&=%+a-z0-9é?/]{0,30}",
    ]
}

fn bearer_near(path: &'static str, method: &'static str) -> impl Strategy<Value = Bearer> {
    let user = select(&USERS[..]).prop_map(Bearer::User).boxed();
    let right = match (method, path) {
        ("POST" | "DELETE", NOTIFICATIONS) | (_, BATCH) => Just(Bearer::Producer).boxed(),
        _ if path.contains("{user}") => Just(Bearer::Operator).boxed(),
        _ => user.clone(),
    };
    let odd = prop_oneof![
        "[ -~]{0,40}".prop_map(String::into_bytes),
        "[A-Za-z0-9_-]{1,30}(\\.[A-Za-z0-9_-]{0,60}){1,3}".prop_map(|token| format!("Bearer {token}").into_bytes()),
        vec(prop_oneof![32_u8..127, 128_u8..=255], 0..30),
    ];
    prop_oneof![
        24 => right,
        1 => user,
        1 => Just(Bearer::Producer),
        1 => Just(Bearer::Operator),
        1 => Just(Bearer::Nobody),
        1 => Just(Bearer::Ended),
        1 => Just(Bearer::Forged),
        2 => claims().prop_map(Bearer::Claims),
        2 => odd.prop_map(Bearer::Raw),
    ]
}

fn claims() -> impl Strategy<Value = Value> {
    let sub =
        prop_oneof![3 => select(&USERS[..]).prop_map(Value::from), 1 => any_json(), 1 => Just(json!("x".repeat(129)))];
    let time =
        || prop_oneof![3 => Just(json!(4_000_000_000_u64)), 1 => any::<i64>().prop_map(Value::from), 1 => any_json()];
    let scope =
        prop_oneof![select(&["notifications:write", "admin", "", "a  admin"][..]).prop_map(Value::from), any_json()];
    let (often, seldom) = (prop::option::weighted(0.9, time()), || prop::option::weighted(0.2, time()));
    (option::of(sub), often, seldom(), seldom(), option::of(scope), prop::option::weighted(0.1, any_json())).prop_map(
        |(sub, exp, nbf, iat, scope, aud)| {
            let claims = [("sub", sub), ("exp", exp), ("nbf", nbf), ("iat", iat), ("scope", scope), ("aud", aud)];
            let claims = claims.into_iter().filter_map(|(name, claim)| Some((name.to_owned(), claim?)));
            Value::Object(claims.collect())
        },
    )
}

fn headers_near(path: &'static str) -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let json = if path == BATCH { NDJSON } else { "application/json" };
    let media = prop_oneof![
        12 => Just(Some(json.to_owned())),
        1 => Just(None),
        1 => Just(Some(format!("{json}; charset=utf-8"))),
        1 => "[ -~]{0,30}".prop_map(Some),
    ];
    let odd_value = prop_oneof![
        "[ -~]{0,40}".prop_map(String::into_bytes),
        vec(prop_oneof![Just(9_u8), 32_u8..127, 128_u8..=255], 0..40)
    ];
    let known = select(
        &[
            "last-event-id",
            "lumen-stream",
            "idempotency-key",
            "accept",
            "content-encoding",
            "content-length",
            "transfer-encoding",
            "expect",
            "x-forwarded-for",
            "forwarded",
            "authorization",
            "connection",
            "upgrade",
            "range",
            "origin",
            "cookie",
            "host",
        ][..],
    );
    let good = prop_oneof![
        Just(("last-event-id", "000000-0")),
        Just(("last-event-id", "k3f9q2-7")),
        Just(("accept", "text/event-stream")),
        Just(("idempotency-key", "k")),
        Just(("lumen-stream", "s1")),
        Just(("x-forwarded-for", "203.0.113.7, 127.0.0.1")),
        Just(("x-forwarded-for", "2001:db8::1, unknown")),
        Just(("content-encoding", "identity")),
    ];
    let other = prop_oneof![
        4 => good.prop_map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())),
        2 => (known.prop_map(str::to_owned), odd_value.clone()),
        1 => ("[a-z][a-z0-9-]{0,20}", odd_value),
    ];
    (media, prop_oneof![3 => Just(vec![]), 2 => vec(other, 0..4)]).prop_map(|(media, mut headers)| {
        headers.extend(media.map(|media| ("content-type".to_owned(), media.into_bytes())));
        headers
    })
}

fn sending_near(path: &'static str, method: &'static str) -> BoxedStrategy<Sending> {
    let right = match (method, path) {
        ("POST", NOTIFICATIONS) => json_near(draft().boxed()).boxed(),
        (_, BATCH) => vec(json_near(draft().boxed()), 0..6).prop_map(|lines| lines.join(&b'\n')).boxed(),
        ("POST", "/api/v1/notifications/read") | ("POST", "/api/v1/notifications/seen") => {
            json_near(mark().boxed()).boxed()
        }
        _ => prop_oneof![9 => Just(vec![]), 1 => vec(any::<u8>(), 0..20)].boxed(),
    };
    prop_oneof![
        200 => right.clone().prop_map(Sending::Whole),
        20 => (right.clone(), 1..40_usize).prop_map(|(body, size)| Sending::Pieces(body, size)),
        10 => right.prop_map(Sending::Broken),
        1 => Just(Sending::TooMuch),
    ]
    .boxed()
}

/// A value as a text, sometimes another than it, sometimes with slips.
fn json_near(right: BoxedStrategy<Value>) -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![9 => right, 1 => any_json()].prop_map(|value| value.to_string().into_bytes()).boxed();
    let traps = vec![
        r#"{"user":"ada","type":"like","content":"x","type":"like"}"#.to_owned(),
        r#"{"user":"ada","type":"like","content":"\u0000"}"#.to_owned(),
        format!("{}1{}", r#"{"extra":"#.repeat(33), "}".repeat(33)),
        format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)),
        json!({"user": "ada", "type": "like", "content": "x".repeat(17_000)}).to_string(),
        json!({"users": vec!["ada"; 10_001], "type": "like", "content": "x"}).to_string(),
        "{}\n".repeat(10_001),
    ];
    prop_oneof![
        28 => text.clone(),
        1 => select(traps).prop_map(String::into_bytes),
        8 => edited(text, "[\\[\\]{}:,\"\\\\0-9a-zé\u{feff}\u{2028}\\x00-\\x1f]{0,4}"),
        3 => vec(any::<u8>(), 0..40),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-z_]{0,8}", inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn draft() -> impl Strategy<Value = Value> {
    let who = prop_oneof![
        6 => select(&USERS[..4]).prop_map(|user| ("user", json!(user))),
        1 => vec(select(&USERS[..4]), 0..4).prop_map(|users| ("users", json!(users))),
        1 => "[a-z\\PC]{0,4}".prop_map(|user| ("user", json!(user))),
    ];
    let kind = prop_oneof![
        6 => select(&["like", "comment", "follow", "system", "my.own_type-1"][..]).prop_map(str::to_owned),
        1 => "\\PC{0,6}"
    ];
    let more = prop_oneof![
        "\\PC{0,30}".prop_map(|text| ("sender", json!({"username": text, "avatar": "/a.png"}))),
        "(/|https?://|javascript:|//)[ -~]{0,20}".prop_map(|link| ("link", json!(link))),
        any_json().prop_map(|value| ("extra", json!({"x": value}))),
        "[ab]{1,2}".prop_map(|key| ("key", json!(key))),
        any::<i32>().prop_map(|ttl| ("ttl_s", json!(ttl))),
        ("[a-z]{1,6}", any_json()).prop_map(|(_, value)| ("group", value)),
        any_json().prop_map(|value| ("sender", value)),
        Just(("content", json!("x".repeat(4097)))),
    ];
    (who, kind, "\\PC{0,30}", vec(more, 0..3)).prop_map(|((who, id), kind, content, more)| {
        let mut draft = Map::from_iter([(who.to_owned(), id)]);
        draft.insert("type".to_owned(), kind.into());
        draft.insert("content".to_owned(), content.into());
        draft.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Value::Object(draft)
    })
}

fn mark() -> impl Strategy<Value = Value> {
    let rev = prop_oneof![(0..200_u64).prop_map(Value::from), any::<u64>().prop_map(Value::from), any_json()];
    let ids = vec(prop_oneof![Just(ID.to_owned()), "[0-9a-f-]{0,36}"], 0..4);
    prop_oneof![
        3 => rev.prop_map(|rev| json!({"up_to": rev})),
        2 => ids.prop_map(|ids| json!({"ids": ids})),
        1 => any::<bool>().prop_map(|all| json!({"all": all})),
        1 => (option::of(any_json()), any_json()).prop_map(|(all, ids)| json!({"all": all, "ids": ids})),
    ]
}

/// A text with some places cut out, or filled with what `filling` draws.
fn edited(text: impl Strategy<Value = Vec<u8>>, filling: &'static str) -> impl Strategy<Value = Vec<u8>> {
    (text, vec((any::<Index>(), 0..4_usize, filling), 1..4)).prop_map(|(mut text, edits)| {
        for (at, length, filling) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + length).min(text.len());
            text.splice(at..end, filling.into_bytes());
        }
        text
    })
}
