//! Lengths of time as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `50 ms`, `30s`, `10m`, `2h`: above zero, at most 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct TimeLimit(Duration);

impl TimeLimit {
    /// For the defaults of the contract.
    pub(crate) const fn seconds(n: u64) -> TimeLimit {
        TimeLimit(Duration::from_secs(n))
    }

    /// The length itself.
    pub(crate) fn duration(self) -> Duration {
        self.0
    }
}

/// Why a text isn't a length of time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a length of time: write a number above 0 with ms, s, m, h or d, such as `30s`; 30 days at most")]
pub(crate) struct TimeLimitError(String);

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const LONGEST_MS: f64 = 30.0 * 86_400_000.0;

impl FromStr for TimeLimit {
    type Err = TimeLimitError;
    fn from_str(text: &str) -> Result<Self, TimeLimitError> {
        let wrong = || TimeLimitError(text.to_owned());
        let trimmed = text.trim();
        let unit_at = trimmed.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
        let (number, unit) = trimmed.split_at(unit_at);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: f64 = number.trim().parse().map_err(|_| wrong())?;
        let ms = (number * *factor as f64).round();
        if (1.0..=LONGEST_MS).contains(&ms) { Ok(TimeLimit(Duration::from_millis(ms as u64))) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for TimeLimit {
    type Error = TimeLimitError;
    fn try_from(text: String) -> Result<Self, TimeLimitError> {
        text.parse()
    }
}

impl From<TimeLimit> for String {
    fn from(limit: TimeLimit) -> String {
        limit.to_string()
    }
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis() as u64;
        let (name, factor) = UNITS.iter().rev().find(|(_, factor)| ms.is_multiple_of(*factor)).unwrap_or(&UNITS[0]);
        write!(f, "{}{name}", ms / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_are_read() {
        assert_eq!("1.5s".parse::<TimeLimit>().map(TimeLimit::duration), Ok(Duration::from_millis(1500)));
        assert_eq!("50 ms".parse::<TimeLimit>().map(|t| t.to_string()), Ok("50ms".to_owned()));
        assert_eq!("10m".parse::<TimeLimit>().map(TimeLimit::duration), Ok(Duration::from_secs(600)));
    }

    #[test]
    fn lengths_without_a_unit_or_a_bound_are_refused() {
        for text in ["30", "0s", "-1s", "1 fortnight", "31d", "NaNs", "s", ""] {
            assert!(text.parse::<TimeLimit>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(ms in 1u64..=2_592_000_000) {
            let limit = TimeLimit(Duration::from_millis(ms));
            prop_assert_eq!(limit.to_string().parse(), Ok(limit));
        }
    }
}
