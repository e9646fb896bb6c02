//! The one seed that every source of randomness is derived from.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A run's seed. TOML integers are signed, so a seed has 63 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub(crate) struct Seed(u64);

impl Seed {
    /// The number itself, as `PROPTEST_RNG_SEED` and `-seed=` take it.
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

impl Default for Seed {
    fn default() -> Self {
        Seed(24301)
    }
}

impl FromStr for Seed {
    type Err = ParseIntError;
    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Seed)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
