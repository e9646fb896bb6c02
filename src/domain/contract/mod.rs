//! The task contract: `Harness.toml` or cargo metadata, validated, with a default for everything.

mod types;

pub(crate) use types::{Build, CategoryRule, Contract, ModeTable, Pattern, Policy, Sample, Step, Uses};
