//! What changes in a source tree: the system tells in which folder, a fresh look at that folder tells what.
//!
//! Only what git would not ignore is looked at; target folders and `.git` are not even watched, so that a build raises no
//! event.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};
use notify::event::ModifyKind;
use notify::{ErrorKind, EventKind, RecursiveMode, Watcher};

use super::fs;
use crate::base::{ExitCode, Explain};

/// The source tree cannot be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangesError {
    #[error("{0} cannot be watched: the limit on watched folders is reached")]
    TooManyFolders(Utf8PathBuf),
    #[error("no source tree can be watched: the limit on watching processes is reached")]
    TooManyWatchers,
    #[error("{path} cannot be watched: {cause}")]
    Refused { path: Utf8PathBuf, cause: String },
}

impl Explain for ChangesError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Environment
    }

    fn hint(&self) -> Option<String> {
        match self {
            ChangesError::TooManyFolders(_) => {
                Some("raise it as root: sysctl fs.inotify.max_user_watches=524288".into())
            }
            ChangesError::TooManyWatchers => Some("raise it as root: sysctl fs.inotify.max_user_instances=512".into()),
            ChangesError::Refused { .. } => None,
        }
    }
}

/// The result of a look at the tree.
pub(crate) type Result<T> = std::result::Result<T, ChangesError>;

/// What the system tells.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    /// Something in this folder may be different.
    Within(Utf8PathBuf),
    /// What has this name is not what had it before. The system's watch on a folder ends with the folder.
    Replaced(Utf8PathBuf),
    /// Events were lost: anything may be.
    Anywhere,
}

/// One file that is different.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    /// Relative to the first root if it lies within.
    pub(crate) path: Utf8PathBuf,
    pub(crate) how: How,
}

/// How a file is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    New,
    Gone,
    Written,
    /// Written or touched, and yet its content is what it was.
    Same,
}

/// A source tree under watch.
pub(crate) struct Changes {
    watcher: notify::RecommendedWatcher,
    roots: Vec<Utf8PathBuf>,
    target: Utf8PathBuf,
    folders: BTreeSet<Utf8PathBuf>,
    files: BTreeMap<Utf8PathBuf, Known>,
    /// Whether the tree has been looked at once.
    begun: bool,
}

/// How far below a folder a look goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    One,
    All,
}

/// What a look has found.
#[derive(Default)]
struct Listing {
    folders: BTreeSet<Utf8PathBuf>,
    files: BTreeMap<Utf8PathBuf, Stamp>,
}

/// A file as it was when last looked at.
struct Known {
    stamp: Stamp,
    /// Of files that have changed or come up since the beginning.
    content: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    length: u64,
    inode: u64,
    mode: u32,
}

impl Changes {
    /// Begins to watch what lies below the roots. `tell` is called from another thread, and often.
    ///
    /// # Errors
    /// Where the system's limits don't allow it.
    pub(crate) fn watch(
        roots: Vec<Utf8PathBuf>,
        target: &Utf8Path,
        tell: impl Fn(Notice) + Send + 'static,
    ) -> Result<Changes> {
        let handler = move |event| notices(event).into_iter().for_each(&tell);
        let watcher =
            notify::recommended_watcher(handler).map_err(|error| refused(Utf8Path::new("the tree"), &error))?;
        let (folders, files) = (BTreeSet::new(), BTreeMap::new());
        let mut changes = Changes { watcher, roots, target: target.to_owned(), folders, files, begun: false };
        changes.look_everywhere()?;
        changes.begun = true;
        Ok(changes)
    }

