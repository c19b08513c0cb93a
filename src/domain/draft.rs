//! From a draft (unchecked JSON) to a notification (checked), with every fault told at once.

use std::collections::HashSet;
use std::sync::Arc;

use aws_lc_rs::digest;
use serde_json::{Map, Value};

use super::ids::UserId;
use super::limits::{CONTENT_BYTES, DRAFT_BYTES, EXTRA_BYTES, LINK_BYTES, REQUEST_ROWS, TTL_MAX_S, USERNAME_BYTES};
use super::notification::{Addressed, Body, Fingerprint, Key, Kind, Notification};

/// One thing wrong with a draft: which field, which rule, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub field: String,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub detail: String,
    /// The user concerned, where it is one of several.
    pub user: Option<String>,
}

/// The code of a draft that is as a whole too large, which HTTP answers in its own way.
pub const DRAFT_TOO_LARGE: &str = "draft_too_large";
/// The code of a field that this version does not serve yet.
pub const NOT_YET: &str = "not_yet";

const FIELDS: [&str; 9] = ["user", "users", "type", "sender", "content", "link", "extra", "key", "ttl_s"];

/// Checks a draft. Every fault is reported, not only the first.
///
/// # Errors
/// At least one [`Fault`].
pub fn check(draft: Value) -> Result<Addressed, Vec<Fault>> {
    let mut faults = Faults::default();
    let Value::Object(mut draft) = draft else {
        faults.add("", "type", "a draft is a JSON object");
        return Err(faults.0);
    };
    let user = draft.remove("user");
    let users = draft.remove("users");
    let key = draft.remove("key");
    if size(&draft) > DRAFT_BYTES {
        faults.add("", DRAFT_TOO_LARGE, format!("a draft without its users has at most {DRAFT_BYTES} bytes"));
        return Err(faults.0);
    }

    let users = check_users(user, users, &mut faults);
    let key = key.and_then(|key| check_key(&key, &mut faults));
    check_names(&draft, &mut faults);
    let kind = check_kind(draft.get("type"), &mut faults);
    let ttl_s = check_ttl(draft.get("ttl_s"), &mut faults);
    let body = check_body(&draft, &mut faults);

    match (kind, faults.0.is_empty()) {
        (Some(kind), true) => {
            let fingerprint = fingerprint(draft);
            let notification = Arc::new(Notification { kind, body, key, ttl_s, fingerprint });
            Ok(Addressed { users, notification })
        }
        _ => Err(faults.0),
    }
}

/// Bytes of an object as compact JSON.
fn size(fields: &Map<String, Value>) -> usize {
    serde_json::to_vec(fields).map_or(usize::MAX, |text| text.len())
}

/// The hash of a draft's text with all its fields sorted, so that a producer may build it anew for a retry.
fn fingerprint(draft: Map<String, Value>) -> Fingerprint {
    let mut draft = Value::Object(draft);
    draft.sort_all_objects();
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest::digest(&digest::SHA256, draft.to_string().as_bytes()).as_ref());
    fingerprint
}

#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, field: &str, code: &'static str, detail: impl Into<String>) {
        self.0.push(Fault { field: field.to_owned(), code, detail: detail.into(), user: None });
    }
}

fn check_names(draft: &Map<String, Value>, faults: &mut Faults) {
    for name in draft.keys() {
        match name.as_str() {
            "group" => faults.add(name, NOT_YET, "merging by group is not served yet; leave the field out"),
            "all" => faults.add(name, NOT_YET, "broadcasts are not served yet; name the users"),
            known if FIELDS.contains(&known) => {}
            _ => faults.add(&shown(name), "unknown_field", unknown_field(name, &FIELDS)),
        }
    }
}

/// A name that somebody chose, for people to see: on one line, not endless, and there even if it is empty.
pub fn shown(name: &str) -> String {
    const CHARS: usize = 64;
    let cut = if name.chars().nth(CHARS).is_some() { "…" } else { "" };
    let escaped: String = name.chars().take(CHARS).flat_map(char::escape_debug).collect();
    if escaped.is_empty() { "\"\"".to_owned() } else { escaped + cut }
}

