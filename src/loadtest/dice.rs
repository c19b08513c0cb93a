//! Chance that can be repeated: the same seed throws the same dice.

/// A number for this seed, this question and this item, each bit of it as good as drawn. (SplitMix64's finalizer.)
pub fn throw(seed: u64, question: u64, item: u64) -> u64 {
    let mut z = seed ^ question.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ item.wrapping_mul(0xd1b5_4a32_d192_ed03);
    for _ in 0..2 {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
    }
    z
}

/// One of `sides`, which are at least one.
pub fn pick(seed: u64, question: u64, item: u64, sides: u32) -> u32 {
    // The high half of the product: as even as a remainder, and what is below `sides` fits.
    ((u128::from(throw(seed, question, item)) * u128::from(sides)) >> 64) as u32
}

/// Whether the item is among a share of all, from 0 to 1.
pub fn chosen(seed: u64, question: u64, item: u64, share: f64) -> bool {
    (throw(seed, question, item) >> 11) as f64 / ((1u64 << 53) as f64) < share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same() {
        assert_eq!(pick(7, 1, 42, 1000), pick(7, 1, 42, 1000));
        assert_ne!(throw(7, 1, 42), throw(8, 1, 42));
        assert_ne!(throw(7, 1, 42), throw(7, 2, 42));
    }

    #[test]
    fn sides_and_shares_come_as_often_as_they_should() {
        let mut sides = [0; 10];
        (0..10_000).for_each(|item| sides[pick(1, 2, item, 10) as usize] += 1);
        assert!(sides.iter().all(|count| (850..1150).contains(count)), "{sides:?}");
        let chosen = (0..10_000).filter(|item| chosen(1, 3, *item, 0.3)).count();
        assert!((2850..3150).contains(&chosen), "{chosen}");
        assert!(!super::chosen(1, 3, 5, 0.0) && super::chosen(1, 3, 5, 1.0));
    }
}
