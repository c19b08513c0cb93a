//! The accept loop: connections in, until the shutdown; then all of them out.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, info, warn};

use super::connection;
use super::listener::{Connection, Listeners};
use crate::shutdown::Shutdown;

/// Pause while descriptors or memory have run out: those that are open go on, and each that ends makes room.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// One line a minute tells of that, not ten a second.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(60);

/// How connections are held.
#[derive(Debug, Clone, Copy)]
pub struct Hold {
    /// Open at a time; more wait to be accepted.
    pub connections: usize,
    pub head_timeout: Duration,
    pub drain_window: Duration,
}

/// Serves `router` on every connection until `shutdown` begins, then waits for those that are open.
pub async fn serve(mut listeners: Listeners, router: Router, hold: Hold, shutdown: Shutdown) {
    let mut connections = JoinSet::new();
    let mut complaint = Complaint::default();
    loop {
        let has_room = connections.len() < hold.connections;
        if !has_room {
            complaint.tell("as many connections as configured are open; more wait until one ends");
        }
        tokio::select! {
            () = shutdown.begun() => break,
            Some(ended) = connections.join_next() => tell_panic(ended),
            (socket, address) = next(&mut listeners, &mut complaint), if has_room => {
                let serving = connection::serve(socket, address, router.clone(), hold.head_timeout, shutdown.clone());
                connections.spawn(serving);
            }
        }
    }
    // From here on the system refuses who comes.
    drop(listeners);
    drain(connections, hold.drain_window).await;
}

async fn drain(mut connections: JoinSet<()>, window: Duration) {
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            tell_panic(ended);
        }
    };
    if timeout(window, all_ended).await.is_err() {
        info!(connections = connections.len(), "cutting the connections that did not end within the drain window");
        connections.shutdown().await;
    }
}

async fn next(listeners: &mut Listeners, complaint: &mut Complaint) -> (Connection, Option<IpAddr>) {
    loop {
        match listeners.accept().await {
            Ok(accepted) => return accepted,
            Err(fault) if is_exhaustion(&fault) => {
                complaint.tell(&format!("{fault}; raise the limit of open files (ulimit -n)"));
                sleep(ACCEPT_PAUSE).await;
            }
            // The peer was gone before it was accepted: the next one is waiting.
            Err(_) => {}
        }
    }
}

/// Whether the process, and not the peer, is at its end: ENFILE, EMFILE, ENOBUFS or ENOMEM.
fn is_exhaustion(fault: &io::Error) -> bool {
    matches!(fault.raw_os_error(), Some(12 | 23 | 24 | 105))
}

#[derive(Default)]
struct Complaint {
    told: Option<Instant>,
}

impl Complaint {
    fn tell(&mut self, why: &str) {
        if self.told.is_none_or(|told| told.elapsed() >= COMPLAINT_PAUSE) {
            warn!(why, "no connection is accepted for now");
            self.told = Some(Instant::now());
        }
    }
}

fn tell_panic(ended: Result<(), JoinError>) {
    if let Err(fault) = ended
        && fault.is_panic()
    {
        error!("a connection's task panicked");
    }
}

#[cfg(test)]
mod tests {
    use axum::Extension;
    use axum::body::Body;
    use axum::extract::Request;
    use axum::http::StatusCode;
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::budget::Budget;
    use crate::domain::limits::HEAD_BYTES;
    use crate::http::door::body::{self, Allowance, BodyFault};
    use crate::http::door::listener::{Address, Listener};
    use crate::http::door::peer::Peer;

    const HOLD: Hold =
        Hold { connections: 100, head_timeout: Duration::from_secs(10), drain_window: Duration::from_secs(10) };
    const BODY_TIME: Duration = Duration::from_secs(30);

    struct Server {
        addr: std::net::SocketAddr,
        shutdown: Shutdown,
        done: JoinHandle<()>,
    }

    impl Server {
        fn start(router: Router) -> Self {
            Self::start_with(router, HOLD)
        }

