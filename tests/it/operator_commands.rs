//! The commands that look into what a user has and end it, as somebody types them: inbox, retract, presence, disconnect
//! and erase.

use serde_json::{Value, json};

use crate::support::child::Child;
use crate::support::command::{Done, lumen, sh};
use crate::support::http::ok;

/// Runs it to its end, which must be a success.
async fn done(done: impl Future<Output = Done>) -> Done {
    let done = done.await;
    assert_eq!(done.code, Some(0), "{done:?}");
    done
}

/// What stands behind the times, which are the same length in each line.
fn untimed(done: &Done) -> Vec<String> {
    let rest = |line: &String| format!("{}{}", &line[..1], &line["* 2026-11-24 13:57:17".len()..]);
    done.lines.iter().map(rest).collect()
}

#[tokio::test]
async fn an_inbox_is_listed_for_people_and_for_programs() {
    let server = Child::start().await;
    let (api, tokens) = (server.api(), server.tokens());
    let alice = api.with(tokens.user("alice"));
    for draft in [
        json!({"user": "alice", "type": "like", "sender": {"username": "bob"}, "content": "likes it", "link": "/p/9"}),
        json!({"user": "alice", "type": "comment", "sender": {"username": "克拉拉"}, "content": "nice\u{1b}[31m\nwork"}),
        json!({"user": "alice", "type": "my.own", "content": "We are back"}),
    ] {
        ok::<Value>(api.post(&draft).await);
    }
    let first = alice.list_all().await.items[2].data.id;
    ok::<Value>(alice.read(first).await);
    let inbox = |words: &str| done(lumen(&format!("inbox --user alice {words}")).at(&server).run());

    let all = inbox("").await;
    let lines = [
        "*  my.own           We are back",
        "*  comment  克拉拉  nice\\u{1b}[31m\\nwork",
        "   like     bob     likes it  /p/9",
    ];
    assert_eq!(untimed(&all), lines);
    assert_eq!(all.stderr, "alice: 2 unread, 2 unseen\n");
    let cut = inbox("--limit 2").await;
    assert_eq!(
        (cut.lines.len(), cut.stderr.as_str()),
        (2, "alice: 2 unread, 2 unseen; there are older ones: --before 2\n")
    );
    assert_eq!(untimed(&inbox("--before 2").await), ["   like  bob  likes it  /p/9"]);
    assert_eq!(untimed(&inbox("--unread --type comment -q").await).len(), 1);
    let programs = inbox("--json").await;
    let items: Vec<Value> = programs.lines.iter().map(|line| line.parse().unwrap()).collect();
    assert_eq!(items, ok::<Value>(alice.list("").await)["items"].as_array().unwrap().as_slice());

    // A user's own token says whose inbox it is; more than a page is read page by page.
    let drafts: Vec<Value> =
        (0..130).map(|n| json!({"user": "ben", "type": "like", "content": n.to_string()})).collect();
    ok::<Value>(api.batch(&drafts).await);
    let bens = |words: &str| {
        lumen(&format!("inbox --url {} {words}", server.url())).env("LUMEN_TOKEN", tokens.user("ben")).run()
    };
    let every = done(bens("--all")).await;
    assert_eq!((every.lines.len(), every.stderr.as_str()), (130, "130 unread, 130 unseen\n"));
    assert_eq!(done(bens("--limit 120 --json")).await.lines.len(), 120);
    assert_eq!(done(bens("")).await.lines.len(), 20);
}

