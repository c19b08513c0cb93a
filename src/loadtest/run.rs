//! A run from the first stream to the last answer: opens, publishes, disturbs, settles, ends.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Interval, MissedTickBehavior, interval_at, sleep_until};

use super::account::{Account, Closed};
use super::awaited::Awaited;
use super::busy::Thread;
use super::descriptors;
use super::disturb::Disturbance;
use super::fault::{RunFault, reasons};
use super::fleet::orders::{self, Teller};
use super::fleet::{Fleet, Shared};
use super::link::Target;
use super::measured::{Act, Measured, Moment, Now, Phase, Track};
use super::pace::Pacer;
use super::plan::Plan;
use super::probe::Sums;
use super::profile::Profile;
use super::publisher::lines::Lines;
use super::publisher::{Outcome, Publisher};
use super::settling::{Settling, Standing};
use super::spawn::Spawned;
use super::tally::{self, Tally};
use super::timeline::Timeline;
use crate::clock::Clock;
use crate::shutdown::Shutdown;

/// How often it is looked whether a phase is over.
const TICK: Duration = Duration::from_millis(100);
/// From the last stream's opening to the first message.
pub const LEAD: Duration = Duration::from_millis(200);
/// So long no stream may open before the opening is given up, and two turns of the ramp at least; or so long, if none ever
/// did and reasons are known.
const OPENING_STALL: Duration = Duration::from_secs(15);
const NONE_OPENED: Duration = Duration::from_secs(5);
/// How long is settled after an interrupt, or without a server.
const CUT_SHORT_SETTLE: Duration = Duration::from_secs(2);

/// The server that is watched, and may be disturbed.
pub enum Watched {
    Nothing,
    Pid(u32),
    Spawned(Box<Spawned>),
}

/// All that a run needs.
pub struct Load {
    pub plan: Arc<Plan>,
    pub profile: Arc<Profile>,
    /// Where streams are opened, and where messages are put in.
    pub subscribe_at: Target,
    pub publish_at: Target,
    pub server: Watched,
    pub clock: Clock,
}

impl Load {
    /// Does it all. `show` is told how far it is; `interrupted` ends it before its time.
    ///
    /// # Errors
    /// [`RunFault`]: what kept it from publishing at all.
    pub async fn run(self, show: watch::Sender<Now>, interrupted: &Shutdown) -> Result<Measured, RunFault> {
        let places = descriptors::places(&self.plan, descriptors::raised())?;
        let mut run = Run::launch(self, places, show)?;
        let opened = run.open(interrupted).await;
        if let Err(why) = opened {
            return Err(run.give_up(why).await);
        }
        run.publish(interrupted).await;
        run.settle(interrupted).await;
        Ok(run.end().await)
    }
}

struct Run {
    plan: Arc<Plan>,
    clock: Clock,
    show: watch::Sender<Now>,
    timeline: Timeline,
    awaited: Arc<Awaited>,
    orders: Teller,
    fleet: Fleet,
    pacer: Option<Pacer>,
    publisher: Publisher,
    disturbance: Disturbance,
    account: Account,
    acts: Vec<Act>,
    began_at: i64,
    published_for: Duration,
    interrupted: bool,
}

/// A run of which nothing goes on.
struct Halted {
    tracks: Vec<Track>,
    outcome: Outcome,
    account: Closed,
}

/// Why the opening was given up.
enum NotOpen {
    Stalled,
    /// The server ended by itself, in words.
    Gone(String),
    Interrupted,
}

impl Run {
    fn launch(load: Load, places: usize, show: watch::Sender<Now>) -> Result<Self, RunFault> {
        let Load { plan, profile, subscribe_at, publish_at, server, clock } = load;
        let pid = match &server {
            Watched::Nothing => None,
            Watched::Pid(pid) => Some(*pid),
            Watched::Spawned(spawned) => Some(spawned.pid()),
        };
        let timeline = Timeline::default();
        let (teller, told) = orders::channel();
        let lines = Arc::new(Lines::new(publish_at, places));
        let (pacer, due) = Pacer::launch(plan.clone(), profile.clone(), timeline.clone(), lines.clone())?;
        let awaited = Arc::new(Awaited::new(plan.messages()));
        let (noted, heard) = (awaited.clone(), told.clone());
        let publisher = Publisher::launch(plan.clone(), profile.clone(), timeline.clone(), noted, lines, due, heard)?;
        // With the table of all messages, which the publisher has made: what comes now is the streams'.
        let account = Account::open(pid);
        let shared = || Shared {
            plan: plan.clone(),
            profile: profile.clone(),
            target: subscribe_at.clone(),
            timeline: timeline.clone(),
            awaited: awaited.clone(),
            tally: Arc::default(),
        };
        let fleet = Fleet::launch(shared, &told)?;
        let began_at = clock.now();
        Ok(Self {
            plan,
            clock,
            show,
            timeline,
            awaited,
            orders: teller,
            fleet,
            pacer: Some(pacer),
            publisher,
            disturbance: Disturbance::of(server),
            account,
            acts: Vec::new(),
            began_at,
            published_for: Duration::ZERO,
            interrupted: false,
        })
    }

    fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.fleet.tallies().chain([self.publisher.tally.as_ref()])
    }

    fn sum(&self, of: impl Fn(&Tally) -> &AtomicU64) -> u64 {
        tally::sum(self.tallies(), of)
    }

    async fn open(&mut self, interrupted: &Shutdown) -> Result<(), NotOpen> {
        let streams = u64::from(self.plan.streams);
        let expected = Duration::from_secs_f64(f64::from(self.plan.streams) / self.plan.ramp);
        let begun = Instant::now();
        let (mut most, mut progress) = (0, begun);
        let mut ticks = ticks_from(begun);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = interrupted.begun() => return Err(NotOpen::Interrupted),
            }
            self.look(Phase::Opening, begun, expected);
            let open = self.sum(|tally| &tally.open);
            if open == streams {
                return Ok(());
            }
            if open > most {
                (most, progress) = (open, Instant::now());
            }
            if let Some(gone) = self.disturbance.look() {
                return Err(NotOpen::Gone(gone));
            }
            // A stream that is given up does not come; neither does one that is refused again and again.
            let hopeless = most == 0 && self.sum(|tally| &tally.lost) > 0;
            let patience = if hopeless { NONE_OPENED } else { patience(self.plan.ramp) };
            if self.sum(|tally| &tally.failed) > 0 || progress.elapsed() > patience {
                return Err(NotOpen::Stalled);
            }
        }
    }

    /// Publishes what is due, and does meanwhile what the scenario has.
    async fn publish(&mut self, interrupted: &Shutdown) {
        let start = Instant::now() + LEAD;
        self.began_at = self.clock.now() + i64::try_from(LEAD.as_millis()).unwrap_or(0);
        self.timeline.begin_at(start);
        self.account.is_opened();
        let length = self.plan.length();
        sleep_until(start.into()).await;
        self.account.begin(self.threads(), self.plan.streams);
        let mut ticks = ticks_from(start);
        while self.timeline.since(Instant::now()) < length {
            tokio::select! {
                _ = ticks.tick() => {}
                () = interrupted.begun() => {
                    self.interrupted = true;
                    break;
                }
            }
            self.look(Phase::Publishing, start, length);
            self.disturb();
            if self.is_cut_short() {
                break;
            }
        }
        let now = Instant::now();
        self.published_for = self.timeline.since(now);
        self.account.is_published(now);
    }

    fn threads(&self) -> Vec<Thread> {
        let mut threads: Vec<_> = self.fleet.readers.iter().map(|reader| reader.thread.clone()).collect();
        threads.push(self.publisher.thread.clone());
        threads.extend(self.pacer.as_ref().map(|pacer| pacer.thread.clone()));
        threads
    }

    fn disturb(&mut self) {
        // The moment before it was done: what comes of it is later.
        let now = self.timeline.since(Instant::now());
        let done = self.disturbance.step(&self.plan, now, &self.orders, &mut self.account.server);
        self.note(now, done);
    }

    fn note(&mut self, at: Duration, done: Option<String>) {
        self.acts.extend(done.map(|what| Act { at: Moment::at(at), what }));
    }

    /// Waits for what is under way: all answers, and all deliveries that are due.
    async fn settle(&mut self, interrupted: &Shutdown) {
        let most = if self.is_cut_short() { CUT_SHORT_SETTLE } else { self.plan.settle };
        if self.is_cut_short() {
            self.disturbance.cease();
            self.pacer.take().into_iter().for_each(Pacer::stop);
        }
        self.orders.send_modify(|orders| orders.settling = true);
        let begun = Instant::now();
        let mut settling = Settling::begin(begun);
        let mut ticks = ticks_from(begun);
        while begun.elapsed() < most {
            tokio::select! {
                _ = ticks.tick() => {}
                () = interrupted.begun(), if !self.interrupted => {
                    self.interrupted = true;
                    return;
                }
            }
            self.look(Phase::Settling, begun, most);
            self.disturb();
            if settling.is_over(self.standing(), Instant::now()) {
                break;
            }
        }
    }

    /// Whether there is nobody left to publish for, or to.
    fn is_cut_short(&self) -> bool {
        self.interrupted || self.disturbance.gone().is_some()
    }

    fn standing(&self) -> Standing {
        let done = self.sum(|tally| &tally.done);
        let all_answered = done == self.sum(|tally| &tally.sent) && done >= self.messages_due();
        let all_open = self.sum(|tally| &tally.open) == u64::from(self.plan.streams);
        Standing {
            all_there: all_answered && all_open && self.disturbance.is_over() && self.awaited.is_nothing(),
            all_accepted: self.sum(|tally| &tally.answered) == done,
            delivered: self.sum(|tally| &tally.delivered),
        }
    }

    fn messages_due(&self) -> u64 {
        if self.interrupted { 0 } else { u64::from(self.plan.messages()) }
    }

    /// Notes a second when one is over, and tells how far it is.
    fn look(&mut self, phase: Phase, begun: Instant, of: Duration) {
        // While streams are opened nobody knows when the first message is due: that is put right afterwards.
        let at = match phase {
            Phase::Opening => begun.elapsed(),
            Phase::Publishing | Phase::Settling => self.timeline.since(Instant::now()),
        };
        let at = at.as_secs_f64();
        let [open, sent, answered, delivered] = [
            self.sum(|tally| &tally.open),
            self.sum(|tally| &tally.sent),
            self.sum(|tally| &tally.answered),
            self.sum(|tally| &tally.delivered),
        ];
        if at >= self.account.due() {
            let lately = tally::lately(self.tallies());
            self.account.note(at, open, Sums { sent, answered, delivered }, &lately);
        }
        let latest = self.account.latest();
        self.show.send_replace(Now {
            phase,
            elapsed: begun.elapsed(),
            of,
            open,
            streams: u64::from(self.plan.streams),
            sent,
            messages: u64::from(self.plan.messages()),
            answered,
            delivered,
            p50_us: latest.and_then(|second| second.p50_us),
            p99_us: latest.and_then(|second| second.p99_us),
        });
    }

    /// Ends everything that was started, and gathers what it saw.
    async fn end(mut self) -> Measured {
        let unfinished = self.disturbance.close();
        self.note(self.timeline.since(Instant::now()), unfinished);
        let server_gone = self.disturbance.gone().map(str::to_owned);
        let readers = self.fleet.readers.iter().map(|reader| reader.tally.clone());
        let tallies: Vec<Arc<Tally>> = readers.chain([self.publisher.tally.clone()]).collect();
        let acts = mem::take(&mut self.acts);
        let (began_at, published_for, interrupted) = (self.began_at, self.published_for, self.interrupted);
        let Halted { tracks, outcome, account: Closed { seconds, generator, server } } = self.halt().await;
        Measured {
            began_at,
            sent: outcome.sent,
            refusals: outcome.refusals,
            held_up: outcome.held_up,
            // Only now nothing more comes: latencies are of all that the tracks have.
            in_vain: tally::in_vain(tallies.iter().map(Arc::as_ref)),
            latencies: tally::merged(tallies.iter().map(Arc::as_ref)),
            tracks,
            seconds,
            generator,
            server,
            server_gone,
            acts,
            published_for,
            interrupted,
        }
    }

    async fn give_up(self, why: NotOpen) -> RunFault {
        let streams = self.plan.streams;
        let open = self.sum(|tally| &tally.open);
        let tracks = self.halt().await.tracks;
        match why {
            NotOpen::Interrupted => RunFault::Interrupted,
            NotOpen::Gone(what) => RunFault::Gone(what),
            NotOpen::Stalled => RunFault::NotOpened { open, streams, why: reasons(&tracks) },
        }
    }

    async fn halt(self) -> Halted {
        let account = self.account.close();
        let Self { plan, orders, fleet, publisher, pacer, disturbance, .. } = self;
        let ended = spawn_blocking(move || {
            // First of all, so that nothing goes that nobody notes.
            if let Some(pacer) = pacer {
                pacer.stop();
            }
            orders.send_modify(|orders| orders.end = true);
            (fleet.end(plan.streams), publisher.end())
        });
        // A thread that panicked has said so, and its streams are missing.
        let (tracks, outcome) = ended.await.unwrap_or_default();
        // And with it the server.
        drop(disturbance);
        Halted { tracks, outcome, account }
    }
}

/// How long no stream may open at this pace, streams a second.
fn patience(ramp: f64) -> Duration {
    OPENING_STALL.max(Duration::from_secs_f64(2.0 / ramp))
}

/// Ticks that meet each full second after `start`.
fn ticks_from(start: Instant) -> Interval {
    let mut ticks = interval_at(start.into(), TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_ramp_is_no_stall() {
        assert_eq!(patience(1_000.0), OPENING_STALL);
        assert_eq!(patience(3.0 / 60.0), Duration::from_secs(40));
    }
}
