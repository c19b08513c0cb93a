//! The inboxes in one SQLite file; the only place that says SQL.

mod append;
pub(super) mod cache;
pub(super) mod caretaker;
mod checkpoint;
mod erase;
mod fault;
mod files;
pub(super) mod group;
mod keys;
mod mark;
pub(super) mod open;
pub(super) mod overfull;
mod page;
pub(super) mod reader;
mod retract;
mod rows;
mod schema;
mod sweep;
pub(super) mod writer;

#[cfg(test)]
mod effort;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transactions;
