//! Repeated measurements and what can be said of them: the median, and where it lies for certain enough.
//!
//! The interval is that of the sign test: between two of the sorted values, so that the median of all there could be lies outside with
//! a probability of at most 5 % whatever the distribution (Conover, Practical Nonparametric Statistics, 3.2). With fewer than six
//! values no such interval exists, and the extremes stand for it.

/// Of so many pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) count: usize,
}

impl Spread {
    /// Of measured values; none of no value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let middle = sorted.get(count / 2)?;
        let median = if count.is_multiple_of(2) { (sorted.get(count / 2 - 1)? + middle) / 2.0 } else { *middle };
        let cut = outside(count);
        Some(Spread { median, low: *sorted.get(cut)?, high: *sorted.get(count - 1 - cut)?, count })
    }

    /// Whether all of it lies beyond a bound: one noisy run, or a median alone, is none.
    pub(crate) fn is_beyond(&self, bound: f64) -> bool {
        self.low > bound
    }
}

/// How many of so many sorted values may be left out at each end.
fn outside(count: usize) -> usize {
    let mut term = 0.5f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut tail = term;
    let mut cut = 0;
    // `tail` is the probability that at most `cut` of the values lie on one side of the median.
    while tail * 2.0 <= 0.05 && cut < count / 2 {
        cut += 1;
        term *= (count - cut + 1) as f64 / cut as f64;
        tail += term;
    }
    cut.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_interval_is_that_of_the_sign_test() {
        // From tables: the ranks that bound a 95 % interval of the median, counted from 0.
        for (count, rank) in [(3, 0), (5, 0), (6, 0), (9, 1), (12, 2), (15, 3), (20, 5), (30, 9)] {
            assert_eq!(outside(count), rank, "{count}");
        }
    }

    #[test]
    fn one_noisy_run_is_not_beyond_a_bound_and_a_shift_of_all_is() {
        let calm: Vec<f64> = (0..15).map(|n| 10.0 + f64::from(n) / 100.0).collect();
        let mut noisy = calm.clone();
        noisy[3] = 900.0;
        assert!(!Spread::of(noisy).unwrap().is_beyond(11.0));
        let spread = Spread::of(calm.iter().map(|value| value * 1.2)).unwrap();
        assert!(spread.is_beyond(11.0) && spread.low <= spread.median && spread.median <= spread.high);
        assert_eq!(Spread::of([]), None);
    }

    proptest! {
        #[test]
        fn the_median_lies_within(values in proptest::collection::vec(0.0f64..1e6, 1..60)) {
            let spread = Spread::of(values.clone()).unwrap();
            prop_assert!(spread.low <= spread.median && spread.median <= spread.high);
            prop_assert_eq!(spread.count, values.len());
        }
    }
}
