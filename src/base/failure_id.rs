//! Names of failures that are the same in every run and on every machine.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Digest;

/// What kind of step found a failure; the letter before the dash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Compile, lint or format.
    Compile,
    /// A test.
    Test,
    /// A property test's counterexample.
    Property,
    /// A fuzz input.
    Fuzz,
    /// A case in which a program and its oracle differ.
    Differential,
    /// An external build, or a command of the contract.
    Build,
    /// The gate's own checks, and steps that could not be judged.
    Gate,
}

impl FailureKind {
    fn letter(self) -> char {
        match self {
            FailureKind::Compile => 'c',
            FailureKind::Test => 't',
            FailureKind::Property => 'p',
            FailureKind::Fuzz => 'f',
            FailureKind::Differential => 'd',
            FailureKind::Build => 'b',
            FailureKind::Gate => 'g',
        }
    }
}

/// `t-9ab20c1d`: a letter and eight hexadecimal digits of the digest of what makes the failure the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct FailureId(String);

impl FailureId {
    /// The identity must hold nothing that varies between runs or machines: no absolute path, line, time or process id.
    pub(crate) fn new(kind: FailureKind, identity: &[&str]) -> FailureId {
        let digest = Digest::of_fields(identity.iter().map(|field| field.as_bytes()));
        FailureId(format!("{}-{}", kind.letter(), digest.prefix(8)))
    }

    /// The text as printed.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text isn't a failure id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a failure id: they look like `t-9ab20c1d`")]
pub(crate) struct FailureIdError(String);

impl FromStr for FailureId {
    type Err = FailureIdError;
    fn from_str(text: &str) -> Result<Self, FailureIdError> {
        let well_formed = text.split_once('-').is_some_and(|(kind, hex)| {
            kind.len() == 1
                && "ctpfdbg".contains(kind)
                && (4..=8).contains(&hex.len())
                && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        });
        if well_formed { Ok(FailureId(text.to_owned())) } else { Err(FailureIdError(text.to_owned())) }
    }
}

impl TryFrom<String> for FailureId {
    type Error = FailureIdError;
    fn try_from(text: String) -> Result<Self, FailureIdError> {
        text.parse()
    }
}

impl From<FailureId> for String {
    fn from(id: FailureId) -> String {
        id.0
    }
}

impl fmt::Display for FailureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_identity_has_the_same_id_and_reads_back() {
        let id = FailureId::new(FailureKind::Test, &["demo", "tests::bad"]);
        assert_eq!(id, FailureId::new(FailureKind::Test, &["demo", "tests::bad"]));
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
    }

    #[test]
    fn what_could_be_a_path_is_no_id() {
        for text in ["", "t-", "t-../..", "x-9ab20c1d", "t-9AB2", "t-9ab20c1d0"] {
            assert!(text.parse::<FailureId>().is_err(), "{text}");
        }
    }
}
