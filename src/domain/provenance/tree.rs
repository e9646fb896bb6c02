//! The files of a tree with their digests. What the system tells of a file decides whether it is read again.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::base::Digest;
use crate::ports::inventory::{self, Inventory, InventoryError};
use crate::ports::stamp::{self, Stamp, Witness};
use crate::ports::{fs, git};

/// Why a tree has no digest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeError {
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error("the target folder holds the whole tree")]
    WithinTarget,
}

/// A tree that reaches more files than this by links and patterns isn't digested.
const MOST_LINKED: usize = 50_000;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    stamp: Stamp,
    /// Where a link leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    through: Option<Stamp>,
    /// Whether a later change is sure to show in the status.
    settled: bool,
    digest: Digest,
}

/// A whole tree at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tree {
    /// Of the git repository; outside of git, the workspace's root.
    top: Utf8PathBuf,
    root: Utf8PathBuf,
    skip: Vec<Utf8PathBuf>,
    /// Patterns of files that count though git ignores them or though they lie elsewhere.
    patterns: Vec<String>,
    /// When it was looked at, in nanoseconds since 1970.
    taken: i64,
    index: Option<Witness>,
    rules: Vec<Witness>,
    tracked: Vec<Utf8PathBuf>,
    folders: BTreeMap<Utf8PathBuf, Stamp>,
    /// Relative to the top where they lie within it.
    files: BTreeMap<Utf8PathBuf, Row>,
    /// What lies elsewhere or is ignored, and counts because a pattern or a link leads to it.
    matched: BTreeSet<Utf8PathBuf>,
    digest: Digest,
}

impl Tree {
    /// Looks at the tree that `root` belongs to. Only files whose status differs from `before` are read.
    ///
    /// # Errors
    /// The tree is one that can't be digested; a verdict on it can't be kept.
    pub(crate) fn take(
        root: &Utf8Path,
        target_dir: &Utf8Path,
        patterns: &[String],
        before: Option<Tree>,
    ) -> Result<Tree, TreeError> {
        let top = inventory::top(root).to_owned();
        let skip = vec![target_dir.to_owned()];
        if top.starts_with(target_dir) {
            return Err(TreeError::WithinTarget);
        }
        let same = |tree: &Tree| tree.top == top && tree.root == root && tree.skip == skip;
        let before = before.filter(same);
        if let Some(before) = &before
            && before.patterns == patterns
            && before.is_current()
        {
            return Ok(before.clone());
        }
        let now = stamp::now();
        let index = git::dir(&top).map(|dir| Witness::status(dir.join("index")));
        let tracked = match &before {
            Some(before) if before.index == index && before.index_is_settled() => before.tracked.clone(),
            _ => git::tracked(&top).unwrap_or_default(),
        };
        let rules = inventory::rules(&top).into_iter().map(Witness::content).collect();
        let Inventory { files, folders } = inventory::list(&top, &skip, &tracked)?;
        let matched = elsewhere(root, &top, patterns, links(&top, &files), target_dir);
        if matched.len() >= MOST_LINKED {
            return Err(InventoryError::TooMany.into());
        }
        let extra = matched.iter().filter_map(|path| Some((path.clone(), Stamp::of(&top.join(path))?)));
        let listed: BTreeMap<Utf8PathBuf, Stamp> = files.into_iter().chain(extra).collect();
        let known = before.map(|before| before.files).unwrap_or_default();
        let files: BTreeMap<Utf8PathBuf, Row> = listed
            .into_iter()
            .map(|(path, stamp)| {
                let row = row(&top, &path, stamp, known.get(&path), now);
                (path, row)
            })
            .collect();
        let fields = files.iter().flat_map(|(path, row)| [path.as_str().as_bytes(), row.digest.as_bytes()]);
        let names = folders.keys().flat_map(|path| [path.as_str().as_bytes(), b"folder"]);
        let digest = Digest::of_fields(fields.chain(names));
        let (root, patterns) = (root.to_owned(), patterns.to_vec());
        Ok(Tree { top, root, skip, patterns, taken: now, index, rules, tracked, folders, files, matched, digest })
    }

    /// Whether a look at every status finds nothing new: then nothing needs to be listed or read.
    fn is_current(&self) -> bool {
        self.index_is_settled()
            && self.index.as_ref().is_none_or(Witness::holds)
            && self.rules.iter().all(Witness::holds)
            && self.folders.iter().all(|(path, stamp)| self.has_still(path, stamp))
            && self.files.iter().all(|(path, row)| row.is_current(&self.top.join(path)))
            && self.elsewhere() == self.matched
    }

