//! The stories: what the product promises, each proved from outside.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "what stories share is test code, outside of any #[test]")]

mod powercut_shim;
mod support;
