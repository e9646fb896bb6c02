//! One part of a run that is spread over machines.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Part `index` of `count`, both counted from 1, written `2/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Shard {
    index: NonZeroU32,
    count: NonZeroU32,
}

impl Shard {
    /// Which part, from 0.
    pub(crate) fn position(self) -> usize {
        self.index.get() as usize - 1
    }

    /// How many parts there are.
    pub(crate) fn count(self) -> usize {
        self.count.get() as usize
    }
}

/// Why a text isn't a shard.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a shard: write part/parts counted from 1, such as `1/4`")]
pub(crate) struct ShardError(String);

impl FromStr for Shard {
    type Err = ShardError;
    fn from_str(text: &str) -> Result<Self, ShardError> {
        let wrong = || ShardError(text.to_owned());
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let index: NonZeroU32 = index.trim().parse().map_err(|_| wrong())?;
        let count: NonZeroU32 = count.trim().parse().map_err(|_| wrong())?;
        if index <= count && count.get() <= 10_000 { Ok(Shard { index, count }) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for Shard {
    type Error = ShardError;
    fn try_from(text: String) -> Result<Self, ShardError> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> String {
        shard.to_string()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_lies_within_its_whole() {
        assert_eq!("2/4".parse::<Shard>().map(|s| (s.position(), s.count())), Ok((1, 4)));
        for text in ["0/4", "5/4", "1/0", "1", "1/", "/1", "-1/2", "1/99999"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
