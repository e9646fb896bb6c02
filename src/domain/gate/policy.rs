//! Which files decide about verdicts, whose of them a gate takes from the base, and who may change what.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use glob::{MatchOptions, Pattern};

use super::manifest;
use super::snapshot::Snapshot;
use crate::domain::contract::Contract;
use crate::ports::objects::{Entry, Listing, Objects, ObjectsError};

/// Files by which tools are told what to hide or how to run; a gate takes them from the base.
const RESTORED: [&str; 16] = [
    "Harness.toml",
    "Harness.lock",
    "**/.cargo/**",
    "**/.config/nextest.toml",
    "**/.config/hakari.toml",
    "**/rust-toolchain",
    "**/rust-toolchain.toml",
    "**/clippy.toml",
    "**/.clippy.toml",
    "**/rustfmt.toml",
    "**/.rustfmt.toml",
    "**/proptest.toml",
    "**/bolero.toml",
    "**/insta.yaml",
    "**/.config/insta.yaml",
    "**/deny.toml",
];

/// Files that decide elsewhere than here: a change of them is found.
const WATCHED: [&str; 7] = [
    ".github/workflows/**",
    ".github/actions/**",
    ".gitlab-ci.yml",
    ".gitattributes",
    ".gitmodules",
    "**/.gitattributes",
    ".ci/**",
];

/// A set of globs, each relative to a folder of the tree.
#[derive(Debug)]
pub(super) struct Globs(Vec<Pattern>);

impl Globs {
    pub(super) fn new<'a>(prefix: &Utf8Path, globs: impl IntoIterator<Item = &'a str>) -> Globs {
        let pattern = |glob: &str| {
            let prefix = Pattern::escape(prefix.as_str());
            let glob = if prefix.is_empty() { glob.to_owned() } else { format!("{prefix}/{glob}") };
            Pattern::new(&glob).ok()
        };
        Globs(globs.into_iter().filter_map(pattern).collect())
    }

    pub(super) fn contain(&self, path: &Utf8Path) -> bool {
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
        self.0.iter().any(|pattern| pattern.matches_with(path.as_str(), options))
    }
}

/// The tree that is judged: the merged one with the base's policy, and what was found on the way.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) listing: Listing,
    /// Files and keys that the change alters although they decide about verdicts.
    pub(super) protected: Vec<(String, String)>,
    pub(super) manifests: Vec<(String, String)>,
}

/// Takes the policy from the base.
///
/// # Errors
/// Git can't keep a text.
pub(super) fn judged(
    objects: &Objects,
    base: &Snapshot,
    head: &Snapshot,
    contract: &Contract,
    root: &Utf8Path,
) -> Result<Judged, ObjectsError> {
    let own = contract.protect.iter().flat_map(|protect| protect.files.iter().map(String::as_str));
    let named = named_programs(contract, base, root);
    let own = Globs::new(root, own.chain(named.iter().map(String::as_str)));
    let restored = Globs::new("".into(), RESTORED);
    let at_root = Globs::new(root, RESTORED);
    let watched = Globs::new("".into(), WATCHED);
    let mut judged = Judged { listing: head.listing.clone(), protected: Vec::new(), manifests: Vec::new() };
    let changed: BTreeSet<&Utf8PathBuf> = base.changed(head);
    for path in changed {
        let (before, now) = (base.listing.get(path), head.listing.get(path));
        let what = || match (before, now) {
            (None, _) => "added".to_owned(),
            (_, None) => "removed".to_owned(),
            _ => "changed".to_owned(),
        };
        let is_manifest = path.file_name() == Some("Cargo.toml");
        let takes_base = own.contain(path) || restored.contain(path) || at_root.contain(path);
        if takes_base && (!is_manifest || own.contain(path)) {
            judged.protected.push((path.to_string(), what()));
            match before {
                Some(entry) => drop(judged.listing.insert(path.clone(), entry.clone())),
                None => drop(judged.listing.remove(path)),
            }
        } else if watched.contain(path) {
            judged.protected.push((path.to_string(), what()));
        } else if is_manifest {
            if let (Some(old), Some(new)) = (base.texts.get(path), head.texts.get(path)) {
                let comparison = manifest::compare(old, new);
                let found = comparison.found.into_iter();
                judged.manifests.extend(found.map(|(key, message)| (format!("{path} {key}"), message)));
                if let (Some(text), Some(entry)) = (comparison.hardened, now) {
                    let entry = Entry { mode: entry.mode.clone(), id: objects.keep(&text)? };
                    judged.listing.insert(path.clone(), entry);
                }
            }
        } else if path.file_name() == Some("build.rs") && !head.test_files.contains(path) {
            judged.manifests.push((path.to_string(), format!("a build script is {}", what())));
        } else if now.is_some_and(|entry| entry.mode == "120000") {
            judged.protected.push((path.to_string(), "is a link now".to_owned()));
        }
    }
    Ok(judged)
}

/// Words behind which the script is that is run.
const INTERPRETERS: [&str; 8] = ["sh", "bash", "dash", "python", "python3", "perl", "ruby", "node"];

/// The programs of the tree by which the contract has numbers counted, as globs: whoever changes one may print any number.
fn named_programs(contract: &Contract, base: &Snapshot, root: &Utf8Path) -> Vec<String> {
    let mode = |word: &str| base.listing.get(&root.join(word)).map(|entry| entry.mode.as_str());
    let mut found = Vec::new();
    for command in &contract.ratchets.commands {
        let plain = |word: &String| word.trim_start_matches("{root}/").trim_start_matches("./").to_owned();
        let words: Vec<String> = command.run.iter().map(plain).collect();
        let by_name = words.first().is_some_and(|word| INTERPRETERS.contains(&word.as_str()));
        let script = words.iter().position(|word| mode(word).is_some()).filter(|at| *at == 0 || by_name);
        let programs =
            words.iter().enumerate().filter(|(at, word)| Some(*at) == script || mode(word) == Some("100755"));
        found.extend(programs.map(|(_, word)| Pattern::escape(word)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_git_users_write_them() {
        let globs = Globs::new("".into(), RESTORED.into_iter().chain(["tests/golden/**", ".github/**"]));
        for (path, expected) in [
            ("Harness.toml", true),
            (".cargo/config.toml", true),
            ("crates/a/.cargo/config.toml", true),
            ("rust-toolchain", true),
            ("crates/a/clippy.toml", true),
            ("tests/golden/deep/x.txt", true),
            (".github/workflows/ci.yml", true),
            ("tests/it.rs", false),
            ("crates/a/Harness.toml", false),
            ("src/lib.rs", false),
        ] {
            assert_eq!(globs.contain(path.into()), expected, "{path}");
        }
        assert!(Globs::new("sub".into(), ["Harness.toml"]).contain("sub/Harness.toml".into()));
    }
}
