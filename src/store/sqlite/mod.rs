//! The inboxes in one SQLite file; the only place that says SQL.

mod append;
pub(super) mod cache;
pub(super) mod caretaker;
mod checkpoint;
mod fault;
mod files;
mod group;
mod keys;
mod mark;
pub(super) mod open;
mod page;
pub(super) mod reader;
mod schema;
pub(super) mod writer;

#[cfg(test)]
mod tests;
