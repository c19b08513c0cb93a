//! From what was typed to how the server is spoken to.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};

use super::faulty;
use crate::auth::Keys;
use crate::cli::global::Global;
use crate::cli::loadtest::{Options, ProfileName, Which};
use crate::client::{Access, ServerUrl};
use crate::clock::Clock;
use crate::cmd::server;
use crate::loadtest::Plan;
use crate::loadtest::plan::Mode;
use crate::loadtest::process;
use crate::loadtest::profile::{Dialect, Lumen, Profile, Request, Server, Templated, Tokens};

/// A server that the run has started itself.
pub struct OwnServer {
    pub url: ServerUrl,
    /// The file of its signing key.
    pub key: PathBuf,
}

/// How a server is spoken to that is not the run's own, which is known before anything starts; `None` of one that is.
///
/// # Errors
/// As [`build`]; a process that is to be watched and is not there.
pub fn of_another(options: &Options, global: &Global, plan: &Plan) -> anyhow::Result<Option<Profile>> {
    if options.which.spawn {
        return Ok(None);
    }
    if let Some(pid) = options.which.server_pid {
        ensure!(
            process::now(pid).is_some(),
            "--server-pid {pid}: there is no such process on this host, or none that can be looked at; take the server's \
             number from ps, or leave it out"
        );
    }
    build(options, global, plan, None).map(Some)
}

/// The servers that get these requests, as a report may name them: a path or a query could hold a token.
pub fn servers(stream: &Request, publish: &Request) -> String {
    let [streams, messages] = [stream, publish].map(|request| request.url.origin().ascii_serialization());
    if streams == messages { streams } else { format!("{streams} (streams), {messages} (messages)") }
}

/// How the server of this run is spoken to. Asks nothing of it yet.
///
/// # Errors
/// Templates that cannot be meant, as [`clap::Error`]; keys or tokens that cannot be had.
pub fn build(options: &Options, global: &Global, plan: &Plan, spawned: Option<&OwnServer>) -> anyhow::Result<Profile> {
    let which = &options.which;
    let dialect = match which.profile {
        ProfileName::Lumen => return lumen(which, global, plan, spawned),
        ProfileName::Generic => Dialect::Generic,
        ProfileName::Nchan => Dialect::Nchan,
        ProfileName::Mercure => Dialect::Mercure,
        ProfileName::Centrifugo => Dialect::Centrifugo,
    };
    let server = Server {
        dialect,
        url: global.url.clone(),
        subscribe: which.subscribe(),
        publish: which.publish(),
        tokens: which.tokens.as_deref().map(Tokens::read).transpose()?,
        producer: server::handed_over(global)?,
        audience: matches!(plan.mode, Mode::Audience(_)),
        several_users: plan.users > 1,
        payload_bytes: plan.payload_bytes,
    };
    Ok(Profile::templated(Templated::new(server).map_err(faulty)?, plan.run))
}

/// Whoever has the key signs for every stream; what publishes may be handed over, but a server of our own takes only what
/// its own key signed.
fn lumen(which: &Which, global: &Global, plan: &Plan, spawned: Option<&OwnServer>) -> anyhow::Result<Profile> {
    let file = spawned.map(|spawned| &spawned.key).or(which.key_file.as_ref());
    let keys = match file {
        Some(file) => Arc::new(Keys::load(file)?),
        None => server::own_keys(global).context(
            "a token has to be signed for each stream; say with --key-file which key, or --spawn a server for this run",
        )?,
    };
    let own = || Access::Key { keys: keys.clone(), clock: Clock::System };
    let producer = match spawned {
        Some(_) => own(),
        None => server::handed_over(global)?.unwrap_or_else(own),
    };
    let url = spawned.map_or(&global.url, |spawned| &spawned.url);
    Ok(Profile::lumen(Lumen::new(url, keys.clone(), Clock::System, producer, plan.payload_bytes), plan.run))
}

#[cfg(test)]
mod tests {
    use super::super::plan::{checked, typed};
    use super::*;
    use crate::loadtest::profile::Seat;
    use crate::loadtest::stamp::Stamp;

    fn built(line: &str, spawned: Option<&OwnServer>) -> anyhow::Result<(Profile, Plan)> {
        let (options, global) = typed(line);
        let plan = checked(&options, &global)?.plan;
        Ok((build(&options, &global, &plan, spawned)?, plan))
    }

