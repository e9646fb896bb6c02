//! How `fast` runs unit tests: each binary as soon as cargo has built it, all of its tests in one process, and not at all where
//! nothing has changed that could change their verdict. What isn't green so is left to whoever isolates tests.

mod engine;
mod green;
mod launch;
mod means;
mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use camino::Utf8PathBuf;

pub(super) use green::{Green, Slot, keep};
pub(super) use means::Means;

use super::context::RunError;
use super::diagnostics::Findings;
use super::judge::Evidence;
use super::nextest_files;
use super::selecting::Choice;
use super::tests_step::TestJob;
use crate::domain::contract;
use crate::domain::ladder::Kind;
use crate::domain::record::Mode;
use crate::ports::supervisor::Ended;
use engine::Engine;

/// Whether a suite is run so: by the contract, the mode, and what only nextest can do.
pub(super) fn applies(job: &TestJob<'_>) -> bool {
    let run = job.run;
    let runs_together = match &job.step.kind {
        Kind::Nextest { engine, .. } => engine.unwrap_or(run.contract.run.engine) == contract::Engine::Auto,
        _ => false,
    };
    let whole = run.plan.shard.is_none() && run.plan.only.is_none() && job.suite.filter.is_none();
    run.plan.mode == Mode::Fast && runs_together && whole && !nextest_files::decides(&run.workspace.root)
}

/// What one go at the suite brought.
pub(super) struct Go {
    pub(super) evidence: Evidence,
    pub(super) findings: Findings,
    /// How the build ended; where it failed nothing else counts.
    pub(super) built: Ended,
    pub(super) over_budget: bool,
    /// Since the first test started.
    pub(super) elapsed: Duration,
    pub(super) binaries: Vec<Binary>,
}

/// One binary of a go.
#[derive(Debug)]
pub(super) struct Binary {
    pub(super) id: String,
    /// Its place in the cache, where it has one and isn't there already.
    slot: Option<Slot>,
    /// Whether an earlier run's verdict stands.
    pub(super) reused: bool,
    /// What was opened while it ran, where that was seen.
    opened: Option<BTreeSet<Utf8PathBuf>>,
}

/// Builds the binaries and runs them as they come. `apart` are tests, by binary, that need a process of their own.
///
/// # Errors
/// The harness can't do its own work.
pub(super) fn go(
    job: &TestJob<'_>,
    choice: &Choice,
    means: &Means<'_>,
    apart: &BTreeMap<String, BTreeSet<String>>,
) -> Result<Go, RunError> {
    Engine::new(job, choice, means, apart)?.drive()
}
