//! What a fresh session starts from: the last verdicts, the open failures, the state files that keep them for the next clone.

mod brief;
mod known;
mod state_files;
pub(crate) mod words;

pub(crate) use brief::{Assignment, Facts, brief};
pub(crate) use known::Known;
pub(crate) use state_files::{known_failures, last_status, progress};
