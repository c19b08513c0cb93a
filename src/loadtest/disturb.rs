//! Does to the server and its streams what the scenario has, once, in the midst of the run.
//!
//! A server of the run's own is never waited for here: it is looked at again and again, and goes with the run at any time.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::dice;
use super::figures::Unit;
use super::fleet::orders::Teller;
use super::plan::Plan;
use super::probe::Server;
use super::run::Watched;
use super::scenario::Scenario;
use super::spawn::{READY_WITHIN, SpawnFault, Spawned};

/// From being told to end to its end, at most: a server drains for ten seconds, and then says its last words.
const END_WITHIN: Duration = Duration::from_secs(20);

/// How far it is.
enum State {
    Waiting,
    /// The server is to have ended by then.
    Ending(Instant),
    /// The server was started again, and is to listen by then.
    Starting(Instant),
    Done,
}

pub struct Disturbance {
    server: Watched,
    state: State,
    /// What became of a server that is gone.
    gone: Option<String>,
}

impl Disturbance {
    pub fn of(server: Watched) -> Self {
        Self { server, state: State::Waiting, gone: None }
    }

    /// Begins nothing any more: the run ends before its time.
    pub fn cease(&mut self) {
        if matches!(self.state, State::Waiting) {
            self.state = State::Done;
        }
    }

    /// Whether nothing of it is under way.
    pub fn is_over(&self) -> bool {
        !matches!(self.state, State::Ending(_) | State::Starting(_))
    }

    /// What became of the run's own server, if it is gone.
    pub fn gone(&self) -> Option<&str> {
        self.gone.as_deref()
    }

    /// Goes on with it; what happened, in a few words.
    pub fn step(&mut self, plan: &Plan, now: Duration, orders: &Teller, watched: &mut Server) -> Option<String> {
        match self.state {
            State::Ending(until) => self.end(until),
            State::Starting(until) => self.come_back(until, watched),
            State::Waiting | State::Done => match self.look() {
                Some(gone) => Some(gone),
                None if matches!(self.state, State::Waiting) && now >= plan.midst() => self.begin(plan, orders),
                None => None,
            },
        }
    }

    /// Whether the run's own server has just been seen to have ended by itself, in words.
    pub fn look(&mut self) -> Option<String> {
        let ended = self.spawned()?.ended()?;
        Some(self.lose(format!("the server ended by itself {ended}")))
    }

    /// What is still under way when the run is over.
    pub fn close(&mut self) -> Option<String> {
        (!self.is_over()).then(|| self.lose("the server was not back when the run was over".to_owned()))
    }

    fn begin(&mut self, plan: &Plan, orders: &Teller) -> Option<String> {
        self.state = State::Done;
        let taken = |share| {
            let [part, streams] = [dice::part(plan.streams, share), plan.streams].map(f64::from);
            format!("{} of {} streams", Unit::Count.shown(part), Unit::Count.shown(streams))
        };
        match plan.scenario {
            Scenario::Storm { share } => {
                orders.send_modify(|orders| orders.storms += 1);
                // How many of them are open just now, and so are cut, each of them knows.
                Some(format!("a storm over {}", taken(share)))
            }
            Scenario::Slow { share } => Some(format!("{} read a kilobyte a second", taken(share))),
            Scenario::Deploy => self.begin_to_end(Spawned::ask_to_end, "the server was told to end"),
            Scenario::Crash => self.begin_to_end(Spawned::kill, "the server was killed"),
            Scenario::Steady | Scenario::Expire { .. } => None,
        }
    }

    fn begin_to_end(&mut self, how: fn(&mut Spawned) -> io::Result<()>, done: &str) -> Option<String> {
        match how(self.spawned()?) {
            Ok(()) => {
                self.state = State::Ending(Instant::now() + END_WITHIN);
                Some(done.to_owned())
            }
            Err(fault) => Some(format!("the server could not be ended: {fault}")),
        }
    }

    fn end(&mut self, until: Instant) -> Option<String> {
        let server = self.spawned()?;
        if server.ended().is_some() {
            return match server.start_again() {
                Ok(()) => {
                    self.state = State::Starting(Instant::now() + READY_WITHIN);
                    None
                }
                Err(fault) => Some(self.not_back(&fault)),
            };
        }
        if Instant::now() < until {
            return None;
        }
        let killed = server.kill();
        self.state = State::Ending(Instant::now() + END_WITHIN);
        killed.ok().map(|()| format!("the server had not ended within {} s, and was killed", END_WITHIN.as_secs()))
    }

    fn come_back(&mut self, until: Instant, watched: &mut Server) -> Option<String> {
        let server = self.spawned()?;
        match server.listens() {
            Ok(true) => {
                watched.is_now(server.pid());
                self.state = State::Done;
                Some("the server was back".to_owned())
            }
            Ok(false) if Instant::now() < until => None,
            Ok(false) => {
                let late = server.late();
                Some(self.not_back(&late))
            }
            Err(fault) => Some(self.not_back(&fault)),
        }
    }

