//! Headers that several calls read.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};

use super::problem::malformed;
use crate::domain::draft::shown;
use crate::wire::api::STREAM_HEADER;
use crate::wire::problem::Problem;

/// Bytes of a stream's name.
const STREAM_NAME_BYTES: usize = 64;

/// The text of a header, if it is there.
///
/// # Errors
/// A 400 if it is there twice, or is no UTF-8.
pub fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad_header(format!("the header {name} is there twice")));
    }
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(bad_header(format!("the header {name} is no UTF-8"))),
    }
}

/// The stream that a request says it comes from, to be told to all as `origin`.
///
/// # Errors
/// A 400 for what is no stream's name.
pub fn origin(headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
    let Some(name) = text(headers, STREAM_HEADER)? else { return Ok(None) };
    let clean = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if name.is_empty() || name.len() > STREAM_NAME_BYTES || !clean {
        return Err(bad_header(format!("Lumen-Stream has 1 to {STREAM_NAME_BYTES} of A-Z a-z 0-9 _ -")));
    }
    Ok(Some(name.into()))
}

/// Refuses a body that is not of one of these media types, or is packed.
///
/// # Errors
/// A 415. Packed bodies are refused since a few bytes of them may be gigabytes.
pub fn expect_media(headers: &HeaderMap, accepted: &[&str]) -> Result<(), Problem> {
    let packed =
        headers.get_all(CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if packed {
        return Err(Problem::new(
            415,
            "unsupported_encoding",
            "The body is packed",
            "the header Content-Encoding names a coding, and none is taken",
            "send the body as it is",
        ));
    }
    let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    if accepted.iter().any(|known| known.eq_ignore_ascii_case(essence)) {
        return Ok(());
    }
    let (title, sent) = match essence {
        "" if has_body(headers) => {
            ("The body's media type is not named", "the header Content-Type is not there".into())
        }
        "" => ("There is no body", "neither a body nor its Content-Type was sent".into()),
        other => ("The body is of another media type", format!("{} was sent", shown(other))),
    };
    Err(Problem::new(
        415,
        "unsupported_media_type",
        title,
        format!("{sent}, and this call takes {}", accepted.join(", ")),
        format!("send a body with the header `Content-Type: {}`", accepted.first().unwrap_or(&"")),
    ))
}

/// Whether a body comes behind this head.
fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// The 400 for a header that cannot be meant.
pub fn bad_header(detail: impl Into<String>) -> Problem {
    malformed("bad_header", "A header is wrong", detail, "correct or leave out the header")
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap()))
            .collect()
    }

    #[test]
    fn a_stream_name_has_its_alphabet() {
        let named = |name: &str| origin(&headers(&[("lumen-stream", name.as_bytes())]));
        assert_eq!(named("a-Z_9").unwrap().as_deref(), Some("a-Z_9"));
        assert!(named(&"x".repeat(64)).is_ok());
        for bad in ["", "a b", "a,b", "ä", &"x".repeat(65)] {
            assert_eq!(named(bad).unwrap_err().status, 400, "{bad}");
        }
        assert_eq!(origin(&headers(&[("lumen-stream", b"a"), ("lumen-stream", b"a")])).unwrap_err().status, 400);
        assert_eq!(origin(&headers(&[("lumen-stream", b"\xff")])).unwrap_err().status, 400);
        assert_eq!(origin(&headers(&[])).unwrap(), None);
    }

    #[test]
    fn a_body_is_of_the_type_that_the_call_takes_and_not_packed() {
        let expect = |media: Option<&'static str>, coding: Option<&'static str>| {
            let media = media.map(|media| (CONTENT_TYPE, HeaderValue::from_static(media)));
            let coding = coding.map(|coding| (CONTENT_ENCODING, HeaderValue::from_static(coding)));
            let headers: HeaderMap = media.into_iter().chain(coding).collect();
            expect_media(&headers, &["application/json"]).map_err(|refusal| refusal.code.into_owned())
        };
        let json = Some("application/json");
        assert_eq!(expect(json, None), Ok(()));
        assert_eq!(expect(Some("Application/JSON ; charset=utf-8"), Some("Identity")), Ok(()));
        for other in [None, Some(""), Some("text/json"), Some("application/json5")] {
            assert_eq!(expect(other, None), Err("unsupported_media_type".to_owned()), "{other:?}");
        }
        assert_eq!(expect(json, Some("gzip")), Err("unsupported_encoding".to_owned()));
    }

    #[test]
    fn no_body_an_unnamed_one_and_another_are_told_apart() {
        let title =
            |pairs: &[(&'static str, &[u8])]| expect_media(&headers(pairs), &["application/json"]).unwrap_err().title;
        assert_eq!(title(&[]), "There is no body");
        assert_eq!(title(&[("content-length", b"0")]), "There is no body");
        for unnamed in [&[("content-length", &b"2"[..])][..], &[("transfer-encoding", b"chunked")]] {
            assert_eq!(title(unnamed), "The body's media type is not named");
        }
        assert_eq!(title(&[("content-type", b"text/plain")]), "The body is of another media type");
    }
}
