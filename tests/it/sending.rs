//! `lumen send` with many drafts: bad lines told and good ones stored, and nothing twice, whatever happens on the way.

use std::fs::File;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::chaos::{Chaos, Mode};
use crate::support::child::Child;
use crate::support::command::{Done, lumen};
use crate::support::http::Api;
use crate::support::reader::Reader;

/// Ada's client and her open stream.
async fn ada(server: &Child) -> (Api, Reader) {
    let mut reader = server.opening("ada").open().await;
    reader.expect_ready().await;
    (server.api().with(server.tokens().user("ada")), reader)
}

/// What ada has, oldest first.
async fn contents(ada: &Api) -> Vec<String> {
    ada.list_all().await.items.into_iter().rev().map(|item| item.data.content).collect()
}

/// Drafts for ada that say these numbers, a line each.
fn drafts(numbers: impl IntoIterator<Item = usize>) -> String {
    let line = |n: usize| json!({"user": "ada", "type": "like", "content": n.to_string()}).to_string() + "\n";
    numbers.into_iter().map(line).collect()
}

fn numbers(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|n| n.to_string()).collect()
}

/// What is in the summary of `--json`: sent, duplicates, faulty.
fn tally(done: &Done) -> [u64; 3] {
    let [line] = &done.lines[..] else { panic!("one summary: {done:?}") };
    let summary: Value = line.parse().unwrap();
    ["sent", "duplicates", "faulty"].map(|name| summary[name].as_u64().unwrap())
}

fn run_named_in(text: &str) -> String {
    text.split("--run ").nth(1).unwrap().split([':', '\n']).next().unwrap().to_owned()
}

#[tokio::test]
async fn bad_lines_are_told_by_number_and_the_good_ones_are_in_once() {
    let server = Child::start().await;
    let (ada, _) = ada(&server).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("drafts.ndjson");
    let bad = [
        "{\"user\": \"ada\",",
        "[1]",
        r#"{"user":"ada","type":"Like","content":"x"}"#,
        r#"{"type":"like","all":true}"#,
    ];
    let write = |bad: &[&str]| {
        std::fs::write(&file, format!("{}\n{}\n{}", drafts(1..=2), bad.join("\n"), drafts(3..=4))).unwrap();
    };
    write(&bad);
    let send = |path: &Path| lumen("send - --json").at(&server).stdin_file(File::open(path).unwrap());
    let first = send(&file).run().await;
    assert_eq!((first.code, tally(&first)), (Some(1), [4, 0, 4]), "{first:?}");
    let told: Vec<&str> = first.stderr.lines().collect();
    for (line, words) in [
        "line 4: no JSON: it breaks off after column 15",
        "line 5: a draft is a JSON object",
        "line 6: type: a type is a lower-case letter",
        "line 7: user: say who gets it",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(told[line].starts_with(words), "{words}: {told:?}");
    }
    assert!(told[3].contains("all: broadcasts are not served yet"), "{told:?}");
    assert!(told[4].starts_with("error: 4 faulty lines were not sent; ") && told.len() == 5, "{told:?}");
    assert_eq!(contents(&ada).await, numbers(1..=4));

    // The same file again, also by its name: nothing twice.
    let again = send(&file).run().await;
    assert_eq!((again.code, tally(&again)), (Some(1), [0, 4, 4]));
    let by_name = lumen("send --json").word(&file).at(&server).run().await;
    assert_eq!(tally(&by_name), [0, 4, 4]);
    // Put right in its place, and sent again as it says: only that.
    write(&[&bad[..3], &[drafts([5]).trim_end()]].concat());
    let run = run_named_in(&first.stderr);
    let mended = send(&file).word("--run").word(&run).run().await;
    assert_eq!((mended.code, tally(&mended)), (Some(1), [1, 4, 3]));
    assert_eq!(contents(&ada).await, numbers(1..=5));
    // Of many faults the first are told.
    let many = lumen("send - --json").at(&server).stdin(format!("{{}}\n{}", "nope\n".repeat(30))).run().await;
    assert_eq!(tally(&many), [0, 0, 31]);
    let told: Vec<&str> = many.stderr.lines().filter(|line| line.starts_with("line ")).collect();
    assert!(told.len() == 20 && many.stderr.contains("\nand 11 more\nerror: "), "{many:?}");
    // What is no draft a line is told once, with what makes one of it.
    let array = lumen("send - --json").at(&server).stdin("[\n  {},\n  {}\n]\n").run().await;
    assert_eq!((array.code, tally(&array)), (Some(1), [0, 0, 0]));
    assert!(array.stderr.ends_with("it is a JSON array; make a line of each entry with jq -c '.[]'\n"), "{array:?}");
    // That nobody reads the summary does not make it a success.
    let mut unread = lumen("send -").at(&server).open_stdin().start();
    unread.close_stdout().await;
    unread.write("nope\n").await;
    unread.end_input();
    let unread = unread.wait().await;
    assert_eq!(unread.code, Some(1), "{unread:?}");
    assert!(unread.stderr.ends_with("what is there is not sent twice\n"), "{unread:?}");
}

