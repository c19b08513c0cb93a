//! Thousands of streams against one server: opens them, publishes on a schedule, counts every delivery, and says whether
//! it was good enough. Yields values and text, prints nothing.
//!
//! Measured, computed and written in three places: `fleet`, `publisher` and `probe` measure ([`Measured`]), `ledger` and
//! `stats` compute ([`Document`]), `report` writes.

pub mod compare;
mod dice;
mod ledger;
pub mod measured;
pub mod plan;
pub mod profile;
pub mod replay;
pub mod report;
pub mod scenario;
pub mod stamp;
pub mod stats;
pub mod threshold;

pub use measured::Measured;
pub use plan::Plan;
pub use report::document::Document;
