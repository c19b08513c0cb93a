//! A place in what a server sends, exact to the byte, and by blocks of an event stream whatever the chunks of the body.

use lumen_inbox::wire::sse::{Block, Splitter};

use super::responses::{Piece, Responses};

/// A place in what the server sends, counted from when it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    Here,
    /// After so many bytes, heads and framing with them.
    Bytes(usize),
    /// Behind the blank line of the `nth` (from 1) such block, then so many bytes of body further.
    Block {
        of: Kind,
        nth: usize,
        then: usize,
    },
}

/// Which blocks of an event stream are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Events of this name.
    Event(&'static str),
    /// Blocks with an `id:`, also such without an event.
    Id,
}

/// What the server has sent, followed to find the place of a cut.
#[derive(Default)]
pub struct Watched {
    responses: Responses,
    /// While the body is an event stream.
    splitter: Option<Splitter>,
    place: Option<Where>,
    pieces: Vec<Piece>,
    blocks: Vec<Block>,
}

impl Watched {
    /// Counts towards this place from here on.
    pub fn look_for(&mut self, place: Option<Where>) {
        self.place = place;
    }

    /// Takes the next bytes; behind how many of them the place is, if within them.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        bytes.iter().position(|byte| self.is_last(*byte)).map(|at| at + 1)
    }

    /// Takes the next byte; whether the place is behind it.
    fn is_last(&mut self, byte: u8) -> bool {
        self.responses.push(byte, &mut self.pieces);
        let mut in_body = false;
        for piece in self.pieces.drain(..) {
            match piece {
                Piece::Head(head) => self.splitter = head.is_event_stream().then(Splitter::default),
                Piece::Body(byte) => {
                    in_body = true;
                    if let Some(splitter) = &mut self.splitter {
                        splitter.push(&[byte], &mut self.blocks).expect("an event stream");
                    }
                }
                Piece::End => {}
            }
        }
        let block = self.blocks.pop();
        self.place.as_mut().is_some_and(|place| place.is_reached(in_body, block.as_ref()))
    }
}

impl Where {
    /// Counts one more byte, which may complete a block.
    fn is_reached(&mut self, in_body: bool, block: Option<&Block>) -> bool {
        match self {
            Where::Here => true,
            Where::Bytes(left) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            Where::Block { nth: 0, then, .. } => {
                *then -= usize::from(in_body);
                *then == 0
            }
            Where::Block { of, nth, then } => {
                *nth -= usize::from(block.is_some_and(|block| of.counts(block)));
                *nth == 0 && *then == 0
            }
        }
    }
}

impl Kind {
    fn counts(self, block: &Block) -> bool {
        match self {
            Kind::Event(name) => block.data.is_some() && block.event == name,
            Kind::Id => block.id.is_some(),
        }
    }
}
