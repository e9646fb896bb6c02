//! The contract's tables and keys. Their doc comments become the descriptions in its JSON schema.

mod diffs;
mod guard;
mod ratchets;
mod run;
mod steps;
mod teamwork;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

pub(crate) use diffs::{Diff, ExpectedDifference, NamedNormaliser, Normaliser, Stream};
pub(crate) use guard::{
    Backend, Containment, DoneBudget, Fallback, Level, Network, Protect, Quarantine, Role, Sandbox,
};
use guard::{Done, Gate, Integrity};
use ratchets::{Freeze, Ratchets};
pub(crate) use ratchets::{FreezeTool, RatchetCommand, RatchetKind};
pub(crate) use run::{Engine, ModeTable, Policy, Sample};
use run::{Modes, Run};
pub(crate) use steps::{Build, CategoryRule, Pattern, Step, Uses, Warnings};
pub(crate) use teamwork::{ClaimStore, Queue};

/// What a repository asks of the harness. Every key has a default.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[schemars(title = "Harness contract")]
pub(crate) struct Contract {
    /// The definition of done.
    #[serde(skip_serializing_if = "Done::is_empty")]
    pub(crate) done: Done,
    /// What holds for every run.
    pub(crate) run: Run,
    /// How far each mode climbs, and in what time.
    pub(crate) modes: Modes,
    /// The steps of each tier, by the tier's number. A tier named here replaces the built-in one.
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub(crate) tiers: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
    /// Steps by name. One named like a built-in step replaces it.
    #[schemars(with = "BTreeMap<String, Step>")]
    pub(crate) steps: BTreeMap<String, Spanned<Step>>,
    /// Real external projects, built and tested with what this repository makes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Build>")]
    pub(crate) builds: Vec<Spanned<Build>>,
    /// Programs that are held against an oracle or against golden files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Diff>")]
    pub(crate) diffs: Vec<Spanned<Diff>>,
    /// How a line of a failure's output becomes its category.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) categories: Vec<CategoryRule>,
    /// Flaky tests that stop nobody for a while.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) quarantine: Vec<Quarantine>,
    /// How steps are contained.
    pub(crate) sandbox: Sandbox,
    /// Parts that still lean on something else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) fallbacks: Vec<Fallback>,
    /// Numbers that may only get better, held in `Harness.lock`.
    #[serde(skip_serializing_if = "Ratchets::is_default")]
    pub(crate) ratchets: Ratchets,
    /// Interfaces that may not change without approval.
    #[serde(skip_serializing_if = "Freeze::is_default")]
    pub(crate) freeze: Freeze,
    /// What only named roles may change.
    pub(crate) protect: Option<Protect>,
    /// Who may change what.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) roles: BTreeMap<String, Role>,
    /// The tiers that each gate asks for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) gates: BTreeMap<String, Gate>,
    /// What a gate makes of each way in which a change may talk its judge round.
    #[serde(skip_serializing_if = "Integrity::is_default")]
    pub(crate) integrity: Integrity,
    /// Where tasks and claims live.
    #[serde(skip_serializing_if = "Queue::is_default")]
    pub(crate) queue: Queue,
}

impl Contract {
    /// Patterns of the files that may change a verdict although git ignores them or they lie elsewhere: those that `run.inputs` names, and
    /// the corpora that cargo-fuzz keeps.
    pub(crate) fn inputs(&self) -> Vec<String> {
        let corpora = ["fuzz/corpus", "fuzz/artifacts"].map(str::to_owned);
        self.run.inputs.iter().map(|glob| glob.0.clone()).chain(corpora).collect()
    }

    /// The variables that commands may see beyond the usual ones.
    pub(crate) fn variables(&self) -> &[String] {
        &self.sandbox.env
    }
}
