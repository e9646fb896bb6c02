//! The ladder: which steps run in which order, and which tests of them. Pure: nothing here touches the world.

mod plan;
mod selection;
mod shards;

pub(crate) use plan::{Kind, Plan, PlannedStep, Request, plan};
pub(crate) use selection::{SampleOrder, Selection, next_smaller, share_for};
pub(crate) use shards::balance;
