//! PEM, as far as public keys need it: the blocks of a file, by label, and the bytes in them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::FileFault;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Whether these bytes mean to be a PEM, be it a damaged one.
pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.windows(BEGIN.len()).any(|window| window == BEGIN.as_bytes())
}

/// The DER of the one public key in a PEM file: a SubjectPublicKeyInfo, or the older RSAPublicKey.
///
/// # Errors
/// A private key anywhere in it, a certificate, several keys, none, or a damaged file.
pub(super) fn public_key(bytes: &[u8]) -> Result<Vec<u8>, FileFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| FileFault::MalformedPem("it is no text"))?;
    // Before anything is looked at closely: that it is in the wrong place is the greater fault.
    if labels(text).any(|label| label.ends_with("PRIVATE KEY")) {
        return Err(FileFault::Private);
    }
    let keys: Vec<&str> = labels(text).filter(|label| matches!(*label, "PUBLIC KEY" | "RSA PUBLIC KEY")).collect();
    match keys[..] {
        [label] => block(text, label),
        [] if labels(text).any(|label| label.ends_with("CERTIFICATE")) => Err(FileFault::Certificate),
        [] => Err(FileFault::MalformedPem("it has no block PUBLIC KEY")),
        _ => Err(FileFault::Several(keys.len())),
    }
}

fn labels(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.trim().strip_prefix(BEGIN)?.strip_suffix(DASHES))
}

fn block(text: &str, label: &str) -> Result<Vec<u8>, FileFault> {
    let begin = format!("{BEGIN}{label}{DASHES}");
    let end = format!("{END}{label}{DASHES}");
    let inside = text.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end));
    let (inside, _) = inside.ok_or(FileFault::MalformedPem("it has no end"))?;
    let packed: String = inside.split_ascii_whitespace().collect();
    STANDARD.decode(packed).map_err(|_| FileFault::MalformedPem("what is in it is no base64"))
}
