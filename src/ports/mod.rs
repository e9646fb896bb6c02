//! The doors: whatever spawns, writes, or asks the clock or the environment does it here.

pub(crate) mod cargo;
pub(crate) mod changes;
pub(crate) mod clock;
pub(crate) mod env;
pub(crate) mod fs;
pub(crate) mod git;
pub(crate) mod githooks;
pub(crate) mod host;
pub(crate) mod inventory;
pub(crate) mod journal;
pub(crate) mod objects;
pub(crate) mod process;
pub(crate) mod processes;
pub(crate) mod proxy;
pub(crate) mod reads;
pub(crate) mod repository;
pub(crate) mod sandbox;
pub(crate) mod source;
pub(crate) mod stamp;
pub(crate) mod supervisor;
pub(crate) mod tree;
pub(crate) mod watchdog;
pub(crate) mod worktree;
