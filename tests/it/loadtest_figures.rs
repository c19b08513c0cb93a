//! What `lumen loadtest` measures of itself and of the server: like divided by like, and nothing of what was not seen.

use std::fs;
use std::path::Path;

use lumen_inbox::loadtest::report::document::Verdict;

use crate::support::badserver::{BadServer, Fault};
use crate::support::child::Child;
use crate::support::loaded::{Loaded, loaded, loadtest};
use crate::support::patience;

/// A replay of so many messages at one moment.
fn at_once(directory: &Path, messages: u32) -> std::path::PathBuf {
    let file = directory.join("letters.txt");
    fs::write(&file, (0..messages).map(|at| format!("{} {} 1000\n", 100 + at, at % 5)).collect::<String>()).unwrap();
    file
}

#[tokio::test]
async fn a_run_that_publishes_in_no_time_is_not_void_for_that() {
    let directory = tempfile::tempdir().unwrap();
    let server = Child::start().await;
    let words = "--settle 2s --threshold server.cpu<100%";
    let typed = loadtest(words).at(&server).word("--server-pid").word(server.pid().expect("it runs").to_string());
    let run = loaded(typed.word("--replay").word(at_once(directory.path(), 60))).await;
    // The machine may be too busy to begin sixty requests at once; how long nothing took is no reason.
    let busy = run.document.reasons.iter().find(|reason| reason.starts_with("the generator had no time left"));
    assert_eq!((busy, run.document.generator.busy.len()), (None, 0));
    assert!(run.document.notes.iter().any(|note| note.contains("too short to tell how busy")), "{run:#?}");
    // No share of no time, and no bound on it holds.
    run.missed_only(&["server.cpu"]).all_came(60, 60);
}

#[tokio::test]
async fn a_server_that_is_gone_at_the_end_has_no_figures_of_its_cpu() {
    // The one that is watched is another than the one that is asked.
    let (server, mut watched) = (BadServer::start(Fault::None).await, Child::start().await);
    let pid = watched.pid().expect("it runs").to_string();
    let typed = loadtest(&format!("--rate 20/s --duration 60s --streams 5 {}", server.words()));
    let running = typed.word("--server-pid").word(pid).start();
    // In a second, whose shares would be some of it.
    patience::until(|| server.receivers().len() > 20).await;
    watched.kill9().await;
    running.signal("INT");
    let run = Loaded::of(running.wait().await);
    let figures: Vec<&String> = run.document.figures.keys().filter(|name| name.starts_with("server.cpu")).collect();
    assert_eq!(figures, [""; 0], "{run:#?}");
    assert!(run.document.figures.contains_key("server.peak_rss"), "{run:#?}");
}

#[tokio::test]
async fn the_messages_of_a_run_are_no_memory_of_its_streams() {
    let server = BadServer::start(Fault::None).await;
    // Three and a half million, in a table of 28 MB, of which few are sent.
    let running = loadtest(&format!("--rate 100/s --duration 35000s --streams 10 {}", server.words())).start();
    patience::until(|| !server.receivers().is_empty()).await;
    running.signal("INT");
    let run = Loaded::of(running.wait().await);
    assert_eq!(run.document.verdict, Verdict::Interrupted);
    let memory = run.figure("generator.rss_a_stream");
    assert!(memory < 1_000_000.0, "{memory} bytes a stream");
}
