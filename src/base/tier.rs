//! The rungs of the ladder.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One rung, 0 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub(crate) struct Tier(u8);

impl Tier {
    /// The lowest.
    pub(crate) const GROUND: Tier = Tier(0);

    /// The rungs from the bottom up.
    pub(crate) fn all() -> impl Iterator<Item = Tier> {
        (0..=Tier::MAX).map(Tier)
    }

    const MAX: u8 = 5;

    /// The rung's number.
    pub(crate) fn number(self) -> u8 {
        self.0
    }
}

/// Why a text isn't a tier or a set of tiers.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TierError {
    #[error("`{0}` is not a tier: tiers are 0 to 5")]
    NotATier(String),
    #[error("`{0}` runs downwards: write the lower tier first")]
    Descending(String),
    #[error("no tier is named: write one, such as `0-3` or `0,2`")]
    Empty,
}

impl TryFrom<u8> for Tier {
    type Error = TierError;
    fn try_from(n: u8) -> Result<Self, TierError> {
        if n <= Tier::MAX { Ok(Tier(n)) } else { Err(TierError::NotATier(n.to_string())) }
    }
}

impl From<Tier> for u8 {
    fn from(tier: Tier) -> u8 {
        tier.0
    }
}

impl FromStr for Tier {
    type Err = TierError;
    fn from_str(text: &str) -> Result<Self, TierError> {
        let wrong = || TierError::NotATier(text.to_owned());
        let n: u8 = text.trim().parse().map_err(|_| wrong())?;
        Tier::try_from(n).map_err(|_| wrong())
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A set of rungs, written `0-3`, `2` or `0,2-4`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Tiers(BTreeSet<Tier>);

impl Tiers {
    /// From the bottom up.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Tier> + '_ {
        self.0.iter().copied()
    }

    /// Whether no rung is in the set.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Tier> for Tiers {
    fn from_iter<I: IntoIterator<Item = Tier>>(tiers: I) -> Self {
        Tiers(tiers.into_iter().collect())
    }
}

impl FromStr for Tiers {
    type Err = TierError;
    fn from_str(text: &str) -> Result<Self, TierError> {
        if text.trim().is_empty() {
            return Err(TierError::Empty);
        }
        let mut tiers = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (Tier, Tier) = (first.parse()?, last.parse()?);
            if first > last {
                return Err(TierError::Descending(part.trim().to_owned()));
            }
            tiers.extend((first.0..=last.0).map(Tier));
        }
        Ok(Tiers(tiers))
    }
}

impl TryFrom<String> for Tiers {
    type Error = TierError;
    fn try_from(text: String) -> Result<Self, TierError> {
        text.parse()
    }
}

impl From<Tiers> for String {
    fn from(tiers: Tiers) -> String {
        tiers.to_string()
    }
}

impl fmt::Display for Tiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut rest = self.0.iter().map(|t| t.0).peekable();
        while let Some(first) = rest.next() {
            let mut last = first;
            while let Some(next) = rest.next_if(|n| *n == last + 1) {
                last = next;
            }
            match last - first {
                0 => write!(f, "{separator}{first}")?,
                _ => write!(f, "{separator}{first}-{last}")?,
            }
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_and_lists_are_read() {
        assert_eq!("0-1".parse::<Tiers>().map(|t| t.iter().count()), Ok(2));
        assert_eq!("0, 2-4".parse::<Tiers>().map(|t| t.to_string()), Ok("0,2-4".to_owned()));
    }

    #[test]
    fn what_is_no_tier_is_refused() {
        assert_eq!("6".parse::<Tiers>(), Err(TierError::NotATier("6".to_owned())));
        assert_eq!("3-1".parse::<Tiers>(), Err(TierError::Descending("3-1".to_owned())));
        assert_eq!("".parse::<Tiers>(), Err(TierError::Empty));
        assert!("0-".parse::<Tiers>().is_err());
        assert!("-1".parse::<Tiers>().is_err());
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(numbers in proptest::collection::btree_set(0u8..=5, 1..6)) {
            let tiers = Tiers(numbers.into_iter().map(Tier).collect());
            prop_assert_eq!(tiers.to_string().parse::<Tiers>(), Ok(tiers));
        }
    }
}
