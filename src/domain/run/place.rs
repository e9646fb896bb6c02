//! Where a workspace lies: known from an earlier run, or asked of cargo.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::cache::{Cache, Kind};
use crate::base::Digest;
use crate::domain::provenance::{Tree, settings_files};
use crate::ports::cargo::{CargoError, Workspace};
use crate::ports::stamp::{Stamp, Witness};
use crate::ports::{env, fs};

/// The root of a workspace and the folder that is built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) root: Utf8PathBuf,
    pub(crate) target_dir: Utf8PathBuf,
}

/// What an earlier run keeps of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    root: Utf8PathBuf,
    target_dir: Utf8PathBuf,
    /// Of all members.
    manifests: BTreeSet<Utf8PathBuf>,
}

/// What cargo told of a workspace, and what it went by.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    settings: Vec<Witness>,
    answer: String,
}

impl Place {
    /// Where a loaded workspace lies.
    pub(crate) fn of(workspace: &Workspace) -> Place {
        Place { root: workspace.root.clone(), target_dir: workspace.target_dir.clone() }
    }

    /// The workspace that cargo would find from here, as long as an earlier run has asked cargo. Whether it is still the same is for
    /// the digests to say: every manifest up to the root of the file system is in them.
    pub(crate) fn find(manifest_path: Option<&Utf8Path>) -> Option<Place> {
        let here = env::current_dir().ok()?;
        let start = match manifest_path {
            Some(path) => here.join(path).canonicalize_utf8().ok()?.parent()?.to_owned(),
            None => here.clone(),
        };
        let is_member = |folder: &&Utf8Path| fs::is_present(&folder.join("Cargo.toml"));
        let manifest = start.ancestors().find(is_member)?.join("Cargo.toml");
        let elsewhere = configured_target_dir(&here)?;
        start.ancestors().filter(is_member).find_map(|root| {
            let target_dir = elsewhere.clone().unwrap_or_else(|| root.join("target"));
            let known: Known = Cache::new(&target_dir.join("harness")).read(Kind::Workspace, &key(root))?;
            let is_it = known.root == root && known.target_dir == target_dir && known.manifests.contains(&manifest);
            is_it.then_some(Place { root: known.root, target_dir })
        })
    }

    /// Keeps the place for the next run.
    pub(crate) fn keep(workspace: &Workspace) -> fs::Result<()> {
        let place = Place::of(workspace);
        let manifests = workspace.packages.iter().map(|package| package.manifest_path.clone());
        let manifests = manifests.chain([place.root.join("Cargo.toml")]).collect();
        let known = Known { root: place.root.clone(), target_dir: place.target_dir.clone(), manifests };
        let cache = place.cache();
        if cache.read::<Known>(Kind::Workspace, &key(&place.root)).as_ref() == Some(&known) {
            return Ok(());
        }
        cache.write(Kind::Workspace, &key(&place.root), &known)
    }

    /// Where the harness keeps its own files.
    pub(crate) fn harness_dir(&self) -> Utf8PathBuf {
        self.target_dir.join("harness")
    }

    /// What earlier runs found out here.
    pub(super) fn cache(&self) -> Cache {
        Cache::new(&self.harness_dir())
    }

    /// The workspace as cargo tells it, or told it when the tree had the same manifests and the same files.
    ///
    /// # Errors
    /// As cargo's own.
    pub(crate) fn workspace(&self, tree: &Tree) -> Result<Workspace, CargoError> {
        let manifests = tree.files().filter(|(path, _)| path.file_name() == Some("Cargo.toml"));
        let paths = tree.files().map(|(path, _)| path.as_str().as_bytes());
        let contents = manifests.flat_map(|(path, digest)| [path.as_str().as_bytes(), digest.as_bytes()]);
        let cargo = Stamp::through(env::cargo().as_str().into());
        let cargo = cargo.map(|stamp| format!("{stamp:?}")).unwrap_or_default();
        let listing = Digest::of_fields(paths.chain(contents));
        let place = [self.root.as_str(), self.target_dir.as_str(), &cargo].map(str::as_bytes);
        let key = Digest::of_fields(place.into_iter().chain([listing.as_bytes()]));
        let told: Option<Told> = self.cache().read(Kind::Metadata, &key);
        let known = told.filter(|told| told.settings.iter().all(Witness::holds));
        if let Some(workspace) = known.and_then(|told| Workspace::read(&told.answer).ok())
            && Place::of(&workspace) == *self
        {
            return Ok(workspace);
        }
        let settings = settings_files(&self.root).into_iter().map(Witness::content).collect();
        let answer = Workspace::ask(Some(&self.root.join("Cargo.toml")))?;
        let workspace = Workspace::read(&answer)?;
        // Without it the next run asks cargo again.
        let _ = self.cache().write(Kind::Metadata, &key, &Told { settings, answer });
        Ok(workspace)
    }
}

fn key(root: &Utf8Path) -> Digest {
    Digest::of_fields([root.as_str().as_bytes()])
}

/// The target folder that the environment or cargo's configuration names, seen from `here`; `Some(None)` where neither does, and
/// `None` where it can't be told.
fn configured_target_dir(here: &Utf8Path) -> Option<Option<Utf8PathBuf>> {
    if let Some(dir) = env::var("CARGO_TARGET_DIR").or_else(|| env::var("CARGO_BUILD_TARGET_DIR")) {
        return Some(Some(here.join(dir)));
    }
    let config = cargo_config2::Config::load_with_cwd(here).ok()?;
    match config.build.target_dir {
        None => Some(None),
        Some(dir) => Some(Some(Utf8PathBuf::from_path_buf(dir).ok()?)),
    }
}
