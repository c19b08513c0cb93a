//! One connection: its requests under time and size limits, and an end that lets the last answer arrive.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tracing::debug;

use super::bare;
use super::peer::Peer;
use super::turns::{Turns, requests};
use super::watched::{IDLE_TIME, Watched};
use crate::domain::limits::{BATCH_BYTES, HEAD_BYTES};
use crate::shutdown::Shutdown;

/// Bytes that hyper reads of a body at a time, and has waiting to be written before it asks a stream for more. Its own
/// measure is 400 KB each, which thousands of connections would hold outside of any budget.
const BUFFER_BYTES: usize = 32 * 1024;
/// How long, and for how many bytes, a refused body is still taken in and thrown away. A socket that is closed with
/// bytes unread is reset, and the reset would overtake the answer that says why. So long may that answer take, too.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 2 * BATCH_BYTES;

/// What a connection is served over.
pub trait Socket: AsyncRead + AsyncWrite + AsFd + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + AsFd + Unpin + Send + 'static> Socket for S {}

/// Serves the requests of one connection until either side ends it.
pub async fn serve<S: Socket>(
    socket: S,
    address: Option<IpAddr>,
    router: Router,
    head_timeout: Duration,
    shutdown: Shutdown,
) {
    let peer = Peer { address, cut: Shutdown::default() };
    let cut = peer.cut.clone();
    let turns = Turns::default();
    let mut socket = Watched::new(socket, turns.clone(), head_timeout);
    let served = async {
        exchange(&mut socket, router, peer, turns, head_timeout, &shutdown).await;
        // Also in a drain, whose window cuts those that take too long.
        linger(socket.socket_mut()).await;
    };
    tokio::select! {
        biased;
        () = cut.begun() => {}
        () = served => return,
    }
    // The kernel too forgets what the peer did not take.
    let _ = SockRef::from(socket.socket()).set_linger(Some(Duration::ZERO));
}

async fn exchange<S: Socket>(
    socket: &mut Watched<S>,
    router: Router,
    peer: Peer,
    turns: Turns,
    head_timeout: Duration,
    shutdown: &Shutdown,
) {
    let mut http = http1::Builder::new();
    http.max_header_size(HEAD_BYTES).max_buf_size(BUFFER_BYTES);
    // The socket's own watch ends it earlier. This one has hyper look at the socket when an answer is done, and ends
    // what that cannot see: a head whose beginning came in one piece with the request before.
    http.timer(TokioTimer::new()).header_read_timeout(IDLE_TIME + head_timeout);
    let service = requests(router, peer, turns);
    let ended = {
        let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(&mut *socket), service));
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.begun() => {
                // Ends an idle one at once, any other after its answer.
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(fault) = &ended {
        // A peer that vanished, a head that is too slow or no HTTP: everyday, and nothing that an operator can mend.
        debug!(%fault, "connection ended");
    }
    if let Some(head) = socket.take_bare() {
        let answer = match &ended {
            Err(fault) if fault.is_parse() => bare::answer(head, fault),
            _ => head,
        };
        // A peer that is gone already, or takes nothing, misses nothing.
        let _ = timeout(LINGER_TIME, socket.socket_mut().write_all(&answer)).await;
    }
}

