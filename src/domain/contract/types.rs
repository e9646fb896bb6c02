//! The contract's tables and keys. Their doc comments become the descriptions in its JSON schema.

use std::collections::BTreeMap;
use std::fmt;

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::base::{ByteSize, Percent, Seed, Tiers, TimeLimit};

/// What a repository asks of the harness. Every key has a default.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[schemars(title = "Harness contract")]
pub(crate) struct Contract {
    /// The definition of done.
    #[serde(skip_serializing_if = "Done::is_empty")]
    pub(crate) done: Done,
    /// What holds for every run.
    pub(crate) run: Run,
    /// How far each mode climbs, and in what time.
    pub(crate) modes: Modes,
    /// The steps of each tier, by the tier's number. A tier named here replaces the built-in one.
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub(crate) tiers: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
    /// Steps by name. One named like a built-in step replaces it.
    #[schemars(with = "BTreeMap<String, Step>")]
    pub(crate) steps: BTreeMap<String, Spanned<Step>>,
    /// Real external projects, built and tested with what this repository makes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Build>")]
    pub(crate) builds: Vec<Spanned<Build>>,
    /// How a line of a failure's output becomes its category.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) categories: Vec<CategoryRule>,
    /// How steps are contained.
    pub(crate) sandbox: Option<Sandbox>,
    /// Parts that still lean on something else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) fallbacks: Vec<Fallback>,
    /// What only named roles may change.
    pub(crate) protect: Option<Protect>,
    /// Who may change what.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) roles: BTreeMap<String, Role>,
    /// The tiers that each gate asks for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) gates: BTreeMap<String, Gate>,
}

/// The definition of done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Done {
    /// The tiers that must be green, such as "0-3".
    #[schemars(with = "Option<String>", extend("examples" = ["0-1"]))]
    pub(crate) tiers: Option<Tiers>,
    /// Binaries that must exist within a size.
    pub(crate) binaries: Vec<DoneBinary>,
    /// Target triples that must build.
    pub(crate) targets: Vec<String>,
    /// Commands that must keep within time and memory.
    pub(crate) budgets: Vec<DoneBudget>,
    /// What is not asked for, in words.
    pub(crate) non_goals: Vec<String>,
}

impl Done {
    fn is_empty(&self) -> bool {
        *self == Done::default()
    }
}

/// A binary that must exist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DoneBinary {
    /// The binary target's name.
    pub(crate) name: String,
    /// At most so large.
    #[schemars(with = "Option<String>", extend("examples" = ["64 MB"]))]
    pub(crate) max_size: Option<ByteSize>,
}

/// A command that must keep within bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DoneBudget {
    /// What the budget is called in reports.
    pub(crate) name: String,
    /// The program and its arguments.
    pub(crate) run: Vec<String>,
    /// At most so long.
    #[schemars(with = "Option<String>", extend("examples" = ["30s"]))]
    pub(crate) max_time: Option<TimeLimit>,
    /// At most so much resident memory.
    #[schemars(with = "Option<String>", extend("examples" = ["64 MB"]))]
    pub(crate) max_memory: Option<ByteSize>,
}

/// What holds for every run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Run {
    /// Every source of randomness is seeded from it.
    pub(crate) seed: Seed,
    /// After so long a test is stopped and has failed.
    #[schemars(with = "String", extend("examples" = ["30s"]))]
    pub(crate) test_timeout: TimeLimit,
    /// After so long a step is stopped and the run ends.
    #[schemars(with = "String", extend("examples" = ["30s"]))]
    pub(crate) step_timeout: TimeLimit,
    /// After so long the whole run is stopped.
    #[schemars(with = "String", extend("examples" = ["30s"]))]
    pub(crate) timeout: TimeLimit,
    /// Cargo features to build with.
    pub(crate) features: Vec<String>,
    /// Build with all features.
    pub(crate) all_features: bool,
    /// Build with `default-features` off.
    pub(crate) no_default_features: bool,
    /// Whether a test that leaves processes behind has failed.
    pub(crate) leaks: Policy,
    /// How many runs' logs are kept.
    #[schemars(range(min = 1))]
    pub(crate) keep_runs: u32,
}

impl Default for Run {
    fn default() -> Self {
        Run {
            seed: Seed::default(),
            test_timeout: TimeLimit::seconds(60),
            step_timeout: TimeLimit::seconds(600),
            timeout: TimeLimit::seconds(6 * 3600),
            features: Vec::new(),
            all_features: false,
            no_default_features: false,
            leaks: Policy::Deny,
            keep_runs: 20,
        }
    }
}

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Policy {
    /// It is a failure.
    Deny,
    /// It is counted and said.
    Report,
}

/// How far each mode climbs.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Modes {
    /// `cargo harness fast`: seconds.
    pub(crate) fast: ModeTable,
    /// `cargo harness full`: before a merge.
    pub(crate) full: ModeTable,
    /// `cargo harness deep`: at night.
    pub(crate) deep: ModeTable,
}