    /// Looks where something may be different, and tells what is, sorted by path.
    ///
    /// # Errors
    /// Where a new folder cannot be watched any more.
    pub(crate) fn look(&mut self, notices: &[Notice]) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        let mut everywhere = false;
        let mut folders = BTreeSet::new();
        for notice in notices {
            match notice {
                Notice::Within(folder) => folders.extend([folder.as_path()]),
                Notice::Replaced(path) => {
                    self.release(path);
                    folders.extend(path.parent());
                }
                Notice::Anywhere => everywhere = true,
            }
        }
        for folder in folders {
            if self.folders.contains(folder) {
                self.relist(folder, Depth::One, &mut changes)?;
            }
        }
        // Other rules may show or hide files anywhere below them.
        if everywhere || changes.iter().any(|change| change.path.file_name() == Some(".gitignore")) {
            changes.extend(self.look_everywhere()?);
        }
        changes.sort();
        changes.dedup_by(|a, b| a.path == b.path);
        Ok(changes)
    }

    fn look_everywhere(&mut self) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for root in self.roots.clone() {
            self.relist(&root, Depth::All, &mut changes)?;
        }
        Ok(changes)
    }

    /// Compares a folder, or all below it too, with what is known. New folders are looked at to their bottom.
    fn relist(&mut self, folder: &Utf8Path, depth: Depth, changes: &mut Vec<Change>) -> Result<()> {
        let Listing { folders, files } = self.list(folder, depth)?;
        let is_there = |path: &Utf8Path, as_folder: bool| match depth {
            Depth::All if as_folder => folders.contains(path),
            Depth::All => files.contains_key(path),
            Depth::One => match path.ancestors().find(|above| above.parent() == Some(folder)) {
                Some(first) if first == path && !as_folder => files.contains_key(first),
                first => first.is_some_and(|first| folders.contains(first)),
            },
        };
        let below = (Bound::Excluded(folder), Bound::Unbounded);
        let known = self.folders.range::<Utf8Path, _>(below).take_while(|path| path.starts_with(folder));
        let lost: Vec<Utf8PathBuf> = known.filter(|path| !is_there(path, true)).cloned().collect();
        let known = self.files.range::<Utf8Path, _>(below).map(|(path, _)| path);
        let known = known.take_while(|path| path.starts_with(folder));
        let gone: Vec<Utf8PathBuf> = known.filter(|path| !is_there(path, false)).cloned().collect();
        lost.iter().for_each(|path| self.release(path));
        for path in gone {
            self.files.remove(&path);
            changes.push(self.change(path, How::Gone));
        }
        for (path, stamp) in files {
            self.compare(path, stamp, changes);
        }
        for folder in folders {
            if !self.folders.contains(&folder) {
                self.relist(&folder, Depth::All, changes)?;
            }
        }
        Ok(())
    }

    /// The folders and files below a folder that git would not ignore. What can't be read is not there. A folder is watched
    /// before it is read: what comes in between is seen twice and not never.
    fn list(&mut self, folder: &Utf8Path, depth: Depth) -> Result<Listing> {
        let mut listing = Listing::default();
        let target = self.target.clone();
        let mut walk = ignore::WalkBuilder::new(folder);
        walk.hidden(false).ignore(false).require_git(false);
        walk.max_depth(match depth {
            Depth::One => Some(1),
            Depth::All => None,
        });
        // Cargo marks every target folder with a tag, as other tools do their caches.
        walk.filter_entry(move |entry| {
            let path = entry.path();
            path != target && entry.file_name() != ".git" && !path.join("CACHEDIR.TAG").exists()
        });
        // The user's own ignore rules hold from the repository's top.
        self.roots.first().map(|root| walk.current_dir(root));
        for entry in walk.build().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let at = entry.depth();
            let Ok(path) = Utf8PathBuf::from_path_buf(entry.into_path()) else { continue };
            if metadata.is_dir() {
                if (at == 0 || depth == Depth::All) && self.folders.insert(path.clone()) {
                    self.begin(&path)?;
                }
                listing.folders.insert(path);
            } else if path.file_name().is_some_and(|name| !is_by_the_way(name)) {
                listing.files.insert(path, Stamp::of(&metadata));
            }
        }
        Ok(listing)
    }

    fn begin(&mut self, folder: &Utf8Path) -> Result<()> {
        match self.watcher.watch(folder.as_std_path(), RecursiveMode::NonRecursive) {
            // Gone again; its own folder has that to tell.
            Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => Ok(()),
            watched => watched.map_err(|error| refused(folder, &error)),
        }
    }

    /// Watches a folder and those below it no longer.
    fn release(&mut self, folder: &Utf8Path) {
        if !self.folders.contains(folder) {
            return;
        }
        let below: Vec<Utf8PathBuf> = self.folders.iter().filter(|path| path.starts_with(folder)).cloned().collect();
        for path in below {
            // The system has dropped it already where the folder itself is gone.
            let _ = self.watcher.unwatch(path.as_std_path());
            self.folders.remove(&path);
        }
    }

    fn compare(&mut self, path: Utf8PathBuf, stamp: Stamp, changes: &mut Vec<Change>) {
        let known = self.files.get(&path);
        if known.is_some_and(|known| known.stamp == stamp) {
            return;
        }
        // To read the whole tree at the beginning would take long in a large one.
        let content = self.begun.then(|| fs::digest(&path)).flatten();
        let how = match known {
            None => How::New,
            Some(known) if content.is_some() && content == known.content => How::Same,
            Some(_) => How::Written,
        };
        self.files.insert(path.clone(), Known { stamp, content });
        changes.push(self.change(path, how));
    }

    fn change(&self, path: Utf8PathBuf, how: How) -> Change {
        let root = self.roots.first();
        let path = root.and_then(|root| path.strip_prefix(root).ok()).map(Utf8Path::to_owned).unwrap_or(path);
        Change { path, how }
    }
}

