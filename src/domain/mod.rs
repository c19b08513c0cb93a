//! What lumen talks about: users, notifications, changes, cursors and their limits.
//!
//! No IO, no async, no clock: everything here is a value or a rule over values, so that each rule can be proved by
//! itself. What goes over the wire is [`crate::wire`]'s.

pub mod address;
pub mod change;
pub mod cursor;
pub mod draft;
pub mod ids;
pub mod limits;
pub mod notification;
