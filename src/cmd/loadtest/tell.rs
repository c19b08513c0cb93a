//! What came of a run: its reports, its document or summary, and the exit code of its verdict.

use super::outputs::{Outputs, Printed};
use super::summary;
use crate::cmd::term::{self, ClosedPipe, Interrupt, Out};
use crate::exit::Exit;
use crate::loadtest::Document;
use crate::loadtest::report::document::Verdict;
use crate::loadtest::report::{html, markdown, words};

/// Tells it everywhere. Whatever cannot be told, the verdict's exit code stands; only a run that passed fails by it.
///
/// # Errors
/// The document cannot be written as JSON.
pub async fn tell(document: &Document, outputs: Outputs, interrupt: &mut Interrupt) -> anyhow::Result<Exit> {
    let printed_as = outputs.printed;
    let lines = lines(document, printed_as)?;
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
    if let Some(line) = last_line(document, printed_as == Printed::Summary) {
        term::fault(line);
    }
    Ok(match exit(document.verdict) {
        Exit::Ok if !written || !printed => Exit::Failed,
        exit => exit,
    })
}

fn lines(document: &Document, printed: Printed) -> anyhow::Result<Vec<String>> {
    Ok(match printed {
        Printed::Summary => summary::lines(document, &Out::stdout()),
        Printed::Json => vec![serde_json::to_string(document)?],
        // Whose last line ends by itself.
        Printed::Markdown => vec![markdown::page(document).trim_end().to_owned()],
        Printed::Report => vec![html::page(document).trim_end().to_owned()],
    })
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

/// What stderr has to say of a run that was not good enough. A summary says itself what was missed, and why it is void.
fn last_line(document: &Document, summary: bool) -> Option<String> {
    let why = document.reasons.join("; ");
    match document.verdict {
        Verdict::Void if !summary => Some(format!("the run is void: {why}")),
        Verdict::Void => Some(format!("the run is void: {}", words::judgement(document))),
        Verdict::Missed if !summary => Some(format!("the run missed what was asked of it: {why}")),
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
        (exit(document.verdict) as u8, last_line(&document, false), last_line(&document, true))
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
        let told = "the run is void: the generator was late or had no time: its latencies say nothing of the server";
        assert_eq!(summary.unwrap(), told);
        assert_eq!(code, 1);
        assert!(json.unwrap().starts_with("the run is void: the generator had no time left"));
        document.generator.busy.clear();
        assert_eq!(ends(document, false), (0, None, None));
    }
}
