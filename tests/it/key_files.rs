//! The keys of a server as its operator puts them there: which files are taken and what of them, what is told of the
//! others, and a reload that takes all new ones or keeps all old ones.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use lumen_inbox::auth::{Config, KeyError, KeyFile, Keys, TokenFault};
use lumen_inbox::domain::ids::Millis;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::signer::{Signer, pem, put};

const NOW: Millis = 1_764_000_000_000;
/// A public RSA key of 1,024 bits, as a PEM holds it.
const SMALL_RSA: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC+lECbCo97Ir/hNtMtoDV+/CvISdBcdFf3zqqIDfyhKJMUGJfMLYglKeGpCqfH\
    DOpg+LR6uCMaEFrDF1I4HGk9UUFxs6yozkEAeWBCLKAy15zkkFbneIAD54koGp9mVity7FfnS5hes0jK2q4oi9TrBzGBPQ3FqwmG\
    ohzCz19wBwIDAQAB";

/// A directory with key files.
struct Site(TempDir);

impl Site {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn own_key(&self) -> PathBuf {
        self.path().join("key")
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> KeyFile {
        KeyFile { path: put(&self.path().join(name), content.as_ref()), kid: None, algorithm: None }
    }

    fn jwks(&self, name: &str, keys: &[Value]) -> KeyFile {
        self.put(name, json!({"keys": keys}).to_string())
    }

    fn open(&self, keys: &[KeyFile]) -> Result<Keys, KeyError> {
        Keys::open(&config(keys), &self.own_key())
    }

    /// What is told of one key file that is not taken.
    fn told(&self, file: &KeyFile) -> String {
        let opened = self.open(std::slice::from_ref(file));
        opened.map_err(|fault| fault.to_string()).expect_err(&format!("{} is taken", file.path.display()))
    }
}

fn config(keys: &[KeyFile]) -> Config {
    Config { keys: keys.to_vec(), ..Config::default() }
}

fn claims() -> Value {
    json!({"sub": "ada", "exp": NOW / 1000 + 60})
}

fn code(keys: &Keys, token: &str) -> &'static str {
    keys.verify(token, NOW).map_or_else(TokenFault::code, |_| "good")
}

fn four() -> [Signer; 4] {
    [Signer::hs256(&[7; 32]), Signer::rs256(), Signer::es256(), Signer::eddsa()]
}

#[test]
fn keys_of_all_kinds_verify_at_once() {
    let site = Site::new();
    let [hs, rs, es, ed] = four();
    let signers = [hs.named("hs"), rs.named("rs"), es.named("es"), ed.named("ed")];
    let files: Vec<KeyFile> =
        signers.iter().enumerate().map(|(at, signer)| signer.write(site.path(), &at.to_string())).collect();
    // A public key may be read by all.
    fs::set_permissions(&files[1].path, Permissions::from_mode(0o644)).unwrap();
    let keys = site.open(&files).unwrap();
    let own = Signer::hs256(&fs::read(site.own_key()).unwrap());
    for signer in signers.iter().chain([&own]) {
        assert_eq!(code(&keys, &signer.sign(&claims())), "good", "{}", signer.header);
        for kid in [Value::Null, json!("unknown"), json!(""), json!("../odd\u{0}"), json!("x".repeat(10_000))] {
            let mut header = signer.header.clone();
            header["kid"] = kid;
            assert_eq!(code(&keys, &signer.sign_as(&header, &claims())), "good", "{header}");
        }
    }
    // A name that is known is the only one that is looked at.
    for (signer, kid, expected) in [
        (&signers[1], "es", "token_wrong_algorithm"),
        (&signers[0], "rs", "token_wrong_algorithm"),
        (&own, "hs", "token_wrong_key"),
    ] {
        let mut header = signer.header.clone();
        header["kid"] = json!(kid);
        assert_eq!(code(&keys, &signer.sign_as(&header, &claims())), expected, "{header}");
    }
    for other in four().iter().filter(|other| other.header["alg"] != "HS256") {
        assert_eq!(code(&keys, &other.sign(&claims())), "token_wrong_key", "{}", other.header);
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let site = Site::new();
    for signer in four().iter().skip(1) {
        let file = signer.write(site.path(), "public");
        let keys = site.open(std::slice::from_ref(&file)).unwrap();
        let pem = signer.file_content();
        let der = pem_content(&pem);
        for secret in [&pem[..], pem.trim_ascii(), &der[..]] {
            let forged = Signer::hs256(secret).sign(&claims());
            assert_eq!(code(&keys, &forged), "token_wrong_key");
        }
        // Nor by configuration.
        let bare: Vec<u8> =
            pem.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"--")).collect::<Vec<_>>().join(&b'\n');
        let openssh = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ada@site".to_vec();
        for (name, content) in [("public", &pem), ("der", &der), ("bare", &bare), ("openssh", &openssh)] {
            let file = KeyFile { algorithm: Some("HS256".to_owned()), ..site.put(name, content) };
            assert!(site.told(&file).contains("holds a public key, which everyone may know"), "{}", site.told(&file));
        }
    }
}

