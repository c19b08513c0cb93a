//! Many notifications from a file or a pipe: one batch in flight, tried until it is in.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::time::{Instant, sleep};

use super::batch::{Batch, Next, Queue};
use super::lines::{self, Fault};
use super::pace::Pace;
use super::source::{self, Source};
use super::tally::Tally;
use crate::cli::global::Global;
use crate::cli::send::Options;
use crate::client::backoff::Backoff;
use crate::client::{Endpoint, Failure, api};
use crate::cmd::server;
use crate::cmd::term::{Interrupt, Notes, Out, Progress, count};
use crate::exit::Exit;
use crate::wire::api::PublishedAll;

/// Pauses between tries of a batch.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often it is said that lines still wait, and for what.
const BETWEEN_WORDS: Duration = Duration::from_secs(10);
/// Faulty lines that are told one by one.
const FAULTS_TOLD: u64 = 20;

pub async fn run(file: &Path, options: &Options, global: &Global) -> anyhow::Result<Exit> {
    let server = server::endpoint(global)?;
    let Source { reader, run, drawn, terminal, lines } = source::open(file, options.run.clone())?;
    let mut interrupt = Interrupt::listen()?;
    let mut notes = Notes::new(global.quiet);
    if terminal {
        notes.say("reading drafts from the terminal; Ctrl-D ends");
    }
    if drawn {
        notes.say(&format!("run {run}: to send the same lines again, and none twice, add --run {run}"));
    }
    let pace = Pace::new(options.rate);
    let queue = Queue::new(lines::read(reader, run.clone()), pace.batch(options.batch));
    let progress = notes.progress("lines", lines);
    let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut sending = Sending { server, notes, progress, pace, backoff, tally: Tally::default() };

    let begun = Instant::now();
    let ended = tokio::select! {
        ended = sending.all(queue) => ended.map(|()| Exit::Ok),
        () = interrupt.come() => Ok(Exit::Interrupted),
    };
    let took = begun.elapsed();
    let Sending { tally, progress, notes, .. } = sending;
    drop(progress);
    if tally.faulty > FAULTS_TOLD {
        notes.always(&format!("and {} more", count(tally.faulty - FAULTS_TOLD)));
    }
    let interrupted = matches!(ended, Ok(Exit::Interrupted));
    if interrupted {
        let named = if drawn || options.run.is_some() { format!(" with --run {run}") } else { String::new() };
        notes.say(&format!("interrupted; send the same again{named}: what is there is not sent twice"));
    }
    let summary = if global.json { tally.json(&run, took, interrupted) } else { tally.line(took) };
    let told = Out::stdout().line(&summary).await;
    // That nobody reads the summary makes no success of a failure.
    match ended? {
        Exit::Ok if tally.faulty > 0 => Err(unsent(tally.faulty, &run)),
        Exit::Ok => told.map(|()| Exit::Ok),
        exit => Ok(exit),
    }
}

/// What is to be done about faulty lines.
fn unsent(faulty: u64, run: &str) -> anyhow::Error {
    let lines =
        if faulty == 1 { "a faulty line was".to_owned() } else { format!("{} faulty lines were", count(faulty)) };
    anyhow!(
        "{lines} not sent; put right what is wrong, each line in its place, and send all again with --run {run}: what is \
         there is not sent twice"
    )
}

struct Sending {
    server: Endpoint,
    notes: Notes,
    progress: Progress,
    pace: Pace,
    backoff: Backoff,
    tally: Tally,
}

impl Sending {
    async fn all(&mut self, mut queue: Queue) -> anyhow::Result<()> {
        loop {
            match queue.next().await {
                Next::Batch(batch) => {
                    self.pace.wait(batch.lines()).await;
                    self.deliver(batch).await.context("the lines could not be sent")?;
                }
                Next::Fault(Fault::Line { number, why }) => self.report(number, &why),
                Next::Fault(Fault::Input { why }) => bail!("the input cannot be read on: {why}"),
                Next::Fault(Fault::Form { why }) => bail!("the input is not a draft a line: {why}"),
                Next::End => return Ok(()),
            }
        }
    }