    fn elsewhere(&self) -> BTreeSet<Utf8PathBuf> {
        let links = self.files.iter().filter(|(_, row)| row.through.is_some_and(|through| through.is_dir()));
        let links = links.map(|(path, _)| self.top.join(path)).collect();
        let target_dir = self.skip.first().cloned().unwrap_or_default();
        elsewhere(&self.root, &self.top, &self.patterns, links, &target_dir)
    }

    /// Whether a folder's status tells that nothing was added or taken away.
    fn has_still(&self, path: &Utf8Path, stamp: &Stamp) -> bool {
        stamp.is_settled(self.taken) && Stamp::of(&self.top.join(path)) == Some(*stamp)
    }

    /// The index is asked by its status alone, and it may have been written in the tick in which it was looked at.
    fn index_is_settled(&self) -> bool {
        self.index.as_ref().is_none_or(|index| index.is_settled(self.taken))
    }

    /// Of every path and its content.
    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The patterns of the contract that it was taken with.
    pub(crate) fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// The paths in it, relative to the top where they lie within, with the digest of each.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Utf8Path, &Digest)> {
        self.files.iter().map(|(path, row)| (path.as_path(), &row.digest))
    }

    /// Whether some of it lies in a folder.
    pub(crate) fn has_files_in(&self, folder: &Utf8Path) -> bool {
        let folder = folder.strip_prefix(&self.top).unwrap_or(folder);
        self.files.range(folder.to_owned()..).next().is_some_and(|(path, _)| path.starts_with(folder))
    }

    /// What counts because a pattern of the contract or a link leads to it.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&Utf8Path, &Digest)> {
        self.matched.iter().filter_map(|path| Some((path.as_path(), &self.files.get(path)?.digest)))
    }

    /// Of what stands at an absolute path: a file's content, a folder's names. What the tree doesn't have counts as nothing.
    pub(crate) fn digest_at(&self, path: &Utf8Path) -> Digest {
        if let Some(digest) = self.file(path) {
            return digest.clone();
        }
        let folder = path.strip_prefix(&self.top).unwrap_or(path);
        let mut names: BTreeSet<&str> = BTreeSet::new();
        if self.folders.contains_key(folder) {
            let files = self.files.range(folder.to_owned()..).map_while(|(file, _)| file.strip_prefix(folder).ok());
            let folders = self.folders.range(folder.to_owned()..).map_while(|(path, _)| path.strip_prefix(folder).ok());
            let below = files.chain(folders);
            names.extend(below.filter_map(|path| path.components().next()).map(|name| name.as_str()));
        }
        Digest::of_fields(names.iter().map(|name| name.as_bytes()))
    }

    /// The digest of one file by its absolute path.
    pub(crate) fn file(&self, path: &Utf8Path) -> Option<&Digest> {
        let path = path.strip_prefix(&self.top).unwrap_or(path);
        self.files.get(path).map(|row| &row.digest)
    }

    /// The folders in it, relative to the top.
    pub(crate) fn folder_names(&self) -> impl Iterator<Item = &Utf8Path> {
        self.folders.keys().map(Utf8PathBuf::as_path)
    }

    /// The folders in it, as absolute paths.
    pub(crate) fn folders(&self) -> impl Iterator<Item = Utf8PathBuf> {
        self.folders.keys().map(|path| self.top.join(path))
    }

    /// Its top.
    pub(crate) fn top(&self) -> &Utf8Path {
        &self.top
    }

    /// The absolute paths of files that were touched between two looks, be it by writing the same again, and of folders that came or went.
    pub(crate) fn touched_since<'a>(&'a self, earlier: &'a Tree) -> impl Iterator<Item = Utf8PathBuf> + 'a {
        let stamp = |tree: &Tree, path: &Utf8Path| tree.files.get(path).map(|row| (row.stamp, row.through));
        let files = self.files.keys().chain(earlier.files.keys());
        let files = files.filter(move |path| stamp(self, path) != stamp(earlier, path));
        let folders = self.folders.keys().chain(earlier.folders.keys());
        let both = |path: &&Utf8PathBuf| self.folders.contains_key(*path) && earlier.folders.contains_key(*path);
        files.chain(folders.filter(move |path| !both(path))).map(|path| self.top.join(path))
    }

    /// By path relative to the workspace's root where it lies within: the digest, and when the file says it was written.
    pub(crate) fn contents(&self) -> BTreeMap<Utf8PathBuf, (Digest, i64)> {
        let relative = |path: &Utf8PathBuf| {
            let path = self.top.join(path);
            path.strip_prefix(&self.root).map(Utf8Path::to_owned).unwrap_or(path)
        };
        let modified = |row: &Row| row.through.unwrap_or(row.stamp).modified();
        self.files.iter().map(|(path, row)| (relative(path), (row.digest.clone(), modified(row)))).collect()
    }
}

impl Row {
    fn is_current(&self, path: &Utf8Path) -> bool {
        self.settled
            && Stamp::of(path) == Some(self.stamp)
            && (!self.stamp.is_link() || Stamp::through(path) == self.through)
    }
}

