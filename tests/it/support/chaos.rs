//! A link that breaks: a TCP proxy in front of a server, which cuts, stalls, swallows or refuses when it is told to.
//!
//! Where it cuts is found by `place`. What is carried, and when the link breaks, are the story's.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::patience;
use super::place::Watched;
pub use super::place::{Kind, Where};

/// What becomes of a connection. Each mode holds until another is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All bytes both ways.
    Pass,
    /// Nothing more is read from the server.
    Stall,
    /// Nothing more is passed either way; a new connection is accepted and met with silence.
    Swallow,
    /// Ended by a reset, a new connection before its first byte.
    Refuse,
    /// Passes up to there, then ends.
    Cut(Where, End),
}

/// How a cut looks to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A close in good order (FIN), after everything that was passed.
    Close,
    /// A reset (RST), which may take back what the client did not read yet.
    Reset,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub accepted: usize,
    pub open: usize,
    /// Those that a mode ended.
    pub cut: usize,
}

/// A running proxy, which ends with its handle.
pub struct Chaos {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    plan: Mutex<Plan>,
    counts: watch::Sender<Counts>,
}

struct Plan {
    upstream: SocketAddr,
    /// What new connections get, after `next` is used up.
    standing: Mode,
    next: VecDeque<Mode>,
    open: Vec<watch::Sender<Mode>>,
}

impl Chaos {
    /// Starts on a port of its own, passing everything to and from `upstream`.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let plan = Plan { upstream, standing: Mode::Pass, next: VecDeque::new(), open: Vec::new() };
        let shared = Arc::new(Shared { plan: Mutex::new(plan), counts: watch::Sender::default() });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Self { addr, shared, accepting }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where new connections go from now on: the server came back on another port.
    pub fn point_at(&self, upstream: SocketAddr) {
        self.shared.plan().upstream = upstream;
    }

    /// The mode of every new connection from now on.
    pub fn for_new(&self, mode: Mode) {
        self.shared.plan().standing = mode;
    }

    /// The mode of the next new connection alone; called again, of the one after it.
    pub fn for_next(&self, mode: Mode) {
        self.shared.plan().next.push_back(mode);
    }

    /// A new mode for those that are open. One that the proxy has not accepted yet is not.
    pub fn for_open(&self, mode: Mode) {
        self.shared.plan().open.retain(|connection| connection.send(mode).is_ok());
    }

    /// Cuts all that are open.
    pub fn cut_all(&self) {
        self.for_open(Mode::Cut(Where::Here, End::Close));
    }

    pub fn counts(&self) -> Counts {
        *self.shared.counts.borrow()
    }

    /// Waits for the counts to be so.
    pub async fn until(&self, so: impl Fn(Counts) -> bool) {
        let mut counts = self.shared.counts.subscribe();
        let reached = patience::within(counts.wait_for(|counts| so(*counts))).await.is_some();
        assert!(reached, "the proxy's connections are still {:?}", self.counts());
    }
}

