//! What a server says of a refusal, cut and counted as a report can hold it.

use std::collections::BTreeMap;

/// How much of it is told. It is kept for each stream, and counted by what it says.
const CHARS: usize = 120;

/// Its beginning.
pub fn short(said: &str) -> String {
    said.chars().take(CHARS).collect()
}

/// Different reasons that are told apart.
const DIFFERENT: usize = 100;

/// Counts a reason; of too many different ones the later ones as one.
pub fn note(reasons: &mut BTreeMap<String, u64>, why: String, times: u64) {
    let room = reasons.len() < DIFFERENT || reasons.contains_key(&why);
    *reasons.entry(if room { why } else { "others".to_owned() }).or_default() += times;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_and_their_number_has_an_end() {
        let mut reasons = BTreeMap::new();
        (0..2 * DIFFERENT).for_each(|n| note(&mut reasons, n.to_string(), 1));
        note(&mut reasons, "0".to_owned(), 7);
        assert_eq!((reasons.len(), reasons["0"], reasons["others"]), (DIFFERENT + 1, 8, DIFFERENT as u64));
        assert_eq!(short(&"ä".repeat(1_000)).chars().count(), CHARS);
    }
}
