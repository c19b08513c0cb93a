//! What goes over the wire, in both directions: server, client and tests read and write it here alone.

pub mod api;
pub mod event;
pub mod json;
pub mod problem;
pub mod sse;
