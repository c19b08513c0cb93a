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
mod tell;

use std::fmt::Display;
use std::sync::Arc;

use clap::error::ErrorKind;
use tokio::sync::watch;

use super::term::{Interrupt, Notes};
use super::usage;
use crate::cli::global::Global;
use crate::cli::loadtest::Options;
use crate::clock::Clock;
use crate::exit::Exit;
use crate::home::Home;
use crate::loadtest::profile::{Profile, Seat};
use crate::loadtest::spawn::{self, Spawned};
use crate::loadtest::stamp::Stamp;
use crate::loadtest::{Load, RunFault, Target, Watched, descriptors, stats};
use crate::shutdown::Shutdown;
use outputs::Outputs;
use plan::Checked;

/// # Errors
/// Words that cannot be meant; what kept it from loading the server at all.
pub async fn run(options: &Options, global: &Global) -> anyhow::Result<Exit> {
    if options.verdict.figures {
        return figures::list(global).await;
    }
    let checked = plan::checked(options, global)?;
    let rules = rules::read(&options.verdict)?;
    let profile = profile::of_another(options, global, &checked.plan)?;
    // Asked here too, before a server is started for it.
    let open_files = descriptors::raised();
    descriptors::places(&checked.plan, open_files)?;
    let mut notes = Notes::new(global.quiet);
    // An empty report, or a server of the run's own, would stay behind.
    let mut interrupt = Interrupt::listen_to_all_that_end()?;
    let opened = async {
        let outputs = Outputs::open(&options.verdict, global.json).await?;
        anyhow::Ok((outputs, load(options, global, &checked, profile).await?))
    };
    let (outputs, (load, servers)) = tokio::select! {
        opened = opened => opened?,
        () = interrupt.come() => {
            notes.say("interrupted before a stream was opened");
            return Ok(Exit::Interrupted);
        }
    };
    let facts = checked.facts(load.profile.name(), &servers);
    let plan = load.plan.clone();
    notes.say(&format!("run {}, seed {}: {servers}", plan.run.as_str(), plan.seed));

    let (show, now) = watch::channel(Default::default());
    let interrupted = Shutdown::default();
    let follow = tokio::spawn(progress::follow(now, notes.live()));
    let measured = tokio::select! {
        measured = load.run(show, &interrupted) => Some(measured),
        () = twice(&mut interrupt, &interrupted, &notes) => None,
    };
    // It ends with the one who tells.
    follow.await?;
    let measured = match measured {
        None => return Ok(Exit::Interrupted),
        Some(Err(fault @ RunFault::Interrupted)) => {
            notes.say(&fault.to_string());
            return Ok(Exit::Interrupted);
        }
        Some(measured) => measured?,
    };
    let spawned = options.which.spawn.then(spawn::raised);
    let document = stats::document(&plan, facts, environment::read(open_files, spawned), &measured, &rules);
    tell::tell(&document, outputs, &mut interrupt).await
}

/// Ends the run before its time at the first Ctrl-C, and returns at the second.
async fn twice(interrupt: &mut Interrupt, interrupted: &Shutdown, notes: &Notes) {
    interrupt.come().await;
    interrupted.begin();
    notes.say("interrupted: the run ends when what is on its way has come; once more ends it at once");
    interrupt.come().await;
}

/// The server to load, one of its own if that was asked for, and which servers a report says it was.
async fn load(
    options: &Options,
    global: &Global,
    checked: &Checked,
    of_another: Option<Profile>,
) -> anyhow::Result<(Load, String)> {
    let plan = &checked.plan;
    let (server, profile) = match of_another {
        Some(profile) => (options.which.server_pid.map_or(Watched::Nothing, Watched::Pid), profile),
        None => {
            let spawned = Spawned::start().await?;
            let own =
                profile::OwnServer { url: spawned.url().parse()?, key: Home::existing(spawned.data_dir())?.key() };
            let profile = profile::build(options, global, plan, Some(&own))?;
            (Watched::Spawned(Box::new(spawned)), profile)
        }
    };
    let stream = profile.subscribe(&Seat { user: 0, cursor: None, token_ttl: None })?;
    let publish = profile.publish(Stamp { run: plan.run, number: 0, due_us: 0 }, &[0])?;
    let subscribe_at = Target::of(&stream.url).await?;
    let publish_at = Target::of(&publish.url).await?;
    let (plan, profile) = (Arc::new(plan.clone()), Arc::new(profile));
    let load = Load { plan, profile, subscribe_at, publish_at, server, clock: Clock::System };
    Ok((load, profile::servers(&stream, &publish)))
}

/// Words that cannot be meant together.
fn conflict(message: impl Display) -> clap::Error {
    usage::error("loadtest", ErrorKind::ArgumentConflict, message)
}

/// A word that cannot be meant.
fn faulty(message: impl Display) -> clap::Error {
    usage::error("loadtest", ErrorKind::ValueValidation, message)
}
