//! Which files a tree has: git's own and those that it neither has nor ignores; outside of git all.

use std::collections::BTreeMap;
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use ignore::WalkBuilder;

use super::stamp::Stamp;
use super::{env, git};
use crate::base::{ExitCode, Explain};

/// More files than a tree may have for its digest to be worth taking.
const MOST: usize = 200_000;

/// Why a tree has no inventory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InventoryError {
    #[error("the tree has too many files")]
    TooMany,
    #[error("the name of {0} is not UTF-8")]
    Name(String),
    #[error("the tree cannot be listed: {0}")]
    Walk(String),
}

impl Explain for InventoryError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Environment
    }
}

/// What stands in a tree, by path relative to its top.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// Everything but folders.
    pub(crate) files: BTreeMap<Utf8PathBuf, Stamp>,
    /// The folders that were entered. As long as their status is the same, nothing was added to or taken from them.
    pub(crate) folders: BTreeMap<Utf8PathBuf, Stamp>,
}

/// The top of the tree that a folder belongs to: of its git repository or, outside of git, the folder itself.
pub(crate) fn top(dir: &Utf8Path) -> &Utf8Path {
    dir.ancestors().find(|above| super::fs::is_present(&above.join(".git"))).unwrap_or(dir)
}

/// Lists a tree. `skip` are absolute paths that are passed over; `tracked` is what git has, which counts even where it is ignored.
///
/// # Errors
/// A folder can't be read, a name isn't UTF-8, or there are too many files.
pub(crate) fn list(top: &Utf8Path, skip: &[Utf8PathBuf], tracked: &[Utf8PathBuf]) -> Result<Inventory, InventoryError> {
    let in_git = super::fs::is_present(&top.join(".git"));
    let skipped = skip.to_vec();
    let mut walk = WalkBuilder::new(top);
    walk.hidden(false).ignore(false).parents(false);
    walk.git_ignore(in_git).git_exclude(in_git).git_global(in_git);
    walk.filter_entry(move |entry| {
        entry.file_name() != ".git" && !skipped.iter().any(|skip| Path::new(skip) == entry.path())
    });
    let mut inventory = Inventory::default();
    for entry in walk.build() {
        let entry = entry.map_err(|error| InventoryError::Walk(error.to_string()))?;
        let path = Utf8Path::from_path(entry.path())
            .ok_or_else(|| InventoryError::Name(entry.path().display().to_string()))?;
        inventory.add(top, path.strip_prefix(top).unwrap_or(path));
        if inventory.files.len() > MOST {
            return Err(InventoryError::TooMany);
        }
    }
    for path in tracked {
        inventory.add(top, path);
    }
    Ok(inventory)
}

impl Inventory {
    fn add(&mut self, top: &Utf8Path, path: &Utf8Path) {
        if self.files.contains_key(path) {
            return;
        }
        // What is gone since it was listed is not there.
        match Stamp::of(&top.join(path)) {
            Some(stamp) if stamp.is_dir() => drop(self.folders.insert(path.to_owned(), stamp)),
            Some(stamp) => drop(self.files.insert(path.to_owned(), stamp)),
            None => {}
        }
    }
}

/// The files by which git decides what it has and what it ignores, other than those of the tree itself.
pub(crate) fn rules(top: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Some(dir) = git::dir(top) else { return Vec::new() };
    let home = env::var("HOME").map(Utf8PathBuf::from);
    let config = env::var("XDG_CONFIG_HOME").map(Utf8PathBuf::from);
    let config = config.or_else(|| home.as_ref().map(|home| home.join(".config")));
    let mut rules = vec![dir.join("info/exclude"), dir.join("config")];
    rules.extend(home.map(|home| home.join(".gitconfig")));
    rules.extend(config.iter().flat_map(|config| ["git/config", "git/ignore"].map(|file| config.join(file))));
    let global = ignore::gitignore::gitconfig_excludes_path();
    rules.extend(global.and_then(|path| Utf8PathBuf::from_path_buf(path).ok()));
    rules
}
