//! A run as text: the brief form, JSON lines, GitHub annotations, JUnit. Pure: records in, text out.

mod brief;
mod error_line;
mod failure_text;
mod github;
mod json;
mod junit;
mod step_lines;
pub(crate) mod summarize;
mod tally;
#[cfg(test)]
mod testing;
mod verdict_line;

pub(crate) use brief::{Detail, brief};
pub(crate) use error_line::{ErrorLine, within_limit};
pub(crate) use failure_text::{Surroundings, failure_json, failure_text};
pub(crate) use github::{disarmed, github, job_summary};
pub(crate) use json::{json_error, json_line, json_lines};
pub(crate) use junit::junit;
pub(crate) use step_lines::{one_each as step_lines, seconds};
pub(crate) use tally::Tally;

use crate::domain::record::{Failure, RunRecord};

/// One failure's `ERROR:` line.
pub(crate) fn error_line(failure: &Failure) -> String {
    error_line::ErrorLine::from(failure).to_string()
}

/// Where a reader finds what a limited report leaves out.
fn whole_record(run: &RunRecord) -> String {
    format!("{}/run.json", run.latest)
}
