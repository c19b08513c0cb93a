//! The responses of one HTTP/1.1 connection, taken byte by byte: which bytes are body and which frame it.
//!
//! Written here and not borrowed, so that a device can meet odd servers and a link can be cut at an exact byte of a
//! body, whatever its chunks are.

/// The head of a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The header's value, if it stands there; the first where it stands twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(named, _)| named == name).map(|(_, value)| value.as_str())
    }

    pub fn is_event_stream(&self) -> bool {
        let kind = self.header("content-type").and_then(|kind| kind.split(';').next());
        kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
    }

    fn parse(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self { status: status.unwrap_or_else(|| panic!("no status line: {text:?}")), headers }
    }
}

/// What a byte completed, or was.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    Head(Head),
    Body(u8),
    /// The body ended as its framing says; one that the connection's end ends never has it.
    End,
}

/// Takes the bytes of responses, one after the other.
#[derive(Debug, Default)]
pub struct Responses(State);

#[derive(Debug)]
enum State {
    Head(Vec<u8>),
    /// Bytes of the body still to come.
    Length(usize),
    ChunkSize(String),
    Chunk(usize),
    ChunkEnd,
    /// The current line behind the last chunk, so far.
    Trailer(String),
    ToClose,
}

impl Default for State {
    fn default() -> Self {
        State::Head(Vec::new())
    }
}

impl Responses {
    /// Takes the next byte and adds what it is to `pieces`: nothing, if it only frames.
    pub fn push(&mut self, byte: u8, pieces: &mut Vec<Piece>) {
        match &mut self.0 {
            State::Head(head) => {
                head.push(byte);
                if head.ends_with(b"\r\n\r\n") {
                    let head = Head::parse(&String::from_utf8_lossy(head));
                    self.0 = State::behind(&head);
                    pieces.push(Piece::Head(head));
                    self.end_if_empty(pieces);
                }
            }
            State::Length(left) => {
                *left -= 1;
                pieces.push(Piece::Body(byte));
                self.end_if_empty(pieces);
            }
            State::ChunkSize(line) => {
                line.push(char::from(byte));
                if byte == b'\n' {
                    self.0 = State::chunk(line);
                }
            }
            State::Chunk(left) => {
                *left -= 1;
                pieces.push(Piece::Body(byte));
                if *left == 0 {
                    self.0 = State::ChunkEnd;
                }
            }
            State::ChunkEnd if byte == b'\n' => self.0 = State::ChunkSize(String::new()),
            State::ChunkEnd => {}
            State::Trailer(line) => {
                line.push(char::from(byte));
                match line.as_str() {
                    "\r\n" => {
                        self.0 = State::default();
                        pieces.push(Piece::End);
                    }
                    line if line.ends_with('\n') => self.0 = State::Trailer(String::new()),
                    _ => {}
                }
            }
            State::ToClose => pieces.push(Piece::Body(byte)),
        }
    }

    /// Whether the connection's end is the body's, as it should be.
    pub fn ends_by_close(&self) -> bool {
        matches!(self.0, State::ToClose)
    }

    fn end_if_empty(&mut self, pieces: &mut Vec<Piece>) {
        if matches!(self.0, State::Length(0)) {
            self.0 = State::default();
            pieces.push(Piece::End);
        }
    }
}

impl State {
    /// How the body behind this head is framed. (No test here asks with `HEAD`.)
    fn behind(head: &Head) -> Self {
        if head.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            State::ChunkSize(String::new())
        } else if matches!(head.status, 100..=199 | 204 | 304) {
            State::Length(0)
        } else {
            let length = head.header("content-length").map(|length| length.parse().expect("a content-length"));
            length.map_or(State::ToClose, State::Length)
        }
    }

    fn chunk(line: &str) -> Self {
        let size = line.trim_end().split(';').next().unwrap_or_default();
        match usize::from_str_radix(size, 16) {
            Ok(0) => State::Trailer(String::new()),
            Ok(size) => State::Chunk(size),
            Err(_) => panic!("no chunk size: {line:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each response as its status, its body and whether its end was told.
    fn read(bytes: &str) -> (Vec<(u16, String, bool)>, Responses) {
        let mut responses = Responses::default();
        let mut pieces = Vec::new();
        for byte in bytes.bytes() {
            responses.push(byte, &mut pieces);
        }
        let mut read = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Head(head) => read.push((head.status, String::new(), false)),
                Piece::Body(byte) => read.last_mut().unwrap().1.push(char::from(byte)),
                Piece::End => read.last_mut().unwrap().2 = true,
            }
        }
        (read, responses)
    }

    #[test]
    fn bodies_come_out_of_every_framing() {
        let (read, responses) = read(concat!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "3;x=y\r\na\n\n\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length:  4\r\n\r\nnone",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: y\r\n\r\nto the end"
        ));
        let expected = [
            (200, "a\n\n0123456789", true),
            (404, "none", true),
            (204, "", true),
            (200, "", true),
            (200, "to the end", false),
        ];
        assert_eq!(read, expected.map(|(status, body, end)| (status, body.to_owned(), end)));
        assert!(responses.ends_by_close());
    }

    #[test]
    fn a_chunked_body_that_is_cut_has_no_end() {
        let (read, responses) = read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nde");
        assert_eq!(read, [(200, "abcde".to_owned(), false)]);
        assert!(!responses.ends_by_close());
    }

    #[test]
    fn a_head_is_read_by_name() {
        let mut pieces = Vec::new();
        let mut responses = Responses::default();
        for byte in *b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n" {
            responses.push(byte, &mut pieces);
        }
        let Piece::Head(head) = &pieces[0] else { panic!("{pieces:?}") };
        assert_eq!((head.status, head.header("retry-after"), head.header("x")), (429, Some("5"), None));
    }
}
