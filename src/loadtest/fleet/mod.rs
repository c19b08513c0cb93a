//! The streams: opened at the ramp's pace on a few threads, each of which reads its share by itself.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::awaited::Awaited;
use super::busy::Thread;
use super::measured::Track;
use super::plan::Plan;
use super::profile::Profile;
use super::tally::Tally;
use super::timeline::Timeline;
use orders::Told;

mod body;
mod head;
mod link;
pub mod orders;
mod request;
mod stream;
mod target;
mod witness;

pub use target::Target;

/// What the streams of one thread have in common.
pub struct Shared {
    pub plan: Arc<Plan>,
    pub profile: Arc<Profile>,
    pub target: Target,
    pub timeline: Timeline,
    pub awaited: Arc<Awaited>,
    pub tally: Arc<Tally>,
}

/// A thread that reads streams.
pub struct Reader {
    pub tally: Arc<Tally>,
    pub thread: Thread,
    work: JoinHandle<Vec<(u32, Track)>>,
}

/// All streams of a run.
pub struct Fleet {
    pub readers: Vec<Reader>,
}

impl Fleet {
    /// Begins to open the streams.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn launch(shared: impl Fn() -> Shared, told: &Told) -> io::Result<Self> {
        let threads = shared().plan.threads;
        let began = Instant::now();
        let readers = (0..threads).map(|thread| Reader::launch(thread, shared(), told.clone(), began));
        Ok(Self { readers: readers.collect::<io::Result<_>>()? })
    }

    pub fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.readers.iter().map(|reader| reader.tally.as_ref())
    }

    /// What each of so many streams saw, by their numbers, once they were told that it is over.
    pub fn end(self, streams: u32) -> Vec<Track> {
        let mut tracks = vec![Track::default(); streams as usize];
        // The streams of a thread that panicked, which it has said, stay empty: they never opened.
        for (number, track) in self.readers.into_iter().filter_map(|reader| reader.work.join().ok()).flatten() {
            tracks[number as usize] = track;
        }
        tracks
    }
}

impl Reader {
    fn launch(thread: usize, shared: Shared, told: Told, began: Instant) -> io::Result<Self> {
        let tally = shared.tally.clone();
        let (named, name) = Thread::waiting(format!("reader-{thread}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = thread::Builder::new().name(named.name.clone()).spawn(move || {
            name.tell();
            runtime.block_on(all(thread, Arc::new(shared), told, began))
        })?;
        Ok(Self { tally, thread: named, work })
    }
}

/// Every stream of this thread: of as many threads as there are, each takes every so-manieth.
async fn all(thread: usize, shared: Arc<Shared>, told: Told, began: Instant) -> Vec<(u32, Track)> {
    let plan = shared.plan.clone();
    let mut streams = JoinSet::new();
    for number in (0..plan.streams).skip(thread).step_by(plan.threads) {
        let turn = began + Duration::from_secs_f64(f64::from(number) / plan.ramp);
        if turn > Instant::now() {
            sleep_until(turn).await;
        }
        if told.borrow().end {
            break;
        }
        let (shared, told) = (shared.clone(), told.clone());
        streams.spawn(async move { (number, stream::live(number, shared, told).await) });
    }
    streams.join_all().await
}
