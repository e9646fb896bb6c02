//! What a step was limited to, and by what.

use serde::{Deserialize, Serialize};

use super::Strength;

/// One limit of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LimitRecord {
    /// As in the contract: `memory`, `cpu`, `pids`, `files`, `disk`, `output`; and `wall`, the step's time limit.
    pub(crate) name: String,
    /// As in the contract.
    pub(crate) value: String,
    /// `rlimit`, `supervisor` or `watchdog`.
    pub(crate) by: String,
    pub(crate) strength: Strength,
}
