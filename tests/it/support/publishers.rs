//! Publishers that never give up: each posts one notification after the other, under its own key, until it is
//! acknowledged, whatever becomes of the server meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lumen_inbox::domain::ids::NotificationId;
use lumen_inbox::wire::api::Published;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::http::{Api, ok};
use super::patience;

/// Before a call that failed is made again.
const PACE: Duration = Duration::from_millis(5);

/// What the server said that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    pub user: String,
    /// Unlike any other's.
    pub content: String,
    pub id: NotificationId,
}

/// Publishers under way.
pub struct Publishers {
    shared: Arc<Shared>,
    running: Vec<JoinHandle<()>>,
}

struct Shared {
    /// Where the server is now.
    base: watch::Sender<String>,
    acknowledged: Mutex<Vec<Acknowledged>>,
    number: watch::Sender<usize>,
    ended: AtomicBool,
}

impl Publishers {
    /// So many at once, for the users `u0` and on, by turns; `api` is a producer's.
    pub fn start(number: usize, users: usize, api: &Api, base: String) -> Self {
        let shared = Arc::new(Shared {
            base: watch::Sender::new(base),
            acknowledged: Mutex::default(),
            number: watch::Sender::default(),
            ended: AtomicBool::new(false),
        });
        let publish = |publisher| tokio::spawn(publish(publisher, users, api.clone(), shared.clone()));
        let running = (0..number).map(publish).collect();
        Self { shared, running }
    }

    /// The server came back, there.
    pub fn move_to(&self, base: String) {
        self.shared.base.send_replace(base);
    }

    pub fn acknowledged(&self) -> Vec<Acknowledged> {
        self.shared.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for so many more to be acknowledged.
    pub async fn further(&self, acknowledged: usize) {
        let mut number = self.shared.number.subscribe();
        let goal = *number.borrow_and_update() + acknowledged;
        let reached = patience::within(number.wait_for(|number| *number >= goal)).await.is_some();
        assert!(reached, "publishing does not go on");
    }

    /// Lets each end after its present one.
    pub async fn stop(self) -> Vec<Acknowledged> {
        self.shared.ended.store(true, Ordering::Relaxed);
        for publisher in self.running {
            publisher.await.expect("a publisher to its end");
        }
        self.shared.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn publish(publisher: usize, users: usize, api: Api, shared: Arc<Shared>) {
    let mut bases = shared.base.subscribe();
    for n in 0.. {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        let user = format!("u{}", (publisher + n) % users);
        let content = format!("{publisher}-{n}");
        let draft = json!({"user": user, "type": "like", "content": content, "key": content});
        let id = loop {
            let base = bases.borrow_and_update().clone();
            match api.at(base).try_post(&draft).await {
                // It ended under this call, or is ending: the same draft again, to whoever comes up.
                Err(_) | Ok((503, _)) => patience::pause(PACE).await,
                Ok(answer) => break ok::<Published>(answer).id,
            }
        };
        let mut acknowledged = shared.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        acknowledged.push(Acknowledged { user, content, id });
        shared.number.send_replace(acknowledged.len());
    }
}
