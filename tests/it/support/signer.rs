//! A backend that signs with a key of its own: any algorithm that lumen takes, any header, any claims. Its public half
//! goes into key files.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use lumen_inbox::auth::KeyFile;
use serde_json::{Value, json};

/// What an algorithm signs with.
enum Secret {
    Hmac(Vec<u8>),
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Signs tokens with one key.
pub struct Signer {
    /// The header that [`Signer::sign`] gives a token.
    pub header: Value,
    secret: Secret,
}

impl Signer {
    pub fn hs256(secret: &[u8]) -> Self {
        Self::of("HS256", Secret::Hmac(secret.to_vec()))
    }

    pub fn rs256() -> Self {
        Self::of("RS256", Secret::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")))
    }

    pub fn es256() -> Self {
        Self::of("ES256", Secret::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key")))
    }

    pub fn eddsa() -> Self {
        Self::of("EdDSA", Secret::Ed25519(Ed25519KeyPair::generate().expect("a key")))
    }

    fn of(algorithm: &str, secret: Secret) -> Self {
        Self { header: json!({"alg": algorithm, "typ": "JWT"}), secret }
    }

    /// The same signer, who names its key in each token.
    pub fn named(mut self, kid: &str) -> Self {
        self.header["kid"] = json!(kid);
        self
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&self.header, claims)
    }

    /// A token with another header, which need not be true.
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.signature(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.secret {
            Secret::Hmac(secret) => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec(),
            Secret::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("a signature");
                signature
            }
            Secret::P256(pair) => pair.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Secret::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// What a key file of a server holds of it: the secret's bytes, or the public key as a PEM.
    pub fn file_content(&self) -> Vec<u8> {
        let pem = |der: &[u8]| pem("PUBLIC KEY", der).into_bytes();
        match &self.secret {
            Secret::Hmac(secret) => secret.clone(),
            Secret::Rsa(pair) => pem(pair.public_key().as_der().expect("a DER").as_ref()),
            Secret::P256(pair) => pem(pair.public_key().as_der().expect("a DER").as_ref()),
            Secret::Ed25519(pair) => pem(pair.public_key().as_der().expect("a DER").as_ref()),
        }
    }

    /// Its key for a JWKS, with the `kid` that it names.
    pub fn jwk(&self) -> Value {
        let key = match &self.secret {
            Secret::Hmac(secret) => DecodingKey::from_secret(secret),
            Secret::Rsa(pair) => DecodingKey::from_rsa_der(pair.public_key().as_ref()),
            Secret::P256(pair) => DecodingKey::from_ec_der(pair.public_key().as_ref()),
            Secret::Ed25519(pair) => DecodingKey::from_ed_der(pair.public_key().as_ref()),
        };
        let mut jwk = json!(Jwk::from_decoding_key(&key, None).expect("a JWK"));
        if let Some(kid) = self.header.get("kid") {
            jwk["kid"] = kid.clone();
        }
        jwk
    }

    /// Its public RSA key in the older form, of PKCS #1.
    ///
    /// # Panics
    /// For another kind of key.
    pub fn pkcs1(&self) -> Vec<u8> {
        let Secret::Rsa(pair) = &self.secret else { panic!("no RSA key") };
        pair.public_key().as_ref().to_vec()
    }

    /// Its public point on P-256, compressed and bare.
    ///
    /// # Panics
    /// For another kind of key.
    pub fn point(&self) -> Vec<u8> {
        let Secret::P256(pair) = &self.secret else { panic!("no EC key") };
        let point = pair.public_key().as_ref();
        [&[2 + point[64] % 2], &point[1..33]].concat()
    }

    /// Puts its key into a file there, for a server that takes it by its kid.
    pub fn write(&self, dir: &Path, name: &str) -> KeyFile {
        let text = |name: &str| self.header.get(name).map(|value| value.as_str().expect("a text").to_owned());
        let path = put(&dir.join(name), &self.file_content());
        KeyFile { path, kid: text("kid"), algorithm: text("alg") }
    }
}

/// Writes a file that only its user may read.
pub fn put(path: &Path, content: &[u8]) -> PathBuf {
    fs::write(path, content).expect("a file");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("a mode");
    path.to_owned()
}

pub fn pem(label: &str, der: &[u8]) -> String {
    let packed = STANDARD.encode(der);
    let lines: Vec<&str> = packed.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
