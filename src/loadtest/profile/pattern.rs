//! One request as templates: checked when it is read, filled for each stream or message.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method};
use reqwest::Url;
use serde::de::IgnoredAny;

use super::dialect::Words;
use super::template::{Place, Template, TemplateFault, Variable};
use super::{ProfileFault, Request};
use crate::client::ServerUrl;

/// Headers that say how a request is sent, which its sender knows alone.
const OWN_HEADERS: [HeaderName; 4] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION];

pub(super) struct Pattern {
    method: Method,
    /// What stands before the URL; nothing before a whole one.
    base: String,
    url: Template,
    headers: Vec<(HeaderName, Template)>,
    body: Template,
    place: Place,
}

/// Why what was typed is no request. `request` is `subscribe` or `publish`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordsFault {
    #[error("--{request}-{part}: {fault}")]
    Template { request: &'static str, part: &'static str, fault: TemplateFault },
    #[error(
        "--{request}-url is missing, which nobody but you knows of this server; say a path below --url, or a whole URL"
    )]
    NoUrl { request: &'static str },
    #[error("--{request}-url: {why}; write a path below --url that begins with /, or all of it, like http://host/path")]
    Url { request: &'static str, why: String },
    #[error("--{request}-header: {name} is not yours to set, since it says how the request is sent; leave it out")]
    OwnHeader { request: &'static str, name: HeaderName },
    #[error("--{request}-header: {name} has characters that no header may have; leave them out")]
    Header { request: &'static str, name: HeaderName },
    #[error(
        "--{request}-body is no JSON ({why}); write JSON in which each variable but {{users}} and {{message}} stands in a text's quotes, or \
             say with --{request}-header 'Content-Type: …' what else it is"
    )]
    Json { request: &'static str, why: String },
    #[error(
        "nothing that is published has {{content}} or {{stamp}}, by which a message is known when it comes back; \
             put one of them into --publish-body"
    )]
    NoStamp,
    #[error(
        "in mode audience a message goes to several users at once, and nothing that is published has {{users}}; \
             put it into --publish-body, or leave --mode audience out"
    )]
    NoUsers,
    #[error(
        "in mode audience a message goes to several users at once, so that {{user}} is nobody in what is published; \
             write {{users}}"
    )]
    User,
    #[error(
        "what is published has neither {{user}} nor {{users}}, and what opens a stream neither {{user}} nor {{token}}, \
             so that users are not told apart; name them there, or say --users 1"
    )]
    NoUser,
    #[error("what opens a stream has {{token}}, and there is none; give a file with one a line by --tokens")]
    NoTokens,
    #[error("what is published has {{token}}, and there is none; hand it over by --token-file or LUMEN_TOKEN")]
    NoToken,
}

