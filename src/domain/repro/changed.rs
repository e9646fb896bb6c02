//! What has changed since a failure was recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use crate::base::Digest;
use crate::base::text::one_line;
use crate::domain::contract::Loaded;
use crate::domain::provenance::Tree;
use crate::domain::record::{Containment, Ground, RecordedTree};
use crate::domain::run::{Toolchain, environment, ground};
use crate::ports::cargo::Workspace;
use crate::ports::fs;
use crate::ports::worktree::Repository;

/// So many files are named each; the others are counted.
const MOST_FILES: usize = 10;

/// One input that is another now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Changed {
    pub(crate) what: String,
    /// Absent where it has none to tell.
    pub(crate) before: Option<String>,
    pub(crate) now: Option<String>,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.what))?;
        match (&self.before, &self.now) {
            (None, None) => Ok(()),
            (before, now) => {
                let told = |value: &Option<String>| one_line(value.as_deref().unwrap_or("none"));
                write!(f, " {} -> {}", told(before), told(now))
            }
        }
    }
}

impl Changed {
    /// What holds the step, where that is not what held it then.
    pub(crate) fn sandbox(before: Containment, now: Containment) -> Option<Changed> {
        let told = |held: Containment| Some(held.word().to_owned());
        (before != now).then(|| Changed { what: "sandbox".to_owned(), before: told(before), now: told(now) })
    }

    fn plain(what: impl Into<String>) -> Changed {
        Changed { what: what.into(), before: None, now: None }
    }
}

/// Every input that differs from the record, as seen from a workspace that the failure is replayed in.
pub(crate) fn changed(
    then: &Ground,
    tree: Option<&RecordedTree>,
    (workspace, toolchain): (&Workspace, &Toolchain),
    now: &Loaded,
) -> Vec<Changed> {
    let root = &workspace.root;
    let mut found = Vec::new();
    let mut told = |what: &str, before: Option<String>, now: Option<String>| {
        if before != now {
            found.push(Changed { what: what.to_owned(), before, now });
        }
    };
    let rustc = toolchain.verbose_version();
    if rustc != then.rustc {
        let [before, now] = [&then.rustc, &rustc].map(|text| release(text));
        // The same release may be another commit or another host.
        let [before, now] = if before == now { [&then.rustc, &rustc].map(|text| build(text)) } else { [before, now] };
        told("rustc", before, now);
    }
    let head = Repository::find(root).and_then(|repository| repository.head());
    told("commit", then.commit.as_deref().map(short), head.as_deref().map(short));
    let variables = environment::recorded(now.contract.variables());
    let names: BTreeSet<&String> = then.environment.keys().chain(variables.keys()).collect();
    for name in names {
        told(&format!("environment {name}"), then.environment.get(name).cloned(), variables.get(name).cloned());
    }
    let limits = &now.contract.run;
    let limits = BTreeMap::from([("test-timeout", limits.test_timeout), ("step-timeout", limits.step_timeout)]);
    for (name, limit) in limits {
        let before = then.limits.get(name).cloned();
        if before.is_some() {
            told(name, before, Some(limit.to_string()));
        }
    }
    if now.digest != then.contract {
        found.push(Changed::plain("contract"));
    }
    let lock = Utf8Path::new("Cargo.lock");
    if fs::digest(&root.join(lock)) != then.lock {
        found.push(Changed::plain(lock.as_str()));
    }
    if let Some(before) = tree.map(|tree| &tree.files).filter(|files| !files.is_empty())
        && let Ok(tree) = Tree::take(root, &workspace.target_dir, &now.contract.inputs(), None)
    {
        found.extend(files(before, &ground::contents(&tree), lock));
    }
    found
}

/// The files that are others, came or went.
fn files(
    before: &BTreeMap<Utf8PathBuf, Digest>,
    now: &BTreeMap<Utf8PathBuf, Digest>,
    except: &Utf8Path,
) -> Vec<Changed> {
    let paths: BTreeSet<&Utf8PathBuf> = before.keys().chain(now.keys()).collect();
    let differing: Vec<_> =
        paths.into_iter().filter(|path| **path != except && before.get(*path) != now.get(*path)).collect();
    let more = differing.len().saturating_sub(MOST_FILES);
    let named = differing.iter().take(MOST_FILES).map(|path| Changed::plain(path.as_str()));
    named.chain((more > 0).then(|| Changed::plain(format!("{more} more files")))).collect()
}

fn release(rustc: &str) -> Option<String> {
    field(rustc, "release: ")
}

fn build(rustc: &str) -> Option<String> {
    Some(format!("{} for {}", short(&field(rustc, "commit-hash: ")?), field(rustc, "host: ")?))
}

fn field(rustc: &str, name: &str) -> Option<String> {
    rustc.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
}

fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_changed_came_or_went_are_named_and_many_are_counted() {
        let digest = |text: &str| Digest::of_fields([text.as_bytes()]);
        let tree = |files: &[(&str, &str)]| -> BTreeMap<Utf8PathBuf, Digest> {
            files.iter().map(|(path, text)| ((*path).into(), digest(text))).collect()
        };
        let (before, now) = (tree(&[("a", "1"), ("b", "1"), ("Cargo.lock", "1")]), tree(&[("a", "2"), ("c", "1")]));
        let told: Vec<String> = files(&before, &now, "Cargo.lock".into()).iter().map(Changed::to_string).collect();
        assert_eq!(told, ["a", "b", "c"]);
        let many: Vec<String> = (0..15).map(|n| format!("f{n:02}")).collect();
        let many = tree(&many.iter().map(|name| (name.as_str(), "")).collect::<Vec<_>>());
        let told = files(&many, &tree(&[]), "".into());
        assert_eq!((told.len(), told[10].to_string()), (11, "5 more files".to_owned()));
    }

    #[test]
    fn a_value_that_is_told_is_one_line() {
        let changed =
            Changed { what: "rustc".into(), before: Some("1.94.0".into()), now: Some("1.95\n\u{1b}[2J.0".into()) };
        assert_eq!(changed.to_string(), "rustc 1.94.0 -> 1.95 .0");
        assert_eq!(Changed { what: "x".into(), before: None, now: Some("1".into()) }.to_string(), "x none -> 1");
    }
}