#[test]
fn a_public_key_may_be_written_as_openssl_writes_it() {
    let site = Site::new();
    let [_, rs, _, _] = four();
    let text = String::from_utf8(rs.file_content()).unwrap();
    let older = pem("RSA PUBLIC KEY", &rs.pkcs1());
    for text in [format!("Public-Key: (2048 bit)\n{text}\nothers\n"), text.replace('\n', "\r\n"), older] {
        let keys = site.open(&[site.put("rsa", text)]).unwrap();
        assert_eq!(code(&keys, &rs.sign(&claims())), "good");
    }
}

#[test]
fn a_key_set_gives_what_is_for_us() {
    let site = Site::new();
    let [hs, rs, es, ed] = four();
    let signers = [hs.named("a"), rs.named("b"), es.named("c"), ed];
    let mut set: Vec<Value> = signers.iter().map(Signer::jwk).collect();
    set[1]["alg"] = json!("RS256");
    set[1]["use"] = json!("sig");
    set[1]["x5t"] = json!("other things");
    set[2]["key_ops"] = json!(["verify"]);
    let other = Signer::rs256();
    let with = |name: &str, value: Value| {
        let mut jwk = other.jwk();
        jwk[name] = value;
        jwk
    };
    set.extend([with("alg", json!("PS256")), with("alg", json!("ES256")), with("use", json!("enc"))]);
    set.extend([with("key_ops", json!(["encrypt"])), with("e", json!("!")), with("kid", json!(7))]);
    set.extend([json!({"kty": "EC", "crv": "P-384"}), json!({"kty": "AKP"}), json!({})]);
    let keys = site.open(&[site.jwks("set", &set)]).unwrap();
    for signer in &signers {
        assert_eq!(code(&keys, &signer.sign(&claims())), "good", "{}", signer.header);
    }
    assert_eq!(code(&keys, &other.sign(&claims())), "token_wrong_key");
}

