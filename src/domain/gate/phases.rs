//! Runs of the ladder on trees of the gate's own making: each in a clean checkout with a target folder of its own, by this program
//! once more, whose environment holds nothing that the caller's shell has set.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::GateError;
use crate::base::{Seed, Tiers};
use crate::domain::record::{Mode, RunRecord, TestRecord};
use crate::domain::run::measure::{Measured, Wanted};
use crate::ports::process::{Supervised, Variables};

/// The hidden verb by which this program starts itself for one phase.
pub(crate) const VERB: &str = "__judge";

/// Which steps of the plan a phase takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    /// All of them.
    Ladder,
    /// The steps that run unit and integration tests.
    Tests,
    /// The same by `cargo test`, whether nextest is here or not.
    OtherRunner,
    /// The steps of property tests.
    Properties,
    /// No step: what the order wants measured.
    Measure,
}

/// What a phase is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The manifest in the checkout.
    pub(crate) manifest: Utf8PathBuf,
    pub(crate) mode: Mode,
    pub(crate) tiers: Tiers,
    pub(crate) part: Part,
    pub(crate) seed: Option<Seed>,
    /// The gate's name.
    pub(crate) asked: String,
    /// What is measured, where that is the part.
    pub(crate) wanted: Wanted,
    /// The manifest of the tree in turn with which budgets are measured.
    pub(crate) other: Option<Utf8PathBuf>,
}

/// What a phase came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Phase {
    pub(crate) record: RunRecord,
    pub(crate) tests: Vec<TestRecord>,
}

/// What a phase answers on its standard output.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    Ran(Box<Phase>),
    Measured(Box<Measured>),
    /// There was no run: the tree's own manifests or contract are wrong, or the environment lacks something.
    Error {
        message: String,
        code: u8,
    },
}

/// Runs a phase.
///
/// # Errors
/// It can't be started, or was lost.
pub(super) fn run(
    order: &Order,
    dir: &Utf8Path,
    variables: &[(String, String)],
    caller: &Supervised,
) -> Result<Answer, GateError> {
    let lost = |why: String| GateError::Lost { why };
    let text = serde_json::to_string(order).map_err(|error| lost(error.to_string()))?;
    let ended =
        caller.again(&[VERB, &text], dir, Variables::Only(variables)).map_err(|error| lost(error.to_string()))?;
    serde_json::from_str(&ended.stdout).map_err(|_| match ended.code {
        Some(code) => lost(format!("it ended with {code} and without an answer")),
        None => lost("a signal ended it".to_owned()),
    })
}
