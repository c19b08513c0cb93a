//! The stories: each module one thing that lumen promises, told through its own doors.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on panics, and so does what stories share")]

mod inbox_model;
mod store_contract;
mod store_files;
mod streams;
mod support;