/// Why a field is unknown among the `known` ones, and which of them may be meant.
pub fn unknown_field(name: &str, known: &[&str]) -> String {
    let meant = known.iter().find(|known| is_one_slip(name, known));
    let meant = meant.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
    format!("is no field here{meant} (the fields are {})", known.join(", "))
}

/// Whether one letter is too many, missing or another, or two neighbours have changed places.
fn is_one_slip(typed: &str, known: &str) -> bool {
    let (typed, known) = (typed.as_bytes(), known.as_bytes());
    let begin = typed.iter().zip(known).take_while(|(a, b)| a == b).count();
    let (typed, known) = (&typed[begin..], &known[begin..]);
    let end = typed.iter().rev().zip(known.iter().rev()).take_while(|(a, b)| a == b).count();
    match (&typed[..typed.len() - end], &known[..known.len() - end]) {
        ([a, b], [c, d]) => (a, b) == (d, c),
        (typed, known) => typed.len() <= 1 && known.len() <= 1,
    }
}

fn check_users(user: Option<Value>, users: Option<Value>, faults: &mut Faults) -> Vec<UserId> {
    match (user, users) {
        (Some(_), Some(_)) => faults.add("users", "user_and_users", "give user or users, not both"),
        (None, None) => faults.add("user", "missing", "say who gets it, with user or users"),
        (Some(Value::String(user)), None) => match user.parse() {
            Ok(user) => return vec![user],
            Err(fault) => faults.add("user", "invalid", fault.to_string()),
        },
        (Some(_), None) => faults.add("user", "type", "must be a string"),
        (None, Some(Value::Array(users))) => return check_several(users, faults),
        (None, Some(_)) => faults.add("users", "type", "must be an array of strings"),
    }
    Vec::new()
}

fn check_several(users: Vec<Value>, faults: &mut Faults) -> Vec<UserId> {
    if users.is_empty() || users.len() > REQUEST_ROWS {
        faults.add("users", "count", format!("must have 1 to {REQUEST_ROWS} entries"));
        return Vec::new();
    }
    let mut seen = HashSet::with_capacity(users.len());
    let mut checked = Vec::with_capacity(users.len());
    for (index, user) in users.iter().enumerate() {
        let field = format!("users[{index}]");
        let Value::String(text) = user else {
            faults.add(&field, "type", "must be a string");
            continue;
        };
        match text.parse::<UserId>() {
            Err(fault) => faults.add(&field, "invalid", fault.to_string()),
            Ok(user) if !seen.insert(user.clone()) => faults.0.push(Fault {
                field,
                code: "duplicate_user",
                detail: "a user is named once in a draft".into(),
                user: Some(text.clone()),
            }),
            Ok(user) => checked.push(user),
        }
    }
    checked
}

fn check_key(key: &Value, faults: &mut Faults) -> Option<Key> {
    let Value::String(text) = key else {
        faults.add("key", "type", "must be a string");
        return None;
    };
    Key::parse(text).map_err(|detail| faults.add("key", "invalid", detail)).ok()
}

fn check_kind(kind: Option<&Value>, faults: &mut Faults) -> Option<Kind> {
    let checked = match kind {
        Some(Value::String(text)) => Kind::parse(text),
        Some(_) => None,
        None => {
            faults.add("type", "missing", "say what it is: like, comment, follow, system or a type of your own");
            return None;
        }
    };
    if checked.is_none() {
        faults.add("type", "invalid", "a type is a lower-case letter and up to 63 of a-z, 0-9, _ . -");
    }
    checked
}

fn check_ttl(ttl: Option<&Value>, faults: &mut Faults) -> Option<u64> {
    let ttl = ttl?;
    match ttl.as_u64() {
        Some(seconds) if (1..=TTL_MAX_S).contains(&seconds) => Some(seconds),
        _ => {
            faults.add("ttl_s", "invalid", format!("must be a whole number of seconds from 1 to {TTL_MAX_S}"));
            None
        }
    }
}