#[test]
fn a_faulty_file_is_told_with_its_cure() {
    let site = Site::new();
    let [hs, rs, es, _] = four();
    let named = |file: KeyFile, algorithm: &str| KeyFile { algorithm: Some(algorithm.to_owned()), ..file };
    let mode = |file: KeyFile, mode: u32| {
        fs::set_permissions(&file.path, Permissions::from_mode(mode)).unwrap();
        file
    };
    let (rsa, rs_pem) = (rs.write(site.path(), "rsa"), rs.file_content());
    let cut = String::from_utf8(rs_pem.clone()).unwrap().replace("-----END", "----END");
    let private = |label: &str| site.put(label, [&rs_pem[..], pem(label, b"secret").as_bytes()].concat());
    let mut with_d = es.jwk();
    with_d["d"] = json!("secret");
    let short = json!({"kty": "oct", "k": "c2VjcmV0"});
    for (file, told) in [
        (KeyFile { path: site.path().join("none"), ..rsa.clone() }, "is not there: put it there"),
        (KeyFile { path: site.path().to_owned(), ..rsa.clone() }, "is no file"),
        (KeyFile { path: "/dev/zero".into(), ..rsa.clone() }, "is no file"),
        (site.put("empty", ""), "is empty"),
        (site.put("large", [b' '; 65_537]), "has over 65536 bytes"),
        (mode(hs.write(site.path(), "exposed"), 0o644), "open to others with mode 0644: run `chmod 600`"),
        (mode(site.jwks("exposed-set", &[hs.jwk()]), 0o604), "open to others with mode 0604"),
        (mode(rs.write(site.path(), "changeable"), 0o666), "changed by others with mode 0666"),
        (mode(site.jwks("changeable-set", &[rs.jwk()]), 0o620), "changed by others with mode 0620"),
        (site.put("bytes", [1; 32]), "say `algorithm = \"HS256\"` if it is a secret"),
        (named(site.put("short", [1; 31]), "HS256"), "has 31 bytes, but a secret for HS256 has at least 32"),
        (named(site.put("secret", [1; 32]), "RS256"), "is given the algorithm RS256, but holds no public key"),
        (named(site.put("secret", [1; 32]), "PS256"), "\"PS256\", which is not taken: use HS256, RS256"),
        (named(rsa.clone(), "ES256"), "holds a key for RS256, but is given the algorithm ES256"),
        (named(es.write(site.path(), "ec"), "EdDSA"), "holds a key for ES256, but is given the algorithm EdDSA"),
        (private("PRIVATE KEY"), "holds a private key, which belongs to the signer alone"),
        (private("RSA PRIVATE KEY"), "holds a private key"),
        (private("ENCRYPTED PRIVATE KEY"), "holds a private key"),
        (named(private("EC PRIVATE KEY"), "HS256"), "holds a private key"),
        (site.jwks("private-set", &[rs.jwk(), with_d]), "holds a private key"),
        (site.put("certificate", pem("CERTIFICATE", b"x")), "holds a certificate: put there only its key"),
        (site.put("two", rs_pem.repeat(2)), "holds 2 keys in PEM"),
        (site.put("cut", cut), "is a damaged PEM (it has no end)"),
        (site.put("junk", pem("PUBLIC KEY", b"x").replace("eA==", "secret!")), "is no base64)"),
        (site.put("other", pem("SSH2 PUBLIC", b"x")), "it has no block PUBLIC KEY"),
        (site.put("binary", [&rs_pem[..], &[0xff]].concat()), "is a damaged PEM (it is no text)"),
        (
            site.put("small", format!("-----BEGIN PUBLIC KEY-----\n{SMALL_RSA}\n-----END PUBLIC KEY-----\n")),
            "cannot be used, RSA of another size: use RSA with 2048",
        ),
        (site.put("p384", pem("PUBLIC KEY", &p384())), "of a kind or on a curve that is not taken"),
        (site.put("raw", pem("PUBLIC KEY", &[9; 32])), "cannot be used, that is no public key"),
        (site.put("json", "{\"keys\": [secret]}"), "is no JWKS (expected value at line 1 column 11)"),
        (site.put("object", es.jwk().to_string()), "is no JWKS (it has no array \"keys\")"),
        (site.put("list", "{\"keys\": [\"secret\"]}"), "is no JWKS (a key is no object)"),
        (site.jwks("none-set", &[]), "has no key that can be used (it is empty)"),
        (site.jwks("short-set", &[short.clone(), short, json!({})]), "a secret of under 32 bytes"),
        (named(site.jwks("named-set", &[rs.jwk()]), "RS256"), "leave out its kid and its algorithm"),
    ] {
        let line = site.told(&file);
        assert!(line.starts_with(&format!("the key file {} ", file.path.display())), "{line}");
        assert!(line.contains(told), "{told}: {line}");
        assert!(line.contains(": "), "{line}");
        assert!(!line.contains("secret\"") && !line.contains("c2VjcmV0") && !line.contains('\n'), "{line}");
    }
}

#[test]
fn names_and_number_are_held_to_their_rules() {
    let site = Site::new();
    let (one, two) = (Signer::es256().named("k"), Signer::eddsa().named("k"));
    let files = [one.write(site.path(), "one"), site.jwks("two", &[two.jwk()])];
    let told = site.open(&files).unwrap_err().to_string();
    assert!(told.contains("/one and ") && told.contains("/two both name a key \"k\": give each"), "{told}");
    let twice = site.jwks("twice", &[one.jwk(), one.jwk()]);
    assert!(matches!(site.open(&[twice]), Err(KeyError::DoubledKid { .. })));
    let many: Vec<Value> = (0..16).map(|_| Signer::eddsa().jwk()).collect();
    let full = site.jwks("full", &many);
    site.open(std::slice::from_ref(&full)).unwrap();
    assert!(matches!(site.open(&[full, files[0].clone()]), Err(KeyError::TooMany { count: 17 })));
}

