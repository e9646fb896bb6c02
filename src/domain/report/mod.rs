//! A run as text: the brief form, JSON lines, GitHub annotations, JUnit. Pure: records in, text out.

mod brief;
mod error_line;
mod github;
mod json;
mod junit;
mod step_lines;
mod tally;
#[cfg(test)]
mod testing;
mod verdict_line;

pub(crate) use brief::{Detail, brief};
pub(crate) use github::{github, job_summary};
pub(crate) use json::{json_error, json_lines};
pub(crate) use junit::junit;

/// Where a reader finds what a limited report leaves out.
const LATEST: &str = "target/harness/latest";
const WHOLE_RECORD: &str = "target/harness/latest/run.json";
