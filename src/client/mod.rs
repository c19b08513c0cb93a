//! The server as a client sees it: what `send`, `tail` and every later command share. Yields values, prints nothing.

pub mod endpoint;