/// One mode. What is left out has the mode's own default.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct ModeTable {
    /// The tiers it climbs: "0-1" in fast, "0-3" in full, "0-5" in deep.
    #[schemars(with = "Option<String>", extend("examples" = ["0-1"]))]
    pub(crate) tiers: Option<Tiers>,
    /// The time that unit tests may take before a sample replaces the whole: "30s" in fast, none elsewhere.
    #[schemars(with = "Option<String>", extend("examples" = ["30s"]))]
    pub(crate) budget: Option<TimeLimit>,
    /// "auto" samples past the budget, "off" never, "10%" always.
    #[schemars(with = "Option<String>", extend("examples" = ["auto"]))]
    pub(crate) sample: Option<Sample>,
    /// How many cases each property test tries: its own number in fast, 1024 in full, 8192 in deep.
    #[schemars(range(min = 1))]
    pub(crate) cases: Option<u32>,
    /// For how long each fuzz target is fuzzed anew: only in deep, "60s".
    #[schemars(with = "Option<String>", extend("examples" = ["30s"]))]
    pub(crate) fuzz_time: Option<TimeLimit>,
}

/// When a sample replaces the whole suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Sample {
    /// Past the budget.
    Auto,
    /// Never.
    Off,
    /// Always, so much.
    Share(Percent),
}

/// Why a text isn't a sample.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a sample: write \"auto\", \"off\" or a share from 0.001% to 100%, such as \"10%\"")]
pub(crate) struct SampleError(String);

impl TryFrom<String> for Sample {
    type Error = SampleError;
    fn try_from(text: String) -> Result<Self, SampleError> {
        match text.as_str() {
            "auto" => Ok(Sample::Auto),
            "off" => Ok(Sample::Off),
            share => share.parse().map(Sample::Share).map_err(|_| SampleError(text)),
        }
    }
}

impl From<Sample> for String {
    fn from(sample: Sample) -> String {
        match sample {
            Sample::Auto => "auto".to_owned(),
            Sample::Off => "off".to_owned(),
            Sample::Share(share) => share.to_string(),
        }
    }
}

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

/// One step. Keys that its `uses` has no use for are errors.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Step {
    /// What carries it out.
    pub(crate) uses: Uses,
    /// Which tests: a nextest filterset. For nextest and proptest.
    pub(crate) filter: Option<String>,
    /// Whether compiler and lint warnings are failures. For check and clippy.
    pub(crate) warnings: Option<Policy>,
    /// How many cases each property test tries, in every mode. For proptest.
    #[schemars(range(min = 1))]
    pub(crate) cases: Option<u32>,
    /// The program and its arguments. For command; extra arguments for mutants.
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
        let (filter, warnings, cases, run, dir, env, patterns, timeout) = Default::default();
        Step { uses, filter, warnings, cases, run, dir, env, patterns, timeout }
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
    /// The program and its arguments.
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

/// How steps are contained.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Sandbox {
    /// "off", or the hosts that may be reached.
    pub(crate) network: Network,
    /// Folders that may be read beyond the workspace, the toolchain and the cargo home.
    #[schemars(with = "Vec<String>")]
    pub(crate) read: Vec<Utf8PathBuf>,
    /// Environment variables that are let through.
    pub(crate) env: Vec<String>,
    /// For all processes of a step together.
    #[schemars(with = "Option<String>", extend("examples" = ["64 MB"]))]
    pub(crate) memory: Option<ByteSize>,
    /// How many processes at a time.
    #[schemars(range(min = 1))]
    pub(crate) pids: Option<u32>,
    /// How much may be written.
    #[schemars(with = "Option<String>", extend("examples" = ["64 MB"]))]
    pub(crate) disk: Option<ByteSize>,
}

/// Which hosts may be reached.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Network {
    /// The word "off".
    Word(NetworkWord),
    /// An allowlist of host names.
    Allow(Vec<String>),
}

/// The network's one word.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NetworkWord {
    /// No network.
    Off,
}

impl Default for Network {
    fn default() -> Self {
        Network::Word(NetworkWord::Off)
    }
}

/// A part that still leans on something else.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Fallback {
    /// The part.
    pub(crate) name: String,
    /// What it leans on.
    pub(crate) to: String,
    /// The files within which that is allowed, as globs.
    pub(crate) files: Vec<String>,
    /// A regular expression for one use.
    #[schemars(with = "Option<String>")]
    pub(crate) uses: Option<Regex>,
    /// Where its replacement is tracked.
    pub(crate) tracking: Option<String>,
}

/// What only named roles may change.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Protect {
    /// Globs relative to the workspace root.
    pub(crate) files: Vec<String>,
    /// The roles that may.
    pub(crate) roles: Vec<String>,
}

/// Who may change what.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Role {
    /// Globs relative to the workspace root.
    pub(crate) may: Vec<String>,
    /// At most so many changed lines in one change.
    pub(crate) max_lines: Option<u32>,
}

/// What a gate asks for.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Gate {
    /// The tiers that must be green.
    #[schemars(with = "Option<String>", extend("examples" = ["0-1"]))]
    pub(crate) tiers: Option<Tiers>,
}
