//! All keys of a server, and which of them a token is held against.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::EncodingKey;
use tracing::warn;

use super::algorithm::Algorithm;
use super::caller::Caller;
use super::error::KeyError;
use super::header::Header;
use super::key::{KeyId, VerifyingKey};
use super::token::{Claims, TokenFault};
use super::{Config, KeyFile, file, own};
use crate::domain::ids::Millis;

/// The most keys beside the own one: a token without a known `kid` costs as many checks of a signature.
pub(super) const KEYS_MAX: usize = 16;

/// Signs tokens with the own key, and verifies them with that and the configured ones.
pub struct Keys {
    own_key: PathBuf,
    ring: RwLock<Arc<Ring>>,
}

/// The keys as they were read at one time, and by what else tokens were held then.
struct Ring {
    config: Config,
    signing: EncodingKey,
    verifying: Vec<VerifyingKey>,
    /// Theirs.
    ids: Vec<KeyId>,
}

impl Keys {
    /// Reads the configured key files and the data directory's own key, which is made where there is none. The own key
    /// is good whatever is configured: whoever can read it can read and write the database too.
    ///
    /// # Errors
    /// The first fault, with its file and the cure.
    pub fn open(config: &Config, own_key: &Path) -> Result<Self, KeyError> {
        Ok(Self::of(own_key, Ring::read(config, own::read_or_make(own_key)?)?))
    }

    /// The own key alone, for who signs.
    ///
    /// # Errors
    /// A file that is missing, cannot be read, is no key by its size, or is open to others.
    pub fn load(own_key: &Path) -> Result<Self, KeyError> {
        Ok(Self::of(own_key, Ring::read(&Config::default(), own::read(own_key)?)?))
    }

    /// The own key alone, which is made where there is none.
    ///
    /// # Errors
    /// As [`Keys::load`], or a file that cannot be made.
    pub fn load_or_create(own_key: &Path) -> Result<Self, KeyError> {
        Self::open(&Config::default(), own_key)
    }

    fn of(own_key: &Path, ring: Ring) -> Self {
        Self { own_key: own_key.to_owned(), ring: RwLock::new(Arc::new(ring)) }
    }

    /// Reads all files anew, by a configuration that may be another one. What is verified meanwhile is verified as
    /// before; then all of the new holds at once.
    ///
    /// # Errors
    /// As [`Keys::open`]; then all stays as it was.
    pub fn reload(&self, config: &Config) -> Result<(), KeyError> {
        let own = match own::read(&self.own_key) {
            Err(KeyError::Missing { path }) => {
                let fresh = own::read_or_make(&path)?;
                warn!(path = %path.display(), "the signing key was gone and a fresh one was made; what the old one signed ends");
                fresh
            }
            read => read?,
        };
        let ring = Ring::read(config, own)?;
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        Ok(())
    }

    pub fn sign(&self, claims: &Claims) -> String {
        let header = jsonwebtoken::Header::new(Algorithm::Hs256.into());
        // Plain strings and numbers are always JSON, and an HMAC takes a key of any length.
        jsonwebtoken::encode(&header, claims, &self.ring().signing).expect("claims can be signed")
    }

    /// Says who bears a token, if it is good at `now`: signed by one of the keys with that key's algorithm, of the
    /// issuer and for the audience that are configured, begun and not ended.
    ///
    /// # Errors
    /// The first [`TokenFault`]; nothing of the token is in it.
    pub fn verify(&self, token: &str, now: Millis) -> Result<Caller, TokenFault> {
        let header = Header::of(token)?;
        let ring = self.ring();
        let mut refused = TokenFault::WrongAlgorithm;
        for key in ring.candidates(&header) {
            match key.verify(token) {
                Ok(payload) => return payload.check(&ring.config, key.id(&ring.config), key.own, now),
                Err(fault) => refused = fault,
            }
        }
        Err(refused)
    }

    /// Whether what this key verified is still good by it.
    pub fn has(&self, key: KeyId) -> bool {
        self.ring().ids.contains(&key)
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring {
    fn read(config: &Config, own: Vec<u8>) -> Result<Self, KeyError> {
        let mut verifying = vec![VerifyingKey::of_own(&own)];
        let (keys, passed_over) = read_all(&config.keys)?;
        verifying.extend(keys);
        for (path, why) in passed_over {
            warn!(path = %path.display(), why, "passed over a key of a JWKS");
        }
        let ids = verifying.iter().map(|key| key.id(config)).collect();
        Ok(Self { config: config.clone(), signing: EncodingKey::from_secret(&own), verifying, ids })
    }

    /// The keys that may have signed a token: the one that it names, and else, if that is none or unknown, each of its
    /// algorithm. None is ever tried with an algorithm other than its own.
    fn candidates<'a>(&'a self, header: &'a Header) -> impl Iterator<Item = &'a VerifyingKey> {
        let algorithm = Algorithm::named(&header.alg);
        let named = header.kid.as_ref();
        let known = named.is_some() && self.verifying.iter().any(|key| key.kid.as_ref() == named);
        let candidates = self.verifying.iter().filter(move |key| !known || key.kid.as_ref() == named);
        candidates.filter(move |key| Some(key.algorithm) == algorithm)
    }
}

/// The file of a key that was passed over, and why it was.
type PassedOver<'a> = (&'a Path, &'static str);

/// The keys of all files together, and why others in which of them were passed over.
///
/// # Errors
/// The first fault of a file, a name that two keys have, or too many keys.
pub(super) fn read_all(files: &[KeyFile]) -> Result<(Vec<VerifyingKey>, Vec<PassedOver<'_>>), KeyError> {
    let (mut all, mut passed_over) = (Vec::new(), Vec::new());
    let mut named: HashMap<String, PathBuf> = HashMap::new();
    for file in files {
        let read = file::read(file).map_err(|fault| KeyError::File { path: file.path.clone(), fault })?;
        for kid in read.keys.iter().filter_map(|key| key.kid.clone()) {
            if let Some(first) = named.insert(kid.clone(), file.path.clone()) {
                return Err(KeyError::DoubledKid { kid, first, second: file.path.clone() });
            }
        }
        all.extend(read.keys);
        passed_over.extend(read.passed_over.into_iter().map(|why| (file.path.as_path(), why)));
    }
    if all.len() > KEYS_MAX { Err(KeyError::TooMany { count: all.len() }) } else { Ok((all, passed_over)) }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}
