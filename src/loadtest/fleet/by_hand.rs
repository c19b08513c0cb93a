//! What streams have in common, made by hand for their tests.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use crate::auth::Keys;
use crate::client::Access;
use crate::clock::Clock;
use crate::loadtest::awaited::Awaited;
use crate::loadtest::by_hand;
use crate::loadtest::link::Target;
use crate::loadtest::plan::{Plan, Schedule};
use crate::loadtest::profile::{Lumen, Profile};
use crate::loadtest::stamp::RunId;

/// One stream of one user, ten messages, one a second, two of them in the warm-up.
pub fn shared() -> Shared {
    of(|_| ())
}

/// The same, with a plan that is a little different.
pub fn of(change: impl FnOnce(&mut Plan)) -> Shared {
    let run = RunId::new([7; 8]);
    let dir = tempfile::tempdir().unwrap();
    let keys = Arc::new(Keys::load_or_create(&dir.path().join("key")).unwrap());
    let producer = Access::Key { keys: keys.clone(), clock: Clock::System };
    let lumen = Lumen::new(&"http://127.0.0.1:1".parse().unwrap(), keys, Clock::System, producer, 100);
    let mut plan = Plan {
        run,
        schedule: Schedule::Even { rate: 1.0, messages: 10 },
        warmup: Duration::from_secs(2),
        ..by_hand::plan(1, 1, 10)
    };
    change(&mut plan);
    Shared {
        plan: Arc::new(plan),
        profile: Arc::new(Profile::lumen(lumen, run)),
        target: Target { addresses: Arc::new([]), tls: None },
        timeline: Default::default(),
        awaited: Arc::new(Awaited::new(10)),
        tally: Default::default(),
    }
}
