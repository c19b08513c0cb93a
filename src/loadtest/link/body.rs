//! Where an answer's body is in the bytes that come, by RFC 9112: in chunks, of a known length, or until the close.

/// How a body is framed, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    UntilClose,
    /// So many bytes are still to come.
    Length(u64),
    Chunks(Chunk),
    Ended,
}

/// A place in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk {
    /// In the size; digits so far.
    Size {
        size: u64,
        digits: u8,
    },
    /// After the size, up to the end of its line.
    Rest {
        size: u64,
    },
    Data {
        left: u64,
    },
    /// Before the line end that closes the data.
    DataEnd,
    /// In a line after the last chunk; whether it is empty so far.
    Trailer {
        empty: bool,
    },
}

/// A body that is not framed as its head said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its answer is not chunked as HTTP has it")]
pub struct BodyFault;

impl Body {
    pub const CHUNKS: Body = Body::Chunks(Chunk::Size { size: 0, digits: 0 });

    /// Hands on what of these bytes is body, in pieces; how many came after its end.
    ///
    /// # Errors
    /// [`BodyFault`] where a chunk has no size, or no end.
    pub fn take(&mut self, mut bytes: &[u8], mut piece: impl FnMut(&[u8])) -> Result<usize, BodyFault> {
        while !bytes.is_empty() {
            match self {
                Body::UntilClose => {
                    piece(bytes);
                    return Ok(0);
                }
                Body::Length(left) => {
                    bytes = hand_on(left, bytes, &mut piece);
                    if *left == 0 {
                        *self = Body::Ended;
                    }
                }
                Body::Chunks(Chunk::Data { left }) => {
                    bytes = hand_on(left, bytes, &mut piece);
                    if *left == 0 {
                        *self = Body::Chunks(Chunk::DataEnd);
                    }
                }
                Body::Chunks(chunk) => {
                    *self = chunk.step(bytes[0])?;
                    bytes = &bytes[1..];
                }
                Body::Ended => return Ok(bytes.len()),
            }
        }
        Ok(0)
    }
}

impl Chunk {
    fn step(self, byte: u8) -> Result<Body, BodyFault> {
        let next = match (self, byte) {
            (Chunk::Size { size, digits }, _) if byte.is_ascii_hexdigit() && digits < 16 => {
                let digit = (byte as char).to_digit(16).map_or(0, u64::from);
                Chunk::Size { size: size << 4 | digit, digits: digits + 1 }
            }
            (Chunk::Size { size, digits: 1.. } | Chunk::Rest { size }, b'\n') => match size {
                0 => Chunk::Trailer { empty: true },
                left => Chunk::Data { left },
            },
            (Chunk::Size { size, digits: 1.. }, b'\r' | b';' | b' ' | b'\t') => Chunk::Rest { size },
            (Chunk::Rest { size }, _) => Chunk::Rest { size },
            (Chunk::DataEnd, b'\r') => Chunk::DataEnd,
            (Chunk::DataEnd, b'\n') => Chunk::Size { size: 0, digits: 0 },
            (Chunk::Trailer { empty: true }, b'\n') => return Ok(Body::Ended),
            (Chunk::Trailer { .. }, b'\n') => Chunk::Trailer { empty: true },
            (Chunk::Trailer { empty }, b'\r') => Chunk::Trailer { empty },
            (Chunk::Trailer { .. }, _) => Chunk::Trailer { empty: false },
            _ => return Err(BodyFault),
        };
        Ok(Body::Chunks(next))
    }
}

/// Hands on at most `left` bytes; what is after them.
fn hand_on<'a>(left: &mut u64, bytes: &'a [u8], piece: &mut impl FnMut(&[u8])) -> &'a [u8] {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    let (now, later) = bytes.split_at(taken);
    *left -= taken as u64;
    piece(now);
    later
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(mut body: Body, pieces: &[&[u8]]) -> Result<(String, Body), BodyFault> {
        let mut text = Vec::new();
        for bytes in pieces {
            body.take(bytes, |piece| text.extend_from_slice(piece))?;
        }
        Ok((String::from_utf8(text).unwrap(), body))
    }

    #[test]
    fn each_framing_ends_where_it_should() {
        assert_eq!(taken(Body::UntilClose, &[b"a", b"b"]), Ok(("ab".into(), Body::UntilClose)));
        assert_eq!(taken(Body::Length(3), &[b"a", b"bcd"]), Ok(("abc".into(), Body::Ended)));
        let whole = b"3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\nT: 1\r\n\r\nbeyond";
        assert_eq!(taken(Body::CHUNKS, &[whole]), Ok(("abc0123456789".into(), Body::Ended)));
        assert_eq!(taken(Body::CHUNKS, &[b"1\na\n0\n\n"]), Ok(("a".into(), Body::Ended)));
        let (text, open) = taken(Body::CHUNKS, &[b"5\r\nab"]).unwrap();
        assert_eq!((text.as_str(), open), ("ab", Body::Chunks(Chunk::Data { left: 3 })));
    }

    #[test]
    fn what_comes_after_the_end_is_counted() {
        for (mut body, bytes) in
            [(Body::Length(2), &b"abcd"[..]), (Body::CHUNKS, b"1\na\n0\n\ncd"), (Body::Ended, b"cd")]
        {
            assert_eq!(body.take(bytes, |_| ()), Ok(2), "{body:?}");
        }
        assert_eq!(Body::UntilClose.take(b"abcd", |_| ()), Ok(0));
    }

    #[test]
    fn what_is_no_chunk_is_a_fault() {
        for bytes in [&b"\r\n"[..], b"x\r\n", b";\r\n", b"1\r\nab", b"11111111111111111\r\n"] {
            assert_eq!(taken(Body::CHUNKS, &[bytes]), Err(BodyFault), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn chunks_are_joined_wherever_they_are_cut(
            texts in prop::collection::vec("[a-z]{1,30}", 0..6), cut in 1usize..20,
        ) {
            let mut bytes = Vec::new();
            for text in &texts {
                bytes.extend_from_slice(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes());
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(taken(Body::CHUNKS, &pieces), Ok((texts.concat(), Body::Ended)));
        }
    }
}
