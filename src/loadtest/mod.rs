//! Thousands of streams against one server: opens them, publishes on a schedule, counts every delivery, and says whether
//! it was good enough. Yields values and text, prints nothing.
//!
//! Measured, computed and written in three places: `fleet`, `publisher` and `probe` measure ([`Measured`]), `ledger` and
//! `stats` compute ([`Document`]), `report` writes.

mod account;
mod awaited;
mod busy;
#[cfg(test)]
mod by_hand;
pub mod compare;
pub mod descriptors;
mod dice;
mod disturb;
mod due;
mod exercised;
mod facts;
mod fault;
pub mod figures;
mod fleet;
mod latency;
mod ledger;
mod link;
pub mod measured;
mod pace;
pub mod plan;
mod probe;
pub mod process;
pub mod profile;
mod publisher;
mod reason;
mod recovery;
pub mod replay;
pub mod report;
mod run;
pub mod scenario;
mod settling;
pub mod spawn;
pub mod stamp;
pub mod stats;
mod tally;
pub mod threshold;
mod timeline;
pub mod verdict;

pub use fault::RunFault;
pub use link::Target;
pub use measured::Measured;
pub use plan::Plan;
pub use report::document::Document;
pub use run::{LEAD, Load, Watched};