    /// Sends a batch until it is in, without the lines that the server finds faulty.
    async fn deliver(&mut self, mut batch: Batch) -> Result<(), Failure> {
        let mut down: Option<Down> = None;
        while !batch.is_empty() {
            match self.publish(&batch).await {
                Ok(answer) => {
                    self.tally.add(&answer);
                    self.progress.add(batch.lines() as u64);
                    break;
                }
                Err(failure) if self.may_pass(&failure) => {
                    let pause = self.backoff.pause().max(failure.retry_after().unwrap_or_default());
                    self.note_retry(&failure, pause, &mut down);
                    sleep(pause).await;
                }
                Err(Failure::Problem(refusal)) => {
                    let faulty = batch.take_faulty(&refusal);
                    if faulty.is_empty() {
                        return Err(Failure::Problem(refusal));
                    }
                    for (number, why) in faulty {
                        self.report(number, &why);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        if let Some(down) = down {
            self.notes.say(&format!("going on after {:.1} s", down.since.elapsed().as_secs_f64()));
        }
        self.backoff.reset();
        Ok(())
    }

    async fn publish(&self, batch: &Batch) -> Result<PublishedAll, Failure> {
        match api::publish_batch(&self.server, batch.body()).await {
            Err(failure) if !self.tally.took_any() => Err(self.server.explain(failure).await),
            answer => answer,
        }
    }

    /// Whether another try can help. A server that never took anything may not be one; one that did comes back, whatever
    /// stands in its place meanwhile.
    fn may_pass(&self, failure: &Failure) -> bool {
        if failure.is_of_elsewhere() { self.tally.took_any() } else { failure.may_pass() }
    }

    fn report(&mut self, number: u64, why: &str) {
        self.tally.faulty += 1;
        self.progress.add(1);
        if self.tally.faulty <= FAULTS_TOLD {
            self.notes.always(&format!("line {number}: {why}"));
        }
    }

    /// Tells what keeps the lines waiting: at once, when it is something else, and now and then.
    fn note_retry(&self, failure: &Failure, pause: Duration, down: &mut Option<Down>) {
        let (why, now) = (failure.to_string(), Instant::now());
        let told = match down {
            Some(down) if down.why == why && now < down.told + BETWEEN_WORDS => return,
            Some(down) if down.why == why => {
                format!("{why}; waiting for {} s now, and trying on", (now - down.since).as_secs())
            }
            _ => format!("{why}; trying again in {:.1} s, and on until it works", pause.as_secs_f64()),
        };
        self.notes.say(&told);
        let since = down.as_ref().map_or(now, |down| down.since);
        *down = Some(Down { since, told: now, why });
    }
}

/// A time in which nothing gets through.
struct Down {
    since: Instant,
    /// When it was last told.
    told: Instant,
    why: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::script::{answer, play, problem};

    const FIELDS: &str = r#","errors":[{"line":2,"field":"link","code":"c","detail":"bad"}]"#;

    fn results(lines: &[usize]) -> String {
        let result = |line: &usize| {
            format!(
                r#"{{"line":{line},"id":"01932f4e-5b1c-7000-8000-000000000000","user":"a","rev":1,"unread_count":1,"streams":0,"duplicate":false}}"#
            )
        };
        let results: Vec<String> = lines.iter().map(result).collect();
        answer("201 Created", &format!(r#"{{"results":[{}]}}"#, results.join(",")))
    }

    /// Sends three lines to a server that plays `answers`; the tally, the bodies it got, and the end.
    async fn sent(answers: Vec<String>) -> (Tally, Vec<String>, anyhow::Result<()>) {
        sent_by(500, answers).await
    }

    async fn sent_by(most: usize, answers: Vec<String>) -> (Tally, Vec<String>, anyhow::Result<()>) {
        let (server, requests) = play(answers).await;
        let lines = lines::read(&b"{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n"[..], "r".into());
        let mut notes = Notes::new(true);
        let progress = notes.progress("lines", None);
        let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
        let mut sending = Sending { server, notes, progress, pace: Pace::new(None), backoff, tally: Tally::default() };
        let ended = sending.all(Queue::new(lines, most)).await;
        let body = |request: String| request.split_once("\r\n\r\n").unwrap().1.to_owned();
        (sending.tally, requests.await.unwrap().into_iter().map(body).collect(), ended)
    }

    const ALL: &str = "{\"a\":1,\"key\":\"r:1\"}\n{\"a\":2,\"key\":\"r:2\"}\n{\"a\":3,\"key\":\"r:3\"}\n";
    const GOOD: &str = "{\"a\":1,\"key\":\"r:1\"}\n{\"a\":3,\"key\":\"r:3\"}\n";

    #[tokio::test]
    async fn a_batch_is_sent_until_it_is_in_and_without_its_faulty_lines() {
        let (tally, bodies, ended) = sent(vec![
            problem("503 Service Unavailable", "", ""),
            problem("422 Unprocessable Content", "", FIELDS),
            problem("429 Too Many Requests", "", ""),
            results(&[1, 2]),
        ])
        .await;
        ended.unwrap();
        assert_eq!(bodies, [ALL, ALL, GOOD, GOOD]);
        assert_eq!((tally.sent, tally.duplicates, tally.faulty), (2, 0, 1));
    }

    #[tokio::test]
    async fn a_batch_that_was_cut_is_sent_again() {
        let answers = vec![results(&[1]), String::new(), String::new(), results(&[1]), results(&[1])];
        let (tally, bodies, ended) = sent_by(1, answers).await;
        ended.unwrap();
        assert_eq!((bodies[1] == bodies[3], bodies.len(), tally.sent), (true, 5, 3));
    }

    /// Nobody's server at a wrong address; in the place of one that had taken a batch, a proxy of one that restarts.
    #[tokio::test]
    async fn what_is_not_lumen_ends_it_unless_it_was_lumen_before() {
        for strange in [answer("501 Not Implemented", "<html>"), answer("404 Not Found", "")] {
            let (tally, bodies, ended) = sent(vec![strange.clone()]).await;
            let ended = format!("{:#}", ended.unwrap_err());
            assert!(ended.contains("is not lumen: ") && ended.contains("--url"), "{ended}");
            assert_eq!((bodies.len(), tally.sent), (1, 0));

            let answers = vec![results(&[1]), strange, results(&[1]), results(&[1])];
            let (tally, bodies, ended) = sent_by(1, answers).await;
            ended.unwrap();
            assert_eq!((bodies.len(), tally.sent), (4, 3));
        }
    }

    #[tokio::test]
    async fn a_refusal_that_names_no_line_ends_it() {
        let (tally, bodies, ended) = sent(vec![problem("403 Forbidden", "", "")]).await;
        assert_eq!(format!("{:#}", ended.unwrap_err()), "the lines could not be sent: No: why; do it");
        assert_eq!((bodies.len(), tally.sent, tally.faulty), (1, 0, 0));
    }
}
