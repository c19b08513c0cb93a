//! A run from the first stream to the last answer: opens, publishes, disturbs, settles, ends.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use super::descriptors;
use super::disturb::Disturbance;
use super::fault::{RunFault, reasons};
use super::fleet::orders::{self, Teller};
use super::fleet::{Fleet, Shared, Target};
use super::measured::{Act, Measured, Now, Phase, Second, ServerNow, Track};
use super::pace::Pacer;
use super::plan::Plan;
use super::probe::{Own, Server, Sums};
use super::process;
use super::profile::Profile;
use super::publisher::{Outcome, Publisher};
use super::spawn::Spawned;
use super::tally::{self, Tally};
use super::timeline::Timeline;
use crate::clock::Clock;
use crate::shutdown::Shutdown;

/// How often it is looked whether a phase is over.
const TICK: Duration = Duration::from_millis(100);
/// From the last stream's opening to the first message.
const LEAD: Duration = Duration::from_millis(200);
/// So long no stream may open before the opening is given up; or so long, if none ever did and reasons are known.
const OPENING_STALL: Duration = Duration::from_secs(15);
const NONE_OPENED: Duration = Duration::from_secs(5);
/// Deliveries of messages that nobody acknowledged may still come for so long.
const QUIET: Duration = Duration::from_secs(1);
/// How long is settled after an interrupt.
const INTERRUPTED_SETTLE: Duration = Duration::from_secs(2);

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
    pub target: Target,
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
        run.publish(interrupted).await?;
        run.settle(interrupted).await?;
        Ok(run.end().await)
    }
}

struct Run {
    plan: Arc<Plan>,
    clock: Clock,
    show: watch::Sender<Now>,
    timeline: Timeline,
    orders: Teller,
    fleet: Fleet,
    pacer: Option<Pacer>,
    publisher: Publisher,
    disturbance: Disturbance,
    server: Server,
    before_streams: ServerNow,
    all_open: ServerNow,
    rss_before: u64,
    own: Option<Own>,
    sums: Sums,
    seconds: Vec<Second>,
    acts: Vec<Act>,
    began_at: i64,
    published_for: Duration,
    interrupted: bool,
}

/// Why the opening was given up.
enum NotOpen {
    Stalled,
    Interrupted,
}

impl Run {
    fn launch(load: Load, places: usize, show: watch::Sender<Now>) -> Result<Self, RunFault> {
        let Load { plan, profile, target, server, clock } = load;
        let pid = match &server {
            Watched::Nothing => None,
            Watched::Pid(pid) => Some(*pid),
            Watched::Spawned(spawned) => Some(spawned.pid()),
        };
        let mut watched = Server::watch(pid);
        let before_streams = watched.look().unwrap_or_default();
        let rss_before = process::now(std::process::id()).map_or(0, |now| now.rss_bytes);
        let timeline = Timeline::default();
        let (teller, told) = orders::channel();
        let (pacer, due) = Pacer::launch(plan.clone(), profile.clone(), timeline.clone())?;
        let publisher = Publisher::launch(plan.clone(), profile.clone(), timeline.clone(), places, due, told.clone())?;
        let shared = || Shared {
            plan: plan.clone(),
            profile: profile.clone(),
            target: target.clone(),
            timeline: timeline.clone(),
            tally: Arc::default(),
        };
        let fleet = Fleet::launch(shared, &told)?;
        let began_at = clock.now();
        Ok(Self {
            plan,
            clock,
            show,
            timeline,
            orders: teller,
            fleet,
            pacer: Some(pacer),
            publisher,
            disturbance: Disturbance::of(server),
            server: watched,
            before_streams,
            all_open: ServerNow::default(),
            rss_before,
            own: None,
            sums: Sums::default(),
            seconds: Vec::new(),
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
            // A stream that is given up does not come; neither does one that is refused again and again.
            let hopeless = most == 0 && self.sum(|tally| &tally.lost) > 0;
            let patience = if hopeless { NONE_OPENED } else { OPENING_STALL };
            if self.sum(|tally| &tally.failed) > 0 || progress.elapsed() > patience {
                return Err(NotOpen::Stalled);
            }
        }
    }

    /// Publishes what is due, and does meanwhile what the scenario has.
    async fn publish(&mut self, interrupted: &Shutdown) -> Result<(), RunFault> {
        self.all_open = self.server.look().unwrap_or_default();
        let mut threads: Vec<_> = self.fleet.readers.iter().map(|reader| reader.thread.clone()).collect();
        threads.push(self.publisher.thread.clone());
        threads.extend(self.pacer.as_ref().map(|pacer| pacer.thread.clone()));
        self.own = Some(Own::begin(threads, self.rss_before, self.plan.streams));
        let start = Instant::now() + LEAD;
        self.began_at = self.clock.now() + i64::try_from(LEAD.as_millis()).unwrap_or(0);
        self.timeline.begin_at(start);
        let opened = self.seconds.last().map_or(0.0, |second| second.at_s.round() + 1.0);
        self.seconds.iter_mut().for_each(|second| second.at_s -= opened);
        let length = self.plan.length();
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
            self.disturb().await?;
        }
        self.published_for = self.timeline.since(Instant::now());
        Ok(())
    }

