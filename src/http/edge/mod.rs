//! What every request and every answer has in common: the caller, the headers, the query, the refusals.

pub mod answer;
pub mod caller;
pub mod client;
pub mod headers;
pub mod held;
pub mod problem;
pub mod query;
pub mod requests;
