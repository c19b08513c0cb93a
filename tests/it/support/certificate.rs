//! A certificate that signs itself, for `localhost` and 127.0.0.1, in files as servers and clients take them.

use std::path::PathBuf;

use rcgen::generate_simple_self_signed;
use tempfile::TempDir;

pub struct Certificate(TempDir);

impl Certificate {
    pub fn make() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = generate_simple_self_signed(names).expect("a certificate");
        let own = Self(tempfile::tempdir().expect("a directory"));
        std::fs::write(own.certificate(), made.cert.pem()).expect("a file");
        std::fs::write(own.key(), made.signing_key.serialize_pem()).expect("a file");
        own
    }

    /// Its PEM file, which whoever is to trust it gets too.
    pub fn certificate(&self) -> PathBuf {
        self.0.path().join("certificate.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }
}
