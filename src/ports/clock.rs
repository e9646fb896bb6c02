//! The clock.

#![expect(clippy::disallowed_methods, reason = "this is the door")]

use std::time::{Duration, Instant};

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

/// How long this machine has been up, and since which start: the same for all processes, and no clock that anybody sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Uptime {
    pub(crate) boot: String,
    pub(crate) elapsed: Duration,
}

/// Reads it.
///
/// # Errors
/// `/proc` is not there.
pub(crate) fn uptime() -> super::fs::Result<Uptime> {
    let boot = super::fs::read_text("/proc/sys/kernel/random/boot_id".into())?;
    let text = super::fs::read_text("/proc/uptime".into())?;
    let seconds = text.split(' ').next().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    Ok(Uptime { boot: boot.trim().to_owned(), elapsed: Duration::from_millis((seconds * 1000.0) as u64) })
}
