//! One thing that is broken, and how to see it again.

use std::collections::BTreeMap;
use std::fmt;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::KeptInput;
use crate::base::{Category, FailureId, Tier};

/// Where in the sources; lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Relative to the workspace root where the file lies within it.
    pub(crate) file: Utf8PathBuf,
    pub(crate) line: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        self.column.map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}

/// A test as nextest names it: the binary's id and the path within it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TestName {
    pub(crate) binary: String,
    pub(crate) name: String,
}

/// The command that shows a failure again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replay {
    pub(crate) argv: Vec<String>,
    /// Relative to the workspace root.
    pub(crate) dir: Utf8PathBuf,
    /// What is set on top of the caller's environment.
    pub(crate) env: BTreeMap<String, String>,
    /// Of a fuzz target: what it failed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<KeptInput>,
}

/// One failure. Its `message` is a single line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) id: FailureId,
    pub(crate) category: Category,
    pub(crate) tier: Tier,
    pub(crate) step: String,
    /// What failed: a test's path, an external build, a command. Absent for compiler findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<Place>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) test: Option<TestName>,
    /// The lines worth reading first; bounded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) excerpt: String,
    /// The whole output, relative to the run's folder.
    pub(crate) log: Utf8PathBuf,
    pub(crate) replay: Replay,
}
