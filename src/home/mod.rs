//! The data directory: where it is, that it can be used, and that one server has it at a time.
//!
//! What lies in it is others' business: the database is the store's, the key is auth's.

mod dir;
mod error;
mod filesystem;
mod lock;

pub use dir::{Home, locate, usual};
pub use error::HomeError;
pub use lock::Lock;
