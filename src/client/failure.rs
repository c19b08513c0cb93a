//! Why a call or a stream failed, in words for people, and whether trying again can help.
//!
//! The policy: what passes by itself (nobody there, a cut, a server that is full, down or restarting) is worth another
//! try; what somebody has to change (a token, an address, a draft) is not.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::access::AccessFault;
use super::endpoint::ServerUrl;
use crate::wire::event::CloseReason;
use crate::wire::problem::{FieldError, Problem};

/// Faults of one refusal that are told in its line.
const FAULTS_TOLD: usize = 3;
/// The code of a draft that is at fault.
const INVALID_DRAFT: &str = "invalid_draft";

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    #[error("nobody listens at {0}; start the server, or say where it is with --url")]
    Refused(ServerUrl),
    #[error("{url} cannot be reached: {why}; check the address and the network")]
    Unreachable { url: ServerUrl, why: String },
    #[error("no host is known by the name in {0}; check it for a slip, or say where the server is with --url")]
    Unresolved(ServerUrl),
    #[error("the server at {0} speaks http, not https; write its address with http://")]
    PlainHttp(ServerUrl),
    #[error("the server at {0} speaks https, not http; write its address with https://")]
    OnlyHttps(ServerUrl),
    #[error(
        "the certificate of {url} is not to be trusted: {why}; ask who runs it, or, if it is of an authority of your own, \
         name that one's PEM file in SSL_CERT_FILE"
    )]
    Untrusted { url: ServerUrl, why: String },
    /// The request may have been carried out.
    #[error("{url} was silent for {} s; check the server and the network between", .patience.as_secs())]
    Silent { url: ServerUrl, patience: Duration },
    /// The request may have been carried out.
    #[error("the server at {0} went away, or the connection to it")]
    Cut(ServerUrl),
    /// Something before the server answered in its place.
    #[error("{url} answered {status}, and not in lumen's words; see whether the server behind it runs")]
    Gateway { url: ServerUrl, status: u16, retry_after: Option<Duration> },
    /// The server refused, and says why.
    #[error("{}", told(.0))]
    Problem(Box<Problem>),
    #[error("{url} is not lumen: {what}; say where the server is with --url")]
    NotLumen { url: ServerUrl, what: String },
    /// A server of lumen's, but asked at a wrong path.
    #[error(
        "nothing is served at {asked}; --url is scheme, host and port (and a proxy's prefix, if there is one), without \
         what lumen adds itself"
    )]
    NoRoute { asked: String },
    /// The server ended the stream, and it may come back.
    #[error("the server ended the stream: {}", in_words(.reason))]
    Closed { reason: String },
    /// The server ended the stream for good.
    #[error("the server ended the stream: {}; ask who runs it", in_words(.reason))]
    ClosedForGood { reason: String },
    #[error("the token has ended; start again with a fresh one, or keep one in the file of --token-file")]
    TokenEnded,
    #[error(transparent)]
    Access(#[from] AccessFault),
}

impl Failure {
    /// Whether it may be gone at the next try, with nobody doing anything about the request.
    pub fn may_pass(&self) -> bool {
        match self {
            Failure::Refused(_) | Failure::Unreachable { .. } | Failure::Silent { .. } | Failure::Cut(_) => true,
            Failure::Unresolved(_) | Failure::Gateway { .. } | Failure::Closed { .. } => true,
            Failure::Problem(problem) => status_may_pass(problem.status),
            Failure::PlainHttp(_) | Failure::OnlyHttps(_) | Failure::Untrusted { .. } => false,
            Failure::NotLumen { .. } | Failure::NoRoute { .. } | Failure::ClosedForGood { .. } => false,
            Failure::TokenEnded | Failure::Access(_) => false,
        }
    }

    /// Whether it looks as if no server of lumen's were at the address. While one restarts behind a proxy it can look
    /// so too.
    pub fn is_of_elsewhere(&self) -> bool {
        matches!(
            self,
            Failure::Unresolved(_)
                | Failure::PlainHttp(_)
                | Failure::OnlyHttps(_)
                | Failure::Untrusted { .. }
                | Failure::NotLumen { .. }
                | Failure::NoRoute { .. }
        )
    }

