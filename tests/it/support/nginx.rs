//! A real nginx in front of a server, as Debian has it: a process of its own with a folder of its own, killed by its id.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::certificate::Certificate;
use super::child::end;
use super::patience;

const NGINX: &str = "/usr/sbin/nginx";
/// What a site's nginx needs to be told, and no more.
const FORWARD: &str = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";

/// A running nginx, which ends with its handle.
pub struct Nginx {
    process: Child,
    addr: SocketAddr,
    _dir: TempDir,
}

impl Nginx {
    /// Passes everything to `upstream`, with `X-Forwarded-For` and nothing else that is set.
    pub async fn start(upstream: SocketAddr) -> Self {
        Self::start_with(upstream, "").await
    }

    /// As [`Nginx::start`], with more directives for its one location.
    pub async fn start_with(upstream: SocketAddr, more: &str) -> Self {
        Self::listening("", upstream, more).await
    }

    /// As [`Nginx::start`], and speaks TLS to its clients.
    pub async fn start_tls(upstream: SocketAddr, own: &Certificate) -> Self {
        let (certificate, key) = (own.certificate(), own.key());
        let tls = format!("ssl; ssl_certificate {}; ssl_certificate_key {}", certificate.display(), key.display());
        Self::listening(&tls, upstream, "").await
    }

    /// # Panics
    /// With its words, when it does not come up.
    async fn listening(tls: &str, upstream: SocketAddr, more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        // It cannot be asked for any port: one that was free a moment ago may be taken.
        for _ in 0..5 {
            let addr = free_addr().await;
            let listen = format!("{addr} {tls}");
            std::fs::write(dir.path().join("nginx.conf"), config(dir.path(), &listen, upstream, more)).expect("a file");
            let mut process = command(dir.path()).spawn().expect("nginx is there, as scripts/test sees to");
            if comes_up(&mut process, addr).await {
                return Self { process, addr, _dir: dir };
            }
        }
        panic!("nginx: {}", std::fs::read_to_string(dir.path().join("error.log")).unwrap_or_default())
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

async fn free_addr() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(NGINX);
    command.arg("-p").arg(dir).arg("-c").arg(dir.join("nginx.conf")).arg("-e").arg(dir.join("error.log"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// One process, so that it is killed by its id; and its files where it may write.
fn config(dir: &Path, listen: &str, upstream: SocketAddr, more: &str) -> String {
    let dir = dir.display();
    format!(
        "daemon off; master_process off; pid {dir}/pid;
         events {{}}
         http {{
           access_log off;
           client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
           uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
           upstream lumen {{ server {upstream}; keepalive 8; }}
           server {{ listen {listen}; location / {{ proxy_pass http://lumen; {FORWARD} {more} }} }}
         }}"
    )
}

/// Whether it listens there before it ends.
async fn comes_up(process: &mut Child, addr: SocketAddr) -> bool {
    let up = patience::within(async {
        while process.try_wait().expect("its status").is_none() {
            if TcpStream::connect(addr).await.is_ok() {
                return true;
            }
            patience::pause(Duration::from_millis(10)).await;
        }
        false
    });
    up.await.unwrap_or(false)
}
