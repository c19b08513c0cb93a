//! The stories: each module one thing that lumen promises, told through its own doors.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a story that cannot go on panics, and what stories share is test code outside of any #[test]"
)]

mod inbox_model;
mod store_contract;
mod store_files;
mod streams;
mod support;