fn row(top: &Utf8Path, path: &Utf8Path, stamp: Stamp, known: Option<&Row>, now: i64) -> Row {
    let path = top.join(path);
    let through = stamp.is_link().then(|| Stamp::through(&path)).flatten();
    if let Some(known) = known
        && known.settled
        && (known.stamp, known.through) == (stamp, through)
    {
        return known.clone();
    }
    let settled = stamp.is_settled(now) && through.is_none_or(|through| through.is_settled(now));
    let digest = if stamp.is_link() {
        let target = fs::link_target(&path).unwrap_or_default();
        let content = through.filter(Stamp::is_file).map(|through| stamp::content_digest(&path, &through));
        let content = content.map(|digest| digest.to_string()).unwrap_or_default();
        Digest::of_fields([b"link".as_slice(), target.as_bytes(), content.as_bytes()])
    } else {
        stamp::content_digest(&path, &stamp)
    };
    Row { stamp, through, settled, digest }
}

/// The links among these files that lead to folders.
fn links(top: &Utf8Path, files: &BTreeMap<Utf8PathBuf, Stamp>) -> Vec<Utf8PathBuf> {
    let links = files.iter().filter(|(_, stamp)| stamp.is_link()).map(|(path, _)| top.join(path));
    links.filter(|path| Stamp::through(path).is_some_and(|stamp| stamp.is_dir())).collect()
}

/// The files that patterns, relative to `root`, match, those in the folders that they match, and those in folders outside of the tree
/// that a link in it leads to; relative to the top where they lie within.
fn elsewhere(
    root: &Utf8Path,
    top: &Utf8Path,
    patterns: &[String],
    links: Vec<Utf8PathBuf>,
    target_dir: &Utf8Path,
) -> BTreeSet<Utf8PathBuf> {
    let led_to = links.iter().filter_map(|link| link.canonicalize_utf8().ok());
    // What holds the tree would hold everything.
    let outside =
        led_to.filter(|folder| !folder.starts_with(top) && !folder.starts_with(target_dir) && !top.starts_with(folder));
    let linked = outside.flat_map(|folder| fs::all_below(folder, MOST_LINKED));
    let matched = patterns.iter().flat_map(|pattern| fs::matching(root, pattern));
    matched.chain(linked).map(|path| path.strip_prefix(top).map(Utf8Path::to_owned).unwrap_or(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        _folder: tempfile::TempDir,
        root: Utf8PathBuf,
    }

    impl Place {
        fn new() -> Place {
            let folder = tempfile::tempdir().unwrap();
            let root = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
            let place = Place { _folder: folder, root };
            place.write("src/lib.rs", "one");
            place.write("target/debug/x", "built");
            place
        }

        #[expect(clippy::disallowed_methods, reason = "a test puts its files up")]
        fn write(&self, path: &str, text: &str) {
            let path = self.root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn take(&self, before: Option<&Tree>, patterns: &[&str]) -> Tree {
            let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
            Tree::take(&self.root, &self.root.join("target"), &patterns, before.cloned()).unwrap()
        }
    }

    #[test]
    fn content_counts_and_the_target_folder_does_not() {
        let place = Place::new();
        let one = place.take(None, &[]);
        place.write("target/debug/y", "built");
        assert_eq!(place.take(Some(&one), &[]).digest(), one.digest());
        place.write("src/lib.rs", "two");
        let two = place.take(Some(&one), &[]);
        assert_ne!(two.digest(), one.digest());
        assert_eq!(two.touched_since(&one).next(), Some(place.root.join("src/lib.rs")));
        place.write("src/lib.rs", "one");
        assert_eq!(place.take(Some(&two), &[]).digest(), one.digest());
        place.write("src/new.rs", "");
        assert_ne!(place.take(Some(&two), &[]).digest(), one.digest());
    }

    #[test]
    fn what_the_contract_names_counts_wherever_it_lies() {
        let place = Place::new();
        let one = place.take(None, &["target/debug/*"]);
        place.write("target/debug/y", "built");
        let two = place.take(Some(&one), &["target/debug/*"]);
        assert_ne!(two.digest(), one.digest());
        place.write("target/debug/y", "otherwise");
        assert_ne!(place.take(Some(&two), &["target/debug/*"]).digest(), two.digest());
    }

    #[test]
    fn every_edit_shows_at_whatever_speed_edits_follow_each_other() {
        let place = Place::new();
        let mut tree = place.take(None, &[]);
        for n in 0..200 {
            place.write("src/lib.rs", &format!("{n:03}"));
            let next = place.take(Some(&tree), &[]);
            assert_ne!(next.digest(), tree.digest(), "edit {n}");
            tree = next;
        }
    }
}
