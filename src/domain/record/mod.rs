//! The shared words: run, step, failure, event, verdict. They are what `run.json` and `--message-format json` hold.

mod event;
mod failure;
mod failure_record;
mod run_record;
mod sandbox;
mod step_record;

pub(crate) use event::Event;
pub(crate) use failure::{Failure, Place, Replay, TestName};
pub(crate) use failure_record::FailureRecord;
pub(crate) use run_record::{Mode, RunId, RunRecord, SuiteFacts, Tool, Verdict};
pub(crate) use sandbox::{Containment, Property, SandboxRecord, Strength};
pub(crate) use step_record::{Counts, Outcome, StepRecord, TestOutcome, TestRecord};
