//! Why a call or a stream failed, in words for people, and whether trying again can help.
//!
//! The policy: what passes by itself (nobody there, a cut, a server that is full, down or restarting) is worth another
//! try; what somebody has to change (a token, an address, a draft) is not.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::access::AccessFault;
use super::endpoint::ServerUrl;
use crate::wire::problem::{FieldError, Problem};

/// Faults of one refusal that are told in its line.
const FAULTS_TOLD: usize = 3;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    #[error("nobody listens at {0}; start the server, or say where it is with --url")]
    Refused(ServerUrl),
    #[error("{url} cannot be reached: {why}; check the address and the network")]
    Unreachable { url: ServerUrl, why: String },
    /// The request may have been carried out.
    #[error("{url} was silent for {} s; check the server and the network between", .patience.as_secs())]
    Silent { url: ServerUrl, patience: Duration },
    /// The request may have been carried out.
    #[error("the connection to {url} was cut: {why}")]
    Cut { url: ServerUrl, why: String },
    /// Something before the server answered in its place.
    #[error("{url} answered {status}, and not in lumen's words; see whether the server behind it runs")]
    Gateway { url: ServerUrl, status: u16, retry_after: Option<Duration> },
    /// The server refused, and says why.
    #[error("{}", told(.0))]
    Problem(Box<Problem>),
    #[error("{url} is not lumen: {what}; say where the server is with --url")]
    NotLumen { url: ServerUrl, what: String },
    /// The server ended the stream, and it may come back.
    #[error("the server ended the stream: {reason}")]
    Closed { reason: String },
    /// The server ended the stream for good.
    #[error("the server ended the stream: {reason}; ask who runs it")]
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
            Failure::Refused(_) | Failure::Unreachable { .. } | Failure::Silent { .. } | Failure::Cut { .. } => true,
            Failure::Gateway { .. } | Failure::Closed { .. } => true,
            Failure::Problem(problem) => status_may_pass(problem.status),
            Failure::NotLumen { .. } | Failure::ClosedForGood { .. } | Failure::TokenEnded | Failure::Access(_) => {
                false
            }
        }
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
        let (kind, why) = cause(error);
        match kind {
            Some(io::ErrorKind::ConnectionRefused) => Failure::Refused(url),
            _ if error.is_connect() => Failure::Unreachable { url, why },
            _ if error.is_timeout() => Failure::Silent { url, patience },
            _ => Failure::Cut { url, why },
        }
    }
}

/// Whether a status speaks of the server's state and not of the request.
pub(super) fn status_may_pass(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}

/// A problem in a line: what, why, the first faults, the cure.
fn told(problem: &Problem) -> String {
    // Of a single fault the detail may be all that there is to say.
    let untold = |fault: &String| !problem.detail.contains(fault.as_str());
    let faults: Vec<String> = problem.errors.iter().take(FAULTS_TOLD).map(fault).filter(untold).collect();
    let more = match problem.errors.len().saturating_sub(FAULTS_TOLD) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let faults = if faults.is_empty() { String::new() } else { format!(" ({}{more})", faults.join(", ")) };
    format!("{}: {}{faults}; {}", problem.title, problem.detail, problem.cure)
}

/// A fault of a draft in words.
pub fn fault(fault: &FieldError) -> String {
    let user = fault.user.as_ref().map(|user| format!(" (user {user})")).unwrap_or_default();
    match fault.field.as_str() {
        "" => format!("{}{user}", fault.detail),
        field => format!("{field}: {}{user}", fault.detail),
    }
}

/// The first I/O error among an error's causes, and the last cause's words: the outer ones only name the layers.
fn cause(error: &dyn Error) -> (Option<io::ErrorKind>, String) {
    let mut kind = None;
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
        kind = kind.or_else(|| source.downcast_ref::<io::Error>().map(io::Error::kind));
    }
    (kind, deepest.to_string())
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
        for lasting in [400, 401, 403, 404, 409, 413, 415, 422, 431].map(refusal) {
            assert!(!lasting.may_pass(), "{lasting}");
        }
        assert!(Failure::Refused(url()).may_pass());
        assert!(!Failure::TokenEnded.may_pass());
        assert!(!Failure::NotLumen { url: url(), what: String::new() }.may_pass());
    }

    #[test]
    fn a_problem_is_one_line_with_its_first_faults() {
        let fault = |field: &str| FieldError {
            line: None,
            user: (field == "users[1]").then(|| "ann".into()),
            field: field.into(),
            code: "c".into(),
            detail: "bad".into(),
        };
        let told = |errors| Failure::Problem(Box::new(problem(422).with_errors(errors))).to_string();
        assert_eq!(told(vec![]), "What: why; the cure");
        assert_eq!(told(vec![fault("users[1]"), fault("")]), "What: why (users[1]: bad (user ann), bad); the cure");
        let only = problem(422).with_errors(vec![FieldError { detail: "why".into(), ..fault("") }]);
        assert_eq!(Failure::Problem(Box::new(only)).to_string(), "What: why; the cure");
        let many = ["a", "b", "c", "d", "e"].map(fault).to_vec();
        assert_eq!(told(many), "What: why (a: bad, b: bad, c: bad, and 2 more); the cure");
    }

    #[test]
    fn a_wish_to_be_left_alone_is_kept() {
        let failure = Failure::Problem(Box::new(problem(503).retry_after(7)));
        assert_eq!(failure.retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(Failure::Refused(url()).retry_after(), None);
    }
}
