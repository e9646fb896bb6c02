//! Spreading tests over shards so that each takes about as long.

use std::collections::BTreeSet;

use crate::base::{Digest, Seed, Shard};
use crate::domain::record::TestName;

/// The tests of one shard: longest first, each to the shard with the least so far (Graham's LPT rule, within 4/3 of the
/// optimum). Tests without a recorded time count as the mean of the others. Every shard computes the same assignment from
/// the same tests, times and seed.
pub(crate) fn balance(tests: &[(TestName, Option<u64>)], shard: Shard, seed: Seed) -> BTreeSet<TestName> {
    let known: Vec<u64> = tests.iter().filter_map(|(_, ms)| *ms).collect();
    let mean = known.iter().sum::<u64>().checked_div(known.len() as u64).unwrap_or(1).max(1);
    let point = |test: &TestName| {
        Digest::of_fields([seed.number().to_le_bytes().as_slice(), test.binary.as_bytes(), test.name.as_bytes()])
    };
    let mut order: Vec<(u64, Digest, &TestName)> =
        tests.iter().map(|(test, ms)| (ms.unwrap_or(mean).max(1), point(test), test)).collect();
    order.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut loads = vec![0u64; shard.count()];
    let mut mine = BTreeSet::new();
    for (ms, _, test) in order {
        let least = (0..loads.len()).min_by_key(|i| loads[*i]).unwrap_or(0);
        loads[least] += ms;
        if least == shard.position() {
            mine.insert(test.clone());
        }
    }
    mine
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shards(count: usize) -> impl Iterator<Item = Shard> {
        (1..=count).map(move |i| format!("{i}/{count}").parse().expect("a shard"))
    }

    proptest! {
        #[test]
        fn every_test_is_in_exactly_one_shard(times in proptest::collection::vec(proptest::option::of(0u64..10_000), 0..200), count in 1usize..9) {
            let tests: Vec<_> = times.iter().enumerate()
                .map(|(n, ms)| (TestName { binary: "b".into(), name: n.to_string() }, *ms)).collect();
            let parts: Vec<_> = shards(count).map(|shard| balance(&tests, shard, Seed::default())).collect();
            let all: BTreeSet<_> = parts.iter().flatten().cloned().collect();
            prop_assert_eq!(parts.iter().map(BTreeSet::len).sum::<usize>(), tests.len());
            prop_assert_eq!(all.len(), tests.len());
        }

        #[test]
        fn the_longest_shard_is_within_a_third_of_the_optimum(times in proptest::collection::vec(1u64..10_000, 1..200), count in 1usize..9) {
            let tests: Vec<_> = times.iter().enumerate()
                .map(|(n, ms)| (TestName { binary: "b".into(), name: n.to_string() }, Some(*ms))).collect();
            let load = |part: &BTreeSet<TestName>| part.iter().map(|t| times[t.name.parse::<usize>().expect("a number")]).sum::<u64>();
            let longest = shards(count).map(|shard| load(&balance(&tests, shard, Seed::default()))).max().unwrap_or(0);
            let mean = times.iter().sum::<u64>().div_ceil(count as u64);
            let bound = mean.max(times.iter().copied().max().unwrap_or(0));
            prop_assert!(longest <= mean + bound, "{longest} against {bound}");
        }
    }
}
