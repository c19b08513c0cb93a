//! Tokens: none is let in that was not signed with the key, whatever it looks like; one that was may claim anything.

#![no_main]

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use libfuzzer_sys::fuzz_target;
use lumen_inbox::auth::Keys;
use lumen_inbox::domain::limits::USER_ID_BYTES;

const NOW: i64 = 1_795_478_400_000;

static KEYS: LazyLock<(Keys, EncodingKey)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("key");
    let keys = Keys::load_or_create(&path).expect("a key");
    (keys, EncodingKey::from_secret(&std::fs::read(path).expect("its bytes")))
});

// A header and claims, a line each, are signed with the key; anything else is a token as it is.
fuzz_target!(|input: &[u8]| {
    let (keys, secret) = &*KEYS;
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
        let token = String::from_utf8_lossy(input);
        assert!(keys.verify(&token, NOW).is_err(), "let in unsigned: {token}");
        return;
    };
    let message = [&input[..end], &input[end + 1..]].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = crypto::sign(message.as_bytes(), secret, Algorithm::HS256).expect("signed");
    if let Ok(caller) = keys.verify(&format!("{message}.{signature}"), NOW) {
        assert!(caller.expires_at > NOW);
        assert!((1..=USER_ID_BYTES).contains(&caller.subject.len()));
    }
});