/// Says that nothing more comes, and reads until the peer has closed its side too.
async fn linger(socket: &mut impl Socket) {
    let drained = async {
        let _ = socket.shutdown().await;
        let mut scrap = [0; 1024];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match socket.read(&mut scrap).await {
                Ok(0) | Err(_) => break,
                Ok(bytes) => left = left.saturating_sub(bytes),
            }
        }
    };
    let _ = timeout(LINGER_TIME, drained).await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io;
    use std::os::fd::BorrowedFd;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    use axum::Extension;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;
    use bytes::Bytes;
    use futures_util::stream;
    use tokio::io::ReadBuf;
    use tokio::net::UnixStream;
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, advance};

    use super::*;
    use crate::wire::problem::{MEDIA_TYPE, Problem};

    const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    /// More than all buffers on the way hold.
    const LARGE: usize = 16 * 1024 * 1024;
    /// A part of it that no buffer on the way holds.
    const PART: usize = LARGE / 8;

    fn endless() -> Body {
        Body::from_stream(stream::repeat(Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 1024]))))
    }

    fn router() -> Router {
        Router::new()
            .route("/", get(|| async { "hi" }))
            .route("/empty", get(|| async { StatusCode::NO_CONTENT }))
            .route("/gone", get(|| async { StatusCode::GONE }))
            .route("/large", get(|| async { vec![b'x'; LARGE] }))
            .route("/endless", get(|| async { endless() }))
            .route("/peer", get(|Extension(peer): Extension<Peer>| async move { format!("{:?}", peer.address) }))
    }

    /// A connection, and its end on the server's side.
    fn connect() -> (UnixStream, JoinHandle<()>) {
        let (client, server) = UnixStream::pair().unwrap();
        let address = Some("192.0.2.7".parse().unwrap());
        (client, tokio::spawn(serve(server, address, router(), HEAD_TIMEOUT, Shutdown::default())))
    }

    async fn read_until(client: &mut UnixStream, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            text.push(char::from(client.read_u8().await.unwrap()));
        }
        text
    }

    async fn read_all(client: &mut UnixStream) -> String {
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Asks, and has the answer.
    async fn exchange(client: &mut UnixStream) {
        client.write_all(GET).await.unwrap();
        assert!(read_until(client, "\r\n\r\nhi").await.starts_with("HTTP/1.1 200 OK\r\n"));
    }

    /// All that comes to what is sent until the server has closed, parted before each head.
    async fn answers(sent: &[u8]) -> Vec<String> {
        let (mut client, _served) = connect();
        client.write_all(sent).await.unwrap();
        let text = read_all(&mut client).await;
        text.replace("HTTP/1.0 ", "HTTP/1.1 ").split("HTTP/1.1 ").skip(1).map(str::to_owned).collect()
    }

    /// The problem of an answer, which must be whole.
    fn problem(answer: &str) -> Problem {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        for field in [
            format!("content-type: {MEDIA_TYPE}"),
            format!("content-length: {}", body.len()),
            "connection: close".to_owned(),
        ] {
            assert!(head.split("\r\n").any(|line| line == field), "no {field} in {answer}");
        }
        let problem: Problem = serde_json::from_str(body).unwrap();
        assert!(head.starts_with(&problem.status.to_string()), "{answer}");
        problem
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_answered_with_a_problem() {
        let fields = |number: usize, value: &str| format!("x: {value}\r\n").repeat(number);
        let with = |fields: String| format!("GET / HTTP/1.1\r\n{fields}\r\n").into_bytes();
        for (bad, status, code) in [
            (b"hello there\r\n\r\n".to_vec(), 400, "no_http"),
            (b"\x16\x03\x01\x02\x00\x01".to_vec(), 400, "no_http"),
            (b"GET / HTTP/9.9\r\n\r\n".to_vec(), 400, "no_http"),
            (b"GET /\xff HTTP/1.1\r\n\r\n".to_vec(), 400, "no_http"),
            (b"G@T / HTTP/1.1\r\n\r\n".to_vec(), 400, "no_http"),
            (with("a b: c\r\n".to_owned()), 400, "no_http"),
            (with("a\r\n".to_owned()), 400, "no_http"),
            (with(fields(101, "y")), 431, "head_too_large"),
            (with(fields(1, &"y".repeat(HEAD_BYTES))), 431, "head_too_large"),
            (b"x".repeat(HEAD_BYTES + 1), 431, "head_too_large"),
            (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)).into_bytes(), 431, "head_too_large"),
        ] {
            let old = b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n";
            let before = [&b""[..], GET, b"GET /empty HTTP/1.1\r\n\r\n", old];
            for (before, answered) in
                [(&before[..1], 0), (&before[1..2], 1), (&before[2..3], 1), (&before[3..], 1), (&before[..], 3)]
            {
                let sent = [before.concat(), bad.clone()].concat();
                let shown = String::from_utf8_lossy(&sent[..sent.len().min(80)]).into_owned();
                let answers = answers(&sent).await;
                assert_eq!(answers.len(), answered + 1, "{shown}: {answers:?}");
                assert!(answers[..answered].iter().all(|answer| answer.starts_with('2')), "{shown}: {answers:?}");
                let problem = problem(&answers[answered]);
                assert_eq!((problem.status, problem.code.as_ref()), (status, code), "{shown}");
                assert!(!problem.cure.is_empty() && !problem.detail.is_empty());
            }
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_after_an_old_request_is_answered_with_a_problem() {
        for bad in [&b"hello\r\n\r\n"[..], &b"x".repeat(HEAD_BYTES + 1)] {
            let (mut client, _served) = connect();
            client.write_all(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await.unwrap();
            read_until(&mut client, "\r\n\r\nhi").await;
            client.write_all(bad).await.unwrap();
            let answer = read_all(&mut client).await;
            problem(answer.strip_prefix("HTTP/1.0 ").unwrap());
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_waits_for_the_answer_before_it() {
        let (mut client, _served) = connect();
        client.write_all(b"GET /large HTTP/1.1\r\n\r\n\x00").await.unwrap();
        let text = read_all(&mut client).await;
        let (head, rest) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        let (body, last) = rest.split_at(LARGE);
        assert!(body.bytes().all(|byte| byte == b'x'));
        assert_eq!(problem(last.strip_prefix("HTTP/1.1 ").unwrap()).code, "no_http");
    }

    #[tokio::test]
    async fn an_answer_without_a_body_is_not_taken_for_hypers_own() {
        for close in ["", "connection: close\r\n"] {
            let (mut client, _served) = connect();
            client.write_all(format!("GET /gone HTTP/1.1\r\n{close}\r\n").as_bytes()).await.unwrap();
            let answer = read_until(&mut client, "\r\n\r\n").await;
            assert!(answer.starts_with("HTTP/1.1 410 Gone\r\n") && answer.contains("\r\ncontent-length: 0\r\n"));
            if close.is_empty() {
                exchange(&mut client).await;
            } else {
                assert_eq!(read_all(&mut client).await, "");
            }
        }
    }

    #[tokio::test]
    async fn a_request_has_its_peer() {
        let (mut client, _served) = connect();
        client.write_all(b"GET /peer HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
        let answer = read_all(&mut client).await;
        assert!(answer.ends_with("\r\n\r\nSome(192.0.2.7)"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_may_be_idle_for_longer_than_a_head_may_take() {
        let (mut client, served) = connect();
        for _ in 0..3 {
            exchange(&mut client).await;
            advance(IDLE_TIME - Duration::from_secs(1)).await;
        }
        exchange(&mut client).await;
        let began = Instant::now();
        assert_eq!(read_all(&mut client).await, "");
        assert_eq!(began.elapsed().as_secs(), IDLE_TIME.as_secs());
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_has_begun_has_its_time_and_no_byte_renews_it() {
        for before in [0, 1, 2] {
            let (mut client, _served) = connect();
            for _ in 0..before {
                exchange(&mut client).await;
                advance(IDLE_TIME / 2).await;
            }
            let began = Instant::now();
            for byte in b"GET / HT" {
                client.write_all(&[*byte]).await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            assert_eq!(read_all(&mut client).await, "");
            assert_eq!(began.elapsed().as_secs(), HEAD_TIMEOUT.as_secs(), "after {before}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_sends_is_closed() {
        let (mut client, _served) = connect();
        let began = Instant::now();
        assert_eq!(read_all(&mut client).await, "");
        assert_eq!(began.elapsed().as_secs(), HEAD_TIMEOUT.as_secs());
    }

    /// The watch does not see it, but it ends.
    #[tokio::test(start_paused = true)]
    async fn a_head_that_begins_behind_another_request_ends_too() {
        let (mut client, served) = connect();
        client.write_all(&[GET, b"GET /"].concat()).await.unwrap();
        let began = Instant::now();
        assert!(read_all(&mut client).await.ends_with("\r\n\r\nhi"));
        assert!(began.elapsed() <= IDLE_TIME + HEAD_TIMEOUT);
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_takes_its_time() {
        let (mut client, served) = connect();
        client.write_all(b"GET /endless HTTP/1.1\r\n\r\n").await.unwrap();
        read_until(&mut client, "\r\n\r\n").await;
        advance(10 * (IDLE_TIME + HEAD_TIMEOUT)).await;
        client.read_exact(&mut vec![0; 1024 * 1024]).await.unwrap();
        assert!(!served.is_finished());
        drop(client);
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_an_answer_slowly_is_not_idle() {
        let (mut client, served) = connect();
        client.write_all(b"GET /large HTTP/1.1\r\n\r\n").await.unwrap();
        read_until(&mut client, "\r\n\r\n").await;
        for _ in 0..LARGE / PART {
            client.read_exact(&mut vec![0; PART]).await.unwrap();
            tokio::time::sleep(IDLE_TIME / 2).await;
        }
        exchange(&mut client).await;
        drop(client);
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_of_an_answer_that_is_whole_is_idle() {
        let (mut client, served) = connect();
        client.write_all(b"GET /large HTTP/1.1\r\n\r\n").await.unwrap();
        read_until(&mut client, "\r\n\r\n").await;
        let began = Instant::now();
        served.await.unwrap();
        let limit = IDLE_TIME.as_secs() + LINGER_TIME.as_secs();
        assert!((IDLE_TIME.as_secs()..=limit).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    }

    /// What waits for a client that does not read is what the kernel takes, and little more.
    #[tokio::test(start_paused = true)]
    async fn a_body_is_asked_for_as_it_is_taken() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let endless = get(|| async move {
            Body::from_stream(stream::repeat_with(move || {
                counted.fetch_add(BUFFER_BYTES / 2, Ordering::Relaxed);
                Ok::<_, Infallible>(Bytes::from_static(&[b'x'; BUFFER_BYTES / 2]))
            }))
        });
        let (mut client, server) = UnixStream::pair().unwrap();
        SockRef::from(&server).set_send_buffer_size(BUFFER_BYTES).unwrap();
        let router = Router::new().route("/", endless);
        let _served = tokio::spawn(serve(server, None, router, HEAD_TIMEOUT, Shutdown::default()));
        client.write_all(GET).await.unwrap();
        read_until(&mut client, "\r\n\r\n").await;
        // Everything waits by then.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let asked = asked.load(Ordering::Relaxed);
        assert!((BUFFER_BYTES..6 * BUFFER_BYTES).contains(&asked), "{asked}");
    }

    /// A socket that takes nothing.
    struct Full(UnixStream);

    impl AsFd for Full {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    impl AsyncRead for Full {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Full {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_problem_that_is_not_taken_holds_no_connection() {
        let (mut client, server) = UnixStream::pair().unwrap();
        client.write_all(b"no http\r\n\r\n").await.unwrap();
        let served = serve(Full(server), None, router(), HEAD_TIMEOUT, Shutdown::default());
        timeout(2 * LINGER_TIME + HEAD_TIMEOUT, served).await.expect("it ends");
        drop(client);
    }

    #[tokio::test]
    async fn a_cut_ends_a_connection_whose_client_does_not_read() {
        let (mut client, server) = UnixStream::pair().unwrap();
        let (told, mut peers) = tokio::sync::mpsc::channel(1);
        let endless = get(move |Extension(peer): Extension<Peer>| async move {
            told.send(peer).await.unwrap();
            endless()
        });
        let router = Router::new().route("/", endless);
        let served = tokio::spawn(serve(server, None, router, HEAD_TIMEOUT, Shutdown::default()));
        client.write_all(GET).await.unwrap();
        peers.recv().await.unwrap().cut.begin();
        timeout(Duration::from_secs(10), served).await.expect("it ends").unwrap();
        drop(client);
    }
}
