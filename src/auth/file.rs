//! A configured key file: what is in it is told by its content, and held against what its configuration says.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::KeyFile;
use super::algorithm::Algorithm;
use super::error::FileFault;
use super::jwks;
use super::key::{SECRET_BYTES, VerifyingKey};
use super::pem;
use crate::wire::json;

/// A JWKS with certificates has some kilobytes; a file over this is no key but a mistake.
pub(super) const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Modes that let others read a secret, or anyone else change it. A group may read it: a backend that signs, say.
pub(super) const SECRET_EXPOSED: u32 = 0o027;
/// Modes that let anyone else change a public key, which all may read.
const PUBLIC_EXPOSED: u32 = 0o022;

/// What is in a file.
pub(super) struct Content {
    /// One, or those of a JWKS.
    pub(super) keys: Vec<VerifyingKey>,
    /// Why each other key of a JWKS was passed over.
    pub(super) passed_over: Vec<&'static str>,
}

/// Reads a file.
///
/// # Errors
/// Why it is not taken, with the cure; nothing of its content is in it.
pub(super) fn read(file: &KeyFile) -> Result<Content, FileFault> {
    let (bytes, mode) = content(&file.path)?;
    let named = match &file.algorithm {
        Some(name) => Some(Algorithm::named(name).ok_or_else(|| FileFault::UnknownAlgorithm(name.clone()))?),
        None => None,
    };
    let alone = |key| Content { keys: vec![key], passed_over: Vec::new() };
    if pem::is(&bytes) {
        let der = pem::public_key(&bytes)?;
        return public(file, named, mode, &der).map(alone);
    }
    match json::parse(&bytes) {
        Ok(Value::Object(set)) => key_set(file, mode, &set),
        Err(fault) if bytes.trim_ascii_start().starts_with(b"{") && named.is_none() => {
            Err(FileFault::MalformedJwks(fault.to_string()))
        }
        _ => secret(file, named, mode, &bytes).map(alone),
    }
}

fn content(path: &Path) -> Result<(Vec<u8>, u32), FileFault> {
    let unreadable = |fault: io::Error| match fault.kind() {
        io::ErrorKind::NotFound => FileFault::Missing,
        _ => FileFault::Unreadable(fault),
    };
    // Asked before it is opened: a pipe without a writer would be waited for.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(FileFault::NoFile);
    }
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() as u64 {
        0 => Err(FileFault::Empty),
        1..=FILE_BYTES_MAX => Ok((bytes, mode)),
        _ => Err(FileFault::TooLarge),
    }
}

fn public(file: &KeyFile, named: Option<Algorithm>, mode: u32, der: &[u8]) -> Result<VerifyingKey, FileFault> {
    let mut key = VerifyingKey::of_der(der).map_err(|unusable| FileFault::Unusable(unusable.0))?;
    match named {
        Some(Algorithm::Hs256) => return Err(FileFault::PublicAsSecret),
        Some(named) if named != key.algorithm => {
            return Err(FileFault::OtherAlgorithm { holds: key.algorithm.to_string(), named: named.to_string() });
        }
        _ => {}
    }
    if mode & PUBLIC_EXPOSED != 0 {
        return Err(FileFault::Changeable { mode });
    }
    key.kid.clone_from(&file.kid);
    Ok(key)
}

fn key_set(file: &KeyFile, mode: u32, set: &serde_json::Map<String, Value>) -> Result<Content, FileFault> {
    if file.kid.is_some() || file.algorithm.is_some() {
        return Err(FileFault::NamedJwks);
    }
    let set = jwks::read(set)?;
    if set.has_secret && mode & SECRET_EXPOSED != 0 {
        return Err(FileFault::Exposed { mode });
    }
    if mode & PUBLIC_EXPOSED != 0 {
        return Err(FileFault::Changeable { mode });
    }
    Ok(Content { keys: set.keys, passed_over: set.passed_over })
}

fn secret(file: &KeyFile, named: Option<Algorithm>, mode: u32, bytes: &[u8]) -> Result<VerifyingKey, FileFault> {
    match named {
        None => return Err(FileFault::NoAlgorithm),
        Some(Algorithm::Hs256) => {}
        Some(other) => return Err(FileFault::NoPem(other.to_string())),
    }
    if is_public_key(bytes) {
        return Err(FileFault::PublicAsSecret);
    }
    if mode & SECRET_EXPOSED != 0 {
        return Err(FileFault::Exposed { mode });
    }
    if bytes.len() < SECRET_BYTES {
        return Err(FileFault::ShortSecret { bytes: bytes.len() });
    }
    let mut key = VerifyingKey::of_secret(bytes);
    key.kid.clone_from(&file.kid);
    Ok(key)
}

/// Whether this is a public key in another form than a PEM: in DER, in the base64 that a PEM is without its first and
/// last line, or for OpenSSH.
fn is_public_key(bytes: &[u8]) -> bool {
    let packed: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let unpacked = STANDARD.decode(packed);
    let openssh = [&b"ssh-"[..], b"ecdsa-sha2-"];
    VerifyingKey::of_der(bytes).is_ok()
        || unpacked.is_ok_and(|der| VerifyingKey::of_der(&der).is_ok())
        || openssh.iter().any(|start| bytes.starts_with(start))
}
