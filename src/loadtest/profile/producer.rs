//! The token that publishes: had once, and again when it is old.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;

use crate::client::Access;
use crate::client::access::AccessFault;

/// How long a token is used before it is asked for again: a file may have a fresh one by then, and what we sign holds for
/// an hour.
const FRESH: Duration = Duration::from_secs(10);

/// Hands out the header of a producer's token, thousands of times a second.
pub struct Producer {
    access: Access,
    held: Mutex<Option<(Instant, HeaderValue)>>,
}

impl Producer {
    pub fn new(access: Access) -> Self {
        Self { access, held: Mutex::new(None) }
    }

    /// The value of its header `Authorization`.
    ///
    /// # Errors
    /// There is no token to be had.
    pub fn bearer(&self) -> Result<HeaderValue, AccessFault> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some((since, bearer)) if since.elapsed() < FRESH => Ok(bearer.clone()),
            _ => {
                let bearer = self.access.for_producer()?.bearer();
                *held = Some((Instant::now(), bearer.clone()));
                Ok(bearer)
            }
        }
    }

    /// The token itself.
    ///
    /// # Errors
    /// There is none to be had.
    pub fn token(&self) -> Result<String, AccessFault> {
        let bearer = self.bearer()?;
        // It was made of ASCII, with the word before it.
        let token = bearer.to_str().ok().and_then(|bearer| bearer.strip_prefix("Bearer "));
        Ok(token.unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_had_once_and_a_fault_is_not_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let producer = Producer::new(Access::File(path.clone()));
        assert!(producer.bearer().is_err());
        std::fs::write(&path, "first").unwrap();
        assert_eq!(producer.bearer().unwrap(), "Bearer first");
        std::fs::write(&path, "second").unwrap();
        assert_eq!(producer.bearer().unwrap(), "Bearer first");
        *producer.held.lock().unwrap() = Some((Instant::now().checked_sub(FRESH).unwrap(), "old".parse().unwrap()));
        assert_eq!(producer.bearer().unwrap(), "Bearer second");
        assert_eq!(producer.token().unwrap(), "second");
    }
}
