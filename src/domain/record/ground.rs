//! On what a failure stood: everything beside its command that a replay needs.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::{Containment, Mode};
use crate::base::{Digest, FailureId};

/// The state of the repository, the tools and the environment when a run found its failures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ground {
    /// The workspace's root then, which may stand in messages.
    pub(crate) root: Utf8PathBuf,
    /// The root seen from the top of git's work tree.
    pub(crate) prefix: Utf8PathBuf,
    /// None outside of git and before the first commit.
    pub(crate) commit: Option<String>,
    /// By which new warnings were told from old ones.
    pub(crate) base: Option<String>,
    /// Whether the tree differed from the commit. How, the run's `tree.json` says.
    pub(crate) dirty: bool,
    /// What `rustc -vV` printed.
    pub(crate) rustc: String,
    pub(crate) mode: Mode,
    /// The contract that was in force, and of `Cargo.lock` as the run left it.
    pub(crate) contract: Digest,
    pub(crate) lock: Option<String>,
    pub(crate) packages: Vec<String>,
    pub(crate) locked: bool,
    pub(crate) offline: bool,
    /// What contained the step; nothing in records of earlier versions.
    #[serde(default)]
    pub(crate) sandbox: Containment,
    /// The time limits, as the contract had them.
    pub(crate) limits: BTreeMap<String, String>,
    /// The variables that builds and tests commonly go by; none whose name speaks of a secret.
    pub(crate) environment: BTreeMap<String, String>,
}

/// An input of a fuzz target, kept beside the failure that it showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptInput {
    /// Where the target found it, relative to the workspace's root; absent for one that was new.
    pub(crate) at: Option<Utf8PathBuf>,
    /// By its name in the run's folder.
    pub(crate) kept: Utf8PathBuf,
}

/// How a tree differed from its commit, as the run's `tree.json` holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordedTree {
    /// Digests of all files, by their paths from the workspace's root; empty where they could not be told.
    pub(crate) files: BTreeMap<Utf8PathBuf, Digest>,
    /// By path from the top of the work tree.
    pub(crate) changes: BTreeMap<Utf8PathBuf, Change>,
    /// Every failure of the run.
    pub(crate) failed: BTreeSet<FailureId>,
    /// What is no part of the changes, and why.
    pub(crate) omitted: BTreeMap<Utf8PathBuf, String>,
}

/// What stood at a path in the place of what was committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    Deleted,
    /// A file, by the SHA-256 of its content: its name in the run's folder `changes`.
    File {
        content: String,
        executable: bool,
    },
    /// A symbolic link to this.
    Link(String),
}