#[tokio::test]
async fn a_pipe_says_its_run_by_which_it_can_be_sent_again() {
    let server = Child::start().await;
    let (ada, mut reader) = ada(&server).await;
    let mut slow = lumen("send -").at(&server).open_stdin().start();
    let run = run_named_in(&slow.until_said("add --run ").await);
    // What a slow producer has written is not held back for more. With one batch in flight, the second goes when the
    // first is acknowledged.
    for n in [1, 2] {
        slow.write(&drafts([n])).await;
        assert_eq!(reader.messages(1).await[0].data.content, n.to_string());
    }
    // Half of a line is none yet, and Ctrl-C says what was acknowledged.
    slow.write(&drafts([3])[..20]).await;
    slow.signal("INT");
    let stopped = slow.wait().await;
    assert_eq!(stopped.code, Some(130));
    assert!(stopped.stderr.contains(&format!("send the same again with --run {run}: ")), "{stopped:?}");
    let summary = stopped.lines.concat();
    assert!(["1", "2"].contains(&summary.split(" sent, 0 duplicates, 0 faulty in ").next().unwrap()), "{stopped:?}");

    let again = lumen("send - --json --run").word(&run).at(&server).stdin(drafts(1..=4)).run().await;
    assert_eq!((again.code, tally(&again)), (Some(0), [2, 2, 0]));
    // Without it the same lines are others.
    let others = lumen("send - --json").at(&server).stdin(drafts(1..=2)).run().await;
    assert_eq!((others.code, tally(&others)), (Some(0), [2, 0, 0]));
    assert_eq!(contents(&ada).await, numbers([1, 2, 3, 4, 1, 2]));
    assert_eq!(reader.messages(4).await.len(), 4);
}

/// The server is killed when a batch is on disk and its answer is not told; the sending goes on, nothing comes twice.
#[tokio::test]
async fn a_sending_outlives_the_server() {
    let mut server = Child::start().await;
    let (ada, mut reader) = ada(&server).await;
    let chaos = Chaos::start(server.addr()).await;
    chaos.for_next(Mode::Stall);
    let mut send = lumen("send - --json --batch 20 --data-dir")
        .word(server.dir())
        .word("--url")
        .word(format!("http://{}", chaos.addr()))
        .stdin(drafts(1..=90))
        .start();
    assert_eq!(reader.messages(20).await.len(), 20);
    server.kill9().await;
    chaos.for_new(Mode::Refuse);
    chaos.cut_all();
    send.until_said("trying again in ").await;
    server.restart().await;
    chaos.point_at(server.addr());
    chaos.for_new(Mode::Pass);
    let done = send.wait().await;
    assert_eq!((done.code, tally(&done)), (Some(0), [70, 20, 0]), "{done:?}");
    assert!(done.stderr.contains("going on after "), "{}", done.stderr);
    assert_eq!(contents(&ada.at(server.url())).await, numbers(1..=90));
}
