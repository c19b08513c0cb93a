//! What can be wrong with keys: each with what, why and the cure in one line, and nothing of a key.

use std::io;
use std::path::PathBuf;

use super::file::FILE_BYTES_MAX;
use super::key::SECRET_BYTES;
use super::keys::KEYS_MAX;
use super::own::{KEY_BYTES, KEY_BYTES_MAX};

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "there is no signing key {}: `lumen serve` makes it; start that first, or hand over a token with --token-file \
         or LUMEN_TOKEN", .path.display()
    )]
    Missing { path: PathBuf },
    #[error("the signing key {} cannot be read: {source}: give this user the right to read it", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "the signing key {} is open to others with mode {mode:04o}: run `chmod 600` on it, and put a fresh one in its \
         place if someone else may have read it", .path.display()
    )]
    Exposed { path: PathBuf, mode: u32 },
    #[error(
        "the signing key {} has {bytes} bytes, but {KEY_BYTES} to {KEY_BYTES_MAX} are needed: put the right one back, \
         or remove it so that `lumen serve` makes a fresh one, which ends all tokens signed before", .path.display()
    )]
    Size { path: PathBuf, bytes: u64 },
    #[error(
        "the signing key {} cannot be made: {source}: give this user the right to write there, on a disk that has room",
        .path.display()
    )]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("the key file {} {fault}", .path.display())]
    File { path: PathBuf, fault: FileFault },
    #[error(
        "the key files {} and {} both name a key {kid:?}: give each key a kid of its own, by which tokens choose it",
        .first.display(), .second.display()
    )]
    DoubledKid { kid: String, first: PathBuf, second: PathBuf },
    #[error(
        "the key files hold {count} keys, but {KEYS_MAX} are the most, since a token that names none is tried with \
         each: take those out of auth.keys with which nobody signs any more"
    )]
    TooMany { count: usize },
}

/// Why a configured key file is not taken; goes on where its path was named.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    #[error("is not there: put it there, or take it out of auth.keys")]
    Missing,
    #[error("cannot be read: {0}: give this user the right to read it, or take it out of auth.keys")]
    Unreadable(io::Error),
    #[error("is no file: name the file itself in auth.keys")]
    NoFile,
    #[error("is empty: put the key back, or take it out of auth.keys")]
    Empty,
    #[error("has over {FILE_BYTES_MAX} bytes, which no key has: name the right file in auth.keys")]
    TooLarge,
    #[error(
        "holds a secret and is open to others with mode {mode:04o}: run `chmod 600` on it, and put a fresh one in its \
         place, here and where tokens are signed, if someone else may have read it"
    )]
    Exposed { mode: u32 },
    #[error(
        "can be changed by others with mode {mode:04o}, who could let in whom they like: run `chmod go-w` on it, and \
         see whether it is still the right one"
    )]
    Changeable { mode: u32 },
    #[error(
        "is neither a PEM nor a JWKS, and no algorithm is named for it: say `algorithm = \"HS256\"` if it is a secret, \
         else convert it (`openssl pkey -pubin -inform DER -in FILE`)"
    )]
    NoAlgorithm,
    #[error("is given {}, which is not taken: use HS256, RS256, ES256 or EdDSA", algorithm(.0))]
    UnknownAlgorithm(String),
    #[error(
        "holds a key for {holds}, but is given the algorithm {named}: name the algorithm that its tokens are signed \
         with, or leave it out, since the key says it"
    )]
    OtherAlgorithm { holds: String, named: String },
    #[error(
        "is given the algorithm {0}, but holds no public key in PEM: put there what `openssl pkey -in PRIVATE -pubout` \
         prints"
    )]
    NoPem(String),
    #[error(
        "holds a public key, which everyone may know, but is given the algorithm HS256, which needs a secret: leave the \
         algorithm out, or name the file with the secret"
    )]
    PublicAsSecret,
    #[error(
        "has {bytes} bytes, but a secret for HS256 has at least {SECRET_BYTES}: make one, `openssl rand 32 > FILE`"
    )]
    ShortSecret { bytes: usize },
    #[error(
        "holds a private key, which belongs to the signer alone: put there only its public half, as `openssl pkey -in \
         PRIVATE -pubout` prints it (of a JWKS, the keys without their \"d\"), and make a fresh pair if others may have \
         read this one"
    )]
    Private,
    #[error("holds a certificate: put there only its key, as `openssl x509 -in FILE -noout -pubkey` prints it")]
    Certificate,
    #[error("is a damaged PEM ({0}): put there what `openssl pkey -in PRIVATE -pubout` prints")]
    MalformedPem(&'static str),
    #[error("holds {0} keys in PEM: give each a file of its own in auth.keys, or make it a JWKS")]
    Several(usize),
    #[error("holds a key that cannot be used, {0}: use RSA with 2048 to 8192 bits, EC with P-256, or Ed25519")]
    Unusable(&'static str),
    #[error("is no JWKS ({0}): put there an object whose \"keys\" is an array of keys")]
    MalformedJwks(String),
    #[error("has no key that can be used ({0}): put there one to sign with by HS256, RS256, ES256 or EdDSA")]
    NoUsableKey(String),
    #[error("is a JWKS, whose keys say themselves what they are: leave out its kid and its algorithm in auth.keys")]
    NamedJwks,
}

/// A name that could be one; what is longer may be a secret that slipped into its place.
fn algorithm(name: &str) -> String {
    const CHARS: usize = 16;
    match name.chars().count() {
        ..=CHARS => format!("the algorithm {name:?}"),
        chars => format!("an algorithm of {chars} characters"),
    }
}