/// Checks what a notification says, and writes it in the order in which a message has it.
fn check_body(draft: &Map<String, Value>, faults: &mut Faults) -> Body {
    check_content(draft.get("content"), faults);
    check_link("link", draft.get("link"), faults);
    check_sender(draft.get("sender"), faults);
    check_extra(draft.get("extra"), faults);
    let mut text = String::from("{");
    for name in ["sender", "content", "link", "extra"] {
        if let Some(value) = draft.get(name) {
            let comma = if text.len() > 1 { "," } else { "" };
            text.push_str(&format!("{comma}\"{name}\":{value}"));
        }
    }
    text.push('}');
    Body::stored(&text)
}

fn check_content(content: Option<&Value>, faults: &mut Faults) {
    match content {
        Some(Value::String(text)) if text.is_empty() => {
            faults.add("content", "empty", format!("say what happened, in 1 to {CONTENT_BYTES} bytes"));
        }
        Some(Value::String(text)) if text.len() <= CONTENT_BYTES => {}
        Some(Value::String(_)) => faults.add("content", "too_long", format!("may have {CONTENT_BYTES} bytes at most")),
        Some(_) => faults.add("content", "type", "must be a string"),
        None => faults.add("content", "missing", "say what happened"),
    }
}

fn check_sender(sender: Option<&Value>, faults: &mut Faults) {
    let Some(sender) = sender else { return };
    let Value::Object(sender) = sender else {
        return faults.add("sender", "type", "must be an object with a username");
    };
    match sender.get("username") {
        Some(Value::String(name)) if !name.is_empty() && name.len() <= USERNAME_BYTES => {}
        Some(_) => {
            let detail = format!("must be a string of 1 to {USERNAME_BYTES} bytes");
            faults.add("sender.username", "invalid", detail);
        }
        None => faults.add("sender.username", "missing", "a sender has a username"),
    }
    check_link("sender.avatar", sender.get("avatar"), faults);
}

fn check_extra(extra: Option<&Value>, faults: &mut Faults) {
    match extra {
        Some(Value::Object(fields)) if size(fields) > EXTRA_BYTES => {
            faults.add("extra", "too_long", format!("may have {EXTRA_BYTES} bytes at most as compact JSON"));
        }
        None | Some(Value::Object(_)) => {}
        Some(_) => faults.add("extra", "type", "must be an object"),
    }
}

fn check_link(field: &str, link: Option<&Value>, faults: &mut Faults) {
    match link {
        None => {}
        Some(Value::String(text)) if text.len() > LINK_BYTES => {
            faults.add(field, "too_long", format!("a link has at most {LINK_BYTES} bytes"));
        }
        Some(Value::String(text)) if is_link(text) => {}
        Some(Value::String(_)) => faults.add(
            field,
            "invalid",
            "a link begins with http:// or https://, or is a path of this site (one /), without backslash, space or \
             control character",
        ),
        Some(_) => faults.add(field, "type", "must be a string"),
    }
}