impl Mode {
    fn cut(self) -> Option<Where> {
        if let Mode::Cut(place, _) = self { Some(place) } else { None }
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up a connection: its mode, now and as it will be set.
    fn take_up(&self) -> watch::Receiver<Mode> {
        let mut plan = self.plan();
        let first = plan.next.pop_front().unwrap_or(plan.standing);
        let (setter, mode) = watch::channel(first);
        plan.open.push(setter);
        self.counts.send_modify(|counts| {
            counts.accepted += 1;
            counts.open += 1;
        });
        mode
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Ends with this task, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("a connection");
        client.set_nodelay(true).expect("TCP_NODELAY");
        let mode = shared.take_up();
        connections.spawn(carry(client, mode, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Carries one connection to its end.
async fn carry(mut client: TcpStream, mode: watch::Receiver<Mode>, shared: Arc<Shared>) {
    let cut = tokio::select! {
        biased;
        end = ended_by_mode(mode.clone()) => Some(end),
        cut = pump(&mut client, mode, &shared) => cut,
    };
    // Before the client can see the end, so that whoever saw it finds it counted.
    shared.counts.send_modify(|counts| {
        counts.open -= 1;
        counts.cut += usize::from(cut.is_some());
    });
    if cut == Some(End::Reset) {
        client.set_zero_linger().expect("SO_LINGER");
    } else {
        let _ = client.shutdown().await;
        // Closed with bytes unread, a socket sends a reset, which may overtake what was passed.
        let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
    }
}

/// Waits for a mode that ends the connection where it stands.
async fn ended_by_mode(mut mode: watch::Receiver<Mode>) -> End {
    let ends = |mode: &Mode| matches!(mode, Mode::Refuse | Mode::Cut(Where::Here | Where::Bytes(0), _));
    let reached = mode.wait_for(ends).await.map(|mode| *mode);
    match reached {
        Ok(Mode::Cut(_, end)) => end,
        Ok(_) => End::Reset,
        Err(_) => std::future::pending().await,
    }
}

/// Passes bytes both ways until one side ends, or to where it is to be cut.
async fn pump(client: &mut TcpStream, mut mode: watch::Receiver<Mode>, shared: &Shared) -> Option<End> {
    mode.wait_for(|mode| *mode != Mode::Swallow).await.ok()?;
    let upstream = shared.plan().upstream;
    let mut server = TcpStream::connect(upstream).await.ok()?;
    server.set_nodelay(true).expect("TCP_NODELAY");
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    tokio::select! {
        cut = down(&mut from_server, &mut to_client, mode.clone()) => cut,
        () = up(&mut from_client, &mut to_server, mode) => None,
    }
}

/// Client to server. Comes back only when the client is gone for good: one that closed its half may still read.
async fn up(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>, mut mode: watch::Receiver<Mode>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read) = from.read(&mut buffer).await else { return };
        let let_through = mode.wait_for(|mode| *mode != Mode::Swallow).await.is_ok();
        if read == 0 {
            break;
        }
        if !let_through || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
    std::future::pending().await
}

/// Server to client, up to the cut that it then returns.
async fn down(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>, mut mode: watch::Receiver<Mode>) -> Option<End> {
    let mut buffer = vec![0; 16 * 1024];
    let mut watched = Watched::default();
    let mut now = *mode.borrow_and_update();
    watched.look_for(now.cut());
    loop {
        let held = matches!(now, Mode::Stall | Mode::Swallow);
        let read = tokio::select! {
            biased;
            changed = mode.changed() => {
                changed.ok()?;
                now = *mode.borrow_and_update();
                watched.look_for(now.cut());
                continue;
            }
            read = from.read(&mut buffer), if !held => read.ok().filter(|read| *read > 0)?,
        };
        let found = watched.find(&buffer[..read]);
        to.write_all(&buffer[..found.unwrap_or(read)]).await.ok()?;
        if let (Some(_), Mode::Cut(_, end)) = (found, now) {
            return Some(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::support::responses::{Piece, Responses};
    use crate::support::script::{Script, Then};

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
    const READY: &str = "event: ready\nid: aaaaaa-1\ndata: {}\n\n";
    const FIRST: &str = "id: aaaaaa-2\ndata: {}\n\n";
    const STEP: &str = "id: aaaaaa-3\n\n";

    fn close_delimited() -> String {
        format!("{HEAD}\r\n: lumen\n\n{READY}{FIRST}{STEP}")
    }

    /// The same, with chunks that no block ends with.
    fn chunked() -> String {
        let body = format!(": lumen\n\n{READY}{FIRST}{STEP}");
        let chunks: String = body.as_bytes().chunks(7).map(|c| format!("{:x}\r\n{}\r\n", c.len(), text(c))).collect();
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    async fn ask(addr: SocketAddr) -> TcpStream {
        let mut client = TcpStream::connect(addr).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        client
    }

    /// Everything up to the connection's end, and how that was.
    async fn read_out(mut client: TcpStream) -> (String, io::Result<usize>) {
        let mut bytes = Vec::new();
        let end = patience::within(client.read_to_end(&mut bytes)).await.expect("an end");
        (text(&bytes), end)
    }

    /// What comes through to a client of a server that says `said` and stays, when its connection has this mode.
    async fn through(said: &str, mode: Mode) -> String {
        let script = Script::start([(said, Then::Hold)]).await;
        let chaos = Chaos::start(script.addr()).await;
        chaos.for_next(mode);
        let (read, end) = read_out(ask(chaos.addr()).await).await;
        end.unwrap();
        assert_eq!(chaos.counts(), Counts { accepted: 1, open: 0, cut: 1 });
        read
    }

    fn after(of: Kind, nth: usize, then: usize) -> Mode {
        Mode::Cut(Where::Block { of, nth, then }, End::Close)
    }

    #[tokio::test]
    async fn it_cuts_behind_a_block_and_within_the_next() {
        let said = close_delimited();
        let up_to = |text: &str| said[..said.find(text).unwrap() + text.len()].to_owned();
        for (mode, expected) in [
            (after(Kind::Event("ready"), 1, 0), up_to(READY)),
            (after(Kind::Event("ready"), 1, 4), up_to(READY) + "id: "),
            (after(Kind::Event("message"), 1, 0), up_to(FIRST)),
            (after(Kind::Id, 1, 0), up_to(READY)),
            (after(Kind::Id, 3, 0), up_to(STEP)),
            (Mode::Cut(Where::Bytes(20), End::Close), said[..20].to_owned()),
        ] {
            assert_eq!(through(&said, mode).await, expected, "{mode:?}");
        }
    }

    #[tokio::test]
    async fn a_place_in_a_body_is_the_same_whatever_its_chunks() {
        let said = chunked();
        for (mode, body) in [
            (after(Kind::Event("ready"), 1, 0), format!(": lumen\n\n{READY}")),
            (after(Kind::Id, 2, 5), format!(": lumen\n\n{READY}{FIRST}{}", &STEP[..5])),
        ] {
            let read = through(&said, mode).await;
            let mut responses = Responses::default();
            let mut pieces = Vec::new();
            read.bytes().for_each(|byte| responses.push(byte, &mut pieces));
            let read: Vec<u8> =
                pieces.iter().filter_map(|p| if let Piece::Body(b) = p { Some(*b) } else { None }).collect();
            assert_eq!(text(&read), body, "{mode:?}");
        }
    }

    #[tokio::test]
    async fn what_is_open_is_stalled_resumed_and_cut() {
        let script = Script::start([("one", Then::Hold), ("two", Then::Hold), ("three", Then::Close)]).await;
        let chaos = Chaos::start(script.addr()).await;
        let mut first = ask(chaos.addr()).await;
        let mut read = [0; 3];
        first.read_exact(&mut read).await.unwrap();
        chaos.for_new(Mode::Stall);
        let mut second = ask(chaos.addr()).await;
        script.until_requests(2).await;
        chaos.for_next(Mode::Pass);
        assert_eq!(read_out(ask(chaos.addr()).await).await.0, "three");
        assert_eq!(second.try_read(&mut read).unwrap_err().kind(), io::ErrorKind::WouldBlock);

        chaos.for_open(Mode::Pass);
        second.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"two");
        chaos.cut_all();
        assert_eq!(read_out(first).await.0, "");
        assert_eq!(read_out(second).await.0, "");
        chaos.until(|counts| counts == Counts { accepted: 3, open: 0, cut: 2 }).await;
    }

    #[tokio::test]
    async fn it_resets_refuses_and_swallows() {
        let script = Script::start([("one", Then::Hold), ("two", Then::Close), ("three", Then::Close)]).await;
        let chaos = Chaos::start(script.addr()).await;
        let mut reset = ask(chaos.addr()).await;
        reset.read_exact(&mut [0; 3]).await.unwrap();
        chaos.for_open(Mode::Cut(Where::Here, End::Reset));
        assert_eq!(read_out(reset).await.1.unwrap_err().kind(), io::ErrorKind::ConnectionReset);

        chaos.for_next(Mode::Refuse);
        let refused = TcpStream::connect(chaos.addr()).await.unwrap();
        assert_eq!(read_out(refused).await.1.unwrap_err().kind(), io::ErrorKind::ConnectionReset);

        chaos.for_next(Mode::Swallow);
        let swallowed = ask(chaos.addr()).await;
        assert_eq!(read_out(ask(chaos.addr()).await).await.0, "two");
        chaos.for_open(Mode::Pass);
        assert_eq!(read_out(swallowed).await.0, "three");
    }

    #[tokio::test]
    async fn it_follows_a_server_to_another_port_and_ends_with_its_handle() {
        let (before, after) = (Script::start([("one", Then::Close)]).await, Script::start([("two", Then::Hold)]).await);
        let chaos = Chaos::start(before.addr()).await;
        assert_eq!(read_out(ask(chaos.addr()).await).await.0, "one");
        // No more is served there: the connection is ended without a byte.
        before.until_over().await;
        assert_eq!(read_out(ask(chaos.addr()).await).await.0, "");
        chaos.point_at(after.addr());
        let mut client = ask(chaos.addr()).await;
        client.read_exact(&mut [0; 3]).await.unwrap();
        let addr = chaos.addr();
        drop(chaos);
        read_out(client).await.1.ok();
        assert!(TcpStream::connect(addr).await.is_err());
    }
}
