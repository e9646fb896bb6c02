//! What contained a run's steps, as `run.json` holds it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How much of a sandbox there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Containment {
    /// Namespaces, with Landlock and a filter of system calls within them.
    Full,
    /// Landlock and a filter of system calls.
    Partial,
    /// Nothing.
    #[default]
    Off,
}

impl Containment {
    /// The word by which records and messages call it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Containment::Full => "full",
            Containment::Partial => "partial",
            Containment::Off => "off",
        }
    }
}

/// How far a property of the sandbox, or a limit, can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strength {
    /// By the kernel, or by a process that what it contains can't outrun.
    Enforced,
    /// It holds for what ordinary programs do: what is fast or hostile may go past it for a moment.
    BestEffort,
    /// It doesn't hold.
    Absent,
}

/// One property, and by what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Property {
    pub(crate) state: Strength,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) by: String,
}

/// The sandbox of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct SandboxRecord {
    pub(crate) containment: Containment,
    pub(crate) properties: BTreeMap<String, Property>,
    /// Where steps ran in containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<ImageRecord>,
}

/// Of what the containers of a run were made, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    pub(crate) backend: String,
    pub(crate) image: String,
}