/// Whether a browser may be led there: nothing that runs script, nothing that leaves the site by a trick of slashes.
fn is_link(text: &str) -> bool {
    let clean = !text.chars().any(|c| c == '\\' || c.is_whitespace() || c.is_control());
    let scheme = |scheme: &str| {
        text.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)) && text.len() > scheme.len()
    };
    let path = text.starts_with('/') && !text.starts_with("//");
    clean && (path || scheme("http://") || scheme("https://"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(draft: Value) -> Result<Addressed, Vec<Fault>> {
        check(draft)
    }

    fn codes(draft: Value) -> Vec<(String, &'static str)> {
        checked(draft).expect_err("faulty").into_iter().map(|fault| (fault.field, fault.code)).collect()
    }

    #[test]
    fn a_whole_draft_is_taken() {
        let addressed = checked(json!({
            "user": "u42", "type": "like", "sender": {"username": "alice", "avatar": "https://a/b", "vip": true},
            "content": "点赞了你的作品", "link": "/posts/9", "extra": {"z": 1, "a": [1]}, "key": "like:9", "ttl_s": 60
        }))
        .unwrap();
        assert_eq!(addressed.users.len(), 1);
        assert_eq!(
            addressed.notification.body.as_str(),
            r#"{"sender":{"username":"alice","avatar":"https://a/b","vip":true},"content":"点赞了你的作品","link":"/posts/9","extra":{"z":1,"a":[1]}}"#
        );
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let found = codes(json!({"users": ["a", "a", 1, ""], "type": "Like", "link": "javascript:alert(1)", "x": 1,
            "group": "g", "all": true, "sender": {"avatar": "//evil"}, "extra": 3, "ttl_s": -1, "key": ""}));
        let expected = [
            ("users[1]", "duplicate_user"),
            ("users[2]", "type"),
            ("users[3]", "invalid"),
            ("key", "invalid"),
            ("x", "unknown_field"),
            ("group", "not_yet"),
            ("all", "not_yet"),
            ("type", "invalid"),
            ("ttl_s", "invalid"),
            ("content", "missing"),
            ("link", "invalid"),
            ("sender.username", "missing"),
            ("sender.avatar", "invalid"),
            ("extra", "type"),
        ];
        assert_eq!(found, expected.map(|(field, code)| (field.to_owned(), code)));
    }

    #[test]
    fn an_unknown_field_is_named_so_that_it_can_be_seen_and_mended() {
        let told = |name: &str| {
            let mut draft = json!({"user": "u", "type": "like", "content": "x"});
            draft[name] = json!(1);
            let Fault { field, detail, .. } = checked(draft).unwrap_err().remove(0);
            format!("{field} {}", detail.split(" (").next().unwrap())
        };
        for (slip, meant) in
            [("typ", "type"), ("tpye", "type"), ("Type", "type"), ("linkk", "link"), ("uesrs", "users")]
        {
            assert_eq!(told(slip), format!("{slip} is no field here; did you mean {meant}?"));
        }
        for (strange, shown) in
            [("colour", "colour"), ("pyte", "pyte"), ("", "\"\""), ("a\n\u{1b}[1m", "a\\n\\u{1b}[1m"), ("ключ", "ключ")]
        {
            assert_eq!(told(strange), format!("{shown} is no field here"));
        }
        assert_eq!(told(&"x".repeat(65)), format!("{}… is no field here", "x".repeat(64)));
    }

    /// A detail is shown behind its field.
    #[test]
    fn no_detail_says_its_field_again() {
        let long = "x".repeat(EXTRA_BYTES + 1);
        for draft in [
            json!({"user": 1, "key": 1, "type": 1, "sender": 1, "content": 1, "link": 1, "extra": 1, "ttl_s": "1"}),
            json!({"users": 1, "key": "", "type": "", "sender": {}, "content": "", "link": "", "extra": {"a": long}}),
            json!({"users": [], "sender": {"username": 1, "avatar": 1}, "content": long, "link": long, "all": 1}),
            json!({"users": [1, "", "a", "a"], "user": 1, "sender": {"username": ""}, "typ": 1, "group": 1}),
            json!({"users": [1, "", "a", "a"], "sender": {"username": "", "avatar": "x"}}),
        ] {
            for Fault { field, detail, .. } in checked(draft).unwrap_err() {
                let last = field.rsplit('.').next().unwrap();
                let name = last.split('[').next().unwrap();
                assert!(!detail.starts_with(name) && !detail.starts_with(&field), "{field}: {detail}");
            }
        }
    }

    #[test]
    fn limits_hold_to_the_byte() {
        let with = |content: usize, extra: usize| json!({"user": "u", "type": "like", "content": "x".repeat(content), "extra": {"a": "x".repeat(extra)}});
        assert!(checked(with(CONTENT_BYTES, EXTRA_BYTES - 8)).is_ok());
        assert_eq!(codes(with(CONTENT_BYTES + 1, 0)), [("content".to_owned(), "too_long")]);
        assert_eq!(codes(with(0, 0)), [("content".to_owned(), "empty")]);
        assert_eq!(codes(with(1, EXTRA_BYTES - 7)), [("extra".to_owned(), "too_long")]);
        assert_eq!(codes(with(DRAFT_BYTES, 0)), [(String::new(), DRAFT_TOO_LARGE)]);
    }

    #[test]
    fn limits_hold_to_the_byte_the_second_and_the_user() {
        let plain = || json!({"user": "u", "type": "like", "content": "x", "sender": {"username": "a", "pad": ""}});
        let users = |count| json!((0..count).map(|user| user.to_string()).collect::<Vec<_>>());
        let text = |bytes: usize| json!("x".repeat(bytes));
        let link = |bytes: usize| json!(format!("/{}", "x".repeat(bytes - 1)));
        // What is left of a draft once its user is out, with a pad of nothing.
        let Value::Object(mut rest) = plain() else { unreachable!() };
        rest.remove("user");
        let room = DRAFT_BYTES - size(&rest);
        for (place, least, most, code) in [
            ("/sender/pad", text(0), text(room), DRAFT_TOO_LARGE),
            ("/sender/username", text(1), text(USERNAME_BYTES), "invalid"),
            ("/sender/avatar", link(1), link(LINK_BYTES), "too_long"),
            ("/link", link(1), link(LINK_BYTES), "too_long"),
            ("/ttl_s", json!(1), json!(TTL_MAX_S), "invalid"),
            ("/users", users(1), users(REQUEST_ROWS), "count"),
        ] {
            let with = |value: Value| {
                let mut draft = plain();
                let (parent, name) = place.rsplit_once('/').unwrap();
                draft.pointer_mut(parent).unwrap()[name] = value;
                if name == "users" {
                    draft.as_object_mut().unwrap().remove("user");
                }
                checked(draft).map_err(|faults| faults.into_iter().map(|fault| fault.code).collect::<Vec<_>>())
            };
            let over = match &most {
                Value::String(text) => json!(format!("{text}x")),
                Value::Number(most) => json!(most.as_u64().unwrap() + 1),
                _ => users(REQUEST_ROWS + 1),
            };
            assert!(with(least).is_ok() && with(most).is_ok(), "{place}");
            assert_eq!(with(over).unwrap_err(), [code], "{place}");
        }
        let none = json!({"users": [], "type": "like", "content": "x", "sender": {"username": ""}, "ttl_s": 0});
        let expected = [("users", "count"), ("ttl_s", "invalid"), ("sender.username", "invalid")];
        assert_eq!(codes(none), expected.map(|(field, code)| (field.to_owned(), code)));
    }

    #[test]
    fn only_safe_links_are_links() {
        for good in ["/", "/posts/9?a=b#c", "http://a", "HTTPS://a/b"] {
            assert!(is_link(good), "{good}");
        }
        for bad in ["", "//a", "/\\a", "javascript:alert(1)", "http://", "posts", "/a b", "/a\n", "data:x", "/a\u{a0}b"]
        {
            assert!(!is_link(bad), "{bad}");
        }
    }

    #[test]
    fn a_fingerprint_knows_the_body_alone() {
        let of = |draft| checked(draft).unwrap().notification.fingerprint;
        let first = of(json!({"user": "a", "type": "like", "content": "x", "key": "k", "extra": {"a": 1, "b": 2}}));
        assert_eq!(first, of(json!({"extra": {"b": 2, "a": 1}, "content": "x", "users": ["b", "c"], "type": "like"})));
        let plain = of(json!({"user": "a", "type": "like", "content": "x", "key": "k"}));
        assert_ne!(first, plain);
        assert_ne!(plain, of(json!({"user": "a", "type": "like", "content": "y", "key": "k"})));
        assert_ne!(plain, of(json!({"user": "a", "type": "like", "content": "x", "key": "k", "ttl_s": 9})));
    }
}
