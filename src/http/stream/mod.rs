//! The stream: a request becomes a subscription, and the subscription a body that does not end by itself.

mod body;
pub mod open;
mod refusal;
