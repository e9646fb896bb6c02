//! What is compared with an oracle, and how.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::run::Glob;
use super::steps::Regex;
use crate::base::TimeLimit;

/// A program that is held against an oracle, or against golden files, case by case.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Diff {
    /// What it is called in reports.
    pub(crate) name: String,
    /// The files that are cases, as globs relative to the workspace root.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) cases: Vec<Glob>,
    /// A command that prints a case; `{seed}` is a number of its own for each.
    pub(crate) generate: Option<Vec<String>>,
    /// How many cases are generated.
    #[serde(default = "Diff::default_count")]
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) count: u32,
    /// The command whose answers are right, with `{case}` for the case's path, `{dir}` for the folder it runs in and `{root}` for the
    /// workspace root.
    pub(crate) oracle: Option<Vec<String>>,
    /// A folder of golden files in the place of an oracle; `cargo harness diff --bless` writes them.
    #[schemars(with = "Option<String>")]
    pub(crate) golden: Option<Utf8PathBuf>,
    /// The command that is judged, with the same placeholders.
    pub(crate) subject: Vec<String>,
    /// What of their answers is compared.
    #[serde(default = "Diff::default_compare")]
    pub(crate) compare: Vec<Stream>,
    /// Files that they leave in `{dir}`, compared too.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) files: Vec<Utf8PathBuf>,
    /// After so long either is stopped; for the subject that is a difference.
    #[serde(default = "Diff::default_timeout")]
    #[schemars(with = "String", extend("examples" = ["30s"]))]
    pub(crate) timeout: TimeLimit,
    /// What is set in their environment.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// What is done to both answers before they are compared, in this order.
    #[serde(default)]
    pub(crate) normalise: Vec<Normaliser>,
    /// How far numbers may lie apart, relative to the larger one; exactly the same by default.
    #[schemars(range(min = 0, max = 1))]
    pub(crate) tolerance: Option<f64>,
    /// Cases that are known to differ.
    #[serde(default)]
    pub(crate) expected: Vec<ExpectedDifference>,
}

impl Diff {
    fn default_count() -> u32 {
        100
    }

    fn default_compare() -> Vec<Stream> {
        vec![Stream::Status, Stream::Stdout, Stream::Stderr]
    }

    fn default_timeout() -> TimeLimit {
        TimeLimit::seconds(10)
    }
}

/// A part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stream {
    /// The exit status, or the signal.
    Status,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One way of making answers comparable.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Normaliser {
    /// A built-in one.
    Named(NamedNormaliser),
    /// Every match of a regular expression within a line is replaced.
    Replace(Replace),
}

/// The built-in ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NamedNormaliser {
    /// Lines in the order of their bytes.
    SortLines,
    /// CR LF is LF, and what is white at the end of a line is not there.
    Whitespace,
    /// `0x` and hexadecimal digits are `{address}`.
    Addresses,
    /// The folders of the case, of the run and of the workspace are `{dir}`, `{case}` and `{root}`.
    Paths,
}

/// A replacement.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Replace {
    /// The regular expression, matched line by line.
    #[schemars(with = "String")]
    pub(crate) pattern: Regex,
    /// What stands in the place of each match; `$1` and `$name` are its groups.
    pub(crate) with: String,
}

/// A difference that somebody knows of.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ExpectedDifference {
    /// The cases, as a glob relative to the workspace root.
    #[schemars(with = "String")]
    pub(crate) case: Glob,
    /// Why they differ.
    pub(crate) reason: String,
    /// Where that is tracked.
    pub(crate) tracking: String,
}
