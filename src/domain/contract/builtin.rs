//! What holds where the contract is silent: the ladder, its steps and the modes.

use super::types::{Contract, ModeTable, Sample, Uses, Warnings};
use crate::base::{Tier, Tiers, TimeLimit};
use crate::domain::record::Mode;

/// A mode with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EffectiveMode {
    pub(crate) tiers: Tiers,
    /// The time that unit tests may take before a sample replaces the whole.
    pub(crate) budget: Option<TimeLimit>,
    pub(crate) sample: Sample,
    /// How many cases each property test tries; its own number where there is none.
    pub(crate) cases: Option<u32>,
    /// For how long each fuzz target is fuzzed anew; not at all where there is none.
    pub(crate) fuzz_time: Option<TimeLimit>,
}

/// The built-in steps, from the bottom of the ladder up; `check` and `mutants` stand in no tier unless the contract says so.
pub(crate) const STEPS: [(&str, Uses); 11] = [
    ("fmt", Uses::Rustfmt),
    ("clippy", Uses::Clippy),
    ("check", Uses::Check),
    ("unit", Uses::Nextest),
    ("doc", Uses::Doctest),
    ("prop", Uses::Proptest),
    ("fuzz", Uses::Fuzz),
    ("mutants", Uses::Mutants),
    ("diff", Uses::Diff),
    ("builds", Uses::Build),
    ("system", Uses::Build),
];

/// Which warnings are failures where a step doesn't say.
pub(crate) const WARNINGS: Warnings = Warnings::New;

/// The steps of a tier that the contract doesn't name.
pub(crate) fn tier_steps(tier: Tier) -> &'static [&'static str] {
    match tier.number() {
        0 => &["fmt", "clippy"],
        1 => &["unit", "doc"],
        2 => &["prop", "fuzz"],
        3 => &["diff"],
        4 => &["builds"],
        _ => &["system"],
    }
}

/// What carries out a built-in step.
pub(crate) fn uses(step: &str) -> Option<Uses> {
    STEPS.iter().find(|(name, _)| *name == step).map(|(_, uses)| *uses)
}

/// The steps of a tier: the contract's, or else the built-in ones.
pub(crate) fn steps_of(contract: &Contract, tier: Tier) -> Vec<&str> {
    match contract.tiers.get(tier.to_string().as_str()) {
        Some(steps) => steps.iter().map(|step| step.get_ref().as_str()).collect(),
        None => tier_steps(tier).to_vec(),
    }
}

/// What carries out a step: as the contract says, or else as built in.
pub(crate) fn uses_of(contract: &Contract, step: &str) -> Option<Uses> {
    contract.steps.get(step).map(|step| step.get_ref().uses).or_else(|| uses(step))
}

/// A mode as the contract has it; what it leaves out has the mode's own default.
pub(crate) fn mode(contract: &Contract, mode: Mode) -> EffectiveMode {
    let own = own_default(mode);
    let ModeTable { tiers, budget, sample, cases, fuzz_time } = match mode {
        Mode::Fast => contract.modes.fast.clone(),
        Mode::Full => contract.modes.full.clone(),
        Mode::Deep => contract.modes.deep.clone(),
    };
    EffectiveMode {
        tiers: tiers.unwrap_or(own.tiers),
        budget: budget.or(own.budget),
        sample: sample.unwrap_or(own.sample),
        cases: cases.or(own.cases),
        fuzz_time: fuzz_time.or(own.fuzz_time),
    }
}

fn own_default(mode: Mode) -> EffectiveMode {
    let up_to = |highest: u8| Tier::all().filter(|tier| tier.number() <= highest).collect();
    match mode {
        Mode::Fast => EffectiveMode {
            tiers: up_to(1),
            budget: Some(TimeLimit::seconds(30)),
            sample: Sample::Auto,
            cases: None,
            fuzz_time: None,
        },
        Mode::Full => {
            EffectiveMode { tiers: up_to(3), budget: None, sample: Sample::Off, cases: Some(1024), fuzz_time: None }
        }
        Mode::Deep => EffectiveMode {
            tiers: up_to(5),
            budget: None,
            sample: Sample::Off,
            cases: Some(8192),
            fuzz_time: Some(TimeLimit::seconds(60)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_of_the_ladder_is_built_in() {
        for step in Tier::all().flat_map(tier_steps) {
            assert!(uses(step).is_some(), "{step}");
        }
    }

    #[test]
    fn a_tier_that_the_contract_names_replaces_the_built_in_one() {
        let contract: Contract = toml::from_str("tiers.1 = ['unit']\nsteps.unit.uses = 'command'").unwrap();
        let tier = |n: u8| Tier::try_from(n).unwrap();
        assert_eq!(steps_of(&contract, tier(1)), ["unit"]);
        assert_eq!(steps_of(&contract, tier(0)), ["fmt", "clippy"]);
        assert_eq!(uses_of(&contract, "unit"), Some(Uses::Command));
        assert_eq!(uses_of(&contract, "doc"), Some(Uses::Doctest));
        assert_eq!(uses_of(&contract, "nowhere"), None);
    }

    #[test]
    fn a_mode_keeps_its_own_default_where_the_contract_is_silent() {
        let contract: Contract = toml::from_str("modes.deep.cases = 7").unwrap();
        let deep = mode(&contract, Mode::Deep);
        assert_eq!((deep.cases, deep.tiers.to_string()), (Some(7), "0-5".to_owned()));
        assert_eq!(deep.fuzz_time, Some(TimeLimit::seconds(60)));
        let fast = mode(&contract, Mode::Fast);
        assert_eq!((fast.budget, fast.sample), (Some(TimeLimit::seconds(30)), Sample::Auto));
    }
}