    /// How long the server asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Failure::Problem(problem) => problem.retry_after_s.map(Duration::from_secs),
            Failure::Gateway { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What stopped a request or its answer on the way; `patience` is how long it was waited for.
    pub(super) fn on_the_way(url: &ServerUrl, error: &reqwest::Error, patience: Duration) -> Self {
        let url = url.clone();
        let Cause { kind, layers, why } = cause(error);
        tracing::debug!(%url, fault = why, "no answer");
        match kind {
            Some(io::ErrorKind::ConnectionRefused) => Failure::Refused(url),
            _ if layers.contains("dns error") => Failure::Unresolved(url),
            _ if why.contains("InvalidContentType") => Failure::PlainHttp(url),
            _ if why.starts_with("invalid peer certificate") => Failure::Untrusted { url, why },
            _ if why.starts_with("invalid HTTP") => {
                Failure::NotLumen { url, what: "it speaks no http (https, perhaps)".to_owned() }
            }
            _ if error.is_connect() => Failure::Unreachable { url, why },
            _ if error.is_timeout() => Failure::Silent { url, patience },
            _ => Failure::Cut(url),
        }
    }
}

/// Whether a status speaks of the server's state and not of the request.
pub(super) fn status_may_pass(status: u16) -> bool {
    // 501 and 505 speak of what a server never could.
    matches!(status, 408 | 429 | 500 | 502..=504 | 506..)
}

/// A problem in a line: what, why, the cure. The first faults say better why than the detail does that sums them up.
fn told(problem: &Problem) -> String {
    let Problem { title, detail, cure, errors, .. } = problem;
    if errors.is_empty() {
        return format!("{title}: {detail}; {cure}");
    }
    let faults: Vec<String> = errors.iter().take(FAULTS_TOLD).map(fault).collect();
    let more = match errors.len().saturating_sub(FAULTS_TOLD) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    // The cure of a faulty draft points at fields of the answer, which nobody sees here.
    let cure = if problem.code == INVALID_DRAFT { String::new() } else { format!("; {cure}") };
    format!("{title}: {}{more}{cure}", faults.join(", "))
}

/// Why a stream was ended, where this version knows the reason.
fn in_words(reason: &str) -> String {
    let words = match CloseReason::named(reason) {
        Some(CloseReason::Draining) => "it is shutting down",
        Some(CloseReason::TokenExpired) => "the token ended",
        Some(CloseReason::StoreDown) => "its disk failed",
        Some(CloseReason::Busy) => "it is busy",
        Some(CloseReason::TooManyStreams) => "too many streams are open",
        Some(CloseReason::TooSlow) => "too little was read of it",
        Some(CloseReason::Disconnected) => "an operator ended it",
        Some(CloseReason::Erased) => "the user was erased",
        None => reason,
    };
    words.to_owned()
}

/// A fault of a draft in words.
pub fn fault(fault: &FieldError) -> String {
    let user = fault.user.as_ref().map(|user| format!(" (user {user})")).unwrap_or_default();
    match fault.field.as_str() {
        "" => format!("{}{user}", fault.detail),
        field => format!("{field}: {}{user}", fault.detail),
    }
}

/// Whether a handshake failed with somebody who speaks TLS.
pub(super) fn is_of_tls(error: &reqwest::Error) -> bool {
    let why = cause(error).why;
    why.starts_with("invalid peer certificate") || why.starts_with("received fatal alert")
}

/// What is behind an error.
struct Cause {
    /// Of the first I/O error on the way down.
    kind: Option<io::ErrorKind>,
    /// The words of all on the way down.
    layers: String,
    /// The words of the last: the outer ones only name the layers.
    why: String,
}

fn cause(error: &dyn Error) -> Cause {
    let (mut kind, mut layers) = (None, String::new());
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
        layers += &format!("{source}\n");
        kind = kind.or_else(|| source.downcast_ref::<io::Error>().map(io::Error::kind));
    }
    Cause { kind, layers, why: deepest.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> ServerUrl {
        "http://127.0.0.1:1".parse().unwrap()
    }

    fn problem(status: u16) -> Problem {
        Problem::new(status, "code", "What", "why", "the cure")
    }

    #[test]
    fn only_what_passes_by_itself_is_worth_a_try() {
        let refusal = |status| Failure::Problem(Box::new(problem(status)));
        for passing in [408, 429, 500, 502, 503, 504, 507].map(refusal) {
            assert!(passing.may_pass(), "{passing}");
        }
        for lasting in [400, 401, 403, 404, 409, 413, 415, 422, 431, 501, 505].map(refusal) {
            assert!(!lasting.may_pass(), "{lasting}");
        }
        assert!(Failure::Refused(url()).may_pass());
        assert!(!Failure::TokenEnded.may_pass());
        assert!(!Failure::NotLumen { url: url(), what: String::new() }.may_pass());
    }

    #[test]
    fn a_problem_is_one_line_that_tells_each_fault_once() {
        let fault = |field: &str| FieldError {
            line: None,
            user: (field == "users[1]").then(|| "ann".into()),
            field: field.into(),
            code: "c".into(),
            detail: "bad".into(),
        };
        let told = |errors| Failure::Problem(Box::new(problem(422).with_errors(errors))).to_string();
        assert_eq!(told(vec![]), "What: why; the cure");
        assert_eq!(told(vec![fault("users[1]"), fault("")]), "What: users[1]: bad (user ann), bad; the cure");
        let mut draft = problem(422).with_errors(vec![fault("link")]);
        draft.code = INVALID_DRAFT.into();
        assert_eq!(Failure::Problem(Box::new(draft)).to_string(), "What: link: bad");
        let many = ["a", "b", "c", "d", "e"].map(fault).to_vec();
        assert_eq!(told(many), "What: a: bad, b: bad, c: bad, and 2 more; the cure");
    }

    #[test]
    fn the_end_of_a_stream_is_told_in_words() {
        let told = |reason: &str| Failure::Closed { reason: reason.into() }.to_string();
        assert_eq!(told("draining"), "the server ended the stream: it is shutting down");
        assert_eq!(told("token_expired"), "the server ended the stream: the token ended");
        assert_eq!(told("later"), "the server ended the stream: later");
    }

    #[test]
    fn a_wish_to_be_left_alone_is_kept() {
        let failure = Failure::Problem(Box::new(problem(503).retry_after(7)));
        assert_eq!(failure.retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(Failure::Refused(url()).retry_after(), None);
    }
}
