//! What can be wrong with a contract, each in one line with its place and the way out.

use std::io;

use camino::Utf8PathBuf;

use super::places::{KeyPath, Place};
use super::types::Uses;
use crate::base::{ExitCode, Explain, Tier};

/// Why the contract can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContractError {
    /// Something in its text.
    #[error("{at}: {}", printable(&problem.to_string()))]
    Wrong { at: Place, problem: Box<Problem> },
    /// The file can't be read; its path is relative to the workspace root.
    #[error("{path}: cannot be read: {kind}")]
    Unreadable { path: Utf8PathBuf, kind: io::ErrorKind },
    /// A folder, a pipe or the like has the file's name.
    #[error("{path}: is not a file")]
    NotAFile { path: Utf8PathBuf },
    /// Two contracts: the second one, and the first.
    #[error("{at}: {second} is a second contract beside {first}")]
    TwoSources { at: Place, second: String, first: String },
    /// A contract where nothing would read it.
    #[error("{at}: [package.metadata.harness] in a member of a workspace is not read")]
    Misplaced { at: Place },
}

/// What is wrong at one place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}")]
    Syntax(String),
    #[error("a byte that is not UTF-8")]
    NotUtf8,
    #[error("unknown key `{key}`{}", inside(header))]
    UnknownKey { key: String, header: String, known: Vec<String> },
    #[error("`{path}` is {found}, expected {wanted}")]
    WrongType { path: KeyPath, found: &'static str, wanted: String, example: Option<String> },
    #[error("unknown value `{found}` for `{path}`")]
    UnknownValue { path: KeyPath, found: String, known: Vec<String> },
    #[error("the key `{key}` is missing{}", inside(header))]
    MissingKey { key: String, header: String },
    #[error("`{path}` is {found}, expected {}", bounds(*found, *least, *most))]
    OutOfRange { path: KeyPath, found: i128, least: i128, most: i128 },
    #[error("`{path}` is empty")]
    Empty { path: KeyPath },
    #[error("`{path}`: {reason}")]
    Value { path: KeyPath, reason: String },
    #[error("tier {tier} names the step `{step}`, which does not exist")]
    NoSuchStep { tier: String, step: String, known: Vec<String> },
    #[error("the step `{step}` stands twice in the ladder")]
    StepTwice { step: String, other: Other },
    #[error("`{key}` has no effect in [steps.{step}]: it is for {}", words(for_uses))]
    UselessKey { step: String, key: &'static str, for_uses: &'static [Uses] },
    #[error("[steps.{step}] uses \"command\" without a `run`")]
    CommandWithoutRun { step: String },
    #[error("`{name}` is not a name of a step")]
    StepName { name: String },
    #[error("`{name}` cannot name a build")]
    BuildName { name: String },
    #[error("two builds are called `{name}`")]
    BuildTwice { name: String, first: Place },
    #[error("`{name}` cannot name a differential test")]
    DiffName { name: String },
    #[error("two differential tests are called `{name}`")]
    DiffTwice { name: String, first: Place },
    #[error("`{name}` cannot name a number")]
    RatchetName { name: String },
    #[error("two numbers are called `{name}`")]
    RatchetTwice { name: String, first: Place },
    #[error("the build `{name}` is in tier {tier}, where no step uses \"build\"")]
    BuildWithoutStep { name: String, tier: u8 },
    #[error("`{name}` cannot name a category")]
    CategoryName { name: String },
    #[error("`{path}` leads out of the workspace: {dir}")]
    OutsideDir { path: KeyPath, dir: Utf8PathBuf },
    #[error("`{name}` cannot name an environment variable")]
    VariableName { name: String },
    #[error("`{path}` holds a NUL character")]
    Nul { path: KeyPath },
    #[error("no gate is called `{name}`")]
    NoSuchGate { name: String, known: Vec<String> },
    #[error("no role is called `{name}`")]
    NoSuchRole { name: String, known: Vec<String> },
    #[error("`sandbox.backend` without the `image` that its containers are made of")]
    BackendWithoutImage,
    #[error("`sandbox.image` without the `backend` that makes containers of it")]
    ImageWithoutBackend,
}

/// Where a step stands that stands twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// In the contract.
    At(Place),
    /// In a tier that the contract leaves as it is.
    BuiltIn(Tier),
}

impl Explain for ContractError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            ContractError::Wrong { problem, .. } => problem.hint().map(|hint| printable(&hint)),
            ContractError::Unreadable { kind, .. } => match kind {
                io::ErrorKind::PermissionDenied => Some("make it readable for this user".to_owned()),
                io::ErrorKind::FileTooLarge => Some("a contract has at most 16 MiB".to_owned()),
                io::ErrorKind::NotFound => Some("the link leads nowhere: remove or mend it".to_owned()),
                _ => None,
            },
            ContractError::NotAFile { path } => Some(format!("rename it: {path} is where the contract stands")),
            ContractError::TwoSources { .. } => Some("keep one of them".to_owned()),
            ContractError::Misplaced { .. } => {
                Some("move it to [workspace.metadata.harness] of the root Cargo.toml, or to Harness.toml".to_owned())
            }
        }
    }
}

