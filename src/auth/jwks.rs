//! A JWKS (RFC 7517): several keys in one JSON file, each with its own `kid`.
//!
//! A set as an identity provider publishes it has keys for other purposes too. What is not for us is passed over, as
//! long as one key is left.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::error::FileFault;
use super::key::{SECRET_BYTES, Unusable, VerifyingKey};

type Entry = Map<String, Value>;

/// The keys of a set.
pub(super) struct Jwks {
    pub(super) keys: Vec<VerifyingKey>,
    /// Whether there is a secret in it, used or not.
    pub(super) has_secret: bool,
    /// Why each of the others was passed over.
    pub(super) passed_over: Vec<&'static str>,
}

/// Reads a set.
///
/// # Errors
/// An object that is no set, one with a private key, one of which nothing is left.
pub(super) fn read(file: &Entry) -> Result<Jwks, FileFault> {
    let entries = file.get("keys").and_then(Value::as_array);
    let entries = entries.ok_or_else(|| FileFault::MalformedJwks("it has no array \"keys\"".to_owned()))?;
    let mut set = Jwks { keys: Vec::new(), has_secret: false, passed_over: Vec::new() };
    for entry in entries {
        let entry = entry.as_object().ok_or_else(|| FileFault::MalformedJwks("a key is no object".to_owned()))?;
        if entry.contains_key("d") {
            return Err(FileFault::Private);
        }
        set.has_secret |= entry.contains_key("k");
        match key(entry) {
            Ok(key) => set.keys.push(key),
            Err(Unusable(why)) => set.passed_over.push(why),
        }
    }
    if set.keys.is_empty() {
        let why: BTreeSet<&str> = set.passed_over.iter().copied().collect();
        let why =
            if why.is_empty() { "it is empty".to_owned() } else { why.into_iter().collect::<Vec<_>>().join("; ") };
        return Err(FileFault::NoUsableKey(why));
    }
    Ok(set)
}

fn key(entry: &Entry) -> Result<VerifyingKey, Unusable> {
    is_to_verify(entry)?;
    let mut key = match (text(entry, "kty")?, text(entry, "crv")?) {
        (Some("oct"), None) => secret(entry)?,
        (Some("RSA"), None) => VerifyingKey::of_rsa(&bytes(entry, "n")?, &bytes(entry, "e")?)?,
        (Some("EC"), Some("P-256")) => VerifyingKey::of_p256(&bytes(entry, "x")?, &bytes(entry, "y")?)?,
        (Some("OKP"), Some("Ed25519")) => VerifyingKey::of_ed25519(&bytes(entry, "x")?)?,
        _ => return Err(Unusable("a kty or crv that is not taken")),
    };
    if text(entry, "alg")?.is_some_and(|alg| Algorithm::named(alg) != Some(key.algorithm)) {
        return Err(Unusable("an alg that is not taken, or not for this kty"));
    }
    key.kid = text(entry, "kid")?.map(str::to_owned);
    Ok(key)
}

fn is_to_verify(entry: &Entry) -> Result<(), Unusable> {
    let purpose = text(entry, "use")?.is_none_or(|purpose| purpose == "sig");
    let named = |operations: &Value| operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"));
    if purpose && entry.get("key_ops").is_none_or(named) { Ok(()) } else { Err(Unusable("not meant to verify with")) }
}

fn secret(entry: &Entry) -> Result<VerifyingKey, Unusable> {
    let secret = bytes(entry, "k")?;
    if secret.len() < SECRET_BYTES {
        return Err(Unusable("a secret of under 32 bytes"));
    }
    Ok(VerifyingKey::of_secret(&secret))
}

fn text<'a>(entry: &'a Entry, name: &str) -> Result<Option<&'a str>, Unusable> {
    match entry.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Unusable("a member that should be a string and is none")),
    }
}

fn bytes(entry: &Entry, name: &str) -> Result<Vec<u8>, Unusable> {
    let text = text(entry, name)?.ok_or(Unusable("a member is missing"))?;
    // Some write the padding that RFC 7518 leaves out.
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| Unusable("a member that is no base64url"))
}