    fn not_back(&mut self, fault: &SpawnFault) -> String {
        let why = match fault {
            SpawnFault::Io(fault) => fault.to_string(),
            SpawnFault::Useless(why) => why.clone(),
        };
        self.lose(format!("the server did not come back: {why}"))
    }

    /// Goes on without a server.
    fn lose(&mut self, what: String) -> String {
        (self.server, self.state) = (Watched::Nothing, State::Done);
        self.gone.insert(what).clone()
    }

    fn spawned(&mut self) -> Option<&mut Spawned> {
        match &mut self.server {
            Watched::Spawned(server) => Some(server),
            Watched::Nothing | Watched::Pid(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;
    use tokio::time::advance;

    use super::*;
    use crate::loadtest::by_hand;
    use crate::loadtest::fleet::orders;

    const LISTENS: &str = r#"echo '{"listening": "http://127.0.0.1:7"}'"#;

    struct Story {
        plan: Plan,
        disturbance: Disturbance,
        orders: Teller,
        watched: Server,
    }

    impl Story {
        /// A run of a second with a server of its own that does this.
        async fn begin(scenario: Scenario, script: &str) -> Self {
            let server = Watched::Spawned(Box::new(Spawned::doing(script).await));
            let plan = Plan { scenario, ..by_hand::plan(50, 50, 100) };
            Self {
                plan,
                disturbance: Disturbance::of(server),
                orders: orders::channel().0,
                watched: Server::watch(None),
            }
        }

        fn step_at(&mut self, millis: u64) -> Option<String> {
            let now = Duration::from_millis(millis);
            self.disturbance.step(&self.plan, now, &self.orders, &mut self.watched)
        }

        /// Steps at this time until something happens.
        async fn next_at(&mut self, millis: u64) -> String {
            loop {
                if let Some(done) = self.step_at(millis) {
                    return done;
                }
                yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn a_share_of_the_streams_is_told_in_numbers() {
        let mut storm = Story::begin(Scenario::Storm { share: 0.01 }, &format!("{LISTENS}; exec sleep 600")).await;
        assert_eq!((storm.step_at(499), storm.orders.borrow().storms), (None, 0));
        assert_eq!(storm.step_at(500).as_deref(), Some("a storm over 1 of 50 streams"));
        assert_eq!((storm.step_at(501), storm.orders.borrow().storms), (None, 1));
        storm = Story::begin(Scenario::Storm { share: 0.01 }, &format!("{LISTENS}; exec sleep 600")).await;
        storm.disturbance.cease();
        assert_eq!((storm.step_at(500), storm.orders.borrow().storms), (None, 0), "it was interrupted before");
        storm = Story::begin(Scenario::Slow { share: 0.3 }, &format!("{LISTENS}; exec sleep 600")).await;
        assert_eq!(storm.step_at(0).as_deref(), Some("15 of 50 streams read a kilobyte a second"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_end_is_killed_and_one_that_is_not_back_is_told() {
        let script = format!("trap '' TERM; {LISTENS}; exec sleep 600");
        let mut story = Story::begin(Scenario::Deploy, &script).await;
        assert_eq!(story.step_at(500).as_deref(), Some("the server was told to end"));
        assert_eq!(story.step_at(600), None);
        advance(END_WITHIN).await;
        assert_eq!(story.step_at(600).as_deref(), Some("the server had not ended within 20 s, and was killed"));
        assert!(!story.disturbance.is_over());
        // What is started again is this program, which is no server.
        let not_back = story.next_at(600).await;
        assert!(not_back.starts_with("the server did not come back: it "), "{not_back}");
        assert_eq!((story.disturbance.gone(), story.disturbance.is_over()), (Some(not_back.as_str()), true));
    }

    #[tokio::test]
    async fn a_server_that_ends_by_itself_is_told_once_and_not_disturbed() {
        let script = format!("{LISTENS}; echo no room >&2; exit 1");
        let mut story = Story::begin(Scenario::Crash, &script).await;
        assert_eq!(story.next_at(100).await, "the server ended by itself (exit status: 1): no room");
        assert_eq!((story.step_at(500), story.disturbance.close()), (None, None));
        assert!(story.disturbance.gone().is_some());
    }

    #[tokio::test]
    async fn a_server_that_is_not_back_at_the_end_is_told() {
        let mut story = Story::begin(Scenario::Crash, &format!("{LISTENS}; exec sleep 600")).await;
        assert_eq!(story.step_at(500).as_deref(), Some("the server was killed"));
        let close = story.disturbance.close();
        assert_eq!(close.as_deref(), Some("the server was not back when the run was over"));
        assert_eq!(story.disturbance.gone(), close.as_deref());
    }
}