/// What an event says to us. Reading is none of our business: the run itself reads everything.
fn notices(event: notify::Result<notify::Event>) -> Vec<Notice> {
    match event {
        Ok(event) if event.need_rescan() => vec![Notice::Anywhere],
        Ok(event) if event.kind.is_access() => Vec::new(),
        Ok(event) => {
            let is_write = matches!(event.kind, EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)));
            let paths = event.paths.iter().filter_map(|path| Utf8Path::from_path(path));
            let told = |path: &Utf8Path| match path.parent() {
                Some(folder) if is_write => Notice::Within(folder.to_owned()),
                _ => Notice::Replaced(path.to_owned()),
            };
            paths.map(told).collect()
        }
        Err(_) => vec![Notice::Anywhere],
    }
}

fn refused(path: &Utf8Path, error: &notify::Error) -> ChangesError {
    // inotify_init says it by EMFILE.
    const TOO_MANY: Option<i32> = Some(24);
    match &error.kind {
        ErrorKind::MaxFilesWatch => ChangesError::TooManyFolders(path.to_owned()),
        ErrorKind::Io(cause) if cause.raw_os_error() == TOO_MANY => ChangesError::TooManyWatchers,
        ErrorKind::Io(cause) => ChangesError::Refused { path: path.to_owned(), cause: cause.to_string() },
        _ => ChangesError::Refused { path: path.to_owned(), cause: error.to_string() },
    }
}

