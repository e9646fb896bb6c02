//! Test binaries that need not run again: their bytes, and everything that they can read, are those of a green run.
//!
//! What a binary was compiled from is in its bytes. What it reads when it runs is seen by watching the tree while it does; beside
//! that, whatever lies in its package's folder counts, but for Rust sources, which count where they were seen to be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::PackageId;
use serde::{Deserialize, Serialize};

use crate::base::Digest;
use crate::domain::provenance::Tree;
use crate::domain::run::cache::{Cache, Kind};
use crate::domain::run::context::Context;
use crate::domain::run::diagnostics::TestExecutable;
use crate::domain::run::fast::launch::Launch;
use crate::domain::run::known::Question;
use crate::ports::cargo::Workspace;
use crate::ports::fs;
use crate::ports::stamp::Stamp;

/// A binary whose tests have all passed, with what they had read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::domain::run) struct Green {
    /// Of what counts whether it was read or not.
    data: Digest,
    /// What was opened while it ran, with the digest of each; none where that wasn't seen, and then the whole tree counts.
    opened: Option<BTreeMap<Utf8PathBuf, Digest>>,
    tree: Digest,
    pub(super) passed: Vec<(String, u64)>,
    pub(super) ignored: Vec<String>,
}

/// So many bytes of what a build script has generated are read.
const MOST_GENERATED: u64 = 64 << 20;

/// So many states of the data are kept for the same bytes.
const STATES: usize = 4;

/// What is known of a binary.
pub(super) enum Lookup {
    /// It was green with the same data.
    Green(Green),
    /// It was green with other data.
    OtherData,
    Unknown,
}

/// One binary in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::domain::run) struct Slot {
    pub(super) key: Digest,
    data: Digest,
    /// Of the executable when its bytes were read: another one later means that somebody has built anew meanwhile.
    pub(super) path: Utf8PathBuf,
    stamp: Option<Stamp>,
}

/// Finds and keeps green binaries.
pub(super) struct Greens<'a> {
    cache: Cache,
    tree: &'a Tree,
    /// Request, environment, machine, harness, and the tools and settings outside of the tree.
    ground: Digest,
    reuse: bool,
    workspace: &'a Workspace,
    /// Of programs and libraries, which many binaries share.
    programs: Mutex<BTreeMap<Utf8PathBuf, (Option<Stamp>, String)>>,
}

