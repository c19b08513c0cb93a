//! What came of a run: its reports, its document or summary, and the exit code of its verdict.

use super::outputs::Outputs;
use super::summary;
use crate::cmd::term::{self, ClosedPipe, Interrupt, Out};
use crate::exit::Exit;
use crate::loadtest::Document;
use crate::loadtest::report::document::Verdict;

/// Tells it everywhere. Whatever cannot be told, the verdict's exit code stands; only a run that passed fails by it.
///
/// # Errors
/// The document cannot be written as JSON.
pub async fn tell(
    document: &Document,
    json: bool,
    outputs: Outputs,
    interrupt: &mut Interrupt,
) -> anyhow::Result<Exit> {
    let lines = lines(document, json)?;
    // At the same time: whoever reads the one may be gone or read no further, and the other is told all the same.
    let written = async { outputs.write(document).await.inspect_err(term::failure).is_ok() };
    let printed = async { print(&lines).await.inspect_err(term::failure).is_ok() };
    let told = async { tokio::join!(written, printed) };
    let (written, printed) = tokio::select! {
        biased;
        told = told => told,
        // Nor does that keep it from ending.
        () = interrupt.come() => return Ok(Exit::Interrupted),
    };
    if let Some(line) = last_line(document, json) {
        term::fault(line);
    }
    Ok(match exit(document.verdict) {
        Exit::Ok if !written || !printed => Exit::Failed,
        exit => exit,
    })
}

fn lines(document: &Document, json: bool) -> anyhow::Result<Vec<String>> {
    Ok(if json { vec![serde_json::to_string(document)?] } else { summary::lines(document, &Out::stdout()) })
}

async fn print(lines: &[String]) -> anyhow::Result<()> {
    let mut out = Out::stdout();
    for line in lines {
        match out.line(line).await {
            Err(fault) if fault.is::<ClosedPipe>() => return Ok(()),
            written => written?,
        }
    }
    Ok(())
}

/// What stderr has to say of a run that was not good enough. A summary says itself what was missed.
fn last_line(document: &Document, json: bool) -> Option<String> {
    let why = document.reasons.join("; ");
    match document.verdict {
        Verdict::Void => Some(format!("the run is void: {why}")),
        Verdict::Missed if json => Some(format!("the run missed what was asked of it: {why}")),
        Verdict::Missed | Verdict::Passed | Verdict::Interrupted => None,
    }
}

fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Passed => Exit::Ok,
        Verdict::Missed => Exit::Missed,
        Verdict::Void => Exit::Failed,
        Verdict::Interrupted => Exit::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtest::report::sample::sample;
    use crate::loadtest::verdict::verdict;

    /// A run whose generator had no time left.
    fn void() -> Document {
        let mut document = sample();
        document.generator.busy.insert("reader 0".to_owned(), 0.99);
        document
    }

    fn ends(mut document: Document, interrupted: bool) -> (u8, Option<String>, Option<String>) {
        (document.verdict, document.reasons) = verdict(&document, interrupted);
        (exit(document.verdict) as u8, last_line(&document, true), last_line(&document, false))
    }

    #[test]
    fn void_ends_1_and_missed_goes_before_it() {
        let mut document = void();
        let (code, json, summary) = ends(document.clone(), false);
        let (json, begins) = (json.unwrap(), "the run missed what was asked of it: lost is 3, and was to be 0");
        assert!(json.starts_with(begins) && json.contains("; the generator had no time left"), "{json}");
        assert_eq!((code, summary), (99, None));
        assert_eq!(ends(document.clone(), true), (130, None, None));
        document.thresholds.retain(|judged| judged.held);
        let (code, json, summary) = ends(document.clone(), false);
        assert_eq!((code, &json), (1, &summary));
        assert!(json.unwrap().starts_with("the run is void: the generator had no time left"));
        document.generator.busy.clear();
        assert_eq!(ends(document, false), (0, None, None));
    }
}
