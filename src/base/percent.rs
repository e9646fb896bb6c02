//! Shares of a test suite.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A share above 0 % and up to 100 %, in thousandths of a percent so that it compares exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Percent(u32);

impl Percent {
    /// Everything.
    pub(crate) const WHOLE: Percent = Percent(100_000);

    /// Whether a point of the unit interval, given by its leading 64 bits, lies below this share.
    pub(crate) fn covers(self, point: u64) -> bool {
        u128::from(point) * 100_000 < u128::from(self.0) << 64
    }

    /// The share as a fraction of one.
    pub(crate) fn fraction(self) -> f64 {
        f64::from(self.0) / 100_000.0
    }
}

/// Why a text isn't a share.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a share: write one from 0.001% to 100%, such as `10%`")]
pub(crate) struct PercentError(String);

impl FromStr for Percent {
    type Err = PercentError;
    fn from_str(text: &str) -> Result<Self, PercentError> {
        let wrong = || PercentError(text.to_owned());
        let number = text.trim().strip_suffix('%').unwrap_or(text.trim()).trim();
        let percent: f64 = number.parse().map_err(|_| wrong())?;
        let thousandths = (percent * 1000.0).round();
        if (1.0..=100_000.0).contains(&thousandths) { Ok(Percent(thousandths as u32)) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for Percent {
    type Error = PercentError;
    fn try_from(text: String) -> Result<Self, PercentError> {
        text.parse()
    }
}

impl From<Percent> for String {
    fn from(percent: Percent) -> String {
        percent.to_string()
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_share_is_read_with_and_without_its_sign() {
        assert_eq!("10%".parse::<Percent>(), "10".parse::<Percent>());
        assert_eq!("0.5 %".parse::<Percent>().map(|p| p.to_string()), Ok("0.5%".to_owned()));
    }

    #[test]
    fn nothing_and_more_than_everything_are_no_shares() {
        for text in ["0%", "-1%", "101%", "NaN", "inf", "", "%", "ten"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_larger_share_covers_all_that_a_smaller_one_does(point: u64, a in 1u32..=100_000, b in 1u32..=100_000) {
            let (small, large) = (Percent(a.min(b)), Percent(a.max(b)));
            prop_assert!(!small.covers(point) || large.covers(point));
            prop_assert!(Percent::WHOLE.covers(point));
        }

        #[test]
        fn printing_and_parsing_are_inverse(n in 1u32..=100_000) {
            prop_assert_eq!(Percent(n).to_string().parse(), Ok(Percent(n)));
        }
    }
}