/// What editors and snapshot tests leave beside the sources and no build reads.
fn is_by_the_way(name: &str) -> bool {
    let endings = ["~", ".swp", ".swx", ".snap.new", ".pending-snap"];
    // Vim tries by a file of this name whether it may write.
    name == "4913" || name.starts_with(".#") || endings.iter().any(|ending| name.ends_with(ending))
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            length: metadata.len(),
            inode: metadata.ino(),
            mode: metadata.mode(),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test stands on the other side of the door")]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    /// A tree under watch, and what the system has told of it.
    struct Scene {
        changes: Changes,
        told: Receiver<Notice>,
        root: Utf8PathBuf,
        _folder: tempfile::TempDir,
    }

    fn scene(files: &[(&str, &str)]) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        files.iter().for_each(|(path, text)| write(&root.join(path), text));
        let (tell, told) = channel();
        let tell = move |notice| drop(tell.send(notice));
        let changes = Changes::watch(vec![root.clone()], &root.join("target"), tell).unwrap();
        Scene { changes, told, root, _folder: folder }
    }

    fn write(path: &Utf8Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    impl Scene {
        /// What has changed up to now: a last file tells that the system has told of everything before it.
        fn seen(&mut self) -> Vec<String> {
            let last = Utf8PathBuf::from("last");
            write(&self.root.join(&last), "");
            let mut seen = Vec::new();
            while !seen.iter().any(|change: &Change| change.path == last) {
                let notice = self.told.recv_timeout(Duration::from_secs(10)).unwrap();
                seen.extend(self.changes.look(&[notice]).unwrap());
            }
            std::fs::remove_file(self.root.join(&last)).unwrap();
            while !seen.iter().any(|change: &Change| change.path == last && change.how == How::Gone) {
                let notice = self.told.recv_timeout(Duration::from_secs(10)).unwrap();
                seen.extend(self.changes.look(&[notice]).unwrap());
            }
            seen.retain(|change| change.path != last);
            seen.dedup();
            seen.into_iter().map(|change| format!("{:?} {}", change.how, change.path)).collect()
        }
    }

    #[test]
    fn files_are_told_by_how_they_changed() {
        let mut scene = scene(&[("src/lib.rs", "1"), ("src/gone.rs", "")]);
        write(&scene.root.join("src/lib.rs"), "2");
        assert_eq!(scene.seen(), ["Written src/lib.rs"]);
        std::fs::remove_file(scene.root.join("src/lib.rs")).unwrap();
        write(&scene.root.join("src/lib.rs"), "2");
        std::fs::remove_file(scene.root.join("src/gone.rs")).unwrap();
        let seen = scene.seen();
        assert!(seen.contains(&"Gone src/gone.rs".to_owned()), "{seen:?}");
        std::fs::read(scene.root.join("src/lib.rs")).unwrap();
        assert_eq!(scene.seen(), [""; 0]);
    }

    #[test]
    fn the_same_content_written_again_is_told_as_such() {
        let mut scene = scene(&[("a", "1")]);
        write(&scene.root.join("a"), "2");
        assert_eq!(scene.seen(), ["Written a"]);
        write(&scene.root.join("new"), "2");
        std::fs::rename(scene.root.join("new"), scene.root.join("a")).unwrap();
        let seen = scene.seen();
        assert!(seen.contains(&"Same a".to_owned()), "{seen:?}");
    }

    #[test]
    fn new_folders_are_watched_too_also_under_an_old_name() {
        let mut scene = scene(&[("src/lib.rs", "")]);
        for round in 0..3 {
            write(&scene.root.join("src/deep/er/a.rs"), &round.to_string());
            assert_eq!(scene.seen(), ["New src/deep/er/a.rs"]);
            write(&scene.root.join("src/deep/er/a.rs"), "changed");
            assert_eq!(scene.seen(), ["Written src/deep/er/a.rs"]);
            std::fs::remove_dir_all(scene.root.join("src/deep")).unwrap();
            assert_eq!(scene.seen(), ["Gone src/deep/er/a.rs"]);
        }
        // Gone and there again before anybody looks.
        write(&scene.root.join("src/deep/a.rs"), "");
        scene.seen();
        std::fs::rename(scene.root.join("src/deep"), scene.root.join("src/moved")).unwrap();
        write(&scene.root.join("src/deep/a.rs"), "other");
        scene.seen();
        write(&scene.root.join("src/deep/a.rs"), "and other again");
        write(&scene.root.join("src/moved/a.rs"), "too");
        assert_eq!(scene.seen(), ["Written src/deep/a.rs", "Written src/moved/a.rs"]);
    }

    #[test]
    fn what_git_ignores_and_what_is_built_is_not_told() {
        let ignore = "*.tmp\n/out\n";
        let mut scene = scene(&[(".gitignore", ignore), ("target/a", ""), ("out/a", ""), (".git/a", "")]);
        for path in ["target/a", "target/b/c", "out/a", ".git/a", "a.tmp", "src.rs~", "x.snap.new"] {
            write(&scene.root.join(path), "changed");
        }
        write(&scene.root.join("other-target/CACHEDIR.TAG"), "");
        write(&scene.root.join("other-target/a"), "");
        assert_eq!(scene.seen(), [""; 0]);
        write(&scene.root.join(".gitignore"), "/out\n");
        assert_eq!(scene.seen(), ["Written .gitignore", "New a.tmp"]);
    }

    #[test]
    fn a_limit_of_the_system_is_told_with_the_way_out() {
        let path = Utf8Path::new("src");
        let folders = refused(path, &notify::Error::new(ErrorKind::MaxFilesWatch));
        assert_eq!(folders.to_string(), "src cannot be watched: the limit on watched folders is reached");
        assert!(folders.hint().unwrap().contains("fs.inotify.max_user_watches"));
        let watchers = refused(path, &notify::Error::io(std::io::Error::from_raw_os_error(24)));
        assert!(watchers.hint().unwrap().contains("fs.inotify.max_user_instances"));
    }
}
