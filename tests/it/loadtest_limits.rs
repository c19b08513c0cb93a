//! Faults row 49: streams that `lumen loadtest` cannot open, by a limit of this host or for what the server answers. It says
//! which and what helps, and is never a success.

use futures_util::future::join_all;

use crate::support::badserver::{BadServer, Fault};
use crate::support::child::{Child, Launch};
use crate::support::command::{Done, sh};
use crate::support::loaded::{COUNTED, loadtest};
use crate::support::rights::is_root;

const LUMEN: &str = env!("CARGO_BIN_EXE_lumen");

fn failed(done: &Done) -> &str {
    assert_eq!((done.code, done.lines.len()), (Some(1), 0), "{done:?}");
    done.stderr.lines().last().unwrap_or_default()
}

#[tokio::test]
async fn streams_that_do_not_fit_are_known_before_anything_starts() {
    // A server of its own would find no room there, and say so.
    let run = |limit: &str| {
        let line = format!(
            "prlimit --nofile={limit} {LUMEN} loadtest --json --spawn --streams 1000 --threads 2 --duration 1s"
        );
        sh(&line).env("TMPDIR", "/nonexistent").run()
    };
    let done = run("256:256").await;
    let last = failed(&done);
    for told in ["1000 streams do not fit", "open files, which is 256", "at most 116 do", "ulimit -Hn", "--streams"] {
        assert!(last.contains(told), "{told:?} is not in {last}");
    }
    let raised = run("256:4096").await;
    assert!(failed(&raised).starts_with("error: no server of its own: "), "the soft limit is raised: {raised:?}");
}

/// In one story, since some take the time after which an opening is given up.
#[tokio::test]
async fn streams_that_cannot_be_opened_are_told_with_their_reason() {
    tokio::join!(answered_by_what_is_no_stream(), without_ports());
}

async fn answered_by_what_is_no_stream() {
    const FAULTS: [(Fault, &str); 6] = [
        (Fault::Answers("HTTP/1.1 204 No Content\r\n\r\n"), "it answered 204 No Content"),
        (Fault::Answers("HTTP/1.1 503 Service Unavailable\r\n\r\n"), "it answered 503 Service Unavailable"),
        (
            Fault::Answers("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>data: hello</p>\n\n"),
            "it answered with the content type text/html and not with text/event-stream",
        ),
        (Fault::Answers("220 mail.example ESMTP\r\n"), "its answer is no HTTP/1.x: "),
        (Fault::Answers("\x15\x03\x01\0\x02\x02F"), "(it may speak https; write its address with https://)"),
        (Fault::Mute, "no answer within 10 s"),
    ];
    let runs = FAULTS.map(|(fault, why)| async move {
        let server = BadServer::start(fault).await;
        let done = loadtest(&format!("{COUNTED} --streams 3 {}", server.words())).run().await;
        let last = failed(&done);
        assert!(last.starts_with("error: 0 of 3 streams were opened, and nothing was published: "), "{last}");
        assert!(last.contains(why), "{fault:?}: {last}");
        assert_eq!(server.receivers(), [], "nothing was published");
    });
    join_all(runs).await;
}

#[tokio::test]
async fn whom_lumen_does_not_let_in_is_told_why_and_what_helps() {
    let (server, another) = (Child::start().await, Child::start().await);
    let capped = Launch::new().config("limits.streams_per_user = 2\n").start().await;
    let words = format!("{COUNTED} --streams 3");
    let wrong_key = loadtest(&words).word("--url").word(server.url()).word("--data-dir").word(another.dir());
    let (wrong_key, capped) =
        tokio::join!(wrong_key.run(), loadtest(&words).word("--users").word("1").at(&capped).run());
    for (done, told) in [
        (
            &wrong_key,
            &["0 of 3 streams", "× it answered 401 Unauthorized: token_wrong_key", "see that the key is that server's"],
        ),
        (&capped, &["2 of 3 streams", "1 × the server closed it: too_many_streams", "limits.streams_per_user"]),
    ] {
        let last = failed(done);
        assert!(told.iter().all(|told| last.contains(told)), "{told:?} is not in {last}");
    }
}

/// In a network of its own, with ports for the server and 39 streams.
async fn without_ports() {
    if !is_root() {
        return;
    }
    let narrow = "ip link set lo up && echo 40000 40039 > /proc/sys/net/ipv4/ip_local_port_range && exec \"$@\"";
    let line = format!("unshare --net sh -c '{narrow}' sh {LUMEN} loadtest --json --spawn --streams 100 --duration 1s");
    let done = sh(&line).run().await;
    let last = failed(&done);
    for told in ["of 100 streams were opened", "no free port", "widen net.ipv4.ip_local_port_range"] {
        assert!(last.contains(told), "{told:?} is not in {last}");
    }
}