#[test]
fn a_reload_takes_all_new_keys_or_keeps_all_old_ones() {
    let site = Site::new();
    let (old, new) = (Signer::es256(), Signer::es256());
    let (set, secret) = (site.jwks("set", &[old.jwk()]), Signer::hs256(&[1; 32]).write(site.path(), "secret"));
    let config = config(&[set, secret]);
    let keys = site.open(&config.keys).unwrap();
    let good = |signer: &Signer| code(&keys, &signer.sign(&claims())) == "good";
    let own = Signer::hs256(&fs::read(site.own_key()).unwrap());
    assert_eq!((good(&old), good(&new), good(&own)), (true, false, true));

    // Both hold while a backend changes from one to the other.
    site.jwks("set", &[old.jwk(), new.jwk()]);
    assert!(!good(&new), "only a reload takes it");
    keys.reload(&config).unwrap();
    assert_eq!((good(&old), good(&new)), (true, true));

    // One bad file, and nothing of the others is taken either.
    site.jwks("set", &[new.jwk()]);
    site.put("secret", "short");
    let told = keys.reload(&config).unwrap_err().to_string();
    assert!(told.contains("/secret has 5 bytes, but"), "{told}");
    assert_eq!((good(&old), good(&new), good(&Signer::hs256(&[1; 32]))), (true, true, true));
    Signer::hs256(&[2; 32]).write(site.path(), "secret");
    fs::set_permissions(site.own_key(), Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(keys.reload(&config), Err(KeyError::Exposed { .. })));
    assert!(good(&old) && good(&own));

    // A fresh own key takes its place with all the others.
    fs::remove_file(site.own_key()).unwrap();
    keys.reload(&config).unwrap();
    let fresh = Signer::hs256(&fs::read(site.own_key()).unwrap());
    assert_eq!((good(&old), good(&new), good(&own), good(&fresh)), (false, true, false, true));
    assert_eq!((good(&Signer::hs256(&[1; 32])), good(&Signer::hs256(&[2; 32]))), (false, true));

    // Another configuration is taken with the files that it names, or not at all.
    let only = |keys: &[KeyFile]| Config { issuer: Some("site".to_owned()), keys: keys.to_vec(), ..Config::default() };
    let absent = KeyFile { path: site.path().join("none"), kid: None, algorithm: None };
    keys.reload(&only(&[absent])).unwrap_err();
    assert!(good(&new));
    keys.reload(&only(&config.keys[..1])).unwrap();
    assert_eq!(code(&keys, &new.sign(&claims())), "token_wrong_issuer");
    assert_eq!(code(&keys, &Signer::hs256(&[2; 32]).sign(&claims())), "token_wrong_key");
    assert!(good(&fresh));
}

#[test]
fn who_is_let_in_by_all_keys_is_let_in_throughout_reloads() {
    let site = Site::new();
    let (stays, comes) = (Signer::eddsa(), Signer::eddsa());
    let config = config(&[site.jwks("set", &[stays.jwk()])]);
    let keys = site.open(&config.keys).unwrap();
    let token = stays.sign(&claims());
    let (start, over) = (Barrier::new(3), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let mut calls = 0_u64;
                    while !over.load(Ordering::Relaxed) || calls == 0 {
                        assert_eq!(code(&keys, &token), "good");
                        calls += 1;
                    }
                })
            })
            .collect();
        start.wait();
        for round in 0..100 {
            match round % 3 {
                0 => drop(site.jwks("set", &[comes.jwk(), stays.jwk()])),
                1 => drop(site.put("set", "{")),
                _ => drop(site.jwks("set", &[stays.jwk()])),
            }
            assert_eq!(keys.reload(&config).is_ok(), round % 3 != 1);
        }
        over.store(true, Ordering::Relaxed);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    });
}

#[test]
fn a_secret_may_be_any_bytes_that_are_no_public_key() {
    let site = Site::new();
    let point = Signer::es256().point();
    // What stands alone could be a public key or not: it is what it is said to be.
    for secret in [&point[..], &[0x30; 32], &[b'{'; 40], b"-----BEGIN- a secret of more than 32 bytes"] {
        let signer = Signer::hs256(secret);
        let keys = site.open(&[signer.write(site.path(), "secret")]).unwrap();
        assert_eq!(code(&keys, &signer.sign(&claims())), "good");
    }
}

/// The bytes in a PEM.
fn pem_content(pem: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let text = std::str::from_utf8(pem).unwrap();
    let packed: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(packed).unwrap()
}

/// A public key on P-384, as a SubjectPublicKeyInfo.
fn p384() -> Vec<u8> {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    pair.public_key().as_der().unwrap().as_ref().to_vec()
}
