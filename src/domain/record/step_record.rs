//! What one step of the ladder came to.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::{Failure, LimitRecord, TestName};
use crate::base::Tier;

/// How many tests ended how; skipped ones are those that the code itself ignores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    /// Tests that really ran.
    pub(crate) fn ran(self) -> u64 {
        self.passed + self.failed
    }
}

impl std::ops::Add for Counts {
    type Output = Counts;
    fn add(self, other: Counts) -> Counts {
        Counts {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    Ok,
    Failed,
    /// There was nothing for it to run.
    None,
    /// Another shard runs it.
    Elsewhere,
    /// The environment lacks what it needs; its failures say what.
    Lacking,
    /// Stopped at the step's or the run's time limit.
    TimedOut,
    /// Stopped by the user.
    Interrupted,
}

/// How one test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TestOutcome {
    Passed,
    Failed,
    Ignored,
}

/// One test of a step, as `tests.jsonl` holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TestRecord {
    pub(crate) step: String,
    #[serde(flatten)]
    pub(crate) test: TestName,
    pub(crate) outcome: TestOutcome,
    pub(crate) ms: u64,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepRecord {
    pub(crate) tier: Tier,
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    pub(crate) ms: u64,
    /// Whether an earlier run has taken the step, and nothing that could change what it came to has changed since.
    #[serde(default)]
    pub(crate) cached: bool,
    /// Present for steps that run tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) counts: Option<Counts>,
    /// What the step's line says after its time, such as `1 error`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) detail: String,
    /// Facts that the reader must not miss, each one line: what was hidden, excused, sampled or replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) failures: Vec<Failure>,
    /// What its commands were limited to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) limits: Vec<LimitRecord>,
    /// Relative to the run's folder.
    pub(crate) log: Utf8PathBuf,
}
