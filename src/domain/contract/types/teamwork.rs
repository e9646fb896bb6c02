//! What long runs with many hands go by: the queue of tasks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::TimeLimit;

/// Where tasks and claims live.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Queue {
    /// The git remote that all workers share; without one of that name, the repository itself.
    pub(crate) remote: String,
    /// The branch that holds the tasks and that work lands on; the one that the remote's HEAD names by default.
    pub(crate) branch: Option<String>,
    /// How a claim is kept: "refs" is a ref each, "heads" the same as branches where a host refuses other refs, "files" a lock file on the
    /// branch itself.
    pub(crate) backend: ClaimStore,
    /// A claim that has not changed for so long may be taken.
    #[schemars(with = "String", extend("examples" = ["30m"]))]
    pub(crate) lease: TimeLimit,
}

impl Queue {
    pub(super) fn is_default(&self) -> bool {
        *self == Queue::default()
    }
}

impl Default for Queue {
    fn default() -> Queue {
        Queue {
            remote: "origin".to_owned(),
            branch: None,
            backend: ClaimStore::default(),
            lease: TimeLimit::seconds(1800),
        }
    }
}

/// How a claim is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClaimStore {
    /// A ref below refs/harness/ each.
    #[default]
    Refs,
    /// A branch below refs/heads/harness/ each.
    Heads,
    /// A lock file on the branch itself.
    Files,
}