impl Pattern {
    /// Reads a request that may name these variables, and fills it once to see that it can be sent.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(super) fn read(
        request: &'static str,
        words: Words,
        base: &ServerUrl,
        known: &[Variable],
    ) -> Result<Self, WordsFault> {
        let template = |part: &'static str, text: &str| {
            Template::parse(text, known).map_err(|fault| WordsFault::Template { request, part, fault })
        };
        let url = words.url.ok_or(WordsFault::NoUrl { request })?;
        let whole = url.starts_with("http://") || url.starts_with("https://");
        if !whole && !url.starts_with('/') {
            return Err(WordsFault::Url { request, why: "it is neither a path nor a whole URL".to_owned() });
        }
        let mut headers = words.headers;
        if words.body.is_some() && !headers.iter().any(|(name, _)| *name == CONTENT_TYPE) {
            headers.push((CONTENT_TYPE, "application/json".to_owned()));
        }
        if let Some((name, _)) = headers.iter().find(|(name, _)| OWN_HEADERS.contains(name)) {
            return Err(WordsFault::OwnHeader { request, name: name.clone() });
        }
        let kind = headers.iter().find(|(name, _)| *name == CONTENT_TYPE).map_or("", |(_, value)| value.as_str());
        let base = if whole { String::new() } else { base.to_string() };
        let pattern = Self {
            method: words.method.unwrap_or(Method::GET),
            base,
            url: template("url", &url)?,
            body: template("body", words.body.as_deref().unwrap_or_default())?,
            place: Place::of_body(kind),
            headers: headers
                .into_iter()
                .map(|(name, value)| Ok((name, template("header", &value)?)))
                .collect::<Result<_, _>>()?,
        };
        pattern.try_out(request)?;
        Ok(pattern)
    }

    pub(super) fn uses(&self, variable: Variable) -> bool {
        let headers = self.headers.iter().map(|(_, value)| value);
        headers.chain([&self.url, &self.body]).any(|template| template.uses(variable))
    }

    /// The request with these values. A header that comes out empty is left out.
    ///
    /// # Errors
    /// A value that does not fit where it is to go.
    pub(super) fn fill<'v>(&self, value: impl Fn(Variable) -> Cow<'v, str>) -> Result<Request, ProfileFault> {
        let url = format!("{}{}", self.base, self.url.fill(Place::Percent, &value));
        let url = url.parse::<Url>().map_err(|fault| ProfileFault::Url(fault.to_string()))?;
        let mut headers = Vec::with_capacity(self.headers.len() + 1);
        for (name, template) in &self.headers {
            let text = template.fill(Place::Plain, &value);
            let mut header = HeaderValue::from_str(text.trim()).map_err(|_| ProfileFault::Header(name.clone()))?;
            header.set_sensitive(template.uses(Variable::Token));
            if !header.is_empty() {
                headers.push((name.clone(), header));
            }
        }
        let body = Bytes::from(self.body.fill(self.place, &value));
        Ok(Request { method: self.method.clone(), url, headers, body })
    }

    fn try_out(&self, request: &'static str) -> Result<(), WordsFault> {
        let filled_with = |name: &'static str, message: &'static str| {
            let filled = self.fill(|variable| match variable {
                Variable::Users => r#"["name"]"#.into(),
                Variable::Message => message.into(),
                _ => name.into(),
            });
            filled.map_err(|fault| match fault {
                ProfileFault::Header(name) => WordsFault::Header { request, name },
                fault => WordsFault::Url { request, why: fault.to_string() },
            })
        };
        let (filled, other) = (filled_with("name", "0")?, filled_with("other", "1")?);
        if [&filled.url, &other.url].map(|url| (url.host(), url.port())).windows(2).any(|two| two[0] != two[1]) {
            // It is looked up once, and connections are kept.
            let why = "all go to one host and port, and a variable stands there".to_owned();
            return Err(WordsFault::Url { request, why });
        }
        if !filled.url.username().is_empty() || filled.url.password().is_some() {
            let why = "a user name or password does not belong there, since anybody can read it".to_owned();
            return Err(WordsFault::Url { request, why });
        }
        if self.place == Place::Json {
            // One text, or several on a line each.
            let mut texts = serde_json::Deserializer::from_slice(&filled.body).into_iter::<IgnoredAny>();
            if let Some(Err(fault)) = texts.find(Result::is_err) {
                return Err(WordsFault::Json { request, why: fault.to_string() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Variable] = &[Variable::User, Variable::Users, Variable::Token, Variable::Message];

    fn read(url: &str, headers: &[(&'static str, &str)], body: Option<&str>) -> Result<Pattern, WordsFault> {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), (*value).to_owned())).collect();
        let words =
            Words { method: Some(Method::POST), url: Some(url.to_owned()), headers, body: body.map(str::to_owned) };
        Pattern::read("publish", words, &"http://127.0.0.1:1/below/".parse().unwrap(), KNOWN)
    }

    #[test]
    fn a_request_is_filled() {
        let pattern = read(
            "/pub/{user}?all={users}",
            &[("authorization", "Bearer {token}"), ("x-empty", " {user}")],
            Some(r#"{"to":{users},"of":"{user}"}"#),
        );
        let request = pattern.unwrap().fill(|variable| match variable {
            Variable::Token => "secret".into(),
            Variable::Users => r#"["a"]"#.into(),
            _ => "".into(),
        });
        let request = request.unwrap();
        assert_eq!(request.url.as_str(), "http://127.0.0.1:1/below/pub/?all=%5B%22a%22%5D");
        let headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(headers, [("authorization", &b"Bearer secret"[..]), ("content-type", b"application/json")]);
        assert_eq!(request.body, r#"{"to":["a"],"of":""}"#);
        assert!(!format!("{request:?} {:?}", request.headers).contains("secret"));
        let whole = read("https://other/{user}", &[], None).unwrap();
        let whole = whole.fill(|_| "a b".into()).unwrap();
        assert_eq!((whole.url.as_str(), whole.headers.len()), ("https://other/a%20b", 0));
    }

    #[test]
    fn a_value_that_does_not_fit_is_not_shown() {
        let pattern = read("/", &[("x-user", "{user}")], None).unwrap();
        let fault = pattern.fill(|_| "secret\nline".into()).unwrap_err();
        assert_eq!(fault, ProfileFault::Header(HeaderName::from_static("x-user")));
        assert!(!fault.to_string().contains("secret"));
    }

    #[test]
    fn what_is_typed_wrongly_is_told_with_its_flag() {
        for (faulty, told) in [
            (read("sub", &[], None), "--publish-url: it is neither a path"),
            (read("/{usr}", &[], None), "--publish-url: {usr} is no variable here"),
            (read("http://", &[], None), "--publish-url: "),
            (read("http://{user}.b/", &[], None), "--publish-url: all go to one host"),
            (read("http://a:808{message}/", &[], None), "--publish-url: all go to one host"),
            (read("http://a:b@c/", &[], None), "--publish-url: a user name or password"),
            (read("/", &[("host", "a")], None), "--publish-header: host is not yours"),
            (read("/", &[("x-a", "{b")], None), "--publish-header: {b has no closing brace"),
            (read("/", &[("x-a", "a\nb")], None), "--publish-header: x-a has characters"),
            (read("/", &[], Some("{{users}")), "--publish-body is no JSON"),
            (read("/", &[], Some(r#"{"a":{user}}"#)), "--publish-body is no JSON"),
        ] {
            let fault = faulty.err().unwrap().to_string();
            assert!(fault.starts_with(told), "{fault}");
        }
        assert!(read("/", &[("content-type", "text/plain")], Some("{user}")).is_ok());
        assert!(read("/", &[("content-type", "application/x-ndjson")], Some("{\"a\":1}\n[\"{user}\"]\n")).is_ok());
        let none = Pattern::read("subscribe", Words::default(), &"http://a".parse().unwrap(), KNOWN);
        assert_eq!(none.err().unwrap(), WordsFault::NoUrl { request: "subscribe" });
    }
}
