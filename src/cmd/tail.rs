//! `lumen tail`: a stream as lines, for people or for programs.

use std::future::pending;
use std::time::Duration;

use super::server;
use super::term::{Interrupt, Notes, Out, count, shown};
use super::usage;
use crate::cli::global::Global;
use crate::cli::tail::Options;
use crate::client::access::Access;
use crate::client::stream::{self, Beginning, Step, Stream, Told};
use crate::domain::notification::Kind;
use crate::exit::Exit;
use crate::wire::event::{Event, InboxData, MessageData, ReadyData, Reason, ResyncData};
use known::Known;

mod known;
mod line;

/// # Errors
/// What ends the stream for good, or keeps stdout from being written.
pub async fn run(options: &Options, global: &Global) -> anyhow::Result<Exit> {
    let server = server::endpoint(global)?;
    if options.user.is_none() && matches!(server.access(), Access::Key { .. }) {
        return Err(usage::nobody("tail", "stream").into());
    }
    let mut interrupt = Interrupt::listen()?;
    let from = options.from.unwrap_or(Beginning::Head);
    let mut stream = Stream::open(server, options.user.clone(), stream::Options { from, snapshot: 0 });
    let mut tail = Tail::new(options, global);
    let ended = tokio::select! {
        ended = tail.follow(&mut stream) => Some(ended?),
        () = interrupt.come() => Some(Exit::Interrupted),
        () = after(options.timeout) => None,
    };
    if let Some(cursor) = stream.cursor().filter(|_| tail.met) {
        tail.notes.say(&format!("to go on from here: --from {cursor}"));
    }
    Ok(ended.unwrap_or_else(|| tail.at_timeout()))
}

async fn after(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => pending().await,
    }
}

struct Tail<'a> {
    options: &'a Options,
    json: bool,
    out: Out,
    notes: Notes,
    /// Notifications that were printed.
    printed: u64,
    known: Known,
    /// Changes of the past that are still to come.
    missed: u64,
    /// What was last said of a link that is down: each reason is said once.
    down: Option<String>,
    /// Whether a stream has ever been open.
    met: bool,
}

impl<'a> Tail<'a> {
    fn new(options: &'a Options, global: &Global) -> Self {
        let (out, notes) = (Out::stdout(), Notes::new(global.quiet));
        Self {
            options,
            json: global.json,
            out,
            notes,
            printed: 0,
            known: Known::default(),
            missed: 0,
            down: None,
            met: false,
        }
    }

    async fn follow(&mut self, stream: &mut Stream) -> anyhow::Result<Exit> {
        loop {
            match stream.next().await? {
                Step::Event(told) => self.tell(&told).await?,
                Step::Reconnecting { why, pause } => self.note_loss(&why.to_string(), pause),
            }
            if self.options.exit_after.is_some_and(|wanted| self.printed >= wanted.get()) {
                return Ok(Exit::Ok);
            }
        }
    }

    fn at_timeout(&self) -> Exit {
        if !self.met {
            // Silence from an inbox that nobody looked into says nothing.
            self.notes.say("no stream was open in time");
            return Exit::Failed;
        }
        let Some(wanted) = self.options.exit_after else { return Exit::Ok };
        self.notes.say(&format!("{} of {} notifications came in time", count(self.printed), count(wanted.get())));
        Exit::Failed
    }

    async fn tell(&mut self, told: &Told) -> anyhow::Result<()> {
        match &told.event {
            Event::Ready(ready) => self.note_ready(ready),
            Event::Resync(resync) => self.notes.say(&hole(resync)),
            Event::Message(MessageData { replayed: true, .. }) | Event::Inbox(InboxData { replayed: true, .. }) => {
                self.missed = self.missed.saturating_sub(1);
            }
            _ => {}
        }
        match &told.event {
            Event::Message(message) if !wanted(&self.options.types, &message.kind) => return Ok(()),
            _ => {}
        }
        let line = if self.json { Some(line::json(told)) } else { self.human(&told.event) };
        if let Some(line) = line {
            self.out.line(&line).await?;
        }
        if matches!(told.event, Event::Message(_)) {
            self.printed += 1;
        }
        Ok(())
    }

    fn human(&mut self, event: &Event) -> Option<String> {
        let replayed = match event {
            Event::Message(message) => {
                self.known.keep(message.data.id, &message.data.content);
                message.replayed
            }
            Event::Inbox(inbox) => inbox.replayed,
            _ => return None,
        };
        // What was missed comes with the count of now, which would look like that of then; it is told once, at the end.
        let counted = !replayed || self.missed == 0;
        line::human(event, counted, &self.known, &self.out)
    }

    fn note_ready(&mut self, ready: &ReadyData) {
        let begun = if self.met { "back" } else { "open" };
        let missed = match (ready.resumed, ready.missed) {
            (true, Some(0)) => ", nothing was missed".to_owned(),
            (true, Some(missed)) if missed > 1000 => ", more than 1,000 changes were missed".to_owned(),
            (true, Some(1)) => ", one missed change follows".to_owned(),
            (true, Some(missed)) => format!(", {} missed changes follow", count(missed)),
            _ => String::new(),
        };
        let user = shown(&ready.user);
        self.notes.say(&format!("{begun}: the stream of {user}, {} unread{missed}", count(ready.counts.unread)));
        self.missed = ready.missed.unwrap_or(0);
        self.met = true;
        self.down = None;
    }

    fn note_loss(&mut self, why: &str, pause: Duration) {
        if self.down.as_deref() != Some(why) {
            self.notes.say(&format!("{why}; trying again in {:.1} s", pause.as_secs_f64()));
            self.down = Some(why.to_owned());
        }
    }
}

fn wanted(types: &[Kind], kind: &str) -> bool {
    types.is_empty() || types.iter().any(|wanted| wanted.as_str() == kind)
}

/// What a hole is, and what is known in spite of it.
fn hole(resync: &ResyncData) -> String {
    let why = match resync.reason {
        Reason::Epoch => "the cursor is of another history of this inbox",
        Reason::Ahead => "the server has gone back to an older state",
        Reason::Unknown => "the server could not read the cursor",
        Reason::TooMany => "more was missed than is told again",
    };
    let unread = count(resync.counts.unread);
    format!("a hole: {why}; {unread} unread are in the inbox, and what comes now is told")
}
