//! The task contract: `Harness.toml` or cargo metadata, validated, with a default for everything.

pub(crate) mod builtin;
mod effective;
mod error;
mod load;
pub(crate) mod needs;
mod places;
mod roles;
pub(crate) mod scaffold;
mod schema;
mod shape;
#[cfg(test)]
mod tests;
mod types;
mod validate;

pub(crate) use builtin::uses_of;
pub(crate) use effective::{Origins, effective};
pub(crate) use error::ContractError;
pub(crate) use load::{Loaded, Source, load};
pub(crate) use schema::schema;
pub(crate) use types::{
    Backend, Build, CategoryRule, ClaimStore, Containment, Contract, Diff, DoneBudget, Engine, ExpectedDifference,
    Fallback, FreezeTool, Level, NamedNormaliser, Network, Normaliser, Pattern, Policy, Protect, Quarantine, Queue,
    RatchetCommand, RatchetKind, Role, Sample, Sandbox, Step, Stream, Uses, Warnings,
};
