//! What may only get better, and what may not change at all.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::TimeLimit;

/// Numbers that may only get better, held in `Harness.lock`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Ratchets {
    /// What is counted; what `Harness.lock` has, and suppressions, unsafe and ignored where it is written, by default.
    pub(crate) kinds: Option<Vec<RatchetKind>>,
    /// Files that are not counted, as globs relative to the workspace root.
    pub(crate) exclude: Vec<String>,
    /// Programs that print a number.
    pub(crate) commands: Vec<RatchetCommand>,
}

impl Ratchets {
    pub(super) fn is_default(&self) -> bool {
        *self == Ratchets::default()
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RatchetKind {
    /// Lints that `allow` and `expect` silence, `ignore` and `should_panic`.
    Suppressions,
    /// The word `unsafe`.
    Unsafe,
    /// `unwrap`, `expect` and their like outside of tests.
    Unwrap,
    /// Tests that are ignored.
    Ignored,
    /// Public items, methods included.
    Api,
    /// The bytes of each binary, built for release. In gates that run the base's tests.
    Size,
}

impl RatchetKind {
    pub(crate) const ALL: [RatchetKind; 6] = [
        RatchetKind::Suppressions,
        RatchetKind::Unsafe,
        RatchetKind::Unwrap,
        RatchetKind::Ignored,
        RatchetKind::Api,
        RatchetKind::Size,
    ];

    /// As contract and lock have it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            RatchetKind::Suppressions => "suppressions",
            RatchetKind::Unsafe => "unsafe",
            RatchetKind::Unwrap => "unwrap",
            RatchetKind::Ignored => "ignored",
            RatchetKind::Api => "api",
            RatchetKind::Size => "size",
        }
    }
}

impl fmt::Display for RatchetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// A program whose last integer on standard output may not grow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RatchetCommand {
    /// What the number is called.
    pub(crate) name: String,
    /// The program and its arguments, with `{root}` for the workspace root. Files of the tree among them are the base's.
    pub(crate) run: Vec<String>,
    /// After so long it is stopped, and there is no number.
    #[serde(default = "one_minute")]
    #[schemars(with = "String", extend("examples" = ["30s"]))]
    pub(crate) timeout: TimeLimit,
}

fn one_minute() -> TimeLimit {
    TimeLimit::seconds(60)
}

/// Interfaces that may not change without approval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Freeze {
    /// Packages whose public API stays as it is.
    pub(crate) crates: Vec<String>,
    /// What compares it; the first of cargo-public-api and cargo-semver-checks that is here by default.
    pub(crate) by: Option<FreezeTool>,
}

impl Freeze {
    pub(super) fn is_default(&self) -> bool {
        *self == Freeze::default()
    }
}

/// What compares two versions of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FreezeTool {
    /// Any change.
    PublicApi,
    /// Only what breaks users.
    SemverChecks,
}
