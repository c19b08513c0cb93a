//! Thousands of streams against one server: opens them, publishes on a schedule, counts every delivery, and says whether
//! it was good enough. Yields values and text, prints nothing.
//!
//! Measured, computed and written in three places: `fleet`, `publisher` and `probe` measure ([`Measured`]), `ledger` and
//! `stats` compute ([`Document`]), `report` writes.

mod busy;
pub mod compare;
mod descriptors;
mod dice;
mod disturb;
pub mod figures;
mod fleet;
mod ledger;
pub mod measured;
mod pace;
pub mod plan;
mod probe;
mod process;
pub mod profile;
mod publisher;
pub mod replay;
pub mod report;
mod run;
pub mod scenario;
pub mod spawn;
pub mod stamp;
pub mod stats;
mod tally;
pub mod threshold;
mod timeline;

pub use fleet::Target;
pub use measured::Measured;
pub use plan::Plan;
pub use report::document::Document;
pub use run::{Load, RunFault, Watched};
