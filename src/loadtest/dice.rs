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

/// Rounds of the shuffle: fewer show a pattern among few items.
const ROUNDS: u64 = 8;

/// How many make up a share, from 0 to 1, of all items: one at least.
pub fn part(items: u32, share: f64) -> u32 {
    // Seven per cent of a hundred are a hair over 7 in binary. What is at most all of a u32 fits.
    ((f64::from(items) * share - 1e-6).ceil() as u32).clamp(1, items)
}

/// Whether the item is among exactly so many as make up the share of all items.
pub fn chosen(seed: u64, question: u64, item: u32, items: u32, share: f64) -> bool {
    place(seed, question, item, items) < part(items, share)
}

/// Where the item stands when all items are shuffled: each place is one item's.
fn place(seed: u64, question: u64, item: u32, items: u32) -> u32 {
    // A Feistel network shuffles a power of four without a table; who lands beyond the items goes on until it is among
    // them.
    let half = (u32::BITS - (items - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1u64 << half) - 1;
    let mut at = u64::from(item);
    loop {
        for round in 0..ROUNDS {
            let (left, right) = (at >> half, at & mask);
            at = right << half | (left ^ throw(seed, question, round << 32 | right)) & mask;
        }
        match u32::try_from(at) {
            Ok(at) if at < items => return at,
            _ => {}
        }
    }
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
    fn sides_come_as_often_as_they_should() {
        let mut sides = [0; 10];
        (0..10_000).for_each(|item| sides[pick(1, 2, item, 10) as usize] += 1);
        assert!(sides.iter().all(|count| (850..1150).contains(count)), "{sides:?}");
    }

    #[test]
    fn a_share_is_exactly_so_many() {
        for (items, share, expected) in [
            (50, 0.01, 1),
            (100, 0.07, 7),
            (1000, 0.29, 290),
            (10, 0.25, 3),
            (7, 1.0, 7),
            (1, 0.3, 1),
            (2, 0.5, 1),
            (15_000, 0.3, 4_500),
        ] {
            for question in [3, 1 << 32] {
                let chosen = (0..items).filter(|item| chosen(42, question, *item, items, share)).count();
                assert_eq!((chosen, part(items, share) as usize), (expected, expected), "{share} of {items}");
            }
        }
    }

    #[test]
    fn each_item_is_chosen_as_often_as_any_other() {
        for items in [2, 3, 10, 21] {
            let mut times = vec![0; items as usize];
            for seed in 0..3_000 {
                (0..items)
                    .filter(|item| chosen(seed, 2, *item, items, 0.01))
                    .for_each(|item| times[item as usize] += 1);
            }
            let usual = 3_000 / items;
            assert!(times.iter().all(|count| (usual * 3 / 4..usual * 5 / 4 + 1).contains(count)), "{times:?}");
        }
        let of = |seed| (0..100).map(|item| place(seed, 2, item, 100)).collect::<Vec<_>>();
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }
}
