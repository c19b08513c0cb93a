//! One key that verifies, for exactly one algorithm: its content or its configuration says which, never a token. So a
//! public key can be no HMAC's secret, whatever a token asks for.

use std::hash::{DefaultHasher, Hash, Hasher};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{PublicEncryptingKey, PublicKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RsaPublicKeyComponents};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation};

use super::Config;
use super::algorithm::Algorithm;
use super::token::{Payload, TokenFault};

/// The fewest bytes of a secret: HS256 has 256 bits.
pub(super) const SECRET_BYTES: usize = 32;
/// The first byte of a public key in DER.
const SEQUENCE: u8 = 0x30;
/// The first byte of an uncompressed point on a curve.
const UNCOMPRESSED: u8 = 4;
const ED25519_BYTES: usize = 32;

/// A key, and what is asked of its tokens: the same after a reload exactly if all of that is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyId(u64);

/// Verifies what was signed with its one algorithm.
pub(super) struct VerifyingKey {
    pub(super) kid: Option<String>,
    /// Whether it is the data directory's own.
    pub(super) own: bool,
    pub(super) algorithm: Algorithm,
    key: DecodingKey,
    validation: Validation,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unusable(pub(super) &'static str);

impl VerifyingKey {
    /// The data directory's own.
    pub(super) fn of_own(secret: &[u8]) -> Self {
        Self { own: true, ..Self::of_secret(secret) }
    }

    /// HS256. How long a secret must be is its reader's to say.
    pub(super) fn of_secret(secret: &[u8]) -> Self {
        Self::new(Algorithm::Hs256, DecodingKey::from_secret(secret))
    }

    /// A public key in DER, as a PEM holds it: RS256, ES256 or EdDSA, as the key itself says.
    ///
    /// # Errors
    /// Another kind or size of key, or none at all.
    pub(super) fn of_der(der: &[u8]) -> Result<Self, Unusable> {
        // The parsers take bare keys too, for which a random secret could be taken: of P-256 one in some hundreds of
        // 33 bytes, of Ed25519 any of 32.
        if der.first() != Some(&SEQUENCE) {
            return Err(Unusable("that is no public key"));
        }
        if der.len() != ED25519_BYTES && ParsedPublicKey::new(&ED25519, der).is_ok() {
            return Ok(Self::new(Algorithm::EdDsa, DecodingKey::from_ed_der(der)));
        }
        if ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, der).is_ok() {
            return Ok(Self::new(Algorithm::Es256, DecodingKey::from_ec_der(der)));
        }
        let rsa = PublicKey::from_der(der).map_err(|_| Unusable("of a kind or on a curve that is not taken"))?;
        Self::of_spki(rsa.as_der())
    }

    /// RS256, from modulus and exponent.
    pub(super) fn of_rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, Unusable> {
        Self::of_spki(RsaPublicKeyComponents { n: modulus, e: exponent }.as_der())
    }

    /// ES256, from the coordinates of a point on P-256.
    pub(super) fn of_p256(x: &[u8], y: &[u8]) -> Result<Self, Unusable> {
        let point = [&[UNCOMPRESSED], x, y].concat();
        match ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point) {
            Ok(_) => Ok(Self::new(Algorithm::Es256, DecodingKey::from_ec_der(&point))),
            Err(_) => Err(Unusable("whose x and y are no point on P-256")),
        }
    }

    /// EdDSA with Ed25519.
    pub(super) fn of_ed25519(x: &[u8]) -> Result<Self, Unusable> {
        if x.len() != ED25519_BYTES || ParsedPublicKey::new(&ED25519, x).is_err() {
            return Err(Unusable("whose x is no Ed25519 key"));
        }
        Ok(Self::new(Algorithm::EdDsa, DecodingKey::from_ed_der(x)))
    }

    /// RSA keys are held to their size here: the verifier would take any, and then refuse each token.
    fn of_spki(spki: Result<PublicKeyX509Der<'static>, Unspecified>) -> Result<Self, Unusable> {
        let spki = spki.map_err(|_| Unusable("which is no RSA key"))?;
        PublicEncryptingKey::from_der(spki.as_ref()).map_err(|_| Unusable("RSA of another size"))?;
        Ok(Self::new(Algorithm::Rs256, DecodingKey::from_rsa_der(spki.as_ref())))
    }

    fn new(algorithm: Algorithm, key: DecodingKey) -> Self {
        let mut validation = Validation::new(algorithm.into());
        // The claims are checked in `token`, against the clock that is handed in and by our own configuration.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self { kid: None, own: false, algorithm, key, validation }
    }

    /// What a token is good by that this key verifies. Its name counts, as tokens choose by it.
    pub(super) fn id(&self, config: &Config) -> KeyId {
        // It is held as it was handed in: a secret, or DER.
        let bytes = self.key.try_get_as_bytes().expect("a key is bytes");
        let mut hasher = DefaultHasher::new();
        (self.own, self.algorithm, &self.kid, bytes, &config.issuer, &config.audience).hash(&mut hasher);
        KeyId(hasher.finish())
    }

    /// The claims of a token that this key's holder signed. An HMAC is compared in constant time: jsonwebtoken asks
    /// `aws_lc_rs::hmac::verify`, which asks `constant_time::verify_slices_are_equal`.
    ///
    /// # Errors
    /// [`TokenFault::WrongKey`] where only the signature is another's.
    pub(super) fn verify(&self, token: &str) -> Result<Payload, TokenFault> {
        let read = jsonwebtoken::decode::<Payload>(token, &self.key, &self.validation);
        read.map(|token| token.claims).map_err(|fault| match fault.kind() {
            ErrorKind::InvalidAlgorithm => TokenFault::WrongAlgorithm,
            ErrorKind::InvalidSignature => TokenFault::WrongKey,
            _ => TokenFault::Malformed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_while_the_key_its_name_and_what_is_asked_of_its_tokens_do() {
        let site = Config { issuer: Some("site".to_owned()), ..Config::default() };
        let id = |secret: u8, own: bool, kid: Option<&str>, config: &Config| {
            let key = VerifyingKey { own, kid: kid.map(str::to_owned), ..VerifyingKey::of_secret(&[secret; 32]) };
            key.id(config)
        };
        let first = id(1, false, Some("a"), &site);
        assert_eq!(first, id(1, false, Some("a"), &site.clone()));
        let meant = Config { audience: vec!["lumen".to_owned()], ..site.clone() };
        for other in [
            id(2, false, Some("a"), &site),
            id(1, true, Some("a"), &site),
            id(1, false, Some("b"), &site),
            id(1, false, None, &site),
            id(1, false, Some("a"), &Config::default()),
            id(1, false, Some("a"), &meant),
        ] {
            assert_ne!(first, other);
        }
    }
}
