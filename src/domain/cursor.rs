//! Where a stream stands: an epoch and a rev, as `k3f9q2-128`.
//!
//! An epoch is one generation of one inbox, hashed from a secret of the database, so that a cursor of another user,
//! of an erased user or of a history that a restore took back is never taken for one of this inbox.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use super::ids::Rev;

/// Lower-case Crockford base 32: no character that a browser would ask a preflight for, none that is misread.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const EPOCH_CHARS: usize = 6;

/// One generation of one inbox, six characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch([u8; EPOCH_CHARS]);

impl Epoch {
    /// The epoch of an inbox before its first change.
    pub const NONE: Epoch = Epoch([b'0'; EPOCH_CHARS]);

    pub fn as_str(&self) -> &str {
        // All six are from the alphabet, by construction and by parsing.
        std::str::from_utf8(&self.0).unwrap_or("000000")
    }
}

/// The database's secret, from which epochs are hashed.
pub struct EpochSecret(hmac::Key);

impl EpochSecret {
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The epoch of `inbox` (an integer that is never used again) in `generation`. Never [`Epoch::NONE`].
    pub fn epoch(&self, generation: i64, inbox: i64) -> Epoch {
        let mut message = [0; 16];
        message[..8].copy_from_slice(&generation.to_be_bytes());
        message[8..].copy_from_slice(&inbox.to_be_bytes());
        let tag = hmac::sign(&self.0, &message);
        let mut chars = [0; EPOCH_CHARS];
        for (char, byte) in chars.iter_mut().zip(tag.as_ref()) {
            *char = ALPHABET[usize::from(byte & 31)];
        }
        if chars == Epoch::NONE.0 {
            chars[EPOCH_CHARS - 1] = b'1';
        }
        Epoch(chars)
    }
}

impl fmt::Debug for EpochSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EpochSecret(…)")
    }
}

/// The place of a stream in an inbox: it has everything up to `rev`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    pub epoch: Epoch,
    pub rev: Rev,
}

/// What a client said of where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// Nothing: it starts at the head.
    Nothing,
    /// Something that is no cursor.
    Unreadable,
    Cursor(Cursor),
}

/// Why a hole cannot be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Reason {
    /// Not one of the inbox's epochs, or a rev at or past the next generation's first.
    Epoch,
    /// Past the head, which a restore took back.
    Ahead,
    /// Unreadable.
    Unknown,
    /// More entries than are replayed, or than the log still has.
    TooMany,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Epoch => "epoch",
            Reason::Ahead => "ahead",
            Reason::Unknown => "unknown",
            Reason::TooMany => "too_many",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Reason::Epoch, Reason::Ahead, Reason::Unknown, Reason::TooMany]
            .into_iter()
            .find(|reason| reason.as_str() == text)
    }
}

impl TryFrom<String> for Reason {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Reason::parse(&text).ok_or_else(|| format!("{text:?} is no reason that is known"))
    }
}

impl From<Reason> for &'static str {
    fn from(reason: Reason) -> Self {
        reason.as_str()
    }
}

/// Whether `cursor` stands in this inbox's history.
///
/// `generations` are the inbox's epochs with the first rev of each, oldest first; rev 0 is good in any epoch.
///
/// # Errors
/// Why the client must fetch the list instead.
pub fn judge(cursor: Cursor, generations: &[(Epoch, Rev)], head: Rev, log_floor: Rev) -> Result<(), Reason> {
    if cursor.rev > 0 {
        let mut later = generations.iter().skip_while(|(epoch, _)| *epoch != cursor.epoch);
        later.next().ok_or(Reason::Epoch)?;
        match later.next() {
            Some((_, next_first)) if cursor.rev >= *next_first => return Err(Reason::Epoch),
            None if cursor.rev > head => return Err(Reason::Ahead),
            _ => {}
        }
    }
    if cursor.rev < log_floor { Err(Reason::TooMany) } else { Ok(()) }
}

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is six characters of 0-9a-z (without i, l, o, u), a hyphen and a number, like k3f9q2-128")]
pub struct CursorFault;

impl FromStr for Epoch {
    type Err = CursorFault;

    fn from_str(text: &str) -> Result<Self, CursorFault> {
        let chars: [u8; EPOCH_CHARS] = text.as_bytes().try_into().map_err(|_| CursorFault)?;
        if chars.iter().all(|char| ALPHABET.contains(char)) { Ok(Self(chars)) } else { Err(CursorFault) }
    }
}

impl FromStr for Cursor {
    type Err = CursorFault;

