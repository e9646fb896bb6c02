//! What is run: steps, external projects, and how their output is classed.

use std::collections::BTreeMap;
use std::fmt;

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Engine;
use crate::base::{ByteSize, TimeLimit};

/// What carries out a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Uses {
    /// `cargo fmt --check`.
    Rustfmt,
    /// `cargo check`.
    Check,
    /// `cargo clippy`, which includes what `check` finds.
    Clippy,
    /// Unit and integration tests by `cargo nextest`, or `cargo test` where it is missing.
    Nextest,
    /// Documentation examples by `cargo test --doc`.
    Doctest,
    /// Property tests alone, with the mode's number of cases.
    Proptest,
    /// Replays cargo-fuzz and bolero corpora; in deep also fuzzes.
    Fuzz,
    /// `cargo mutants`.
    Mutants,
    /// Differential tests against an oracle.
    Diff,
    /// The external projects of `[[builds]]`.
    Build,
    /// Any program.
    Command,
}

impl fmt::Display for Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Uses::Rustfmt => "rustfmt",
            Uses::Check => "check",
            Uses::Clippy => "clippy",
            Uses::Nextest => "nextest",
            Uses::Doctest => "doctest",
            Uses::Proptest => "proptest",
            Uses::Fuzz => "fuzz",
            Uses::Mutants => "mutants",
            Uses::Diff => "diff",
            Uses::Build => "build",
            Uses::Command => "command",
        })
    }
}

/// Which warnings are failures; the others are counted and said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Warnings {
    /// Those on lines that differ from the upstream branch, or without one from the last commit. Outside of git: all.
    New,
    /// All.
    Deny,
    /// None.
    Report,
}

/// One step. Keys that its `uses` has no use for are errors.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Step {
    /// What carries it out.
    pub(crate) uses: Uses,
    /// Which tests: a nextest filterset. For nextest and proptest.
    pub(crate) filter: Option<String>,
    /// Who runs the tests in fast, instead of `run.engine`. For nextest.
    pub(crate) engine: Option<Engine>,
    /// Which compiler and lint warnings are failures. For check and clippy.
    pub(crate) warnings: Option<Warnings>,
    /// How many cases each property test tries, in every mode. For proptest.
    #[schemars(range(min = 1))]
    pub(crate) cases: Option<u32>,
    /// The program and its arguments, with `{root}` for the workspace root. For command; extra arguments for mutants.
    pub(crate) run: Option<Vec<String>>,
    /// Where it runs, relative to the workspace root. For command and fuzz.
    #[schemars(with = "Option<String>")]
    pub(crate) dir: Option<Utf8PathBuf>,
    /// What is set in its environment. For command.
    pub(crate) env: Option<BTreeMap<String, String>>,
    /// Patterns that turn its log into failures. For command.
    pub(crate) patterns: Option<Vec<Pattern>>,
    /// After so long it is stopped, instead of `run.step-timeout`.
    #[schemars(with = "Option<String>", extend("examples" = ["30s"]))]
    pub(crate) timeout: Option<TimeLimit>,
}

impl Step {
    /// One that leaves everything to its defaults.
    pub(crate) fn plain(uses: Uses) -> Step {
        let (filter, engine, warnings, cases, run, dir, env, patterns, timeout) = Default::default();
        Step { uses, filter, engine, warnings, cases, run, dir, env, patterns, timeout }
    }
}

/// A regular expression by which a line of a log is a failure. Named groups `subject`, `message`, `file`, `line` and `column` fill it in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Pattern {
    /// The failure's category.
    pub(crate) category: String,
    /// The regular expression, matched line by line.
    #[schemars(with = "String")]
    pub(crate) pattern: Regex,
}

/// An external project.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Build {
    /// What it is called in reports.
    pub(crate) name: String,
    /// Its folder, relative to the workspace root.
    #[schemars(with = "String")]
    pub(crate) dir: Utf8PathBuf,
    /// The program and its arguments, with `{root}` for the workspace root.
    pub(crate) run: Vec<String>,
    /// 4, or 5 for a full-system target.
    #[serde(default = "Build::default_tier")]
    #[schemars(range(min = 4, max = 5))]
    pub(crate) tier: u8,
    /// After so long it is stopped and has failed.
    #[serde(default = "Build::default_timeout")]
    #[schemars(with = "String", extend("examples" = ["30s"]))]
    pub(crate) timeout: TimeLimit,
    /// What is set in its environment.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Files that must be there afterwards, relative to its folder.
    #[serde(default)]
    pub(crate) expect: Vec<ExpectedFile>,
}

impl Build {
    fn default_tier() -> u8 {
        4
    }

    fn default_timeout() -> TimeLimit {
        TimeLimit::seconds(600)
    }
}

/// A file that a build must leave.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ExpectedFile {
    /// Relative to the build's folder.
    #[schemars(with = "String")]
    pub(crate) path: Utf8PathBuf,
    /// At most so large.
    #[schemars(with = "Option<String>", extend("examples" = ["64 MB"]))]
    pub(crate) max_size: Option<ByteSize>,
}

/// A regular expression, compiled while the contract is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Regex(pub(crate) regex::Regex);

impl From<Regex> for String {
    fn from(regex: Regex) -> String {
        regex.0.as_str().to_owned()
    }
}

/// Why a text isn't a regular expression, in one line.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a regular expression: {reason}")]
pub(crate) struct RegexError {
    text: String,
    reason: String,
}

impl TryFrom<String> for Regex {
    type Error = RegexError;
    fn try_from(text: String) -> Result<Self, RegexError> {
        regex::RegexBuilder::new(&text).size_limit(1 << 20).build().map(Regex).map_err(|error| {
            // The crate draws a caret below the pattern; its last line is the reason alone.
            let drawn = error.to_string();
            let reason = drawn.lines().last().unwrap_or_default();
            RegexError { reason: reason.trim_start_matches("error: ").to_owned(), text }
        })
    }
}

/// A class of failures.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct CategoryRule {
    /// In capitals, as `TOP_ERRORS` shows it.
    pub(crate) name: String,
    /// A regular expression that some line of the failure's output matches.
    #[schemars(with = "String")]
    pub(crate) pattern: Regex,
}
