//! What a verdict rests on: digests of the tree, of the tools and their configuration, of the environment; and the log of what was
//! judged.

mod audit;
mod lock;
pub(crate) mod snapshot;
mod surroundings;
mod tree;

pub(crate) use audit::{AuditLog, Broken, Deed, Sound, verify as verify_audit};
pub(crate) use lock::{Counts, Drift, FILE, Lock, Ratchets};
pub(crate) use surroundings::{Surroundings, clippy_settings, request_digest, settings_files};
pub(crate) use tree::{Tree, TreeError};
