//! Who a caller is: signs tokens with the data directory's own key, and verifies them with that and the configured ones.
//!
//! Where a token is found in a request, and what a refusal looks like, is the edge's business.

mod algorithm;
mod caller;
mod error;
mod file;
mod header;
mod jwks;
mod key;
mod keys;
mod own;
mod pem;
mod token;

use std::path::PathBuf;
use std::time::Duration;

pub use caller::{Caller, Role, Scopes, is_refused};
pub use error::{FileFault, KeyError};
pub use key::KeyId;
pub use keys::Keys;
pub use token::{Claims, TokenFault};

/// Which tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The keys that verify beside the data directory's own.
    pub keys: Vec<KeyFile>,
    /// The only `iss` that is taken, if one is named. A token of the own key may do without.
    pub issuer: Option<String>,
    /// The names of which `aud` must have one, if any are given. A token of the own key may do without.
    pub audience: Vec<String>,
    /// How long a token is still taken after its end.
    pub expiry_leeway: Duration,
    /// How far ahead of ours the clock of a signer may be before its `nbf` and `iat` are believed.
    pub not_before_leeway: Duration,
}

impl Default for Config {
    /// The own key alone, to the second.
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            issuer: None,
            audience: Vec::new(),
            expiry_leeway: Duration::ZERO,
            not_before_leeway: Duration::from_secs(5),
        }
    }
}

impl KeyFile {
    /// Whether its keys can be taken, for who wants to know of all files at once.
    ///
    /// # Errors
    /// Why not, with the cure; neither its path nor anything of a key is in it.
    pub fn check(&self) -> Result<(), FileFault> {
        file::read(self).map(drop)
    }

    /// Whether the keys of files that are good each can be taken together.
    ///
    /// # Errors
    /// Why not, with the cure.
    pub fn check_together(files: &[Self]) -> Result<(), KeyError> {
        keys::read_all(files).map(drop)
    }
}

/// A file with a secret's raw bytes, a public key (PEM), or several keys (JWKS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    pub path: PathBuf,
    /// The name by which a token's header chooses it. A JWKS names its keys itself.
    pub kid: Option<String>,
    /// `HS256`, `RS256`, `ES256` or `EdDSA`: needed for a secret; a public key says it itself, and a JWKS too.
    pub algorithm: Option<String>,
}
