//! The head of a token as it was presented: what it says by which key it was signed. Nothing in it is believed; it only
//! chooses among keys that are there.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::token::TokenFault;

#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
    crit: Option<Value>,
}

impl Header {
    /// # Errors
    /// [`TokenFault::Malformed`], also with an extension that must be understood, and is not.
    pub(super) fn of(token: &str) -> Result<Self, TokenFault> {
        let (head, _) = token.split_once('.').ok_or(TokenFault::Malformed)?;
        let text = URL_SAFE_NO_PAD.decode(head).map_err(|_| TokenFault::Malformed)?;
        let header: Self = serde_json::from_slice(&text).map_err(|_| TokenFault::Malformed)?;
        if header.crit.is_some() { Err(TokenFault::Malformed) } else { Ok(header) }
    }
}
