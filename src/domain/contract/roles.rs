//! The roles that hold where the contract names none of these names.

use std::collections::BTreeMap;

use super::types::{Contract, Role};

const SOURCES: &[&str] = &["src/**", "crates/**"];
const TESTS: &[&str] = &["tests/**", "fuzz/**", "fixtures/**"];
const MANIFESTS: &[&str] = &["**/Cargo.toml", "Cargo.lock"];

impl Contract {
    /// All roles by name: the contract's own, and those of the defaults that it doesn't replace.
    pub(crate) fn all_roles(&self) -> BTreeMap<String, Role> {
        let mut roles = defaults();
        roles.extend(self.roles.iter().map(|(name, role)| (name.clone(), role.clone())));
        roles
    }
}

/// By name.
fn defaults() -> BTreeMap<String, Role> {
    [
        (
            "feature-implementer",
            "new capabilities behind flags",
            [SOURCES, TESTS, MANIFESTS, &["examples/**", "benches/**"]].concat(),
            800,
        ),
        ("bug-miner", "the top failing tests, by small changes", [SOURCES, TESTS].concat(), 200),
        (
            "regression-sheriff",
            "finds what broke, and takes it back",
            [SOURCES, TESTS, MANIFESTS, &["KNOWN_FAILURES.md"]].concat(),
            1000,
        ),
        (
            "refactor",
            "less duplication, better structure, the same behaviour",
            [SOURCES, &["benches/**"]].concat(),
            1500,
        ),
        ("performance", "benchmarks, hot spots, optimizations of low risk", [SOURCES, &["benches/**"]].concat(), 400),
        ("docs", "documents that are true, and a short way in", vec!["**/*.md", "docs/**"], 1000),
    ]
    .into_iter()
    .map(|(name, mandate, may, lines)| (name.to_owned(), role(mandate, &may, lines)))
    .collect()
}

fn role(mandate: &str, may: &[&str], lines: u32) -> Role {
    Role {
        mandate: Some(mandate.to_owned()),
        may: may.iter().map(|glob| (*glob).to_owned()).collect(),
        only: Vec::new(),
        max_lines: Some(lines),
    }
}