    #[test]
    fn lumen_is_spoken_to_with_a_key() {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("key");
        let keys = Keys::load_or_create(&key).unwrap();
        let spawned = OwnServer { url: "http://127.0.0.1:7".parse().unwrap(), key: key.clone() };
        let by_file = format!("--key-file {} --url http://127.0.0.1:8", key.display());
        let by_home = format!("--data-dir {} --url http://127.0.0.1:8", directory.path().display());
        for (line, spawned, port) in [("--spawn", Some(&spawned), 7), (&by_file, None, 8), (&by_home, None, 8)] {
            let (profile, plan) = built(line, spawned).unwrap();
            let seat = Seat { user: 3, cursor: None, token_ttl: None };
            let stamp = Stamp { run: plan.run, number: 0, due_us: 0 };
            for request in [profile.subscribe(&seat).unwrap(), profile.publish(stamp, &[3]).unwrap()] {
                assert_eq!(request.url.port(), Some(port), "{line}");
                let (_, token) = request.headers.iter().find(|(name, _)| name == "authorization").unwrap();
                let token = token.to_str().unwrap().strip_prefix("Bearer ").unwrap();
                assert!(keys.verify(token, Clock::System.now()).is_ok(), "{line}");
            }
            assert!(profile.renews() && profile.resends());
        }
        let none = directory.path().join("none");
        let fault = format!("{:#}", built(&format!("--data-dir {}", none.display()), None).err().unwrap());
        assert!(fault.contains("--key-file") && fault.contains("none"), "{fault}");
        assert!(built(&format!("--key-file {}", none.display()), None).is_err());
    }

    #[test]
    fn a_process_that_is_to_be_watched_is_there() {
        let known = |line: &str| {
            let (options, global) = typed(line);
            of_another(&options, &global, &checked(&options, &global)?.plan)
        };
        let here = std::process::id();
        assert!(known(&format!("--profile nchan --server-pid {here}")).unwrap().is_some());
        assert!(known("--spawn").unwrap().is_none());
        // Over the kernel's highest.
        let fault = known("--profile nchan --server-pid 2147483647").err().unwrap().to_string();
        assert!(fault.starts_with("--server-pid 2147483647: there is no such process") && fault.contains("ps"));
    }

    #[test]
    fn another_server_is_spoken_to_by_templates() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        std::fs::write(&path, "secret\n").unwrap();
        let line = format!("--profile mercure --tokens {0} --token-file {0} --subscribe-header A:b", path.display());
        let (profile, plan) = built(&line, None).unwrap();
        let request = profile.subscribe(&Seat { user: 0, cursor: None, token_ttl: None }).unwrap();
        let headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let bearer = &b"Bearer secret"[..];
        assert_eq!(headers, [("accept", &b"text/event-stream"[..]), ("authorization", bearer), ("a", b"b")]);
        let stamp = Stamp { run: plan.run, number: 0, due_us: 0 };
        let publish = profile.publish(stamp, &[0]).unwrap();
        assert!(publish.headers.iter().any(|(_, value)| value.as_bytes() == bearer));

        assert_eq!(servers(&request, &publish), "http://127.0.0.1:8080");
        let elsewhere = "--profile nchan --subscribe-url http://a.example:81/{user}?t=secret";
        let (profile, _) = built(elsewhere, None).unwrap();
        let request = profile.subscribe(&Seat { user: 0, cursor: None, token_ttl: None }).unwrap();
        assert_eq!(servers(&request, &publish), "http://a.example:81 (streams), http://127.0.0.1:8080 (messages)");
        assert_eq!(servers(&request, &request), "http://a.example:81", "what --url says is nobody's");

        let fault = built("--profile nchan --mode audience", None).err().unwrap();
        let fault = fault.downcast::<clap::Error>().unwrap();
        assert!(fault.exit_code() == 2 && fault.to_string().contains("{users}"), "{fault}");
        assert!(built("--profile nchan --users 1 --subscribe-url /", None).is_ok());
        let missing = built(&format!("--profile nchan --tokens {}x", path.display()), None).err().unwrap();
        assert!(missing.to_string().contains("cannot be read"), "{missing}");
    }
}
