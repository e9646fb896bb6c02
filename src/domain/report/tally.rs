//! How many failures there are of each class.

use std::collections::BTreeMap;
use std::fmt;

use crate::base::text::{capped, one_line};

/// The counts behind `TOP_ERRORS:`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(BTreeMap<String, u64>);

/// So many classes are named; the others are counted.
const NAMED: usize = 8;
const NAME_BYTES: usize = 32;

impl Tally {
    /// Counts one failure.
    pub(crate) fn add(&mut self, category: &str) {
        *self.0.entry(one_line(category)).or_default() += 1;
    }

    /// How many failures were counted.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The classes with their counts, the most frequent first.
    pub(crate) fn ranked(&self) -> Vec<(&str, u64)> {
        let mut classes: Vec<(&str, u64)> = self.0.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        classes.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        classes
    }
}

impl<'a> FromIterator<&'a str> for Tally {
    fn from_iter<I: IntoIterator<Item = &'a str>>(categories: I) -> Self {
        let mut tally = Tally::default();
        categories.into_iter().for_each(|category| tally.add(category));
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranked = self.ranked();
        let named = ranked.iter().take(NAMED).map(|(name, count)| format!("{}({count})", capped(name, NAME_BYTES)));
        write!(f, "{}", named.collect::<Vec<_>>().join(", "))?;
        match ranked.len().saturating_sub(NAMED) {
            0 => Ok(()),
            1 => write!(f, ", … and 1 more class"),
            more => write!(f, ", … and {more} more classes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn the_most_frequent_classes_come_first_and_the_rest_is_counted() {
        let tally: Tally = ["E0308", "PARSER", "ASSERT", "PARSER", "ASSERT", "ASSERT"].into_iter().collect();
        assert_eq!(tally.to_string(), "ASSERT(3), PARSER(2), E0308(1)");
        let names: Vec<String> = (0..11).map(|n| format!("C{n:02}")).collect();
        let tally: Tally = names.iter().map(String::as_str).collect();
        assert_eq!(
            tally.to_string(),
            "C00(1), C01(1), C02(1), C03(1), C04(1), C05(1), C06(1), C07(1), … and 3 more classes"
        );
        assert_eq!(tally.total(), 11);
    }
}
