//! `lumen loadtest`: what was planned, run and told.

pub mod progress;
pub mod summary;
