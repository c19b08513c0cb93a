//! The commands as somebody types them: serve, tail and token, each against a running server.

use std::time::Duration;

use lumen_inbox::domain::cursor::Cursor;
use serde_json::{Value, json};

use crate::support::child::{Child, Launch};
use crate::support::command::{Done, Running, lumen, sh};
use crate::support::http::{Api, ok};
use crate::support::opening::{Opening, Unopened};
use crate::support::script::{Script, Then};

const LIKE: &str = "send --user alice --type like --sender bob --content 点赞了你的作品";

/// The next line of a `--json` command.
async fn object(running: &mut Running) -> Value {
    let line = running.line().await;
    serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line}"))
}

/// Runs it to its end, which must be a success.
async fn done(done: impl Future<Output = Done>) -> Vec<String> {
    let done = done.await;
    assert_eq!(done.code, Some(0), "{done:?}");
    done.lines
}

#[tokio::test]
async fn a_tail_goes_on_through_a_kill_of_the_server() {
    let mut server = Child::start().await;
    let mut people = lumen("tail --user alice").at(&server).start();
    let mut programs = lumen("tail --user alice --json --exit-after 2").at(&server).start();
    people.until_said("open: the stream of alice, 0 unread").await;
    let ready = object(&mut programs).await;
    assert_eq!((&ready["event"], &ready["data"]["unread_count"]), (&json!("ready"), &json!(0)));

    let sent = done(lumen(LIKE).at(&server).run()).await;
    assert!(sent[0].ends_with("rev 1, 1 unread, handed to 2 streams"), "{sent:?}");
    let line = people.line().await;
    assert!(line.ends_with("  like  bob  点赞了你的作品  (1 unread)"), "{line}");
    let first = object(&mut programs).await;

    server.kill9().await;
    people.until_said("trying again").await;
    server.restart_in_place().await;
    done(lumen(LIKE).at(&server).run()).await;
    let line = people.line().await;
    assert!(line.ends_with("  like  bob  点赞了你的作品  (2 unread)"), "{line}");
    people.until_said("back: the stream of alice").await;
    let again = object(&mut programs).await;
    assert_eq!((&again["event"], &again["id"]), (&json!("ready"), &first["id"]), "it comes back with its cursor");
    let second = object(&mut programs).await;
    assert_eq!(programs.wait().await.code, Some(0));

    let (api, tokens) = (server.api(), server.tokens());
    let listed = api.with(tokens.user("alice")).list_all().await;
    let stored: Vec<_> = listed.items.iter().rev().map(|item| (item.data.id.to_string(), item.rev)).collect();
    let told = [&first, &second].map(|told| {
        assert_eq!((&told["event"], &told["data"]["type"]), (&json!("message"), &json!("like")));
        assert_eq!(told["data"]["data"]["sender"], json!({"username": "bob"}));
        let cursor: Cursor = told["id"].as_str().unwrap().parse().unwrap();
        (told["data"]["data"]["id"].as_str().unwrap().to_owned(), cursor.rev)
    });
    assert_eq!(told.to_vec(), stored);
    assert_eq!(told.map(|(_, rev)| rev), [1, 2]);
    assert_eq!([&first, &second].map(|told| told["data"]["unread_count"].clone()), [json!(1), json!(2)]);
}

