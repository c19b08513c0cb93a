//! `lumen loadtest` over https: a real nginx speaks TLS before lumen, with a certificate that this host has to be told of.

use crate::support::certificate::Certificate;
use crate::support::child::Child;
use crate::support::command::Typed;
use crate::support::loaded::{COUNTED, loaded, loadtest};
use crate::support::nginx::Nginx;

/// Where trusted authorities stand, if not where this host has them.
const TRUSTED: &str = "SSL_CERT_FILE";

/// A load of the server by way of its proxy.
fn over_tls(words: &str, server: &Child, nginx: &Nginx) -> Typed {
    let url = format!("https://localhost:{}", nginx.addr().port());
    loadtest(words).word("--url").word(url).word("--data-dir").word(server.dir())
}

#[tokio::test]
async fn streams_over_tls_are_cut_come_back_and_miss_nothing() {
    let (server, own) = (Child::start().await, Certificate::make());
    let nginx = Nginx::start_tls(server.addr(), &own).await;
    let words = "--rate 300/s --duration 1s --warmup 0s --users 1 --streams 20 --scenario storm --share 100%";
    let run = loaded(over_tls(words, &server, &nginx).env(TRUSTED, own.certificate())).await;
    run.held().all_came(300, 300 * 20);
    assert_eq!(["streams.lost", "streams.reconnected"].map(|name| run.figure(name)), [20.0; 2]);
}

/// Each is known at once, and not tried until the opening is given up.
#[tokio::test]
async fn what_stands_before_tls_is_told_with_its_cure() {
    let (server, own, anothers) = (Child::start().await, Certificate::make(), Certificate::make());
    let nginx = Nginx::start_tls(server.addr(), &own).await;
    let words = format!("{COUNTED} --streams 3");
    let load = || over_tls(&words, &server, &nginx);
    let plain = format!("https://127.0.0.1:{}", server.addr().port());
    let plain = loadtest(&words).word("--url").word(plain).word("--data-dir").word(server.dir());
    let (untrusted, no_trust, no_tls) = tokio::join!(
        load().env(TRUSTED, anothers.certificate()).run(),
        load().env(TRUSTED, server.dir().join("none.pem")).run(),
        plain.env(TRUSTED, own.certificate()).run(),
    );
    for (done, told) in [
        (untrusted, &["× its certificate is not to be trusted: ", "PEM file in SSL_CERT_FILE"]),
        (no_trust, &["this host has no certificates to trust", "SSL_CERT_FILE"]),
        (no_tls, &["× it does not speak https", "write its address with http://"]),
    ] {
        assert_eq!((done.code, done.lines.len()), (Some(1), 0), "{done:?}");
        let last = done.stderr.lines().last().unwrap_or_default();
        assert!(told.iter().all(|told| last.contains(told)), "{told:?} is not in {last}");
    }
}