#[tokio::test]
async fn what_was_sent_is_taken_back_by_its_key() {
    let server = Child::start().await;
    let typed = |words: &str| done(lumen(words).word("--key").word("-like:9 &").at(&server).run());
    typed("send --user zoë/1 --type like --content x").await;
    let retract = "retract --user zoë/1";
    assert_eq!(typed(retract).await.lines, ["taken back, 0 unread left for zoë/1"]);
    let nothing = "nothing to take back: zoë/1 has no notification with this key; it is free";
    assert_eq!(typed(retract).await.lines, [nothing]);
    let programs = typed("retract --user zoë/1 --json").await.lines;
    assert_eq!(programs, [r#"{"removed":false,"unread_count":0,"unseen_count":0,"rev":2}"#]);
}

#[tokio::test]
async fn a_user_is_seen_and_sent_away() {
    let server = Child::start().await;
    let typed = |words: &str| done(lumen(&format!("{words} --user zoë/1")).at(&server).run());
    let nobody = typed("presence").await;
    assert_eq!((nobody.lines.len(), nobody.stderr.as_str()), (0, "zoë/1 has no open stream\n"));
    let mut tail = lumen("tail --user zoë/1").at(&server).start();
    tail.until_said("open:").await;
    let people = typed("presence").await;
    assert!(people.lines[0].contains("  from 127.0.0.1  "), "{people:?}");
    assert_eq!(people.stderr, "zoë/1 has 1 open stream\n");
    let open: Value = typed("presence --json").await.lines.concat().parse().unwrap();
    assert!(people.lines[0].ends_with(open["stream"].as_str().unwrap()), "{open}");

    let ended = typed("disconnect").await;
    assert_eq!(ended.lines, ["1 stream ended; tokens of zoë/1 that were signed up to now are refused"]);
    let tail = tail.wait().await;
    assert_eq!(tail.code, Some(1));
    assert!(tail.stderr.contains("an operator ended it"), "{tail:?}");
    assert_eq!(typed("disconnect --json").await.lines, [r#"{"closed":0}"#]);
}

#[tokio::test]
async fn an_inbox_is_erased_by_who_says_yes() {
    let server = Child::start().await;
    let (api, tokens) = (server.api(), server.tokens());
    for user in ["alice", "ben"] {
        api.publish(user, "one").await;
        api.publish(user, "two").await;
    }
    let left = async |user: &str| api.with(tokens.user(user)).list_all().await.items.len();
    let erase = |words: &str| lumen(&format!("erase --user {words}")).at(&server).run();
    let unasked = erase("alice").await;
    assert_eq!((unasked.code, unasked.lines.len()), (Some(2), 0));
    assert!(unasked.stderr.contains("nobody to ask (stdin is no terminal); say --yes"), "{unasked:?}");
    assert_eq!(left("alice").await, 2);
    assert_eq!(done(erase("alice --yes")).await.lines, ["the inbox of alice is erased"]);
    assert_eq!(done(erase("alice -y")).await.lines, ["nothing to erase: alice has no inbox"]);
    assert_eq!(done(erase("alice --yes --json")).await.lines, [r#"{"erased":false}"#]);
    assert_eq!(left("alice").await, 0);

    // On a terminal it asks, and anything but a yes is a no.
    let more: Vec<Value> =
        (0..1_001).map(|n| json!({"user": "carol", "type": "like", "content": n.to_string()})).collect();
    ok::<Value>(api.batch(&more).await);
    for (user, answer, code, asked, told, rows) in [
        ("ben", "\n", 1, "with 2 notifications", "nothing was erased", 2),
        ("ben", "no\n", 1, "with 2 notifications", "nothing was erased", 2),
        ("ben", "Y\n", 0, "with 2 notifications", "the inbox of ben is erased", 0),
        ("carol", "yes\n", 0, "with more than 1,000 notifications", "the inbox of carol is erased", 0),
    ] {
        let line = format!(
            "{} erase --user {user} --url {} --data-dir {}",
            env!("CARGO_BIN_EXE_lumen"),
            server.url(),
            server.dir().display()
        );
        let mut terminal = sh(&format!("script -qec '{line}' /dev/null")).open_stdin().start();
        // The question leaves its line open, so it is not waited for: the terminal keeps what is typed.
        terminal.write(answer).await;
        let ended = terminal.wait().await;
        let said = ended.lines.join("\n");
        assert_eq!(ended.code, Some(code), "{said}");
        let question = format!("erase the inbox of {user}, {asked}? [y/N]");
        assert!(said.contains(&question) && said.contains(told), "{said}");
        assert_eq!(left(user).await, rows);
    }
}

/// Wrong tokens and servers that are not there end as in any other command.
#[tokio::test]
async fn what_an_operator_may_not_do_is_told_with_its_cure() {
    let server = Child::start().await;
    let tokens = server.tokens();
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("token");
    std::fs::write(&path, tokens.user("alice")).unwrap();
    for (words, code, told) in [
        ("presence --user alice", 1, "`lumen token --admin` signs one"),
        ("disconnect --user alice", 1, "`lumen token --admin` signs one"),
        ("erase --user alice --yes", 1, "`lumen token --admin` signs one"),
        ("retract --user alice --key k", 1, "`lumen token --producer` signs one"),
        ("retract --user alice", 2, "--key <KEY>"),
        ("presence", 2, "--user <ID>"),
        ("inbox --limit 0", 2, "a whole number of notifications, at least 1"),
        ("inbox --limit 3 --all", 2, "cannot be used with"),
        ("inbox --type Like", 2, "a type is a lower-case letter"),
        ("inbox --before x", 2, "--before <REV>"),
    ] {
        let done = lumen(words).word("--token-file").word(&path).at(&server).run().await;
        assert_eq!((done.code, done.lines.len()), (Some(code), 0), "{words}: {done:?}");
        assert!(done.stderr.contains(told), "{words} should say {told:?}:\n{}", done.stderr);
    }
    let nobodys = lumen("inbox").at(&server).run().await;
    assert_eq!(nobodys.code, Some(2));
    assert!(nobodys.stderr.contains("say whose inbox it is with --user ID"), "{nobodys:?}");
    let alone = lumen("presence --user alice --url http://127.0.0.1:1 --data-dir").word(server.dir()).run().await;
    assert_eq!(alone.code, Some(1));
    assert!(alone.stderr.starts_with("error: nobody listens at http://127.0.0.1:1; start the server"), "{alone:?}");
}
