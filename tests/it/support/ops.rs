//! What may happen to an inbox and to the devices that follow it, drawn at random.
//!
//! Which rows are meant is said by number, so that any shortened list of operations still means something. Doing it, to
//! a server and to the model, is the story's.

use lumen_inbox::domain::ids::Rev;
use lumen_inbox::domain::limits::PAGE_ENTRIES;
use proptest::collection::vec;
use proptest::prelude::*;

use super::chaos::{End, Kind, Mode, Where};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Create,
    /// More rows at once than a catch-up page has.
    CreateMany,
    /// One that dies with the next [`Op::LivesEnd`].
    CreateMortal,
    /// One with this key.
    CreateKeyed(u8),
    /// What has this key is taken back.
    Retract(u8),
    /// The clock is turned past the end of lives, and what is over is swept.
    LivesEnd,
    /// What is too much is swept.
    Sweep,
    /// The inbox is one no more.
    Erase,
    Read(Pick),
    Unread(Pick),
    Delete(Pick),
    ReadIds(Vec<Pick>),
    ReadUpTo(UpTo),
    ReadAll,
    Seen(UpTo),
    /// The device's open connection ends there, counted from now.
    Cut {
        device: usize,
        place: Where,
        end: End,
    },
    /// The device's connection is cut, if it still is, and it comes back; what it then opens fares like this.
    Reconnect {
        device: usize,
        mode: Mode,
    },
    /// Nothing reaches the device for a while: its mailbox may overflow.
    Stall {
        device: usize,
    },
    /// It gets again what is sent.
    Resume {
        device: usize,
    },
}

/// One of all that were ever made, also of those that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick(usize);

/// A rev around the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpTo {
    /// Behind the head by so much, at the least 0.
    Back(Rev),
    Over(Rev),
}

impl Op {
    /// The device whose link it is about, if it is about one.
    pub fn device(&self) -> Option<usize> {
        match self {
            Op::Cut { device, .. } | Op::Reconnect { device, .. } | Op::Stall { device } | Op::Resume { device } => {
                Some(*device)
            }
            _ => None,
        }
    }
}

impl Pick {
    /// `None` where none was made yet.
    pub fn of<T>(self, made: &[T]) -> Option<&T> {
        made.get(self.0.checked_rem(made.len())?)
    }
}

impl UpTo {
    pub fn rev(self, head: Rev) -> Rev {
        match self {
            UpTo::Back(by) => head.saturating_sub(by),
            UpTo::Over(by) => head + by,
        }
    }
}

/// Up to `most` operations on one inbox with so many devices.
pub fn ops(devices: usize, most: usize) -> impl Strategy<Value = Vec<Op>> {
    vec(op(devices), 1..=most)
}

fn op(devices: usize) -> impl Strategy<Value = Op> {
    prop_oneof![
        16 => Just(Op::Create),
        1 => Just(Op::CreateMany),
        4 => Just(Op::CreateMortal),
        4 => (0u8..3).prop_map(Op::CreateKeyed),
        2 => (0u8..3).prop_map(Op::Retract),
        2 => Just(Op::LivesEnd),
        2 => Just(Op::Sweep),
        1 => Just(Op::Erase),
        4 => pick().prop_map(Op::Read),
        4 => pick().prop_map(Op::Unread),
        4 => pick().prop_map(Op::Delete),
        2 => vec(pick(), 1..6).prop_map(Op::ReadIds),
        4 => up_to().prop_map(Op::ReadUpTo),
        2 => Just(Op::ReadAll),
        4 => up_to().prop_map(Op::Seen),
        6 => (0..devices, place(), end()).prop_map(|(device, place, end)| Op::Cut { device, place, end }),
        8 => (0..devices, mode()).prop_map(|(device, mode)| Op::Reconnect { device, mode }),
        2 => (0..devices).prop_map(|device| Op::Stall { device }),
        2 => (0..devices).prop_map(|device| Op::Resume { device }),
    ]
}

fn pick() -> impl Strategy<Value = Pick> {
    (0usize..12).prop_map(Pick)
}

fn up_to() -> impl Strategy<Value = UpTo> {
    prop_oneof![6 => (0u64..8).prop_map(UpTo::Back), 1 => (1u64..1000).prop_map(UpTo::Over)]
}

/// What a new connection meets: most are cut, in the midst of what was missed or of what comes.
fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![2 => Just(Mode::Pass), 3 => (place(), end()).prop_map(|(place, end)| Mode::Cut(place, end))]
}

/// Behind `ready`, behind a block with an id (each replayed frame, a step), around the seam of two pages, or within the
/// next block.
fn place() -> impl Strategy<Value = Where> {
    let then = || prop_oneof![Just(0usize), 1usize..80];
    prop_oneof![
        1 => Just(Where::Here),
        1 => (1usize..600).prop_map(Where::Bytes),
        2 => then().prop_map(|then| Where::Block { of: Kind::Event("ready"), nth: 1, then }),
        4 => (1usize..6, then()).prop_map(|(nth, then)| Where::Block { of: Kind::Id, nth, then }),
        2 => (PAGE_ENTRIES - 1..PAGE_ENTRIES + 3, then()).prop_map(|(nth, then)| Where::Block { of: Kind::Id, nth, then }),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![3 => Just(End::Close), 1 => Just(End::Reset)]
}

#[cfg(test)]
mod tests {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::*;

    #[test]
    fn picks_and_revs_mean_something_whatever_is_there() {
        assert_eq!(Pick(5).of::<u8>(&[]), None);
        assert_eq!(Pick(5).of(&[1, 2, 3]), Some(&3));
        assert_eq!([UpTo::Back(9).rev(4), UpTo::Back(1).rev(4), UpTo::Over(2).rev(4)], [0, 3, 6]);
    }

    #[test]
    fn every_kind_of_operation_is_drawn_for_every_device() {
        let mut runner = TestRunner::deterministic();
        let drawn: Vec<Op> = (0..200).flat_map(|_| ops(2, 50).new_tree(&mut runner).unwrap().current()).collect();
        let kinds: std::collections::HashSet<_> = drawn.iter().map(std::mem::discriminant).collect();
        assert_eq!(kinds.len(), 19);
        let devices: std::collections::HashSet<_> = drawn.iter().filter_map(Op::device).collect();
        assert_eq!(devices, [0, 1].into());
    }
}
