//! The server as a client sees it: what `send`, `tail` and every later command share. Yields values, prints nothing.

pub mod access;
mod answer;
pub mod api;
pub mod backoff;
mod call;
pub mod endpoint;
pub mod failure;
pub mod inbox;
pub mod operator;
#[cfg(test)]
pub mod script;
pub mod stream;
mod transport;

pub use access::Access;
pub use endpoint::{Endpoint, ServerUrl};
pub use failure::Failure;
