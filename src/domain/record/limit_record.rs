//! What a step was limited to, and by what.

use serde::{Deserialize, Serialize};

/// How much a limit can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strength {
    /// By the kernel, or by a process that what it limits can't outrun.
    Enforced,
    /// Looked at several times a second: what is fast goes past it for a moment.
    BestEffort,
}

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
