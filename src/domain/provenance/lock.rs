//! `Harness.lock`: with what the verdicts on a repository are given, so that two of them can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::base::{ExitCode, Explain};
use crate::ports::fs;

/// Its name, beside the workspace's manifest.
pub(crate) const FILE: &str = "Harness.lock";

const HEAD: &str = "# Written by `cargo harness lock`: with what the verdicts on this repository are given.\n";

/// Everything that is pinned, by section and name; digests are lower-case hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    version: u32,
    /// The compiler: its channel, release and commit.
    pub(crate) toolchain: BTreeMap<String, String>,
    /// Versions by tool.
    pub(crate) tools: BTreeMap<String, String>,
    /// Digests of the contract, of lock files and of corpora.
    pub(crate) inputs: BTreeMap<String, String>,
    /// What randomness is seeded from.
    pub(crate) seeds: BTreeMap<String, String>,
    /// Numbers that may only get better; no part of what drifts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ratchets: Option<Ratchets>,
}

/// What is counted, and how much of it there was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ratchets {
    /// The kinds that are counted, those of which there is none included.
    pub(crate) kinds: BTreeSet<String>,
    /// A table for each file, so that changes of two files' numbers are never neighbours and merge by themselves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) counts: Counts,
}

/// Numbers by what they are of (a file, `bin:NAME`, `command:NAME`) and by kind.
pub(crate) type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// The lock can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error(transparent)]
    Fs(#[from] fs::FsError),
    #[error("there is no {0}")]
    Absent(Utf8PathBuf),
    #[error("{path}: {message}")]
    Malformed { path: Utf8PathBuf, message: String },
    #[error("{path} has version {found}, and this program knows version {}", Lock::VERSION)]
    OtherVersion { path: Utf8PathBuf, found: u32 },
}

impl Explain for LockError {
    fn exit_code(&self) -> ExitCode {
        match self {
            LockError::Fs(_) => ExitCode::Environment,
            LockError::Absent(_) | LockError::Malformed { .. } | LockError::OtherVersion { .. } => ExitCode::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            LockError::Fs(_) => None,
            LockError::Absent(_) => Some("write it: cargo harness lock".to_owned()),
            LockError::Malformed { .. } => Some("write it anew: cargo harness lock".to_owned()),
            LockError::OtherVersion { .. } => Some("use the version of cargo-harness that wrote it".to_owned()),
        }
    }
}

/// One thing that is other than it was locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Drift {
    /// Section and name.
    pub(crate) what: String,
    pub(crate) locked: Option<String>,
    pub(crate) now: Option<String>,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |value: &Option<String>| match value {
            Some(text) if text.len() >= 40 && text.chars().all(|c| c.is_ascii_hexdigit()) => text[..12].to_owned(),
            Some(text) => text.clone(),
            None => "none".to_owned(),
        };
        write!(f, "{} {} -> {}", self.what, short(&self.locked), short(&self.now))
    }
}

impl Lock {
    const VERSION: u32 = 1;

    /// With nothing in it yet.
    pub(crate) fn new() -> Lock {
        Lock { version: Lock::VERSION, ..Lock::default() }
    }

    /// That of a workspace.
    ///
    /// # Errors
    /// There is none, or it can't be understood.
    pub(crate) fn read(root: &Utf8Path) -> Result<Lock, LockError> {
        let path = root.join(FILE);
        let text = fs::read_text_if_present(&path)?.ok_or_else(|| LockError::Absent(path.clone()))?;
        Lock::parse(&path, &text)
    }

    /// From its text.
    ///
    /// # Errors
    /// It can't be understood.
    pub(crate) fn parse(path: &Utf8Path, text: &str) -> Result<Lock, LockError> {
        let malformed = |error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            LockError::Malformed { path: format!("{path}:{line}").into(), message: error.message().to_owned() }
        };
        let version = toml::from_str::<Version>(text).map_err(malformed)?.version;
        if version != Lock::VERSION {
            return Err(LockError::OtherVersion { path: path.to_owned(), found: version });
        }
        toml::from_str(text).map_err(malformed)
    }

    /// Writes it where it isn't the same already; whether it was written.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn write(&self, root: &Utf8Path) -> Result<bool, LockError> {
        let path = root.join(FILE);
        let text = format!("{HEAD}{}", toml::to_string(self).unwrap_or_default());
        if fs::read_text_if_present(&path).ok().flatten().as_deref() == Some(&text) {
            return Ok(false);
        }
        fs::replace(&path, text.as_bytes())?;
        Ok(true)
    }

    /// How many things it pins.
    pub(crate) fn len(&self) -> usize {
        self.sections().iter().map(|(_, section)| section.len()).sum()
    }

    /// Whatever differs now, in the order of the file.
    pub(crate) fn drift(&self, now: &Lock) -> Vec<Drift> {
        let pairs = self.sections().into_iter().zip(now.sections());
        let differing = pairs.flat_map(|((section, locked), (_, now))| {
            let names: BTreeSet<&String> = locked.keys().chain(now.keys()).collect();
            let drift = |name: &String| Drift {
                what: format!("{section}.{name}"),
                locked: locked.get(name).cloned(),
                now: now.get(name).cloned(),
            };
            names.into_iter().filter(|name| locked.get(*name) != now.get(*name)).map(drift).collect::<Vec<_>>()
        });
        differing.collect()
    }

    fn sections(&self) -> [(&'static str, &BTreeMap<String, String>); 4] {
        [("toolchain", &self.toolchain), ("tools", &self.tools), ("inputs", &self.inputs), ("seeds", &self.seeds)]
    }
}

/// What every version of the file has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(commit: &str, tools: &[(&str, &str)]) -> Lock {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Lock {
            toolchain: BTreeMap::from([("commit".to_owned(), commit.to_owned())]),
            tools: tools.iter().map(owned).collect(),
            ..Lock::new()
        }
    }

    #[test]
    fn what_was_written_is_read_again_and_not_written_twice() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(folder.path()).unwrap();
        let lock = lock("4f14", &[("cargo", "1.95.0"), ("clippy", "0.1.95")]);
        assert!(lock.write(dir).unwrap());
        assert!(!lock.write(dir).unwrap());
        assert_eq!(Lock::read(dir).unwrap(), lock);
        assert_eq!(lock.len(), 3);
    }

    #[test]
    fn drift_is_what_changed_came_or_went() {
        let (before, now) = (lock(&"a".repeat(40), &[("x", "1")]), lock(&"b".repeat(40), &[("y", "2")]));
        let drift: Vec<String> = before.drift(&now).iter().map(Drift::to_string).collect();
        assert_eq!(drift, ["toolchain.commit aaaaaaaaaaaa -> bbbbbbbbbbbb", "tools.x 1 -> none", "tools.y none -> 2"]);
        assert_eq!(before.drift(&before), []);
    }

    #[test]
    fn a_file_that_is_no_lock_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(folder.path()).unwrap();
        let read = |text: &str| {
            fs::replace(&dir.join(FILE), text.as_bytes()).unwrap();
            Lock::read(dir).unwrap_err().to_string()
        };
        assert!(read("version = 1\n\ntools = 3\n").contains("Harness.lock:3: "));
        assert!(read("version = 7\n[ratchets]\n").contains("has version 7, and this program knows version 1"));
        assert!(read("").contains("missing field `version`"));
        fs::remove_file(&dir.join(FILE)).unwrap();
        assert!(matches!(Lock::read(dir), Err(LockError::Absent(_))));
    }
}
