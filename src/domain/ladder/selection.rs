//! Which tests of a suite run: a share of them in an order that only seed and name decide, and some in any case.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::{Digest, Percent, Seed};
use crate::domain::record::TestName;

/// The order in which a growing sample takes tests in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SampleOrder {
    pub(crate) seed: Seed,
    pub(crate) share: Percent,
}

impl SampleOrder {
    /// A test's place in the unit interval, the same on every machine.
    fn point(self, test: &TestName) -> u64 {
        let seed = self.seed.number().to_le_bytes();
        Digest::of_fields([seed.as_slice(), test.binary.as_bytes(), test.name.as_bytes()]).leading_bits()
    }

    fn takes(self, test: &TestName) -> bool {
        self.share.covers(self.point(test))
    }
}

/// A subset of a suite. The default is the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Selection {
    /// Only these, and those of `binaries`; everything where absent.
    pub(crate) only: Option<BTreeSet<TestName>>,
    /// Whole binaries that are taken beside `only`.
    #[serde(default)]
    pub(crate) binaries: BTreeSet<String>,
    /// Only tests whose last path segment is one of a binary's package; everything where absent.
    pub(crate) functions: Option<BTreeMap<String, BTreeSet<String>>>,
    /// Of those, only a sample.
    pub(crate) sample: Option<SampleOrder>,
    /// Taken in whatever the sample says: tests that failed last time or that a change touches.
    pub(crate) always: BTreeSet<TestName>,
    /// Whole binaries, or modules of them, that a change touches: `(binary, prefix of the test's path)`.
    pub(crate) always_under: BTreeSet<(String, String)>,
}

impl Selection {
    /// Whether every test runs.
    pub(crate) fn is_whole(&self) -> bool {
        self.only.is_none() && self.functions.is_none() && self.sample.is_none()
    }

    /// The binaries that it can take tests of, as a nextest filterset: the others need not even be asked. None where it may be any,
    /// or too many for a command line.
    pub(crate) fn binaries_filter(&self) -> Option<String> {
        let of_tests = self.only.as_ref()?.iter().map(|test| &test.binary);
        let ids: BTreeSet<&String> = of_tests.chain(&self.binaries).collect();
        let is_plain = |id: &&&String| id.chars().all(|c| c.is_ascii_alphanumeric() || "-_:/".contains(c));
        let plain = ids.iter().filter(is_plain).count() == ids.len();
        let terms: Vec<String> = ids.iter().map(|id| format!("binary_id(={id})")).collect();
        (plain && !ids.is_empty() && ids.len() <= 64).then(|| terms.join(" | "))
    }

    /// Whether this test runs.
    pub(crate) fn takes(&self, test: &TestName) -> bool {
        self.contains(test) && self.sample.is_none_or(|order| order.takes(test) || self.insists_on(test))
    }

    fn contains(&self, test: &TestName) -> bool {
        let named = self.only.as_ref().is_none_or(|only| only.contains(test) || self.binaries.contains(&test.binary));
        let package = test.binary.split("::").next().unwrap_or_default();
        let function = test.name.rsplit("::").next().unwrap_or_default();
        let of_functions =
            self.functions.as_ref().is_none_or(|of| of.get(package).is_some_and(|names| names.contains(function)));
        named && of_functions
    }

    fn insists_on(&self, test: &TestName) -> bool {
        let under =
            |(binary, prefix): &(String, String)| *binary == test.binary && test.name.starts_with(prefix.as_str());
        self.always.contains(test) || self.always_under.iter().any(under)
    }
}

/// The shares that an automatic sample may have: few, so that a little noise in the measured times doesn't change it.
const SHARES: [&str; 8] = ["50%", "25%", "10%", "5%", "2%", "1%", "0.5%", "0.1%"];

/// The largest automatic share that brings `expected` milliseconds within `budget`; the whole needs none.
pub(crate) fn share_for(expected_ms: u64, budget_ms: u64) -> Option<Percent> {
    if expected_ms <= budget_ms {
        return None;
    }
    let shares: Vec<Percent> = SHARES.iter().filter_map(|share| share.parse().ok()).collect();
    let fits = |share: &&Percent| share.fraction() * expected_ms as f64 <= budget_ms as f64;
    shares.iter().find(fits).or(shares.last()).copied()
}

/// The next share below; the smallest has none below it.
pub(crate) fn next_smaller(share: Option<Percent>) -> Percent {
    let whole = share.unwrap_or(Percent::WHOLE);
    let mut shares = SHARES.iter().filter_map(|share| share.parse().ok());
    shares.find(|smaller| *smaller < whole).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn test(n: u32) -> TestName {
        TestName { binary: format!("p::b{}", n % 3), name: format!("m::t{n}") }
    }

    fn sampled(seed: u64, share: &str) -> Selection {
        let order =
            SampleOrder { seed: seed.to_string().parse().expect("a seed"), share: share.parse().expect("a share") };
        Selection { sample: Some(order), ..Selection::default() }
    }

    #[test]
    fn a_tenth_is_about_a_tenth() {
        let taken = (0..10_000).filter(|n| sampled(24301, "10%").takes(&test(*n))).count();
        assert!((900..1100).contains(&taken), "{taken}");
    }

    #[test]
    fn failed_and_affected_tests_are_taken_in_whatever_the_sample_says() {
        let mut selection = sampled(1, "0.001%");
        selection.always.insert(test(7));
        selection.always_under.insert(("p::b0".into(), "m::".into()));
        assert!(selection.takes(&test(7)));
        assert!(selection.takes(&test(0)));
    }

    #[test]
    fn the_automatic_share_fits_the_budget() {
        assert_eq!(share_for(1_000, 30_000), None);
        assert_eq!(share_for(100_000, 30_000).map(|p| p.to_string()), Some("25%".to_owned()));
        assert_eq!(share_for(u64::MAX, 1).map(|p| p.to_string()), Some("0.1%".to_owned()));
    }

    proptest! {
        #[test]
        fn samples_are_nested_and_depend_on_nothing_else(seed: u64, n: u32) {
            let (small, large) = (sampled(seed >> 1, "5%"), sampled(seed >> 1, "50%"));
            prop_assert!(!small.takes(&test(n)) || large.takes(&test(n)));
            prop_assert_eq!(small.takes(&test(n)), sampled(seed >> 1, "5%").takes(&test(n)));
            prop_assert!(sampled(seed >> 1, "100%").takes(&test(n)));
        }
    }
}
