//! Sizes as people write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `512 KB`, `2 MB`, `8 GiB`: decimal units, or binary ones with an `i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ByteSize(u64);

impl ByteSize {
    /// The size in bytes.
    pub(crate) fn bytes(self) -> u64 {
        self.0
    }

    /// A size measured, for printing beside a limit.
    pub(crate) const fn of_bytes(bytes: u64) -> ByteSize {
        ByteSize(bytes)
    }
}

/// Why a text isn't a size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a size: write a number with B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, such as `2 MB`")]
pub(crate) struct ByteSizeError(String);

const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

impl FromStr for ByteSize {
    type Err = ByteSizeError;
    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        let wrong = || ByteSizeError(text.to_owned());
        let trimmed = text.trim();
        let unit_at = trimmed.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
        let (number, unit) = trimmed.split_at(unit_at);
        let (_, factor) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?;
        let number: f64 = number.trim().parse().map_err(|_| wrong())?;
        let bytes = (number * *factor as f64).round();
        if bytes >= 0.0 && bytes <= (1u64 << 53) as f64 { Ok(ByteSize(bytes as u64)) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for ByteSize {
    type Error = ByteSizeError;
    fn try_from(text: String) -> Result<Self, ByteSizeError> {
        text.parse()
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> String {
        size.to_string()
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |(_, factor): &&(&str, u64)| self.0.is_multiple_of(*factor) && self.0 > 0;
        let (name, factor) = UNITS.iter().rev().find(exact).unwrap_or(&UNITS[0]);
        write!(f, "{} {name}", self.0 / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimal_and_binary_units_are_read() {
        assert_eq!("2 MB".parse::<ByteSize>().map(ByteSize::bytes), Ok(2_000_000));
        assert_eq!("1.5KiB".parse::<ByteSize>().map(ByteSize::bytes), Ok(1536));
        for text in ["2", "MB", "-1 MB", "2 XB", "NaN MB", ""] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(bytes in 0u64..=(1 << 53)) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }
    }
}
