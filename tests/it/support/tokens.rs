//! Tokens as a server takes them, signed with its own key.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lumen_inbox::auth::{Claims, Keys};
use lumen_inbox::clock::Clock;

/// Longer than any test.
pub const HOUR: Duration = Duration::from_secs(3600);

/// Signs tokens by this key and clock.
#[derive(Clone)]
pub struct Tokens {
    pub keys: Arc<Keys>,
    pub clock: Clock,
}

impl Tokens {
    /// With the key in a server's directory, which is made where there is none.
    pub fn of(dir: &Path, clock: Clock) -> Self {
        let keys = Keys::load_or_create(&dir.join("key")).expect("a key");
        Self { keys: Arc::new(keys), clock }
    }

    pub fn user(&self, user: &str) -> String {
        self.user_for(user, HOUR)
    }

    /// A user's token that ends so long from now.
    pub fn user_for(&self, user: &str, ttl: Duration) -> String {
        let user = user.parse().expect("a user id");
        self.keys.sign(&Claims::user(&user, self.clock.now(), ttl))
    }

    pub fn producer(&self) -> String {
        self.producer_for(HOUR)
    }

    /// A producer's token that ends so long from now.
    pub fn producer_for(&self, ttl: Duration) -> String {
        self.keys.sign(&Claims::producer("site", self.clock.now(), ttl))
    }

    pub fn admin(&self) -> String {
        self.keys.sign(&Claims::admin("site", self.clock.now(), HOUR))
    }
}
