//! Random bytes from the one crypto provider.

use std::ops::RangeInclusive;

/// `N` bytes that nobody can guess.
///
/// # Panics
/// When the operating system has no entropy to give, without which no key or id can be made.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A number of the range, for jitter: the tiny bias of the remainder does not matter there.
pub fn within(range: RangeInclusive<u64>) -> u64 {
    let span = range.end() - range.start() + 1;
    range.start() + u64::from_le_bytes(bytes()) % span
}