impl Problem {
    fn hint(&self) -> Option<String> {
        match self {
            Problem::UnknownKey { key, known, .. } => nearest_or_all(key, known),
            Problem::UnknownValue { found, known, .. } => nearest_or_all(found, known),
            Problem::NoSuchStep { step, known, .. } => {
                did_you_mean(step, known).or_else(|| Some(format!("define it in [steps.{step}]")))
            }
            Problem::NoSuchGate { name, known } => nearest_or_all(name, known),
            Problem::NoSuchRole { name, known } => {
                did_you_mean(name, known).or_else(|| Some(format!("define it in [roles.{name}]")))
            }
            Problem::WrongType { example: Some(example), .. } => Some(format!("such as {example}")),
            Problem::StepTwice { other: Other::BuiltIn(tier), .. } => {
                Some(format!("tier {tier} has it by default: name that tier too, without it"))
            }
            Problem::StepTwice { other: Other::At(first), .. }
            | Problem::BuildTwice { first, .. }
            | Problem::DiffTwice { first, .. }
            | Problem::RatchetTwice { first, .. } => Some(format!("the first one is at {first}")),
            Problem::CommandWithoutRun { .. } => Some("give it one, such as run = [\"make\", \"check\"]".to_owned()),
            Problem::UselessKey { .. } => Some("remove it, or change `uses`".to_owned()),
            Problem::StepName { .. } => {
                Some("use up to 32 lower-case letters, digits, `-` and `_`, a letter or digit first".to_owned())
            }
            Problem::BuildName { .. } | Problem::DiffName { .. } | Problem::RatchetName { .. } => {
                Some("use up to 64 letters, digits, `.`, `-` and `_`, a letter or digit first".to_owned())
            }
            Problem::BuildWithoutStep { tier, .. } => Some(format!(
                "add one to tier {tier} in [tiers], such as \"{}\"",
                if *tier == 5 { "system" } else { "builds" }
            )),
            Problem::CategoryName { .. } => {
                Some("use up to 64 characters, none of them a space, comma or parenthesis".to_owned())
            }
            Problem::BackendWithoutImage => Some(BY_DIGEST.to_owned()),
            Problem::ImageWithoutBackend => Some("add backend = \"podman\" or \"docker\", or remove it".to_owned()),
            Problem::Value { path, .. } if *path == KeyPath::of(&["sandbox", "image"]) => Some(BY_DIGEST.to_owned()),
            Problem::OutsideDir { .. } => Some("write it relative to the workspace root and without `..`".to_owned()),
            Problem::MissingKey { .. }
            | Problem::Syntax(_)
            | Problem::NotUtf8
            | Problem::WrongType { example: None, .. }
            | Problem::OutOfRange { .. }
            | Problem::Empty { .. }
            | Problem::Value { .. }
            | Problem::VariableName { .. }
            | Problem::Nul { .. } => None,
        }
    }
}

/// How to name an image.
const BY_DIGEST: &str =
    "write image = \"NAME@sha256:…\"; `podman image inspect --format '{{index .RepoDigests 0}}' NAME` tells it";

/// One line whatever names the contract made up, without sequences that a terminal would obey.
fn printable(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

fn inside(header: &str) -> String {
    if header.is_empty() { String::new() } else { format!(" in {header}") }
}

/// A range that a person would write down is named whole, one that only the computer has at the end that was passed.
fn bounds(found: i128, least: i128, most: i128) -> String {
    match found < least {
        _ if most < 1000 => format!("{least} to {most}"),
        true => format!("at least {least}"),
        false => format!("at most {most}"),
    }
}

fn words(uses: &[Uses]) -> String {
    uses.iter().map(|uses| uses.to_string()).collect::<Vec<_>>().join(" and ")
}

fn nearest_or_all(wrong: &str, known: &[String]) -> Option<String> {
    did_you_mean(wrong, known).or_else(|| Some(format!("known are: {}", known.join(", "))))
}

/// The known word that a misspelt one is near to: a third of its letters wrong at most.
fn did_you_mean(wrong: &str, known: &[String]) -> Option<String> {
    let folded = wrong.to_lowercase().replace('_', "-");
    let distance = |word: &String| strsim::damerau_levenshtein(&folded, &word.to_lowercase().replace('_', "-"));
    let nearest = known.iter().min_by_key(|word| distance(word))?;
    let tolerated = (wrong.chars().count().max(nearest.chars().count()) / 3).max(1);
    (distance(nearest) <= tolerated).then(|| format!("did you mean `{nearest}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_words_are_suggested() {
        let known: Vec<String> = ["seed", "test-timeout", "leaks"].map(str::to_owned).to_vec();
        let cases = [
            ("sede", Some("seed")),
            ("test_timeout", Some("test-timeout")),
            ("Leaks", Some("leaks")),
            ("budget", None),
            ("", None),
        ];
        for (wrong, expected) in cases {
            let expected = expected.map(|word| format!("did you mean `{word}`?"));
            assert_eq!(did_you_mean(wrong, &known), expected, "{wrong}");
        }
        assert_eq!(did_you_mean("x", &[]), None);
    }
}
