//! A failure that is still open, as `failures/<id>.json` holds it.

use serde::{Deserialize, Serialize};

use super::{Failure, Ground, RunId};
use crate::base::Seed;

/// The last occurrence of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailureRecord {
    pub(crate) version: u32,
    /// The run that saw it last.
    pub(crate) run: RunId,
    pub(crate) seed: Seed,
    pub(crate) failure: Failure,
    /// Absent in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ground: Option<Ground>,
}

impl FailureRecord {
    /// The form that this version writes.
    pub(crate) const VERSION: u32 = 1;

    /// Records an occurrence.
    pub(crate) fn new(run: RunId, seed: Seed, failure: Failure, ground: Option<Ground>) -> FailureRecord {
        FailureRecord { version: FailureRecord::VERSION, run, seed, failure, ground }
    }
}
