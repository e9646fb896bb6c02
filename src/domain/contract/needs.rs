//! Which tools a contract needs, and what happens without them.

use super::builtin;
use super::types::{Contract, Uses};
use crate::base::Tier;

/// A tool that the harness calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Cargo,
    Rustc,
    Rustfmt,
    Clippy,
    Nextest,
    Fuzz,
    Mutants,
    Git,
}

impl Tool {
    /// In the order in which they are reported.
    pub(crate) const ALL: [Tool; 8] =
        [Tool::Cargo, Tool::Rustc, Tool::Rustfmt, Tool::Clippy, Tool::Nextest, Tool::Fuzz, Tool::Mutants, Tool::Git];

    /// As it calls itself in front of its version.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Tool::Cargo => "cargo",
            Tool::Rustc => "rustc",
            Tool::Rustfmt => "rustfmt",
            Tool::Clippy => "clippy",
            Tool::Nextest => "cargo-nextest",
            Tool::Fuzz => "cargo-fuzz",
            Tool::Mutants => "cargo-mutants",
            Tool::Git => "git",
        }
    }

    /// How it is called through cargo, where it is.
    pub(crate) fn subcommand(self) -> Option<&'static str> {
        match self {
            Tool::Rustfmt => Some("fmt"),
            Tool::Clippy => Some("clippy"),
            Tool::Nextest => Some("nextest"),
            Tool::Fuzz => Some("fuzz"),
            Tool::Mutants => Some("mutants"),
            Tool::Cargo | Tool::Rustc | Tool::Git => None,
        }
    }

    /// How to get it.
    pub(crate) fn how_to_install(self) -> &'static str {
        match self {
            Tool::Cargo | Tool::Rustc => "install Rust from https://rustup.rs",
            Tool::Rustfmt => "rustup component add rustfmt",
            Tool::Clippy => "rustup component add clippy",
            Tool::Nextest => "cargo install --locked cargo-nextest",
            Tool::Fuzz => "cargo install --locked cargo-fuzz",
            Tool::Mutants => "cargo install --locked cargo-mutants",
            Tool::Git => "install git with the system's package manager",
        }
    }

    /// What carries out the steps that call it.
    fn uses(self) -> Option<Uses> {
        match self {
            Tool::Rustfmt => Some(Uses::Rustfmt),
            Tool::Clippy => Some(Uses::Clippy),
            Tool::Nextest => Some(Uses::Nextest),
            Tool::Fuzz => Some(Uses::Fuzz),
            Tool::Mutants => Some(Uses::Mutants),
            Tool::Cargo | Tool::Rustc | Tool::Git => None,
        }
    }
}

/// How much a tool is missed where it is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing can be verified without it, or these steps can't run.
    Required(String),
    /// What happens instead.
    Optional(String),
}

/// How much a contract needs a tool.
pub(crate) fn need(contract: &Contract, tool: Tool) -> Need {
    let steps = tool.uses().map(|uses| steps_with(contract, uses)).unwrap_or_default();
    let by_steps = |plural: &str| {
        let word = if steps.len() == 1 { "step" } else { "steps" };
        format!("{plural} {word} {}", steps.join(", "))
    };
    match tool {
        Tool::Cargo | Tool::Rustc => Need::Required("needed by every step".to_owned()),
        Tool::Git => Need::Optional("nothing else knows which files changed".to_owned()),
        _ if steps.is_empty() => Need::Optional("no step uses it".to_owned()),
        Tool::Rustfmt | Tool::Mutants => Need::Required(by_steps("needed by")),
        Tool::Clippy => Need::Optional(by_steps("cargo check replaces it in")),
        Tool::Nextest => Need::Optional(by_steps("cargo test replaces it in")),
        Tool::Fuzz => Need::Optional(by_steps("only deep needs it, to fuzz anew in")),
    }
}

/// The steps of the ladder, and those of the contract beside it, that something carries out.
pub(crate) fn steps_with(contract: &Contract, uses: Uses) -> Vec<&str> {
    let ladder = Tier::all().flat_map(|tier| builtin::steps_of(contract, tier));
    let mut steps: Vec<&str> = Vec::new();
    for step in ladder.chain(contract.steps.keys().map(String::as_str)) {
        if builtin::uses_of(contract, step) == Some(uses) && !steps.contains(&step) {
            steps.push(step);
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed(text: &str, tool: Tool) -> String {
        match need(&toml::from_str(text).unwrap(), tool) {
            Need::Required(why) => format!("required: {why}"),
            Need::Optional(why) => format!("optional: {why}"),
        }
    }

    #[test]
    fn the_built_in_ladder_needs_rustfmt_and_can_do_without_the_rest() {
        assert_eq!(needed("", Tool::Rustfmt), "required: needed by step fmt");
        assert_eq!(needed("", Tool::Clippy), "optional: cargo check replaces it in step clippy");
        assert_eq!(needed("", Tool::Nextest), "optional: cargo test replaces it in step unit");
        assert_eq!(needed("", Tool::Mutants), "optional: no step uses it");
    }

    #[test]
    fn the_contract_decides_what_is_needed() {
        let mutants = "steps.strong.uses = 'mutants'\ntiers.3 = ['strong', 'mutants']";
        assert_eq!(needed(mutants, Tool::Mutants), "required: needed by steps strong, mutants");
        assert_eq!(needed("tiers.0 = ['clippy']", Tool::Rustfmt), "optional: no step uses it");
        assert_eq!(needed("steps.fmt = {uses = 'command', run = ['x']}", Tool::Rustfmt), "optional: no step uses it");
    }
}
