//! The clock.

#![expect(clippy::disallowed_methods, reason = "this is the door")]

use std::time::Instant;

use crate::base::Day;

/// Now, for measuring.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Now in UTC, to the millisecond, as it stands in the names of runs: `20261122T170005.123Z`.
pub(crate) fn timestamp() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S.%3fZ").to_string()
}

/// The day, in UTC: the same for everybody who judges the same change.
pub(crate) fn today() -> Day {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().into()
}

/// The user's time of day: `17:00:05`.
pub(crate) fn time_of_day() -> String {
    jiff::Zoned::now().strftime("%H:%M:%S").to_string()
}
