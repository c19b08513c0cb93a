//! The streams: opened at the ramp's pace on a few threads, each of which reads its share by itself.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::task::{self, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::awaited::Awaited;
use super::busy::Thread;
use super::link::Target;
use super::measured::Track;
use super::plan::Plan;
use super::profile::Profile;
use super::tally::Tally;
use super::timeline::Timeline;
use orders::Told;

#[cfg(test)]
pub mod by_hand;
mod opening;
pub mod orders;
mod stream;
mod witness;

/// Timers count in milliseconds, and fire in the one after.
const TIMER_LATE: Duration = Duration::from_millis(3);

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
async fn all(thread: usize, shared: Arc<Shared>, mut told: Told, began: Instant) -> Vec<(u32, Track)> {
    let plan = shared.plan.clone();
    let mut streams = Streams::default();
    for number in (0..plan.streams).skip(thread).step_by(plan.threads) {
        let turn = began + Duration::from_secs_f64(f64::from(number) / plan.ramp);
        tokio::select! {
            biased;
            _ = told.wait_for(|orders| orders.end) => break,
            () = sleep_until(turn) => {}
        }
        streams
            .begin(number, stream::live(number, wanted(turn, Instant::now()).into_std(), shared.clone(), told.clone()));
    }
    streams.end(&shared).await
}

/// Since when a stream is to be open whose turn was taken now. A thread that has no time for it is a wait like any other;
/// only the timer's own lateness is none.
fn wanted(turn: Instant, now: Instant) -> Instant {
    if now.saturating_duration_since(turn) > TIMER_LATE { turn } else { now }
}

/// Streams that are read.
#[derive(Default)]
struct Streams {
    tracks: JoinSet<Track>,
    numbers: HashMap<task::Id, u32>,
}

impl Streams {
    fn begin(&mut self, number: u32, stream: impl Future<Output = Track> + Send + 'static) {
        self.numbers.insert(self.tracks.spawn(stream).id(), number);
    }

    /// What each saw, by its number. One that panicked, which it has said, is lost alone.
    async fn end(mut self, shared: &Shared) -> Vec<(u32, Track)> {
        let mut tracks = Vec::with_capacity(self.numbers.len());
        while let Some(ended) = self.tracks.join_next_with_id().await {
            let (id, track) = ended.unwrap_or_else(|fault| {
                shared.tally.failed.fetch_add(1, Ordering::Relaxed);
                let why = "what read it failed, which is a fault of lumen loadtest".to_owned();
                (fault.id(), Track { fault: Some(why), ..Track::default() })
            });
            tracks.extend(self.numbers.get(&id).map(|number| (*number, track)));
        }
        tracks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_late_makes_its_streams_wait() {
        let turn = Instant::now();
        for (late, wanted_since) in [(0, 0), (3, 3), (4, 0), (4_000, 0)] {
            let after = |ms| turn + Duration::from_millis(ms);
            assert_eq!(wanted(turn, after(late)), after(wanted_since));
        }
    }

    #[tokio::test]
    async fn a_stream_that_panics_takes_no_other_with_it() {
        let shared = by_hand::shared();
        let mut streams = Streams::default();
        streams.begin(3, async { Track { unknown: 7, ..Track::default() } });
        streams.begin(5, async { panic!("in a test") });
        let tracks = HashMap::<u32, Track>::from_iter(streams.end(&shared).await);
        assert_eq!((tracks[&3].unknown, tracks[&3].fault.as_ref()), (7, None));
        assert!(tracks[&5].fault.is_some());
        assert_eq!(shared.tally.failed.load(Ordering::Relaxed), 1);
    }

    /// Its second turn would be a day later.
    #[tokio::test(start_paused = true)]
    async fn the_end_is_heard_between_two_turns() {
        let shared = by_hand::of(|plan| (plan.streams, plan.ramp) = (2, 1.0 / 86_400.0));
        let (teller, told) = orders::channel();
        let opening = tokio::spawn(all(0, Arc::new(shared), told, Instant::now()));
        teller.send_modify(|orders| orders.end = true);
        let ended = tokio::time::timeout(Duration::from_secs(60), opening).await;
        assert!(ended.expect("it has heard").unwrap().len() <= 1);
    }
}