    async fn disturb(&mut self) -> Result<(), RunFault> {
        let now = self.timeline.since(Instant::now());
        let acts = self.disturbance.step(&self.plan, now, &self.orders, &mut self.server).await?;
        let at = self.timeline.moment(Instant::now());
        self.acts.extend(acts.into_iter().map(|what| Act { at, what }));
        Ok(())
    }

    /// Waits for what is under way: all answers, and all deliveries that are due.
    async fn settle(&mut self, interrupted: &Shutdown) -> Result<(), RunFault> {
        let most = if self.interrupted { INTERRUPTED_SETTLE } else { self.plan.settle };
        if self.interrupted
            && let Some(pacer) = self.pacer.take()
        {
            pacer.stop();
        }
        self.orders.send_modify(|orders| orders.settling = true);
        let due = self.plan.deliveries();
        let begun = Instant::now();
        let (mut delivered, mut progress) = (0, begun);
        let mut ticks = ticks_from(begun);
        while begun.elapsed() < most {
            tokio::select! {
                _ = ticks.tick() => {}
                () = interrupted.begun(), if !self.interrupted => {
                    self.interrupted = true;
                    return Ok(());
                }
            }
            self.look(Phase::Settling, begun, most);
            self.disturb().await?;
            let now = self.sum(|tally| &tally.delivered);
            if now > delivered {
                (delivered, progress) = (now, Instant::now());
            }
            let done = self.sum(|tally| &tally.done);
            let all_answered = done == self.sum(|tally| &tally.sent) && done >= self.messages_due();
            let all_open = self.sum(|tally| &tally.open) == u64::from(self.plan.streams);
            let quiet = progress.elapsed() >= QUIET && self.sum(|tally| &tally.answered) < done;
            if all_answered && all_open && self.disturbance.is_over() && (delivered >= due || quiet) {
                break;
            }
        }
        Ok(())
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
        let due = self.seconds.last().map_or(0.0, |second| second.at_s.round() + 1.0);
        let [open, sent, answered, delivered] = [
            self.sum(|tally| &tally.open),
            self.sum(|tally| &tally.sent),
            self.sum(|tally| &tally.answered),
            self.sum(|tally| &tally.delivered),
        ];
        if at >= due {
            let lately = tally::lately(self.tallies());
            let server = self.server.look();
            let now = Sums { sent, answered, delivered };
            let second = self.sums.second(at, open, now, &lately, server);
            self.seconds.push(second);
            if let Some(own) = &mut self.own {
                own.look();
            }
        }
        let latest = self.seconds.last();
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
        let generator = self.own.as_mut().map(|own| own.end(self.published_for)).unwrap_or_default();
        let end = self.server.look().unwrap_or_default();
        let watched = self.server.is_seen();
        let server = watched.then(|| self.server.summed_up(self.before_streams, self.all_open, end));
        let latencies = tally::merged(self.tallies());
        let not_opened = tally::not_opened(self.tallies());
        let seconds = mem::take(&mut self.seconds);
        let acts = mem::take(&mut self.acts);
        let (began_at, published_for, interrupted) = (self.began_at, self.published_for, self.interrupted);
        let (tracks, outcome) = self.halt().await;
        Measured {
            began_at,
            sent: outcome.sent,
            refusals: outcome.refusals,
            held_up: outcome.held_up,
            not_opened,
            tracks,
            latencies,
            seconds,
            generator,
            server,
            acts,
            published_for,
            interrupted,
        }
    }

    async fn give_up(self, why: NotOpen) -> RunFault {
        let streams = self.plan.streams;
        let open = self.sum(|tally| &tally.open);
        let (tracks, _) = self.halt().await;
        match why {
            NotOpen::Interrupted => RunFault::Interrupted,
            NotOpen::Stalled => RunFault::NotOpened { open, streams, why: reasons(&tracks) },
        }
    }

    async fn halt(self) -> (Vec<Track>, Outcome) {
        self.orders.send_modify(|orders| orders.end = true);
        let Self { plan, fleet, publisher, pacer, disturbance, .. } = self;
        let ended = spawn_blocking(move || {
            if let Some(pacer) = pacer {
                pacer.stop();
            }
            (fleet.end(plan.streams), publisher.end())
        });
        // A thread that panicked has said so, and its streams are missing.
        let ended = ended.await.unwrap_or_default();
        disturbance.end().await;
        ended
    }
}

/// Ticks that meet each full second after `start`.
fn ticks_from(start: Instant) -> Interval {
    let mut ticks = interval_at(start.into(), TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}
