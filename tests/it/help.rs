//! What the commands say of themselves, and of words that cannot be meant, as snapshots to be read.

use clap::CommandFactory;
use insta::assert_snapshot;
use lumen_inbox::cli::Cli;
use lumen_inbox::clock::Clock;

use crate::support::command::lumen;
use crate::support::tokens::Tokens;

#[tokio::test]
async fn of_each_command() {
    let commands = Cli::command();
    let names = commands.get_subcommands().map(|command| command.get_name().to_owned());
    let mut page = String::new();
    for name in std::iter::once(String::new()).chain(names) {
        let done = lumen(&format!("{name} --help")).run().await;
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{name}");
        page += &format!("## lumen {name}\n{}\n\n", done.lines.join("\n"));
    }
    assert_snapshot!(page);
}

/// Without a server, since none is needed to see what is wrong.
#[tokio::test]
async fn of_words_that_cannot_be_meant() {
    // With a key, so that only the words are at fault.
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("lumen");
    std::fs::create_dir(&dir).unwrap();
    Tokens::of(&dir, Clock::System);
    let mut page = String::new();
    for words in [
        "",
        "sned",
        "serve --listen 8080",
        "token",
        "token --user a --admin",
        "token --user a --ttl 0s",
        "tail",
        "tail --usr alice",
        "tail --user alice --from 128",
        "tail --user alice --timeout 30",
        "tail --user alice --url ftp://a",
        "send",
        "send --user alice --type like",
        "send --user alice --type Like --content x",
        "send --user alice --type like --content x --link posts/9 --ttl 0s",
        "send --user alice --type like --content x --rate 5/s",
        "send - --rate 5",
        "inbox",
        "inbox --user alice --limit 0",
        "inbox --user alice --limit 3 --all",
        "retract --user alice",
        "presence",
        "erase --user alice",
        "loadtest --streams 0",
        "loadtest --rate 5",
        "loadtest --scenario storm --share 30",
        "loadtest --scenario deploy",
        "loadtest --streams 3 --users 2 --devices 2",
        "loadtest --spawn --profile nchan",
        "loadtest --profile generic",
        "loadtest --profile nchan --mode audience",
        "loadtest --profile nchan --publish-url /pub/{usr}",
    ] {
        let done = lumen(words).env("XDG_DATA_HOME", home.path()).run().await;
        assert!(matches!(done.code, Some(1 | 2)) && done.lines.is_empty(), "{words}: {done:?}");
        page += &format!("## lumen {words}\n{}\n{}\n", done.code.unwrap_or_default(), done.stderr);
    }
    assert_snapshot!(page);
}
