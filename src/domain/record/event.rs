//! What a run tells while it is under way.

use super::StepRecord;
use crate::base::Tier;

/// One thing that has happened; reporters decide what a reader sees of it.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A step began.
    StepStarted { tier: Tier, step: String },
    /// A step's command is still running; told several times a second.
    StillRunning { tier: Tier, step: String },
    /// So many tests of a step have ended, so many of them badly.
    TestsEnded { tier: Tier, step: String, ended: u64, failed: u64, of: Option<u64> },
    /// A step ended.
    StepEnded(Box<StepRecord>),
}