    /// Takes exactly what [`fmt::Display`] writes: no sign, no leading zero, nothing over `i64::MAX`, which is what
    /// the store can count to.
    fn from_str(text: &str) -> Result<Self, CursorFault> {
        let (epoch, rev) = text.split_once('-').ok_or(CursorFault)?;
        let canonical = rev == "0" || (!rev.starts_with('0') && rev.bytes().all(|b| b.is_ascii_digit()));
        if !canonical {
            return Err(CursorFault);
        }
        let rev: i64 = rev.parse().map_err(|_| CursorFault)?;
        Ok(Self { epoch: epoch.parse()?, rev: rev.unsigned_abs() })
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.rev)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(generation: i64, inbox: i64, rev in 0..=i64::MAX as u64) {
            let epoch = EpochSecret::new(&[3; 32]).epoch(generation, inbox);
            let cursor = Cursor { epoch, rev };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
        }

        #[test]
        fn only_what_is_written_is_read(text in "\\PC{0,24}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }

    #[test]
    fn a_reason_is_read_by_the_name_that_it_is_written_by() {
        for reason in [Reason::Epoch, Reason::Ahead, Reason::Unknown, Reason::TooMany] {
            let text = serde_json::to_string(&reason).unwrap();
            assert_eq!(text, format!("\"{}\"", reason.as_str()));
            assert_eq!(serde_json::from_str::<Reason>(&text).unwrap(), reason);
        }
        assert!(serde_json::from_str::<Reason>("\"other\"").is_err());
    }

    #[test]
    fn odd_texts_are_refused() {
        for text in [
            "",
            "abc",
            "-1",
            "1e3",
            "k3f9q2-",
            "k3f9q2",
            "k3f9q-1",
            "k3f9q22-1",
            "K3F9Q2-1",
            "k3f9q2--1",
            "k3f9q2-+1",
            "k3f9q2-01",
            "k3f9q2-1 ",
            " k3f9q2-1",
            "k3f9q2-9223372036854775808",
            "k3f9q2-18446744073709551616",
            "ilouil-1",
            "k3f9q2-1\0",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorFault), "{text:?}");
        }
        assert_eq!("000000-0".parse::<Cursor>(), Ok(Cursor { epoch: Epoch::NONE, rev: 0 }));
    }

    #[test]
    fn a_cursor_is_judged_by_the_history_that_it_stands_in() {
        let secret = EpochSecret::new(&[1; 32]);
        let [first, second, foreign] = [1, 2, 3].map(|generation| secret.epoch(generation, 1));
        // Ten changes in the first generation, then a restart, then five more.
        let generations = [(first, 1), (second, 11)];
        let judged = |epoch, rev| judge(Cursor { epoch, rev }, &generations, 15, 3);
        assert_eq!(judged(first, 10), Ok(()));
        assert_eq!(judged(first, 11), Err(Reason::Epoch));
        assert_eq!(judged(second, 3), Ok(()));
        assert_eq!(judged(second, 15), Ok(()));
        assert_eq!(judged(second, 16), Err(Reason::Ahead));
        assert_eq!(judged(foreign, 5), Err(Reason::Epoch));
        assert_eq!(judged(Epoch::NONE, 5), Err(Reason::Epoch));
        assert_eq!(judged(second, 2), Err(Reason::TooMany));
        assert_eq!(judge(Cursor { epoch: foreign, rev: 0 }, &generations, 15, 0), Ok(()));
        assert_eq!(judge(Cursor { epoch: Epoch::NONE, rev: 0 }, &[], 0, 0), Ok(()));
        assert_eq!(judge(Cursor { epoch: first, rev: 1 }, &[], 0, 0), Err(Reason::Epoch));
    }

    #[test]
    fn a_log_shows_a_cursor_as_it_is_written_and_no_secret() {
        let cursor = Cursor { epoch: "k3f9q2".parse().unwrap(), rev: 128 };
        assert_eq!(format!("{cursor:?} {:?} {}", cursor.epoch, cursor.epoch), "k3f9q2-128 k3f9q2 k3f9q2");
        assert_eq!(format!("{:?}", EpochSecret::new(&[1; 32])), "EpochSecret(…)");
    }

    #[test]
    fn every_character_of_an_epoch_is_hashed() {
        let secret = EpochSecret::new(&[1; 32]);
        let epochs: Vec<Epoch> = (0..64).map(|inbox| secret.epoch(1, inbox)).collect();
        for at in 0..EPOCH_CHARS {
            assert!(epochs.iter().any(|epoch| epoch.0[at] != epochs[0].0[at]), "character {at} of {epochs:?}");
        }
    }

    #[test]
    fn another_secret_generation_or_inbox_is_another_epoch() {
        let secret = EpochSecret::new(&[1; 32]);
        let epoch = secret.epoch(1, 1);
        assert_eq!(epoch, secret.epoch(1, 1));
        assert_ne!(epoch, secret.epoch(2, 1));
        assert_ne!(epoch, secret.epoch(1, 2));
        assert_ne!(epoch, EpochSecret::new(&[2; 32]).epoch(1, 1));
    }
}
