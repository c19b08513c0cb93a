//! The signing key: a file that is made once, for this user alone, and never shown.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};

use super::caller::Caller;
use super::token::{Claims, Presented, TokenFault};
use crate::domain::ids::Millis;
use crate::random;

/// Bytes of a key that is made, and the fewest of one that is taken: HS256 has 256 bits.
const KEY_BYTES: usize = 32;
/// A file over this is no key but a mistake.
const KEY_BYTES_MAX: u64 = 4096;
/// Modes that let others read the key, or anyone else change it. A group may read it: a backend that signs, say.
const EXPOSED: u32 = 0o027;

/// Signs and verifies tokens.
pub struct Keys {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

/// Why there is no key: what, why and the cure, in one line.
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
}

impl Keys {
    /// Reads the key at `path`.
    ///
    /// # Errors
    /// A file that is missing, cannot be read, is no key by its size, or is open to others.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let unreadable = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => KeyError::Missing { path: path.to_owned() },
            _ => KeyError::Unreadable { path: path.to_owned(), source },
        };
        let file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
        if mode & EXPOSED != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        let mut secret = Vec::with_capacity(KEY_BYTES);
        file.take(KEY_BYTES_MAX + 1).read_to_end(&mut secret).map_err(unreadable)?;
        let bytes = secret.len() as u64;
        if secret.len() < KEY_BYTES || bytes > KEY_BYTES_MAX {
            return Err(KeyError::Size { path: path.to_owned(), bytes });
        }
        Ok(Self::from_secret(&secret))
    }

    /// Reads the key at `path`, and makes a random one first where there is none. It is on disk before it is used:
    /// a key that a power cut took back would end every token signed with it.
    ///
    /// # Errors
    /// As [`Keys::load`], or a file that cannot be made.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::Missing { .. }) => {
                create(path).map_err(|source| KeyError::Unwritable { path: path.to_owned(), source })?;
                Self::load(path)
            }
            loaded => loaded,
        }
    }

    fn from_secret(secret: &[u8]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The claims are checked in `token`, against the clock that is handed in and without the default leeway.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self { signing: EncodingKey::from_secret(secret), verifying: DecodingKey::from_secret(secret), validation }
    }

    pub fn sign(&self, claims: &Claims) -> String {
        // Plain strings and numbers are always JSON, and an HMAC takes a key of any length.
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.signing).expect("claims can be signed")
    }

    /// Says who bears a token, if it is good at `now`: signed by this key with HS256, not ended, begun (with 5 s for
    /// clocks that differ), and meant for this API.
    ///
    /// # Errors
    /// The first [`TokenFault`]; nothing of the token is in it.
    pub fn verify(&self, token: &str, now: Millis) -> Result<Caller, TokenFault> {
        let token =
            jsonwebtoken::decode::<Presented>(token, &self.verifying, &self.validation).map_err(|fault| match fault
                .kind()
            {
                ErrorKind::InvalidAlgorithm => TokenFault::WrongAlgorithm,
                ErrorKind::InvalidSignature => TokenFault::WrongKey,
                _ => TokenFault::Malformed,
            })?;
        // An extension that must be understood, and is not.
        if token.header.crit.is_some() {
            return Err(TokenFault::Malformed);
        }
        token.claims.check(now)
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// Makes a key file whole or not at all: it is written and fsynced under another name, then linked to its own, which
/// fails where another process was first. That one's key is then the key.
fn create(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = dir.join(format!(".key-{:016x}", u64::from_le_bytes(random::bytes())));
    let made = write_new(&draft).and_then(|()| match fs::hard_link(&draft, path) {
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&draft);
    made?;
    removed?;
    File::open(dir)?.sync_all()
}

fn write_new(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // Whatever the umask took away or left.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(&random::bytes::<KEY_BYTES>())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    const NOW: Millis = 1_764_000_000_000;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn user_token(keys: &Keys) -> String {
        keys.sign(&Claims::user(&"alice".parse().unwrap(), NOW, Duration::from_secs(60)))
    }

    #[test]
    fn a_key_is_made_once_and_for_its_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(matches!(Keys::load(&path), Err(KeyError::Missing { .. })));
        let first = Keys::load_or_create(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(path.metadata().unwrap().len(), 32);
        let token = user_token(&first);
        assert!(Keys::load_or_create(&path).unwrap().verify(&token, NOW).is_ok());
        assert!(Keys::load(&path).unwrap().verify(&token, NOW).is_ok());
        let left: Vec<_> = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["key"]);
    }

    #[test]
    fn whoever_makes_it_at_once_has_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let start = std::sync::Barrier::new(8);
        let keys: Vec<Keys> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        Keys::load_or_create(&path).unwrap()
                    })
                })
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        let token = user_token(&keys[0]);
        assert!(keys.iter().all(|keys| keys.verify(&token, NOW).is_ok()));
    }

    #[test]
    fn a_key_that_is_no_secret_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, [7; 31]).unwrap();
        set_mode(&path, 0o600);
        assert!(matches!(Keys::load_or_create(&path), Err(KeyError::Size { bytes: 31, .. })));
        fs::write(&path, [7; 4097]).unwrap();
        assert!(matches!(Keys::load_or_create(&path), Err(KeyError::Size { bytes: 4097, .. })));
        fs::write(&path, [7; 32]).unwrap();
        for mode in [0o644, 0o604, 0o602, 0o620, 0o601] {
            set_mode(&path, mode);
            assert!(matches!(Keys::load_or_create(&path), Err(KeyError::Exposed { mode: told, .. }) if told == mode));
        }
        set_mode(&path, 0o640);
        assert!(Keys::load_or_create(&path).is_ok());
        assert!(matches!(
            Keys::load_or_create(dir.path()),
            Err(KeyError::Exposed { .. } | KeyError::Unreadable { .. })
        ));
        assert!(matches!(Keys::load_or_create(&dir.path().join("no/key")), Err(KeyError::Unwritable { .. })));
        let told = Keys::load(&dir.path().join("no/key")).unwrap_err().to_string();
        assert!(told.contains("no/key") && told.contains("`lumen serve` makes it"), "{told}");
    }

    #[test]
    fn what_is_signed_is_verified_as_who_it_was_signed_for() {
        let keys = Keys::from_secret(&[1; 32]);
        let caller = keys.verify(&user_token(&keys), NOW).unwrap();
        assert_eq!(caller.user().map(|user| user.as_str()), Some("alice"));
        assert_eq!((caller.expires_at, caller.issued_at), (NOW + 60_000, Some(NOW)));
        let minute = Duration::from_secs(60);
        assert!(keys.verify(&keys.sign(&Claims::producer("shop", NOW, minute)), NOW).unwrap().is_producer());
        assert!(keys.verify(&keys.sign(&Claims::admin("ops", NOW, minute)), NOW).unwrap().is_admin());
    }

    #[test]
    fn a_token_that_is_not_ours_is_refused() {
        let keys = Keys::from_secret(&[1; 32]);
        let other = Keys::from_secret(&[2; 32]);
        assert_eq!(keys.verify(&user_token(&other), NOW), Err(TokenFault::WrongKey));
        let token = user_token(&keys);
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = message.split_once('.').unwrap();
        // {"alg":"none","typ":"JWT"}
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
        let twice = format!("{token}.{signature}");
        let long = "x".repeat(100_000);
        for malformed in ["", "a", "a.b", "a.b.c", "..", &twice, &long, &format!("{none}.{claims}.")] {
            assert_eq!(keys.verify(malformed, NOW), Err(TokenFault::Malformed), "{malformed}");
        }
        let unsigned = format!("{header}.{claims}.");
        assert_eq!(keys.verify(&unsigned, NOW), Err(TokenFault::WrongKey));
        let mut swapped = Header::new(Algorithm::HS384);
        let body = json!({"sub": "alice", "exp": 1_764_000_060});
        let signed = |header: &Header| jsonwebtoken::encode(header, &body, &keys.signing).unwrap();
        assert_eq!(keys.verify(&signed(&swapped), NOW), Err(TokenFault::WrongAlgorithm));
        swapped = Header::new(Algorithm::HS256);
        swapped.crit = Some(vec!["b64".to_owned()]);
        assert_eq!(keys.verify(&signed(&swapped), NOW), Err(TokenFault::Malformed));
        swapped = Header { kid: Some("../odd\0".to_owned()), ..Header::default() };
        assert!(keys.verify(&signed(&swapped), NOW).is_ok());
        let array = jsonwebtoken::encode(&Header::default(), &json!([1]), &keys.signing).unwrap();
        assert_eq!(keys.verify(&array, NOW), Err(TokenFault::Malformed));
    }

    #[test]
    fn nothing_shows_the_secret() {
        assert_eq!(format!("{:?}", Keys::from_secret(b"a secret that nobody may see, ever")), "Keys(…)");
    }
}
