//! Days as people write them.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A day of the calendar: `2026-12-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Day(Date);

/// Why a text isn't a day.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a day: write year, month and day, such as `2026-12-31`")]
pub(crate) struct DayError(String);

impl FromStr for Day {
    type Err = DayError;
    fn from_str(text: &str) -> Result<Self, DayError> {
        let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
        let is_plain = text.len() == 10 && text.split('-').map(str::len).eq([4, 2, 2]) && text.split('-').all(digits);
        text.parse().ok().filter(|_| is_plain).map(Day).ok_or_else(|| DayError(text.to_owned()))
    }
}

impl TryFrom<String> for Day {
    type Error = DayError;
    fn try_from(text: String) -> Result<Self, DayError> {
        text.parse()
    }
}

impl From<Date> for Day {
    fn from(date: Date) -> Day {
        Day(date)
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_string()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_in_one_form_only() {
        assert_eq!("2026-12-31".parse::<Day>().unwrap().to_string(), "2026-12-31");
        assert!("2026-02-01".parse::<Day>().unwrap() < "2026-11-01".parse().unwrap());
        for wrong in ["2026-02-30", "31.12.2026", "2026-12-31T00:00", "20261231", "-2026-12-31", "", "tomorrow"] {
            assert!(wrong.parse::<Day>().is_err(), "{wrong}");
        }
    }
}