/// A tail may be started before its server; and what is printed for programs is what went over the wire.
#[tokio::test]
async fn a_tail_waits_for_its_server_and_prints_data_as_they_were_sent() {
    let mut server = Child::start().await;
    server.kill9().await;
    let mut tail = lumen("tail --user alice --json --from start").at(&server).start();
    let said = tail.until_said("nobody listens at").await;
    assert!(said.contains("start the server, or say where it is with --url; trying again in "), "{said}");
    server.restart_in_place().await;
    assert_eq!(object(&mut tail).await["event"], "ready");

    let mut reader = server.opening("alice").open().await;
    reader.expect_ready().await;
    let odd = "two\nlines, \u{1b}[31m, \u{2028} and \"quotes\"";
    let draft = json!({"user": "alice", "type": "my.own", "content": odd, "extra": {"b": 1.50, "a": [null]}});
    ok::<Value>(server.api().post(&draft).await);
    let sent = reader.next().await.block;
    let expected = format!(r#"{{"event":"message","id":"{}","data":{}}}"#, sent.id.unwrap(), sent.data.unwrap());
    assert_eq!(tail.line().await, expected);
}

#[tokio::test]
async fn the_lines_that_serve_prints_work_as_they_are() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("where it's kept");
    let mut serve = lumen("serve --listen 127.0.0.1:0 --data-dir").word(&dir).start();
    let ready = serve.until_said("listening on http://127.0.0.1:").await;
    let tail = serve.until_said(" tail --user alice").await;
    let send = serve.until_said(" send --user alice").await;
    let mut tail = sh(&tail).start();
    tail.until_said("open: the stream of alice").await;
    let sent = done(sh(&send).run()).await;
    assert!(sent[0].ends_with("1 unread, handed to 1 stream"), "{sent:?}");
    assert!(tail.line().await.ends_with("  like  bob  点赞了你的作品  (1 unread)"));
    serve.signal("TERM");
    let ended = serve.wait().await;
    assert_eq!((ended.code, ended.lines.len()), (Some(0), 0), "{ready}");
    assert!(ended.stderr.ends_with("ended in good order\n"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_tail_begins_and_ends_where_it_is_told_to() {
    let server = Child::start().await;
    let (api, tokens) = (server.api(), server.tokens());
    for (kind, content) in [("like", "1"), ("comment", "2"), ("follow", "3"), ("like", "4")] {
        ok::<Value>(api.post(&json!({"user": "alice", "type": kind, "content": content})).await);
    }
    let contents = |lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| line.split("  ").nth(2).unwrap().to_owned()).collect()
    };
    let tail = |words: &str| lumen(&format!("tail --user alice {words}")).at(&server);
    assert_eq!(contents(&done(tail("--from start --exit-after 3").run()).await), ["1", "2", "3"]);
    assert_eq!(contents(&done(tail("--from start --types follow,like --exit-after 3").run()).await), ["1", "3", "4"]);
    let after_two = Cursor { rev: 2, ..api.with(tokens.user("alice")).list_all().await.cursor.parse().unwrap() };
    assert_eq!(contents(&done(tail(&format!("--from {after_two} --exit-after 2")).run()).await), ["3", "4"]);

    // From the head there is nothing: it looks on for its time, and has failed if it was to see something. Of an inbox
    // that it cannot look into it has seen nothing, whatever it was to see.
    let blind = lumen("tail --user alice --timeout 100ms --url http://127.0.0.1:1 --data-dir").word(server.dir());
    let late = tail("--from start --timeout 3s --exit-after 5");
    let (idle, late, blind) = tokio::join!(tail("--timeout 3s").run(), late.run(), blind.run());
    assert_eq!((idle.code, idle.lines.len()), (Some(0), 0), "{idle:?}");
    assert!(idle.stderr.lines().last().unwrap().starts_with("to go on from here: --from "), "{idle:?}");
    assert_eq!((late.code, contents(&late.lines).len()), (Some(1), 4));
    assert!(late.stderr.ends_with("4 of 5 notifications came in time\n"), "{}", late.stderr);
    assert_eq!(blind.code, Some(1), "{blind:?}");
    assert!(blind.stderr.ends_with("no stream was open in time\n"), "{}", blind.stderr);
}

/// What was missed comes with the count of now, which is told once; a mark names what it is about.
#[tokio::test]
async fn a_tail_tells_what_is_read_and_the_count_where_it_is_that_of_then() {
    let server = Child::start().await;
    let (api, tokens) = (server.api(), server.tokens());
    let alice = api.with(tokens.user("alice"));
    for content in ["one", "two", "three"] {
        api.publish("alice", content).await;
    }
    let ids: Vec<String> = alice.list_all().await.items.iter().rev().map(|item| item.data.id.to_string()).collect();
    ok::<Value>(alice.read_ids(&ids[..1]).await);
    let mut tail = lumen("tail --user alice --from start --exit-after 4").at(&server).start();
    for end in ["  one  read", "  two", "  three", "read: \"one\"  (2 unread)"] {
        let line = tail.line().await;
        assert!(line.ends_with(end), "{end:?}: {line}");
    }
    ok::<Value>(alice.read_ids(&ids[1..2]).await);
    assert_eq!(tail.line().await, "read: \"two\"  (1 unread)");
    api.publish("alice", "four").await;
    assert!(tail.line().await.ends_with("  four  (2 unread)"));
    let ended = tail.wait().await;
    assert_eq!(ended.code, Some(0));
    let on_from = ended.stderr.lines().last().unwrap().strip_prefix("to go on from here: ").unwrap();
    assert!(on_from.ends_with("-6"), "{on_from}");
}

#[tokio::test]
async fn who_has_had_enough_of_a_tail_just_goes() {
    let server = Child::start().await;
    let api = server.api();
    let mut piped = lumen("tail --user alice").at(&server).start();
    let mut stopped = lumen("tail --user alice").at(&server).start();
    piped.until_said("open:").await;
    stopped.until_said("open:").await;
    api.publish("alice", "one").await;
    piped.line().await;
    stopped.line().await;
    piped.close_stdout().await;
    api.publish("alice", "two").await;
    let piped = piped.wait().await;
    assert_eq!((piped.code, piped.stderr.lines().count()), (Some(0), 1), "a closed pipe is success: {piped:?}");

    stopped.line().await;
    stopped.signal("INT");
    let stopped = stopped.wait().await;
    assert_eq!(stopped.code, Some(130));
    let on_from = stopped.stderr.lines().last().unwrap().strip_prefix("to go on from here: ").unwrap();
    api.publish("alice", "three").await;
    let on = done(lumen(&format!("tail --user alice --exit-after 1 {on_from}")).at(&server).run()).await;
    assert!(on[0].ends_with("  like  three  (3 unread)"), "{on:?}");
}

/// Whatever answers at the address: its words steer no terminal.
#[tokio::test]
async fn a_refusal_is_shown_and_not_obeyed() {
    let mut problem = json!({"type": "about:blank", "status": 403, "code": "c", "cure": "c", "detail": "d"});
    problem["title"] = json!("no\u{1b}[2J\nerror: none");
    let body = problem.to_string();
    let head = "HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\nConnection: close";
    let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let script = Script::start([(answer, Then::Close)]).await;
    let asked = lumen(&format!("inbox --url http://{}", script.addr())).env("LUMEN_TOKEN", "t");
    let done = asked.run().await;
    assert_eq!((done.code, done.stderr.as_str()), (Some(1), "error: no\\u{1b}[2J\\nerror: none: d; c\n"));
}

/// What is typed wrong is 2, what is wrong there is 1, and the last words say what to do.
#[tokio::test]
async fn what_cannot_work_is_told_with_its_cure() {
    let server = Child::start().await;
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let (api, tokens) = (server.api(), server.tokens());
    let alices = file("alice", &tokens.user("alice"));
    let (empty, garbage) = (file("empty", "\n"), file("garbage", "one-line\n"));
    for (words, code, told) in [
        ("tail --user alice --from 128", 2, "like k3f9q2-128; or the word start"),
        ("tail --usr alice", 2, "a similar argument exists: '--user'"),
        ("tail", 2, "say whose stream it is with --user ID, or hand over a user's token with --token-file"),
        ("tail --user alice --timeout 30", 2, "a whole number and a unit: 500ms, 30s"),
        ("send --user alice --type like", 2, "required arguments were not provided"),
        ("token", 2, "<--user <ID>|--producer [<NAME>]|--admin>"),
        ("serve --listen 8080", 2, "127.0.0.1:8080"),
        ("tail --token-file /nowhere/token", 1, "/nowhere/token cannot be read: No such file"),
        (&format!("tail --token-file {empty}"), 1, "holds no token; a token is one line"),
        (&format!("tail --token-file {garbage}"), 1, "the token is no JWT"),
        (&format!("tail --token-file {alices} --user bob"), 1, "the token is alice's and not bob's; leave --user out"),
        (&format!("inbox --token-file {alices} --user bob"), 1, "the token is alice's and not bob's; leave --user out"),
        (&format!("{LIKE} --token-file {alices}"), 1, "`lumen token --producer` signs one"),
        ("send --user alice --type Like --content x", 2, "--type: a type is a lower-case letter"),
        ("send --user alice --type like --content x --link posts/9", 2, "--link: a link begins with http"),
        ("send", 2, "| lumen send - "),
        ("send /nowhere/drafts", 1, "/nowhere/drafts cannot be read: No such file"),
    ] {
        let done = lumen(words).at(&server).run().await;
        assert_eq!((done.code, done.lines.len()), (Some(code), 0), "{words}: {done:?}");
        assert!(done.stderr.contains(told), "{words} should say {told:?}:\n{}", done.stderr);
        if code == 1 {
            let last = done.stderr.lines().last().unwrap_or_default();
            assert!(last.starts_with("error: ") && last.matches(told).count() == 1, "{words}: {}", done.stderr);
        }
    }
    assert!(api.with(tokens.user("alice")).list_all().await.items.is_empty());
    for words in ["tail --user alice", LIKE, "send -", "token --user alice"] {
        let keyless = lumen(words).word("--data-dir").word(files.path()).run().await;
        assert_eq!(keyless.code, Some(1), "{words}: {keyless:?}");
        assert!(keyless.stderr.contains("--token-file"), "{words}: {keyless:?}");
        let homeless = lumen(words).run().await;
        assert_eq!(homeless.code, Some(1), "{words}: {homeless:?}");
        assert!(homeless.stderr.contains("/.local/share/lumen"), "{words}: {homeless:?}");
    }
    let below =
        lumen(LIKE).word("--url").word(format!("{}/api/v1", server.url())).word("--data-dir").word(server.dir());
    let below = below.run().await;
    assert_eq!(below.code, Some(1));
    let told = format!("error: nothing is served at {0}/api/v1/api/v1/notifications; --url is scheme, ", server.url());
    assert!(below.stderr.starts_with(&told), "{below:?}");
    let alone = lumen(LIKE).word("--url").word("http://127.0.0.1:1").word("--data-dir").word(server.dir());
    let alone = alone.run().await;
    assert_eq!(alone.code, Some(1), "somebody sits there and sees it");
    assert_eq!(
        alone.stderr,
        "error: nobody listens at http://127.0.0.1:1; start the server, or say where it is with --url\n"
    );
}

#[tokio::test]
async fn a_signed_token_is_for_what_it_says() {
    let server = Child::start().await;
    let token = async |words: &str| done(lumen(&format!("token {words}")).at(&server).run()).await.concat();
    let (alice, shop, admin) =
        (token("--user alice").await, token("--producer shop").await, token("--admin --ttl 1d").await);
    let mut reader = Opening::new(server.addr(), alice.clone()).open().await;
    assert_eq!(reader.expect_ready().await.user, "alice");
    let api = Api::new(server.url(), shop.clone());
    api.publish("alice", "one").await;
    assert_eq!(reader.expect_message().await.data.content, "one");
    for other in [&alice, &admin] {
        let (status, problem) = api.with(other).post(&json!({"user": "a", "type": "like", "content": "x"})).await;
        assert_eq!((status, &problem["code"]), (403, &json!("not_a_producer")));
    }
    for other in [&shop, &admin] {
        assert_eq!(api.with(other).list("").await.0, 403);
        let refused = Opening::new(server.addr(), other.clone()).try_open().await;
        assert!(matches!(&refused, Err(Unopened::Refused { head, .. }) if head.status == 403), "{refused:?}");
    }
    let signed: Value = token("--user alice --ttl 15m --json").await.parse().unwrap();
    assert!(signed["expires_at"].as_str().unwrap().ends_with('Z'), "{signed}");
    assert_eq!(api.with(signed["token"].as_str().unwrap()).list("").await.0, 200);
    // A tail that is handed the token needs neither a key nor to be told whose stream it is.
    let by_token = lumen("tail --from start --exit-after 1 --url").word(server.url()).env("LUMEN_TOKEN", &alice);
    assert_eq!(done(by_token.run()).await.len(), 1);
}

#[tokio::test]
async fn a_tail_outlives_its_token_where_another_can_be_had() {
    let server = Child::start().await;
    let (api, tokens) = (server.api(), server.tokens());
    let files = tempfile::tempdir().unwrap();
    let (file, fresh) = (files.path().join("token"), files.path().join("fresh"));
    let short = tokens.user_for("alice", Duration::from_secs(3));
    std::fs::write(&file, &short).unwrap();
    let mut kept = lumen("tail --exit-after 1 --token-file").word(&file).at(&server).start();
    let mut given = lumen("tail").env("LUMEN_TOKEN", &short).at(&server).start();
    kept.until_said("open:").await;
    given.until_said("open:").await;
    std::fs::write(&fresh, tokens.user("alice")).unwrap();
    std::fs::rename(&fresh, &file).unwrap();

    kept.until_said("the server ended the stream: the token ended; trying again in ").await;
    api.publish("alice", "meanwhile").await;
    let given = given.wait().await;
    assert_eq!(given.code, Some(1));
    assert!(given.stderr.contains("\nerror: the token has ended; start again with a fresh one, or "), "{given:?}");
    let kept = kept.wait().await;
    assert_eq!((kept.code, kept.lines.len()), (Some(0), 1), "{kept:?}");
    assert!(kept.lines[0].ends_with("  like  meanwhile  (1 unread)"), "{kept:?}");
    assert!(kept.stderr.contains("back: the stream of alice, 1 unread, one missed change follows\n"), "{kept:?}");
}

/// Faults row 38, for all that the commands write.
#[tokio::test]
async fn no_secret_is_written_however_much_is_logged() {
    let server = Launch::new().arg("-vv").env("RUST_LOG", "trace").start().await;
    let (api, tokens) = (server.api(), server.tokens());
    let (alice, forged) = (tokens.user("alice"), "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.Zm9yZ2Vk");
    let key = std::fs::read(server.dir().join("key")).unwrap();
    let mut open = Opening::new(server.addr(), alice.clone()).token_in_query().open().await;
    open.expect_ready().await;
    for opening in [Opening::new(server.addr(), forged), Opening::new(server.addr(), forged).token_in_query()] {
        assert!(opening.try_open().await.is_err());
    }
    assert_eq!(api.with(forged).post(&json!({})).await.0, 401);

    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("token");
    std::fs::write(&file, &alice).unwrap();
    let loud = |words: &str| lumen(&format!("{words} -vv")).at(&server).env("RUST_LOG", "trace");
    let mut written = Vec::new();
    for typed in [
        loud(LIKE),
        loud("tail --from start --exit-after 1").word("--token-file").word(&file),
        loud("tail --from start --exit-after 1").env("LUMEN_TOKEN", &alice),
        loud("tail --user alice --from start --exit-after 1"),
        loud("send -").stdin(r#"{"user":"alice","type":"like","content":"two"}"#),
        loud("tail").env("LUMEN_TOKEN", forged),
    ] {
        let done = typed.run().await;
        assert!(done.stderr.contains("TRACE") || done.stderr.contains("DEBUG"), "it is loud: {done:?}");
        written.push(format!("{}{}", done.lines.join("\n"), done.stderr));
    }
    server.terminate();
    let mut server = server;
    let ended = server.wait().await;
    assert!(ended.stderr.contains("DEBUG"), "it is loud: {}", ended.stderr);
    written.push(ended.stderr);

    // Whatever a token says, its middle is the same for the same claims; what has to be kept is its signature.
    let signature = alice.rsplit_once('.').unwrap().1.to_owned();
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    for text in &written {
        for secret in [alice.as_str(), &signature, "Zm9yZ2Vk", "eyJhbGciOi", "eyJ0eXAiOi", &hex, &hex.to_uppercase()] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} was written");
        }
        let listed = format!("{:?}", &key[..8]);
        assert!(!text.contains(listed.trim_matches(['[', ']'])), "the key's bytes were written");
    }
}
