//! The doors: whatever spawns, writes, or asks the clock or the environment does it here.

pub(crate) mod apart;
pub(crate) mod cargo;
pub(crate) mod changes;
pub(crate) mod clock;
pub(crate) mod env;
pub(crate) mod fs;
pub(crate) mod git;
pub(crate) mod host;
pub(crate) mod inventory;
pub(crate) mod objects;
pub(crate) mod process;
pub(crate) mod reads;
pub(crate) mod stamp;
pub(crate) mod supervisor;
pub(crate) mod tree;
