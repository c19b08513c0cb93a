//! Who a caller is: signs and verifies tokens with the data directory's key.
//!
//! Where a token is found in a request, and what a refusal looks like, is the edge's business.

mod caller;
mod keys;
mod token;

pub use caller::{Caller, Role, Scopes};
pub use keys::{KeyError, Keys};
pub use token::{Claims, TokenFault};
