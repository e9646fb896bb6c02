//! The shared words: run, step, failure, event, verdict. They are what `run.json` and `--message-format json` hold.

mod audit_head;
mod event;
mod failure;
mod failure_record;
mod ground;
mod limit_record;
mod run_record;
mod sandbox;
mod step_record;

pub(crate) use audit_head::AuditHead;
pub(crate) use event::Event;
pub(crate) use failure::{Failure, Place, Replay, TestName};
pub(crate) use failure_record::FailureRecord;
pub(crate) use ground::{Change, Ground, KeptInput, RecordedTree};
pub(crate) use limit_record::LimitRecord;
pub(crate) use run_record::{Locked, Mode, RunId, RunRecord, SuiteFacts, Tool, Verdict};
pub(crate) use sandbox::{Containment, ImageRecord, Property, SandboxRecord, Strength};
pub(crate) use step_record::{Counts, Outcome, StepRecord, TestOutcome, TestRecord};
