//! What holds for every run, and how far each mode climbs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Percent, Seed, Tiers, TimeLimit};

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
    /// Who runs the tests in fast.
    pub(crate) engine: Engine,
    /// Files that tests read although git ignores them or they lie elsewhere, as globs relative to the workspace root: a change of
    /// one makes an earlier verdict void.
    #[schemars(with = "Vec<String>")]
    pub(crate) inputs: Vec<Glob>,
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
            engine: Engine::Auto,
            inputs: Vec::new(),
            keep_runs: 20,
        }
    }
}

/// Who runs the tests in fast. The other modes use nextest throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Engine {
    /// All tests of a binary in one process; those that aren't green there again by nextest, each in a process of its own.
    Auto,
    /// Nextest, each test in a process of its own.
    Nextest,
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

/// A pattern of paths, checked while the contract is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Glob(pub(crate) String);

/// Why a text isn't a glob.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a glob: {reason}")]
pub(crate) struct GlobError {
    text: String,
    reason: &'static str,
}

impl TryFrom<String> for Glob {
    type Error = GlobError;
    fn try_from(text: String) -> Result<Self, GlobError> {
        match glob::Pattern::new(&text) {
            Ok(_) if text.is_empty() => Err(GlobError { text, reason: "it is empty" }),
            Ok(_) => Ok(Glob(text)),
            Err(error) => Err(GlobError { text, reason: error.msg }),
        }
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> String {
        glob.0
    }
}
