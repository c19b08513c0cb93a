//! What can be typed: flags, their help, their first check. A file a command.

pub mod disconnect;
pub mod duration;
pub mod erase;
pub mod global;
pub mod inbox;
pub mod loadtest;
pub mod presence;
pub mod rate;
pub mod retract;
pub mod send;
pub mod serve;
pub mod tail;
pub mod token;

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use global::Global;

const EXAMPLES: &str = "\
To begin with, in one shell:
  lumen serve
and in others, on the same host:
  lumen tail --user alice
  lumen send --user alice --type like --sender bob --content 'likes your post'

Exit codes: 0 done, 1 failed (the last line says why), 2 not to be understood, 130 interrupted.";

/// A site's message centre: a notification is on disk before its sender is answered, and reaches every open stream of
/// its user with the new unread count.
#[derive(Debug, Parser)]
#[command(name = "lumen", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Serve(serve::Options),
    Send(send::Options),
    Tail(tail::Options),
    Loadtest(Box<loadtest::Options>),
    Token(token::Options),
    Inbox(inbox::Options),
    Retract(retract::Options),
    Presence(presence::Options),
    Disconnect(disconnect::Options),
    Erase(erase::Options),
}

impl Cli {
    /// Reads what was typed, and whether it was.
    ///
    /// # Errors
    /// What is not to be understood; also the help that was asked for.
    pub fn read(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(words)?;
        let cli = Self::from_arg_matches(&matches).map_err(|fault| fault.format(&mut Self::command()));
        let url_is_typed = matches.value_source("url") == Some(ValueSource::CommandLine);
        cli.map(|cli| Self { global: Global { url_is_typed, ..cli.global }, ..cli })
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    fn parsed(line: &str) -> Result<Cli, ErrorKind> {
        Cli::try_parse_from(line.split(' ')).map_err(|fault| fault.kind())
    }

    #[test]
    fn the_definition_holds() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_into_100_columns() {
        let mut cli = Cli::command();
        cli.build();
        let mut helps = vec![cli.render_long_help().to_string()];
        helps.extend(cli.get_subcommands_mut().map(|command| command.render_long_help().to_string()));
        for line in helps.iter().flat_map(|help| help.lines()) {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }

    #[test]
    fn an_address_that_was_typed_is_known_from_the_usual_one() {
        for (line, typed) in [
            ("lumen presence --user a", false),
            ("lumen presence --user a --url http://127.0.0.1:8080", true),
            ("lumen --url http://127.0.0.1:8080 presence --user a", true),
        ] {
            assert_eq!(Cli::read(line.split(' ')).unwrap().global.url_is_typed, typed, "{line}");
        }
        assert!(Cli::read(["lumen", "presence", "--url", "x"]).is_err());
    }

    #[test]
    fn one_draft_or_a_file_of_them() {
        let one = parsed("lumen send --user a --type like --content x --sender b --ttl 1h").unwrap();
        let Command::Send(options) = one.command else { panic!("not send") };
        let expected = r#"{"user":"a","type":"like","content":"x","sender":{"username":"b"},"ttl_s":3600}"#;
        assert_eq!(options.one.draft().to_string(), expected);
        assert!(parsed("lumen send - --rate 5/s --run x --batch 10000").is_ok());
        assert_eq!(parsed("lumen send - --user a").unwrap_err(), ErrorKind::ArgumentConflict);
        assert_eq!(parsed("lumen send --user a --type like").unwrap_err(), ErrorKind::MissingRequiredArgument);
        for faulty in ["--rate 5", "--batch 0", "--batch 10001", "--run "] {
            assert!(parsed(&format!("lumen send - {faulty}")).is_err(), "{faulty}");
        }
        let one = "lumen send --user a --type like --content x";
        for idle in ["--rate 5/s", "--batch 7", "--run x"] {
            assert_eq!(parsed(&format!("{one} {idle}")).unwrap_err(), ErrorKind::ArgumentConflict, "{idle}");
        }
        for ttl in ["0s", "500ms", "1500ms", "3651d"] {
            assert_eq!(parsed(&format!("{one} --ttl {ttl}")).unwrap_err(), ErrorKind::ValueValidation, "{ttl}");
        }
        assert!(parsed(&format!("{one} --ttl 3650d")).is_ok());
    }

    #[test]
    fn texts_may_begin_with_a_hyphen() {
        let typed = parsed("lumen send --user a --type like --content -50% --sender -b --key -k --link -l").unwrap();
        let Command::Send(options) = typed.command else { panic!("not send") };
        let draft = options.one.draft();
        assert_eq!(
            draft.to_string(),
            r#"{"user":"a","type":"like","content":"-50%","link":"-l","key":"-k","sender":{"username":"-b"}}"#
        );
    }

    #[test]
    fn a_place_is_a_cursor_or_the_start() {
        assert!(parsed("lumen tail --from start --types like,my.type").is_ok());
        assert!(parsed("lumen tail --user a --from k3f9q2-128 --exit-after 1 --timeout 30s").is_ok());
        assert!(parsed("lumen serve --listen localhost:8080").is_ok());
        for faulty in ["8080", ":8080", "host:8080", "localhost", "localhost:x"] {
            assert!(parsed(&format!("lumen serve --listen {faulty}")).is_err(), "{faulty}");
        }
        for faulty in ["--from 128", "--exit-after 0", "--timeout 30", "--types Like", "--url ftp://a", "-q -v"] {
            assert!(parsed(&format!("lumen tail {faulty}")).is_err(), "{faulty}");
        }
    }
}
