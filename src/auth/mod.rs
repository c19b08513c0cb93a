//! Who a caller is: signs and verifies tokens with the data directory's key.
//!
//! Where a token is found in a request, and what a refusal looks like, is the edge's business.

mod caller;
mod keys;
mod token;

use std::path::PathBuf;
use std::time::Duration;

pub use caller::{Caller, Role, Scopes};
pub use keys::{KeyError, Keys};
pub use token::{Claims, TokenFault};

/// Which tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The keys that verify; without any the data directory's own does.
    pub keys: Vec<KeyFile>,
    /// The only `iss` that is taken, if one is named.
    pub issuer: Option<String>,
    /// The names of which `aud` must have one, if any are given.
    pub audience: Vec<String>,
    /// How long a token is still taken after its end.
    pub expiry_leeway: Duration,
    /// How far ahead of ours the clock of a signer may be before its `nbf` is believed.
    pub not_before_leeway: Duration,
}

/// A file with a key, or with several (JWKS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    pub path: PathBuf,
    /// The name by which a token's header chooses it.
    pub kid: Option<String>,
    /// Such as `HS256`; needed where the file does not say it.
    pub algorithm: Option<String>,
}
