//! The text/event-stream format: blocks out, events in.
//!
//! The splitter follows the WHATWG standard, "interpreting an event stream", field by field.

use bytes::{BufMut, Bytes, BytesMut};

/// Writes the blocks of one stream. What goes into `id` and `event` is lumen's own and has no line breaks; what goes
/// into `data` is JSON, which has none either.
#[derive(Debug, Default)]
pub struct Encoder(BytesMut);

impl Encoder {
    pub fn with_capacity(bytes: usize) -> Self {
        Self(BytesMut::with_capacity(bytes))
    }

    pub fn event(mut self, name: &str) -> Self {
        self.line("event: ", name);
        self
    }

    pub fn id(mut self, id: impl std::fmt::Display) -> Self {
        self.line("id: ", &id.to_string());
        self
    }

    pub fn retry(mut self, millis: u64) -> Self {
        self.line("retry: ", &millis.to_string());
        self
    }

    pub fn data(mut self, json: &str) -> Self {
        self.line("data: ", json);
        self
    }

    /// Ends the block.
    pub fn end(mut self) -> Bytes {
        self.0.put_u8(b'\n');
        self.0.freeze()
    }

    fn line(&mut self, field: &str, text: &str) {
        debug_assert!(!text.contains(['\r', '\n', '\0']), "a line break in {field}{text}");
        self.0.put_slice(field.as_bytes());
        self.0.put_slice(text.as_bytes());
        self.0.put_u8(b'\n');
    }
}

/// One dispatched block: an event, or what a block without data still changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    /// `message` where the block named none.
    pub event: String,
    /// The id that this very block set, if it did. The last one set counts for the stream.
    pub id: Option<String>,
    /// `None` where the block had no `data` at all: it fires no event.
    pub data: Option<String>,
    pub retry: Option<u64>,
}

/// A stream with more than this between two line ends is not one of ours, and would fill memory.
const LINE_BYTES: usize = 1024 * 1024;

/// The data of one block, however many lines it is in: what a single line may hold. Of ours none has much over 64 KiB, a
/// snapshot's; one that never ended would fill memory line by line.
const BLOCK_BYTES: usize = LINE_BYTES;

/// A stream that cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitFault {
    #[error("a line of over {LINE_BYTES} bytes in an event stream")]
    Line,
    #[error("an event of over {BLOCK_BYTES} bytes in an event stream")]
    Block,
}

/// Cuts bytes, as they come, into blocks. What the connection's end cuts short is thrown away, as the standard has it.
#[derive(Debug, Default)]
pub struct Splitter {
    line: Vec<u8>,
    /// The last byte was a CR, so that a LF now ends nothing.
    after_cr: bool,
    begun: bool,
    block: Block,
    touched: bool,
}

