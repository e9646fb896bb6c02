//! What is asked beyond a run: the definition of done, containment, roles and gates.

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::steps::Regex;
use crate::base::{ByteSize, Day, Image, Percent, Tiers, TimeLimit};

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
    pub(super) fn is_empty(&self) -> bool {
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
    /// At most so much more time, and memory, than the base needs in the same run.
    #[schemars(with = "Option<String>", extend("examples" = ["10%"]))]
    pub(crate) max_growth: Option<Percent>,
}

/// How steps are contained.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Sandbox {
    /// Whether steps are contained: "off", "auto" by the best that is to be had, "required" wholly or not at all.
    pub(crate) mode: Containment,
    /// The program whose containers the steps run in, "podman" or "docker"; by default the host's own toolchain runs them. Naming one turns
    /// the sandbox on, as "required" does: without the container there is no verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backend: Option<Backend>,
    /// The image of those containers, by its digest; it holds the whole toolchain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("examples" = ["localhost/rust@sha256:0123…"]))]
    pub(crate) image: Option<Image>,
    /// "off", or the hosts that may be reached through the harness's proxy: `crates.io`, `*.crates.io`, `db.example:5432`, `127.0.0.1:80`.
    /// Without a port 80 and 443 are meant.
    pub(crate) network: Network,
    /// Folders that may be read beyond the workspace, the toolchain and the cargo home.
    #[schemars(with = "Vec<String>")]
    pub(crate) read: Vec<Utf8PathBuf>,
    /// Files and folders of the workspace that steps may write, beside the target folder.
    #[schemars(with = "Vec<String>")]
    pub(crate) write: Vec<Utf8PathBuf>,
    /// Environment variables that are let through, beyond those of cargo, compilers and test runners.
    pub(crate) env: Vec<String>,
    /// For all processes of a step together; nine tenths of the machine's by default.
    #[schemars(with = "Option<String>", extend("examples" = ["64 MB"]))]
    pub(crate) memory: Option<ByteSize>,
    /// Processor time of all processes of a step together; without a limit by default.
    #[schemars(with = "Option<String>", extend("examples" = ["30s"]))]
    pub(crate) cpu: Option<TimeLimit>,
    /// How many processes and threads of a step at a time; 8192 by default.
    #[schemars(range(min = 1))]
    pub(crate) pids: Option<u32>,
    /// How many open files each process; the caller's own limit by default.
    #[schemars(range(min = 16))]
    pub(crate) files: Option<u32>,
    /// How much a step may write to workspace and target folder; 100 GB by default.
    #[schemars(with = "Option<String>", extend("examples" = ["64 MB"]))]
    pub(crate) disk: Option<ByteSize>,
    /// How long all logs of a step may get; 1 GB by default.
    #[schemars(with = "Option<String>", extend("examples" = ["64 MB"]))]
    pub(crate) output: Option<ByteSize>,
}

impl Sandbox {
    /// Whether steps are to be contained, where no flag says otherwise.
    pub(crate) fn asked(&self) -> Containment {
        if self.backend.is_some() { Containment::Required } else { self.mode }
    }

    /// Whose containers steps run in, and of what these are made.
    pub(crate) fn containers(&self) -> Option<(Backend, &Image)> {
        self.backend.zip(self.image.as_ref())
    }
}

/// Whose containers steps run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Backend {
    /// Podman, best as an ordinary user.
    Podman,
    /// Docker.
    Docker,
}

/// Whether steps are contained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Containment {
    /// Not at all.
    #[default]
    Off,
    /// By the best that is to be had here.
    Auto,
    /// Wholly, or the run ends.
    Required,
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

/// A flaky test that stops nobody for a while. One that fails when it is run again, too, is red all the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Quarantine {
    /// The test's whole path, as a failure names it.
    pub(crate) test: String,
    /// Only in this package; in all where absent.
    pub(crate) package: Option<String>,
    /// Who sees to it that the test is mended.
    pub(crate) owner: String,
    /// The last day on which it stops nobody.
    #[schemars(with = "String", extend("examples" = ["2026-12-31"]))]
    pub(crate) until: Day,
    /// Where its mending is tracked.
    pub(crate) tracking: Option<String>,
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
    /// A file of allowed signers, as ssh-keygen reads it: whose signed tag `harness-approve…` on a head approves it.
    #[schemars(with = "Option<String>")]
    pub(crate) signers: Option<Utf8PathBuf>,
}

/// Who may change what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Role {
    /// What it is for, in words.
    pub(crate) mandate: Option<String>,
    /// The files that it may change, as globs relative to the workspace root; all where there are none.
    pub(crate) may: Vec<String>,
    /// Files that no other role may change, as globs.
    pub(crate) only: Vec<String>,
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

/// What becomes of a finding: red, red unless somebody outside of the change approves it, or only said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// The finding is only said.
    Report,
    /// The gate needs approval.
    Approve,
    /// The gate is red.
    Deny,
}

/// What a gate makes of each way in which a change may talk its judge round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Integrity {
    /// Files that decide about verdicts, and those of `protect.files`, are changed.
    pub(crate) protected: Level,
    /// Manifests are loosened: targets, features, profiles, patches, build scripts, lints.
    pub(crate) manifests: Level,
    /// Code gains suppressions, and ways to tell that it is being tested.
    pub(crate) suppressions: Level,
    /// Tests have fewer assertions.
    pub(crate) assertions: Level,
    /// Tests are gone, newly ignored or renamed without saying so.
    pub(crate) inventory: Level,
    /// Tests and golden files of the base fail on the new source.
    pub(crate) replay: Level,
    /// The same of tests that stand in source files.
    pub(crate) replay_inline: Level,
    /// A fix brings no test that fails on the base.
    pub(crate) fix: Level,
    /// Tests fail under the other runner.
    pub(crate) runners: Level,
    /// Tests fail with a fresh seed.
    pub(crate) seeds: Level,
    /// A fallback has grown.
    pub(crate) fallbacks: Level,
    /// A number that may only get better is worse.
    pub(crate) ratchets: Level,
    /// The definition of done is not met.
    pub(crate) done: Level,
    /// A frozen interface is changed.
    pub(crate) freeze: Level,
}

impl Integrity {
    pub(super) fn is_default(&self) -> bool {
        *self == Integrity::default()
    }
}

impl Default for Integrity {
    fn default() -> Self {
        Integrity {
            protected: Level::Approve,
            manifests: Level::Approve,
            suppressions: Level::Approve,
            assertions: Level::Approve,
            inventory: Level::Approve,
            replay: Level::Deny,
            replay_inline: Level::Approve,
            fix: Level::Approve,
            runners: Level::Deny,
            seeds: Level::Deny,
            fallbacks: Level::Deny,
            ratchets: Level::Deny,
            done: Level::Deny,
            freeze: Level::Approve,
        }
    }
}
