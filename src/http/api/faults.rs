//! What is wrong with drafts, as problems that list it: every faulty line is named, but memory has an end.

use crate::domain::draft::Fault;
use crate::domain::limits::{BATCH_BYTES, REQUEST_ROWS};
use crate::http::edge::problem::{key_conflict, malformed};
use crate::store::Conflict;
use crate::wire::json::{self, Rule};
use crate::wire::problem::{FieldError, Problem};

/// Faults that an answer lists. A line of 16 KiB can hold thousands, and nobody reads the last of them; from here on
/// each further line is still named, with its first.
const FAULTS_LISTED: usize = 1_000;

const NO_MARK: &str = "send it as UTF-8 without a byte order mark";
/// What a line that is cut, or goes on, most often comes from.
const ONE_A_LINE: &str =
    "each draft stands on one line of its own (curl keeps the lines with --data-binary, not with -d)";

/// The faults of a request's drafts, as they are found.
#[derive(Default)]
pub struct Faults {
    listed: Vec<FieldError>,
    unlisted: usize,
}

impl Faults {
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Adds the faults of one draft, in a batch that of a line.
    pub fn add(&mut self, line: Option<usize>, faults: Vec<Fault>) {
        for (index, fault) in faults.into_iter().enumerate() {
            if index > 0 && self.listed.len() >= FAULTS_LISTED {
                self.unlisted += 1;
                continue;
            }
            let Fault { field, code, detail, user } = fault;
            self.listed.push(FieldError { line, user, field, code: code.to_owned(), detail });
        }
    }

    /// The 422 that lists them.
    pub fn problem(self) -> Problem {
        let mut detail = match self.listed.as_slice() {
            [only] if only.field.is_empty() => only.detail.clone(),
            [only] => format!("{}: {}", only.field, only.detail),
            several => format!("{} faults, listed in errors", several.len() + self.unlisted),
        };
        if self.unlisted > 0 {
            detail.push_str(&format!(", but for {} further ones of lines that are listed", self.unlisted));
        }
        Problem::new(
            422,
            "invalid_draft",
            "A draft is faulty",
            detail,
            "correct what errors names and send the request again; nothing of it was stored",
        )
        .with_errors(self.listed)
    }
}

/// The code of a text that is no JSON, or none that is taken.
pub fn json_code(rule: Rule) -> &'static str {
    match rule {
        Rule::Empty | Rule::ByteOrderMark | Rule::Cut | Rule::Trailing | Rule::Syntax => "malformed_json",
        Rule::DoubledName => "json_doubled_name",
        Rule::Nul => "json_nul",
        Rule::Depth => "json_too_deep",
        Rule::Values => "json_too_many_values",
        Rule::Integer => "json_integer",
    }
}

/// A text that is no JSON, or none that is taken.
pub fn malformed_json(fault: &json::Fault) -> Problem {
    let (title, cure) = match fault.rule {
        Rule::Empty => ("The body is empty", "send JSON in the body"),
        Rule::ByteOrderMark => ("The body begins with a byte order mark", NO_MARK),
        Rule::Cut => ("The body ends too early", "send the whole JSON text"),
        Rule::Trailing => ("The body has more than one JSON value", "send one, and nothing behind it"),
        Rule::Syntax => ("The body is no JSON", "correct the text at that line and column"),
        Rule::DoubledName => ("A name is there twice", "give each field of an object once"),
        Rule::Nul => ("The body has U+0000", "leave U+0000 out, which no field may have"),
        Rule::Depth => ("The body is nested too deep", "nest objects and arrays less deep"),
        Rule::Values => ("The body has too many values", "send less at once, and what is long behind link"),
        Rule::Integer => ("The body has an integer of more than 64 bits", "send it as a string"),
    };
    malformed(json_code(fault.rule), title, fault.to_string(), cure)
}

/// The fault of a line of a batch that is no JSON, or none that is taken.
pub fn line_fault(fault: &json::Fault) -> Fault {
    let told = json::fault_in_line(fault);
    let detail = match fault.rule {
        Rule::ByteOrderMark => format!("{told}; {NO_MARK}"),
        Rule::Cut | Rule::Trailing => format!("{told}; {ONE_A_LINE}"),
        Rule::Integer => format!("{told}; send it as a string"),
        _ => told,
    };
    Fault { field: String::new(), code: json_code(fault.rule), detail, user: None }
}

pub fn too_many_rows() -> Problem {
    Problem::new(
        422,
        "too_many_rows",
        "Too many rows in one request",
        format!("one request makes at most {REQUEST_ROWS} rows, a row being a draft for one user"),
        "send it in several requests; nothing of it was stored",
    )
}

pub fn empty_batch() -> Problem {
    Problem::new(
        422,
        "empty_batch",
        "The batch has no line",
        "a batch is NDJSON: a draft a line",
        format!("send 1 to {REQUEST_ROWS} lines, {BATCH_BYTES} bytes at most"),
    )
}

/// The 409 for a key that holds another body: names the users, and of a batch the lines. `lines` has a draft's line.
pub fn conflict(conflicts: Vec<Conflict>, lines: Option<&[usize]>) -> Problem {
    let errors = conflicts.into_iter().map(|conflict| FieldError {
        line: lines.and_then(|lines| lines.get(conflict.draft).copied()),
        user: Some(conflict.user.into()),
        field: "key".to_owned(),
        code: "key_conflict".to_owned(),
        detail: "this user has the key with another body".to_owned(),
    });
    key_conflict().with_errors(errors.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(field: &str) -> Fault {
        Fault { field: field.to_owned(), code: "invalid", detail: "must not be".to_owned(), user: None }
    }

    #[test]
    fn every_faulty_line_is_named_however_many() {
        let mut faults = Faults::default();
        for line in 1..=3_000 {
            faults.add(Some(line), vec![fault("a"), fault("b"), fault("c")]);
        }
        let problem = faults.problem();
        let mut lines: Vec<usize> = problem.errors.iter().filter_map(|error| error.line).collect();
        lines.dedup();
        assert_eq!(lines, (1..=3_000).collect::<Vec<_>>());
        assert!(problem.errors.len() < FAULTS_LISTED + 3_000);
        assert!(problem.detail.starts_with("9000 faults"), "{}", problem.detail);
    }

    #[test]
    fn a_single_fault_is_told_in_the_detail() {
        let mut faults = Faults::default();
        faults.add(None, vec![fault("content")]);
        assert_eq!(faults.problem().detail, "content: must not be");
    }

    #[test]
    fn a_conflict_names_users_and_lines() {
        let conflicts = vec![Conflict { draft: 1, user: "ada".parse().unwrap() }];
        let problem = conflict(conflicts.clone(), Some(&[2, 5]));
        assert_eq!((problem.status, problem.errors[0].line), (409, Some(5)));
        assert_eq!(problem.errors[0].user.as_deref(), Some("ada"));
        assert_eq!(conflict(conflicts, None).errors[0].line, None);
    }
}