impl Splitter {
    /// Takes the next bytes and adds what they complete to `blocks`. Comments and empty blocks add nothing.
    ///
    /// # Errors
    /// [`SplitFault`] when a line or a block never ends.
    pub fn push(&mut self, mut bytes: &[u8], blocks: &mut Vec<Block>) -> Result<(), SplitFault> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = bytes.iter().position(|&byte| matches!(byte, b'\n' | b'\r')) else {
                return self.keep(bytes);
            };
            let (line, rest) = bytes.split_at(end);
            if self.line.len() + line.len() > LINE_BYTES {
                return Err(SplitFault::Line);
            }
            self.after_cr = rest[0] == b'\r';
            bytes = &rest[1..];
            if self.line.is_empty() {
                // Whole lines are read where they are: a stream that waits holds no memory for one.
                self.end_line(line, blocks)?;
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.end_line(&whole, blocks)?;
            }
        }
        Ok(())
    }

    /// Keeps a piece of a line until its end comes.
    fn keep(&mut self, piece: &[u8]) -> Result<(), SplitFault> {
        if self.line.len() + piece.len() > LINE_BYTES {
            return Err(SplitFault::Line);
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    fn end_line(&mut self, line: &[u8], blocks: &mut Vec<Block>) -> Result<(), SplitFault> {
        let text = String::from_utf8_lossy(line);
        let mut text = text.as_ref();
        if !std::mem::replace(&mut self.begun, true) {
            text = text.strip_prefix('\u{feff}').unwrap_or(text);
        }
        if text.is_empty() {
            self.dispatch(blocks);
        } else if !text.starts_with(':') {
            let (field, value) = text.split_once(':').unwrap_or((text, ""));
            self.field(field, value.strip_prefix(' ').unwrap_or(value))?;
        }
        Ok(())
    }

    fn field(&mut self, field: &str, value: &str) -> Result<(), SplitFault> {
        match field {
            "event" => self.block.event = value.to_owned(),
            "data" => match &mut self.block.data {
                Some(data) if data.len() + value.len() >= BLOCK_BYTES => return Err(SplitFault::Block),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                none => *none = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.block.id = Some(value.to_owned()),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                self.block.retry = value.parse().ok();
            }
            _ => return Ok(()),
        }
        self.touched = true;
        Ok(())
    }

    fn dispatch(&mut self, blocks: &mut Vec<Block>) {
        if !std::mem::take(&mut self.touched) {
            return;
        }
        let mut block = std::mem::take(&mut self.block);
        if block.event.is_empty() {
            block.event.push_str("message");
        }
        blocks.push(block);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<Block> {
        let mut splitter = Splitter::default();
        let mut blocks = Vec::new();
        for chunk in chunks {
            splitter.push(chunk, &mut blocks).unwrap();
        }
        blocks
    }

    fn data(stream: &str) -> Vec<String> {
        split(&[stream.as_bytes()]).into_iter().filter_map(|block| block.data).collect()
    }

    /// After web-platform-tests, `eventsource/format-*`.
    #[test]
    fn the_standards_own_cases() {
        assert_eq!(data("\u{feff}data:1\n\n\u{feff}data:2\n\ndata:3\n\n"), ["1", "3"]);
        assert_eq!(data("data:test\r\rdata:\r\rdata:a\rdata:b\r\r"), ["test", "", "a\nb"]);
        assert_eq!(data("data\n\ndata\ndata\n\ndata:test\n\n"), ["", "\n", "test"]);
        assert_eq!(data("data: a\r\ndata:  b\r\n\r\n"), ["a\n b"]);
        assert_eq!(data(":comment\ndata:1\n:\ndata:2\n\n"), ["1\n2"]);
        assert_eq!(data("datax:1\ndata :2\n data:3\ndata:4\n\n"), ["4"]);
        assert_eq!(data("data:cut\n"), Vec::<String>::new());
        assert_eq!(data("\n\n\n"), Vec::<String>::new());
        let ids: Vec<_> = split(&[b"id: 1\ndata:a\n\nid: x\0y\ndata:b\n\nid\ndata:c\n\nid: 7\n\n"]);
        let ids: Vec<_> = ids.into_iter().map(|block| (block.id, block.data.is_some())).collect();
        let id = |text: &str| Some(text.to_owned());
        assert_eq!(ids, [(id("1"), true), (None, true), (id(""), true), (id("7"), false)]);
        let retries: Vec<_> = split(&[b"retry: 1000\n\nretry: 1x\ndata:a\n\nretry: -1\ndata:a\n\n"]);
        assert_eq!(retries.iter().map(|block| block.retry).collect::<Vec<_>>(), [Some(1000), None, None]);
        let retries = split(&[b"retry: 5\nretry: x\nretry:\nretry: +7\n\n"]);
        assert_eq!(retries[0].retry, Some(5));
        let named = split(&[b"data\n\nevent: ping\ndata\n\nevent: ping\nevent\ndata\n\n"]);
        assert_eq!(named.iter().map(|block| block.event.as_str()).collect::<Vec<_>>(), ["message", "ping", "message"]);
    }

    #[test]
    fn a_line_of_over_a_mebibyte_is_a_fault() {
        let long = vec![b'x'; 1 << 20];
        let mut splitter = Splitter::default();
        assert_eq!(splitter.push(&long, &mut Vec::new()), Ok(()));
        assert_eq!(splitter.push(b"x", &mut Vec::new()), Err(SplitFault::Line));
        let mut splitter = Splitter::default();
        assert_eq!(splitter.push(&[&long, &b"\n"[..]].concat(), &mut Vec::new()), Ok(()));
        assert_eq!(splitter.push(&[&long, &b"x\n"[..]].concat(), &mut Vec::new()), Err(SplitFault::Line));
    }

    #[test]
    fn a_block_of_over_a_mebibyte_is_a_fault_however_short_its_lines() {
        let mut splitter = Splitter::default();
        let mut blocks = Vec::new();
        // With its line end, each line takes two.
        for _ in 0..2 {
            assert_eq!(splitter.push(&b"data:x\n".repeat(1 << 19), &mut blocks), Ok(()));
            assert_eq!(splitter.push(b"\n", &mut blocks), Ok(()));
        }
        assert_eq!(blocks.iter().map(|block| block.data.as_ref().unwrap().len()).max(), Some((1 << 20) - 1));
        assert_eq!(splitter.push(&b"data\n".repeat(1 << 20), &mut blocks), Ok(()));
        assert_eq!(splitter.push(&b"data\n".repeat(2), &mut blocks), Err(SplitFault::Block));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_split_wherever_it_is_cut(
            texts in prop::collection::vec("[^\\x00]{0,30}", 1..6),
            cut in 1usize..40,
        ) {
            let mut stream = Vec::new();
            for (rev, text) in texts.iter().enumerate() {
                let json = serde_json::to_string(text).unwrap();
                let block = Encoder::default().event("inbox").id(rev).retry(7).data(&json).end();
                stream.extend_from_slice(&block);
            }
            let chunks: Vec<&[u8]> = stream.chunks(cut).collect();
            let blocks = split(&chunks);
            prop_assert_eq!(blocks.len(), texts.len());
            for (rev, (block, text)) in blocks.iter().zip(&texts).enumerate() {
                prop_assert_eq!(&block.id, &Some(rev.to_string()));
                prop_assert_eq!(block.retry, Some(7));
                let data: String = serde_json::from_str(block.data.as_deref().unwrap()).unwrap();
                prop_assert_eq!(&data, text);
            }
        }

        #[test]
        fn any_bytes_are_split_alike_whole_or_in_pieces(
            stream in prop::collection::vec(prop::sample::select(b"\r\n:\x00dataidevent retry 1\xef\xbb\xbf".to_vec()), 0..200),
            cut in 1usize..20,
        ) {
            let chunks: Vec<&[u8]> = stream.chunks(cut).collect();
            prop_assert_eq!(split(&chunks), split(&[&stream]));
        }
    }
}