        fn start_with(router: Router, hold: Hold) -> Self {
            let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
            let Address::Tcp(addr) = listener.address().unwrap() else { unreachable!("it is TCP") };
            let shutdown = Shutdown::default();
            let done = tokio::spawn(serve(Listeners::new(vec![listener]), router, hold, shutdown.clone()));
            Self { addr, shutdown, done }
        }

        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.addr).await.unwrap()
        }
    }

    /// How many bytes a body has.
    async fn read(body: Body, limit: usize) -> Result<usize, BodyFault> {
        let budget = Budget::new(1024 * 1024);
        body::read(body, limit, Allowance { time: BODY_TIME, budget: &budget }).await.map(|taken| taken.len())
    }

    /// Reads up to and with `end`.
    async fn read_until(stream: &mut TcpStream, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            text.push(char::from(stream.read_u8().await.unwrap()));
        }
        text
    }

    async fn read_all(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_shutdown_ends_idle_connections_and_lets_a_request_finish() {
        let (started, mut starts) = mpsc::channel::<mpsc::Sender<()>>(1);
        let slow = get(move || async move {
            let (release, mut released) = mpsc::channel(1);
            started.send(release).await.unwrap();
            released.recv().await;
            "done"
        });
        let server = Server::start(Router::new().route("/slow", slow).route("/", get(|| async { "hi" })));
        let mut idle = server.connect().await;
        idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        read_until(&mut idle, "\r\n\r\nhi").await;
        let mut busy = server.connect().await;
        busy.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let release = starts.recv().await.unwrap();

        server.shutdown.begin();
        assert_eq!(read_all(&mut idle).await, "");
        release.send(()).await.unwrap();
        let answer = read_all(&mut busy).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\ndone"), "{answer}");
        server.done.await.unwrap();
        assert!(TcpStream::connect(server.addr).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_end_is_cut_at_the_windows_end() {
        let (started, mut starts) = mpsc::channel(1);
        let endless = get(move || async move {
            started.send(()).await.unwrap();
            std::future::pending::<()>().await;
        });
        let server = Server::start(Router::new().route("/", endless));
        let mut client = server.connect().await;
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        starts.recv().await.unwrap();
        let begun = Instant::now();
        server.shutdown.begin();
        server.done.await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), HOLD.drain_window.as_secs());
    }

    #[tokio::test]
    async fn more_than_may_be_open_wait_until_one_ends() {
        let hold = Hold { connections: 2, ..HOLD };
        let server = Server::start_with(Router::new().route("/", get(|| async { "hi" })), hold);
        let get = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let (mut first, mut second, mut third) =
            (server.connect().await, server.connect().await, server.connect().await);
        third.write_all(get).await.unwrap();
        for _ in 0..100 {
            for served in [&mut first, &mut second] {
                served.write_all(get).await.unwrap();
                read_until(served, "\r\n\r\nhi").await;
            }
            assert_eq!(third.try_read(&mut [0; 64]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
        drop(first);
        read_until(&mut third, "\r\n\r\nhi").await;
        second.write_all(get).await.unwrap();
        read_until(&mut second, "\r\n\r\nhi").await;
    }

    /// With all that the kernel still held for it, which would otherwise be sent for as long as the client reads.
    #[tokio::test]
    async fn a_cut_connection_is_reset() {
        let (told, mut peers) = mpsc::channel(1);
        let large = get(move |Extension(peer): Extension<Peer>| async move {
            told.send(peer).await.unwrap();
            vec![b'x'; 1024 * 1024]
        });
        let server = Server::start(Router::new().route("/", large));
        let mut client = server.connect().await;
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let peer = peers.recv().await.unwrap();
        assert_eq!(peer.address, Some(server.addr.ip()));
        read_until(&mut client, "xxx").await;
        peer.cut.begin();
        let ended = timeout(Duration::from_secs(10), client.read_to_end(&mut Vec::new())).await.unwrap();
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_refusal_reaches_a_client_that_is_still_sending() {
        for drains in [false, true] {
            let (begun, mut begins) = mpsc::channel(1);
            let refuse = post(move |request: Request<Body>| async move {
                begun.send(()).await.unwrap();
                match read(request.into_body(), 1024).await {
                    Err(BodyFault::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
                    _ => StatusCode::OK,
                }
            });
            let server = Server::start(Router::new().route("/", refuse));
            let mut client = server.connect().await;
            client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
            begins.recv().await.unwrap();
            if drains {
                server.shutdown.begin();
            }
            let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
            for _ in 0..64 {
                client.write_all(&chunk).await.unwrap();
            }
            client.shutdown().await.unwrap();
            let answer = read_all(&mut client).await;
            assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_body_that_is_refused_unread_is_not_asked_for() {
        let refuse = post(|request: Request<Body>| async {
            assert_eq!(read(request.into_body(), 1024).await, Err(BodyFault::TooLarge { limit: 1024 }));
            StatusCode::PAYLOAD_TOO_LARGE
        });
        let server = Server::start(Router::new().route("/", refuse));
        let mut client = server.connect().await;
        let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1025\r\nexpect: 100-continue\r\n\r\n";
        client.write_all(head).await.unwrap();
        let answer = read_until(&mut client, "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    }

    #[tokio::test]
    async fn a_head_has_its_limit() {
        let server = Server::start(Router::new().route("/", get(|| async { "hi" })));
        for (bytes, status) in [(HEAD_BYTES - 100, "HTTP/1.1 200"), (HEAD_BYTES, "HTTP/1.1 431")] {
            let mut client = server.connect().await;
            let head = format!("GET / HTTP/1.1\r\nconnection: close\r\nx: {}\r\n\r\n", "x".repeat(bytes));
            client.write_all(head.as_bytes()).await.unwrap();
            let answer = read_all(&mut client).await;
            assert!(answer.starts_with(status), "{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time() {
        let server = Server::start(Router::new().route("/", get(|| async { "hi" })));
        let mut client = server.connect().await;
        client.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
        assert_eq!(read_all(&mut client).await, "");
    }
}
