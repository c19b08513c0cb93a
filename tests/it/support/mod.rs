//! What stories share.

pub mod gcc;
pub mod powercut;
