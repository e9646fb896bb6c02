//! From contract and command line to the steps that will run.

use std::time::Duration;

use camino::Utf8PathBuf;

use crate::base::{ExitCode, Explain, Seed, Shard, Tier, Tiers, TimeLimit};
use crate::domain::contract::{Build, Contract, Diff, Engine, Sample, Step, Uses, Warnings, builtin};
use crate::domain::record::{Mode, TestName};

/// What the command line asks for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) mode: Mode,
    /// Instead of the mode's tiers.
    pub(crate) tiers: Option<Tiers>,
    /// Only these steps.
    pub(crate) steps: Vec<String>,
    pub(crate) seed: Option<Seed>,
    pub(crate) sample: Option<Sample>,
    pub(crate) shard: Option<Shard>,
    /// Only this test of the steps that run tests.
    pub(crate) only: Option<TestName>,
    /// Only this input of this fuzz target, or this case of this differential test.
    pub(crate) input: Option<(String, Utf8PathBuf)>,
    /// Climb on past a red tier.
    pub(crate) keep_going: bool,
    /// Stop at the first failure instead of at the end of its step.
    pub(crate) fail_fast: bool,
    /// Write golden files instead of comparing with them.
    pub(crate) bless: bool,
}

/// What carries a step out, with all that it needs to know.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Rustfmt,
    Check { warnings: Warnings },
    Clippy { warnings: Warnings },
    Nextest { filter: Option<String>, engine: Option<Engine> },
    Doctest,
    Proptest { filter: Option<String>, cases: Option<u32> },
    Fuzz { dir: Option<Utf8PathBuf>, time: Option<TimeLimit> },
    Mutants { args: Vec<String> },
    Diff { diffs: Vec<Diff> },
    Build { builds: Vec<Build> },
    Command { step: Box<Step> },
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub(crate) struct PlannedStep {
    pub(crate) tier: Tier,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) limit: Duration,
}

/// What a run will do, bottom up.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) mode: Mode,
    pub(crate) tiers: Tiers,
    pub(crate) seed: Seed,
    pub(crate) rungs: Vec<(Tier, Vec<PlannedStep>)>,
    pub(crate) budget: Option<TimeLimit>,
    pub(crate) sample: Sample,
    pub(crate) shard: Option<Shard>,
    pub(crate) only: Option<TestName>,
    pub(crate) input: Option<(String, Utf8PathBuf)>,
    pub(crate) keep_going: bool,
    pub(crate) fail_fast: bool,
    pub(crate) bless: bool,
}

/// The command line asks for what the ladder doesn't have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("no step is named `{name}` in tiers {tiers}")]
    NoSuchStep { name: String, tiers: Tiers, known: Vec<String> },
}

impl Explain for PlanError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        let PlanError::NoSuchStep { known, .. } = self;
        Some(format!("the steps there are {}", known.join(", ")))
    }
}

/// Makes the plan.
///
/// # Errors
/// A step is asked for that none of the asked tiers has.
pub(crate) fn plan(contract: &Contract, request: &Request) -> Result<Plan, PlanError> {
    let mode = builtin::mode(contract, request.mode);
    let asked_steps = !request.steps.is_empty();
    let tiers = match &request.tiers {
        Some(tiers) => tiers.clone(),
        None if asked_steps => Tier::all().collect(),
        None => mode.tiers.clone(),
    };
    let mut rungs = Vec::new();
    let mut known = Vec::new();
    for tier in tiers.iter() {
        let names = step_names(contract, tier);
        known.extend(names.iter().cloned());
        let wanted = |name: &&String| !asked_steps || request.steps.contains(name);
        let steps: Vec<PlannedStep> = names
            .iter()
            .filter(wanted)
            .filter_map(|name| {
                let kind = kind(contract, tier, name, &mode)?;
                let limit = step_limit(contract, name);
                Some(PlannedStep { tier, name: name.clone(), kind, limit })
            })
            .collect();
        if !(asked_steps && steps.is_empty()) {
            rungs.push((tier, steps));
        }
    }
    if let Some(name) = request.steps.iter().find(|name| !known.contains(name)) {
        return Err(PlanError::NoSuchStep { name: name.clone(), tiers, known });
    }
    Ok(Plan {
        mode: request.mode,
        tiers: rungs.iter().map(|(tier, _)| *tier).collect(),
        seed: request.seed.unwrap_or(contract.run.seed),
        rungs,
        budget: mode.budget,
        sample: request.sample.unwrap_or(mode.sample),
        shard: request.shard,
        only: request.only.clone(),
        input: request.input.clone(),
        keep_going: request.keep_going,
        fail_fast: request.fail_fast,
        bless: request.bless,
    })
}

fn step_names(contract: &Contract, tier: Tier) -> Vec<String> {
    let number = tier.to_string();
    let own = contract.tiers.iter().find(|(key, _)| *key.get_ref() == number);
    match own {
        Some((_, names)) => names.iter().map(|name| name.get_ref().clone()).collect(),
        None => builtin::tier_steps(tier).iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn step_limit(contract: &Contract, name: &str) -> Duration {
    let own = contract.steps.get(name).and_then(|step| step.get_ref().timeout);
    own.unwrap_or(contract.run.step_timeout).duration()
}

/// The contract's step of that name, or the built-in one. A name that is neither was refused when the contract was read.
fn kind(contract: &Contract, tier: Tier, name: &str, mode: &builtin::EffectiveMode) -> Option<Kind> {
    let own = contract.steps.get(name).map(toml::Spanned::get_ref);
    let uses = own.map(|step| step.uses).or_else(|| builtin::uses(name))?;
    let filter = own.and_then(|step| step.filter.clone());
    let warnings = own.and_then(|step| step.warnings).unwrap_or(builtin::WARNINGS);
    Some(match uses {
        Uses::Rustfmt => Kind::Rustfmt,
        Uses::Check => Kind::Check { warnings },
        Uses::Clippy => Kind::Clippy { warnings },
        Uses::Nextest => Kind::Nextest { filter, engine: own.and_then(|step| step.engine) },
        Uses::Doctest => Kind::Doctest,
        Uses::Proptest => Kind::Proptest { filter, cases: own.and_then(|step| step.cases).or(mode.cases) },
        Uses::Fuzz => Kind::Fuzz { dir: own.and_then(|step| step.dir.clone()), time: mode.fuzz_time },
        Uses::Mutants => Kind::Mutants { args: own.and_then(|step| step.run.clone()).unwrap_or_default() },
        Uses::Diff => Kind::Diff { diffs: contract.diffs.iter().map(|diff| diff.get_ref().clone()).collect() },
        Uses::Build => {
            let here = |build: &&toml::Spanned<Build>| build.get_ref().tier == tier.number();
            Kind::Build { builds: contract.builds.iter().filter(here).map(|b| b.get_ref().clone()).collect() }
        }
        Uses::Command => Kind::Command { step: Box::new(own?.clone()) },
    })
}