impl<'a> Greens<'a> {
    /// Those of the workspace that is judged.
    pub(super) fn new(run: &Context<'a>, question: &'a Question) -> Greens<'a> {
        let rules = format!("{:?} {:?}", run.contract.run.test_timeout, run.contract.run.leaks);
        let ground = Digest::of_fields([run.outer_ground(question).as_bytes(), rules.as_bytes()]);
        Greens {
            cache: question.cache(),
            tree: question.tree(),
            ground,
            reuse: question.reuses(),
            workspace: run.workspace,
            programs: Mutex::default(),
        }
    }

    /// Where a binary stands in the cache. Reads its bytes, those of the programs and libraries that its tests may use, and what its
    /// build script has generated; a binary for which there is too much of that has no place.
    pub(super) fn slot(
        &self,
        test: &TestExecutable,
        launch: &Launch,
        chain: &[String],
        programs: &[Utf8PathBuf],
    ) -> Option<Slot> {
        let stamp = Stamp::of(&test.path);
        let mut fields: Vec<String> = vec![test.path.to_string(), fs::digest(&test.path).unwrap_or_default()];
        // Cargo names them in the order in which they happen to be built.
        let programs: BTreeSet<&Utf8PathBuf> = programs.iter().collect();
        fields.extend(programs.into_iter().flat_map(|program| [program.to_string(), self.digest_of(program)]));
        if let Some(dir) = launch.env.get("OUT_DIR") {
            fields.push(fs::folder_digest(dir.as_str().into(), MOST_GENERATED)?);
        }
        fields.extend(launch.env.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
        fields.extend([launch.dir.to_string(), test.id.clone(), chain.join("\0")]);
        let fields = fields.iter().map(String::as_bytes).chain([self.ground.as_bytes()]);
        let key = Digest::of_fields(fields);
        Some(Slot { key, data: self.data(&test.package), path: test.path.clone(), stamp })
    }

    fn digest_of(&self, program: &Utf8Path) -> String {
        let stamp = Stamp::of(program);
        let known = self.programs.lock().ok().and_then(|programs| programs.get(program).cloned());
        if let Some((_, digest)) = known.filter(|(then, _)| stamp.is_some() && *then == stamp) {
            return digest;
        }
        let digest = fs::digest(program).unwrap_or_default();
        if let Ok(mut programs) = self.programs.lock() {
            programs.insert(program.to_owned(), (stamp, digest.clone()));
        }
        digest
    }

    /// What is known of it.
    pub(super) fn look_up(&self, slot: &Slot) -> Lookup {
        if !self.reuse {
            return Lookup::Unknown;
        }
        let Some(states) = self.cache.read::<Vec<Green>>(Kind::Binary, &slot.key) else { return Lookup::Unknown };
        let same = |green: &Green| green.data == slot.data && self.holds(green);
        states.into_iter().find(same).map_or(Lookup::OtherData, Lookup::Green)
    }

    fn holds(&self, green: &Green) -> bool {
        match &green.opened {
            None => green.tree == *self.tree.digest(),
            Some(opened) => opened.iter().all(|(path, digest)| self.tree.digest_at(path) == *digest),
        }
    }

    /// A binary whose tests have just passed. `opened` is what was opened while they ran, where that was seen.
    pub(super) fn green(
        &self,
        slot: &Slot,
        opened: Option<BTreeSet<Utf8PathBuf>>,
        passed: Vec<(String, u64)>,
        ignored: Vec<String>,
    ) -> Green {
        let digests = |opened: BTreeSet<Utf8PathBuf>| {
            opened.into_iter().map(|path| (path.clone(), self.tree.digest_at(&path))).collect()
        };
        let (data, tree) = (slot.data.clone(), self.tree.digest().clone());
        Green { data, opened: opened.map(digests), tree, passed, ignored }
    }

    /// What counts in a package's folder and in those of the packages in this tree that it depends on: the names of all files and
    /// folders, and the content of all but Rust sources.
    fn data(&self, package: &PackageId) -> Digest {
        let folders = self.workspace.folders_below(package);
        let mut fields: Vec<&[u8]> = Vec::new();
        // What is built by the lock file is in the bytes, and cargo may have written it only after the tree was looked at.
        let lock = self.workspace.root.join("Cargo.lock");
        for (path, digest) in self.tree.files() {
            let absolute = self.tree.top().join(path);
            if absolute != lock && folders.iter().any(|folder| absolute.starts_with(folder)) {
                fields.push(path.as_str().as_bytes());
                fields.push(if path.extension() == Some("rs") { b"" } else { digest.as_bytes() });
            }
        }
        let is_within = |path: &&Utf8Path| folders.iter().any(|folder| self.tree.top().join(path).starts_with(folder));
        fields.extend(self.tree.folder_names().filter(is_within).map(|path| path.as_str().as_bytes()));
        let named = self.tree.named().flat_map(|(path, digest)| [path.as_str().as_bytes(), digest.as_bytes()]);
        Digest::of_fields(fields.into_iter().chain(named))
    }
}

/// Keeps binaries that a run has shown to be green. One whose file is another by now is passed over: it isn't the one that ran.
///
/// # Errors
/// The cache can't be written.
pub(in crate::domain::run) fn keep(cache: &Cache, greens: Vec<(Slot, Green)>) -> fs::Result<()> {
    for (slot, green) in greens.into_iter().filter(|(slot, _)| Stamp::of(&slot.path) == slot.stamp) {
        let mut states: Vec<Green> = cache.read(Kind::Binary, &slot.key).unwrap_or_default();
        states.retain(|state| (&state.data, &state.opened) != (&green.data, &green.opened));
        states.insert(0, green);
        states.truncate(STATES);
        cache.write(Kind::Binary, &slot.key, &states)?;
    }
    Ok(())
}
