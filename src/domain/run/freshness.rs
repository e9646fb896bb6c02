//! Cargo builds again what has a newer time than the last build. Time lies where a file is moved into place, unpacked, or
//! written with its old time restored, and where two work trees share a target folder; so whatever differs from what was last
//! built here and seems older than that build is given the present time.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::cache::{Cache, Kind};
use crate::base::Digest;
use crate::domain::provenance::{Tree, clippy_settings};
use crate::domain::record::RunId;
use crate::ports::cargo::Workspace;
use crate::ports::stamp::{self, Stamp, Witness};
use crate::ports::{env, fs};

/// What the artifacts in a target folder were made of.
#[derive(Debug, Serialize, Deserialize)]
struct Built {
    run: RunId,
    /// Nanoseconds since 1970; absent while the run goes on, and where it was killed.
    ended: Option<i64>,
    /// Relative to the workspace's root where they lie within it.
    files: BTreeMap<Utf8PathBuf, Digest>,
    /// What was read from outside of the tree.
    #[serde(default)]
    outside: Vec<Witness>,
    /// Clippy's settings, of which cargo notices only those that were there before.
    clippy: Digest,
}

/// Touches what cargo would take for built, and writes down what will be. Whether anything was touched.
///
/// # Errors
/// A file can't be touched: cargo would judge another one than the one that is there.
pub(super) fn ensure(cache: &Cache, run: &RunId, tree: &Tree, workspace: &Workspace) -> fs::Result<bool> {
    let contents = tree.contents();
    let clippy = clippy(workspace);
    let mut outside = Vec::new();
    let mut refresh = Refresh { workspace, touched: false, all: false };
    if let Some(built) = cache.read::<Built>(Kind::Built, &key()) {
        let ended = built.ended.unwrap_or(i64::MAX);
        for (path, (digest, modified)) in &contents {
            if built.files.get(path) != Some(digest) && *modified <= ended {
                refresh.touch(&workspace.root.join(path))?;
            }
        }
        for path in built.outside.iter().filter(|witness| !witness.holds()).map(Witness::path) {
            if Stamp::through(path).is_some_and(|stamp| stamp.modified() <= ended) {
                refresh.touch(path)?;
            }
        }
        outside = built.outside.iter().map(|witness| Witness::content(witness.path().to_owned())).collect();
        refresh.all |= built.clippy != clippy;
        refresh.targets()?;
    }
    let files = contents.into_iter().map(|(path, (digest, _))| (path, digest)).collect();
    let built = Built { run: run.clone(), ended: None, files, outside, clippy };
    cache.write(Kind::Built, &key(), &built)?;
    Ok(refresh.touched)
}

/// Gives files the present time, and only those of the workspace: a link, or a word in a source, may lead to any file of the host.
struct Refresh<'a> {
    workspace: &'a Workspace,
    touched: bool,
    /// Whether everything has to be built again, since what changed can't be touched.
    all: bool,
}

impl Refresh<'_> {
    fn touch(&mut self, path: &Utf8Path) -> fs::Result<()> {
        if !self.is_own(path) {
            self.all = true;
            return Ok(());
        }
        self.touched = true;
        fs::touch(path)
    }

    fn targets(&mut self) -> fs::Result<()> {
        if self.all {
            let workspace = self.workspace;
            let targets = workspace.packages.iter().flat_map(|package| &package.targets);
            targets.map(|target| &target.src_path).try_for_each(|path| self.touch(path))?;
        }
        Ok(())
    }

    /// Whether it really lies in the workspace, or in a folder outside that a manifest names.
    fn is_own(&self, path: &Utf8Path) -> bool {
        let real = |path: &Utf8Path| path.canonicalize_utf8().ok();
        let Some(path) = real(path) else { return false };
        let root = self.workspace.root.as_path();
        let is_below = |folder: &Utf8Path| real(folder).is_some_and(|folder| path.starts_with(folder));
        is_below(root) || self.workspace.outside(root).iter().any(|folder| is_below(folder))
    }
}

/// The run's builds are over, and have read that, unless another run has begun one since.
///
/// # Errors
/// The cache can't be written.
pub(super) fn ended(
    cache: &Cache,
    run: &RunId,
    tree: &Tree,
    read: impl IntoIterator<Item = Utf8PathBuf>,
) -> fs::Result<()> {
    match cache.read::<Built>(Kind::Built, &key()) {
        Some(built) if built.run == *run => {
            // A run that ended early has read less than there is.
            let known: BTreeSet<Utf8PathBuf> = built.outside.iter().map(|witness| witness.path().to_owned()).collect();
            let read = read.into_iter().filter(|path| tree.file(path).is_none() && !known.contains(path));
            let outside = built.outside.into_iter().chain(read.map(Witness::content)).collect();
            cache.write(Kind::Built, &key(), &Built { ended: Some(stamp::now()), outside, ..built })
        }
        _ => Ok(()),
    }
}

/// One for all work trees that build in the same folder.
fn key() -> Digest {
    Digest::of_fields([b"built".as_slice()])
}

fn clippy(workspace: &Workspace) -> Digest {
    let folders = workspace.packages.iter().filter_map(|package| package.manifest_path.parent());
    let mut files: Vec<Utf8PathBuf> = folders.chain([workspace.root.as_path()]).flat_map(clippy_settings).collect();
    files.extend(env::var("CLIPPY_CONF_DIR").iter().flat_map(|dir| clippy_settings(dir.as_str().into())));
    files.sort();
    files.dedup();
    let fields: Vec<[String; 2]> = files.into_iter().map(|file| Witness::content(file).fields()).collect();
    Digest::of_fields(fields.iter().flatten().map(String::as_bytes))
}
