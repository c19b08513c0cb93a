//! Does to the server and its streams what the scenario has, once, in the midst of the run.

use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};

use super::fleet::orders::Teller;
use super::plan::Plan;
use super::probe::Server;
use super::run::Watched;
use super::scenario::Scenario;
use super::spawn::{SpawnFault, Spawned};

/// How far it is.
enum State {
    Waiting,
    /// The server is being ended and started again.
    Restarting(JoinHandle<Result<Box<Spawned>, SpawnFault>>),
    Done,
}

pub struct Disturbance {
    server: Watched,
    state: State,
}

impl Disturbance {
    pub fn of(server: Watched) -> Self {
        Self { server, state: State::Waiting }
    }

    /// Whether nothing of it is under way.
    pub fn is_over(&self) -> bool {
        !matches!(self.state, State::Restarting(_))
    }

    /// Waits for what is under way, so that no server is left behind, and lets the server go.
    pub async fn end(self) {
        if let State::Restarting(restart) = self.state {
            // A server that came back goes with what it is held by; one that did not is gone.
            drop(restart.await);
        }
    }

    /// Goes on with it; what was done, in a few words each.
    ///
    /// # Errors
    /// The server does not come back.
    pub async fn step(
        &mut self,
        plan: &Plan,
        now: Duration,
        orders: &Teller,
        watched: &mut Server,
    ) -> Result<Vec<String>, SpawnFault> {
        match &mut self.state {
            State::Waiting if now >= plan.midst() => Ok(self.begin(plan.scenario, orders)),
            State::Restarting(restart) if restart.is_finished() => {
                // It neither panics nor is it cancelled.
                let restarted = restart.await.unwrap_or_else(|fault| Err(std::io::Error::other(fault).into()))?;
                watched.is_now(restarted.pid());
                self.server = Watched::Spawned(restarted);
                self.state = State::Done;
                Ok(vec!["the server was back".to_owned()])
            }
            _ => Ok(Vec::new()),
        }
    }

    fn begin(&mut self, scenario: Scenario, orders: &Teller) -> Vec<String> {
        self.state = State::Done;
        let what = match scenario {
            Scenario::Storm { share } => {
                orders.send_modify(|orders| orders.storms += 1);
                format!("{:.0} % of the streams were cut", share * 100.0)
            }
            Scenario::Deploy => match self.restart(|server| server.end()) {
                true => "the server was told to end".to_owned(),
                false => return Vec::new(),
            },
            Scenario::Crash => match self.restart(|server| server.kill()) {
                true => "the server was killed".to_owned(),
                false => return Vec::new(),
            },
            Scenario::Steady | Scenario::Slow { .. } | Scenario::Expire { .. } => return Vec::new(),
        };
        vec![what]
    }

    /// Whether there is a server to restart.
    fn restart(&mut self, end: fn(&mut Spawned) -> std::io::Result<()>) -> bool {
        match std::mem::replace(&mut self.server, Watched::Nothing) {
            Watched::Spawned(mut server) => {
                self.state = State::Restarting(spawn_blocking(move || {
                    end(&mut server)?;
                    server.start_again()?;
                    Ok(server)
                }));
                true
            }
            other => {
                self.server = other;
                false
            }
        }
    }
}
