//! `lumen loadtest`: loads a server, says what became of every message, and judges it.

mod crowd;
mod environment;
mod figures;
mod meanwhile;
mod outputs;
mod plan;
mod profile;
mod progress;
mod rules;
mod summary;

use std::fmt::Display;
use std::sync::Arc;

use anyhow::anyhow;
use clap::error::ErrorKind;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::term::{Interrupt, Notes, Out};
use super::usage;
use crate::cli::global::Global;
use crate::cli::loadtest::Options;
use crate::clock::Clock;
use crate::exit::Exit;
use crate::home::Home;
use crate::loadtest::profile::Seat;
use crate::loadtest::report::document::Verdict;
use crate::loadtest::spawn::{self, Spawned};
use crate::loadtest::{Document, Load, RunFault, Target, Watched, descriptors, stats};
use crate::shutdown::Shutdown;
use outputs::Outputs;
use plan::Checked;

/// # Errors
/// Words that cannot be meant; what kept it from loading the server at all.
pub async fn run(options: &Options, global: &Global) -> anyhow::Result<Exit> {
    if options.verdict.figures {
        return figures::list(global).await;
    }
    // A server of the run's own would stay behind.
    let mut interrupt = Interrupt::listen_to_termination_too()?;
    let checked = plan::checked(options, global)?;
    let rules = rules::read(&options.verdict)?;
    // Asked here too, before a server is started for it.
    let open_files = descriptors::raised();
    descriptors::places(&checked.plan, open_files)?;
    let outputs = Outputs::open(&options.verdict)?;
    let mut notes = Notes::new(global.quiet);
    let (load, url) = load(options, global, &checked).await?;
    let facts = checked.facts(load.profile.name(), &url);
    let plan = load.plan.clone();
    notes.say(&format!("run {}, seed {}: {url}", plan.run.as_str(), plan.seed));

    let (show, now) = watch::channel(Default::default());
    let interrupted = Shutdown::default();
    let follow = tokio::spawn(progress::follow(now, notes.live()));
    let measured = tokio::select! {
        measured = load.run(show, &interrupted) => measured,
        () = twice(&mut interrupt, &interrupted) => Err(RunFault::Interrupted),
    };
    // It ends with the one who tells.
    follow.await?;
    let measured = match measured {
        Err(RunFault::Interrupted) => return Ok(Exit::Interrupted),
        measured => measured?,
    };
    let spawned = options.which.spawn.then(spawn::raised);
    let document = stats::document(&plan, facts, environment::read(open_files, spawned), &measured, &rules);
    tell(&document, global, outputs).await
}

/// Ends the run before its time at the first Ctrl-C, and returns at the second.
async fn twice(interrupt: &mut Interrupt, interrupted: &Shutdown) {
    interrupt.come().await;
    interrupted.begin();
    interrupt.come().await;
}

/// The server to load, one of its own if that was asked for, and its address.
async fn load(options: &Options, global: &Global, checked: &Checked) -> anyhow::Result<(Load, String)> {
    let plan = &checked.plan;
    let (server, profile, url) = if options.which.spawn {
        // It neither panics nor is it cancelled.
        let spawned = spawn_blocking(Spawned::start).await??;
        let (url, key) = (spawned.url(), Home::existing(spawned.data_dir())?.key());
        let own = profile::Spawned { url: url.parse()?, key };
        let profile = profile::build(options, global, plan, Some(&own))?;
        (Watched::Spawned(Box::new(spawned)), profile, url)
    } else {
        let server = options.which.server_pid.map_or(Watched::Nothing, Watched::Pid);
        (server, profile::build(options, global, plan, None)?, global.url.to_string())
    };
    let stream = profile.subscribe(&Seat { user: 0, cursor: None, token_ttl: None })?;
    let target = Target::of(&stream.url).await?;
    let (plan, profile) = (Arc::new(plan.clone()), Arc::new(profile));
    Ok((Load { plan, profile, target, server, clock: Clock::System }, url))
}

async fn tell(document: &Document, global: &Global, outputs: Outputs) -> anyhow::Result<Exit> {
    let mut out = Out::stdout();
    if global.json {
        out.line(&serde_json::to_string(document)?).await?;
    } else {
        for line in summary::lines(document, &out) {
            out.line(&line).await?;
        }
    }
    outputs.write(document)?;
    match document.verdict {
        Verdict::Passed => Ok(Exit::Ok),
        Verdict::Missed => Ok(Exit::Missed),
        Verdict::Interrupted => Ok(Exit::Interrupted),
        Verdict::Void => Err(anyhow!("the run is void: {}", document.reasons.join("; "))),
    }
}

/// Words that cannot be meant together.
fn conflict(message: impl Display) -> clap::Error {
    usage::error("loadtest", ErrorKind::ArgumentConflict, message)
}

/// A word that cannot be meant.
fn faulty(message: impl Display) -> clap::Error {
    usage::error("loadtest", ErrorKind::ValueValidation, message)
}
