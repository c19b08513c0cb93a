//! How long a test waits before it says what it was waiting for: a guard against hanging, never synchronisation.
//!
//! It runs by real time on a runtime of its own, so that it neither moves nor is moved by a test's paused time.

use std::future::Future;
use std::sync::LazyLock;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Far over what anything takes on two busy cores.
pub const PATIENCE: Duration = Duration::from_secs(20);

static REAL_TIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).thread_name("patience").enable_time().build().expect("a runtime")
});

/// An alarm that goes off unless it is dropped before.
struct Alarm(JoinHandle<()>);

impl Alarm {
    fn after(time: Duration) -> Self {
        Self(REAL_TIME.spawn(async move { tokio::time::sleep(time).await }))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What came of `future`, or `None` when [`PATIENCE`] ran out.
pub async fn within<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut alarm = Alarm::after(PATIENCE);
    tokio::select! {
        biased;
        out = future => Some(out),
        _ = &mut alarm.0 => None,
    }
}

/// Waits for what nobody tells of, looking again and again.
///
/// # Panics
/// When [`PATIENCE`] runs out.
pub async fn until(so: impl Fn() -> bool) {
    let reached = within(async {
        while !so() {
            pause(Duration::from_millis(5)).await;
        }
    });
    assert!(reached.await.is_some(), "what was waited for does not come");
}

/// Patience over several steps, renewed by each that is one forward: a heartbeat is none.
pub struct Patience(Instant);

impl Patience {
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    /// Whether it lasts, and is renewed if this was a step forward.
    pub fn lasts(&mut self, forward: bool) -> bool {
        if forward {
            self.0 = Instant::now();
        }
        self.0.elapsed() < PATIENCE
    }
}

/// The pace of a retry, in real time.
pub async fn pause(time: Duration) {
    let mut alarm = Alarm::after(time);
    // It is aborted only by its drop.
    let _ = (&mut alarm.0).await;
}

/// While it lives, paused time moves only by `tokio::time::advance`. Without it tokio moves a paused clock to the next
/// timer whenever all tasks wait, also when what they wait for is a socket or another thread.
///
/// For a `current_thread` runtime, the only kind whose time can be paused.
#[must_use]
pub struct StandStill {
    /// Its drop ends the blocking task, which is what keeps tokio from moving the clock.
    _held: mpsc::SyncSender<()>,
}

pub fn stand_still() -> StandStill {
    let (held, let_go) = mpsc::sync_channel::<()>(0);
    tokio::task::spawn_blocking(move || let_go.recv());
    StandStill { _held: held }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn paused_time_stands_still_while_a_socket_is_waited_for() {
        let still = stand_still();
        let began = tokio::time::Instant::now();
        let far = tokio::spawn(tokio::time::sleep(Duration::from_secs(60)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let late = std::thread::spawn(move || std::net::TcpStream::connect(addr).unwrap());
        let (mut server, _) = within(listener.accept()).await.unwrap().unwrap();
        let _client = late.join().unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(!far.is_finished());

        tokio::time::advance(Duration::from_secs(61)).await;
        within(far).await.unwrap().unwrap();
        drop(still);
        server.shutdown().await.unwrap();
    }

    /// What the guard above is for: the same without it moves the clock.
    #[tokio::test(start_paused = true)]
    async fn without_it_paused_time_runs_away() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let read = async { silent.read_u8().await };
        assert!(tokio::time::timeout(Duration::from_secs(3600), read).await.is_err());
    }
}
