//! A whole run, as `run.json` holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::{AuditHead, Counts, Failure, Outcome, SandboxRecord, StepRecord};
use crate::base::{Digest, ExitCode, Percent, Seed, Shard, Tier, Tiers};

/// The name of a run's folder: its start in UTC and the process id, so that two runs never share one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RunId(pub(crate) String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far up the ladder a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Fast,
    Full,
    Deep,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Fast => "fast",
            Mode::Full => "full",
            Mode::Deep => "deep",
        })
    }
}

/// Why a text isn't a mode.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a mode: fast, full or deep")]
pub(crate) struct ModeError(String);

impl FromStr for Mode {
    type Err = ModeError;
    fn from_str(text: &str) -> Result<Self, ModeError> {
        [Mode::Fast, Mode::Full, Mode::Deep]
            .into_iter()
            .find(|mode| mode.to_string() == text)
            .ok_or_else(|| ModeError(text.to_owned()))
    }
}

/// A program that took part, with the version that it prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// How a run stands to `Harness.lock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Locked {
    /// What was other than locked; nothing where the run ran as locked.
    pub(crate) drift: Vec<String>,
}

impl Locked {
    /// What the reader must know.
    pub(crate) fn note(&self) -> Option<String> {
        let first = self.drift.first()?;
        let more = if self.drift.len() > 1 { format!(" and {} more", self.drift.len() - 1) } else { String::new() };
        Some(format!("not as locked: {first}{more}"))
    }
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Green,
    Red,
    /// Nothing ran that could have failed.
    NothingVerified,
    /// A tool or a permission was missing.
    Lacking,
    /// A step's or the run's time limit ended it.
    TimeLimit,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl Verdict {
    /// What a run's steps come to, unless the user ended it.
    pub(crate) fn of(steps: &[StepRecord]) -> Verdict {
        let any = |outcome: Outcome| steps.iter().any(|step| step.outcome == outcome);
        let tests_asked = steps.iter().any(|step| step.counts.is_some());
        let tests_ran = steps.iter().filter_map(|step| step.counts).any(|counts| counts.ran() > 0);
        if any(Outcome::TimedOut) {
            Verdict::TimeLimit
        } else if any(Outcome::Failed) {
            Verdict::Red
        } else if any(Outcome::Lacking) {
            Verdict::Lacking
        } else if (any(Outcome::Ok) && (tests_ran || !tests_asked)) || any(Outcome::Elsewhere) {
            Verdict::Green
        } else {
            Verdict::NothingVerified
        }
    }

    /// The word in the `VERDICT:` line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verdict::Green => "GREEN",
            Verdict::Red => "RED",
            Verdict::NothingVerified => "NOTHING VERIFIED",
            Verdict::Lacking => "LACKING",
            Verdict::TimeLimit => "TIME LIMIT",
            Verdict::Interrupted | Verdict::Terminated => "INTERRUPTED",
        }
    }

    /// The process's answer.
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Verdict::Green => ExitCode::Green,
            Verdict::Red => ExitCode::Red,
            Verdict::NothingVerified => ExitCode::NothingVerified,
            Verdict::Lacking => ExitCode::Environment,
            Verdict::TimeLimit => ExitCode::TimeLimit,
            Verdict::Interrupted => ExitCode::Interrupted,
            Verdict::Terminated => ExitCode::Terminated,
        }
    }
}

/// A test suite as the shards have divided it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SuiteFacts {
    /// Of the tests' names and the times by which they were divided.
    pub(crate) digest: Digest,
    pub(crate) tests: u64,
}

/// One run. `version` is raised when a reader of the older form would misread it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    pub(crate) version: u32,
    pub(crate) id: RunId,
    /// The link to the last run's folder, as the user would name it: relative to the workspace's root if it lies within.
    pub(crate) latest: Utf8PathBuf,
    /// The verb and flags that asked for it.
    pub(crate) asked: String,
    pub(crate) mode: Mode,
    pub(crate) tiers: Tiers,
    pub(crate) seed: Seed,
    pub(crate) verdict: Verdict,
    /// The tier that stopped the climb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stopped_at: Option<Tier>,
    pub(crate) ms: u64,
    /// Whether an earlier run has given the verdict, and nothing that could change it has changed since.
    #[serde(default)]
    pub(crate) cached: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sample: Option<Percent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shard: Option<Shard>,
    /// What all parts of a sharded run must have in common: the tree, the contract, the tiers, the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<Digest>,
    /// The whole suites of a sharded run by step, so that a part that lacks tests is found out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) suites: BTreeMap<String, SuiteFacts>,
    /// The contract that was in force.
    pub(crate) contract: Digest,
    /// Whether it ran as `Harness.lock` says; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lock: Option<Locked>,
    pub(crate) tools: Vec<Tool>,
    /// How far the audit log was before this run was recorded there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) audit: Option<AuditHead>,
    pub(crate) steps: Vec<StepRecord>,
    /// Facts about the whole run that the reader must not miss.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// What contained the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sandbox: Option<SandboxRecord>,
}

impl RunRecord {
    /// The form that this version writes.
    pub(crate) const VERSION: u32 = 1;

    /// The same verdict, given again after so many milliseconds without running anything.
    pub(crate) fn again(mut self, ms: u64) -> RunRecord {
        (self.cached, self.ms) = (true, ms);
        for step in &mut self.steps {
            (step.cached, step.ms) = (step.outcome == Outcome::Ok, 0);
        }
        self
    }

    /// Every failure, in the order of the ladder.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.steps.iter().flat_map(|step| &step.failures)
    }

    /// All tests of the run together.
    pub(crate) fn counts(&self) -> Counts {
        self.steps.iter().filter_map(|step| step.counts).fold(Counts::default(), std::ops::Add::add)
    }

    /// Every note once, the run's own first.
    pub(crate) fn notes(&self) -> impl Iterator<Item = &str> {
        let mut seen = BTreeSet::new();
        let all = self.notes.iter().chain(self.steps.iter().flat_map(|step| &step.notes));
        all.map(String::as_str).filter(move |note| seen.insert(*note))
    }
}
