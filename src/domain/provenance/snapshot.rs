//! How a tree differs from its commit: taken when a failure is found, and laid out again where that is replayed.

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

use crate::domain::record::{Change, RecordedTree};
use crate::ports::fs::{self, Entry};
use crate::ports::worktree::{GitError, Repository};

/// What differs is kept up to so many bytes and paths; a tree that differs by more is hardly at a commit.
pub(crate) const MOST_BYTES: u64 = 64 << 20;
pub(crate) const MOST_PATHS: usize = 20_000;

/// The folder of a run that holds the contents of changed files.
pub(crate) const CHANGES: &str = "changes";

/// A recorded tree can't be laid out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayoutError {
    #[error("the record would write {0}, which is no path within a work tree")]
    Leaves(Utf8PathBuf),
    #[error("{0} leads through a symbolic link")]
    ThroughLink(Utf8PathBuf),
    #[error("the content of {0} is not kept")]
    NoContent(Utf8PathBuf),
    #[error("the content of {0} is not what was recorded")]
    OtherContent(Utf8PathBuf),
    #[error(transparent)]
    Fs(#[from] fs::FsError),
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes what differs, and writes the contents of changed files into a folder, each by its digest. Paths below `skip` are no part of it, and
/// `also` is one even where git ignores it.
///
/// # Errors
/// Git can't tell, or the folder can't be written.
pub(crate) fn take(
    repository: &Repository,
    also: &Utf8Path,
    skip: &Utf8Path,
    store: &Utf8Path,
) -> Result<RecordedTree, TakeError> {
    let mut tree = RecordedTree::default();
    let mut left = MOST_BYTES;
    for path in repository.submodules() {
        tree.omitted.insert(path, "a submodule".to_owned());
    }
    let ignored = (fs::is_present(&repository.top.join(also)) && repository.ignores(also)).then(|| also.to_owned());
    for path in repository.differing()?.into_iter().chain(ignored) {
        let full = repository.top.join(&path);
        if full.starts_with(skip) || tree.omitted.contains_key(&path) {
            continue;
        }
        if tree.changes.len() >= MOST_PATHS {
            tree.omitted.insert(path, format!("more than {MOST_PATHS} paths differ"));
            break;
        }
        let change = match fs::entry(&full) {
            Entry::Absent if path.as_str().contains(char::REPLACEMENT_CHARACTER) => {
                tree.omitted.insert(path, "its name is not UTF-8".to_owned());
                continue;
            }
            Entry::Absent => Change::Deleted,
            Entry::Link => match fs::link_target(&full) {
                Some(target) => Change::Link(target),
                None => continue,
            },
            // A repository within: git names its folder.
            Entry::Folder => {
                tree.omitted.insert(path, "a repository of its own".to_owned());
                continue;
            }
            Entry::Other => {
                tree.omitted.insert(path, "neither a file nor a link".to_owned());
                continue;
            }
            Entry::File { size, .. } if size > left => {
                tree.omitted.insert(path, format!("over the limit of {} MiB together", MOST_BYTES >> 20));
                continue;
            }
            Entry::File { executable, .. } => {
                let bytes = fs::read_from(&full, 0, left)?;
                left -= bytes.len() as u64;
                let content = sha256(&bytes);
                fs::create_dir(store)?;
                fs::create_whole(&store.join(&content), &bytes)?;
                Change::File { content, executable }
            }
        };
        tree.changes.insert(path, change);
    }
    Ok(tree)
}

/// A tree can't be recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Fs(#[from] fs::FsError),
}

/// Whether a path is within a work tree and none of git's own.
pub(crate) fn is_within(path: &Utf8Path) -> bool {
    let is_plain = |component: Utf8Component<'_>| match component {
        Utf8Component::Normal(name) => !name.eq_ignore_ascii_case(".git") && !name.contains(['\\', '\0', '\n']),
        _ => false,
    };
    !path.as_str().is_empty() && path.components().all(is_plain)
}

/// Whether a link at a path leads to a place within its tree.
pub(crate) fn leads_within(link: &Utf8Path, target: &str) -> bool {
    let mut depth = link.parent().map_or(0, |parent| parent.components().count());
    for component in Utf8Path::new(target).components() {
        match component {
            Utf8Component::Normal(_) => depth += 1,
            Utf8Component::ParentDir if depth > 0 => depth -= 1,
            Utf8Component::CurDir => {}
            _ => return false,
        }
    }
    !target.is_empty()
}

/// Makes a fresh work tree of the commit differ as recorded. Nothing is written through a link, and links come last.
///
/// # Errors
/// The record names what is outside of the tree, or its contents are not there.
pub(crate) fn lay_out(
    top: &Utf8Path,
    changes: &BTreeMap<Utf8PathBuf, Change>,
    store: &Utf8Path,
) -> Result<(), LayoutError> {
    for path in changes.keys() {
        if !is_within(path) {
            return Err(LayoutError::Leaves(path.clone()));
        }
        if has_parents(top, path)? {
            fs::remove_dir_or_file(&top.join(path))?;
        }
    }
    for (path, change) in changes {
        if let Change::File { content, executable } = change {
            let bytes = content_of(path, content, store)?;
            make_parents(top, path)?;
            fs::create_whole(&top.join(path), &bytes)?;
            fs::set_executable(&top.join(path), *executable)?;
        }
    }
    for (path, change) in changes {
        if let Change::Link(target) = change {
            make_parents(top, path)?;
            fs::replace_symlink(&top.join(path), Utf8Path::new(target))?;
        }
    }
    Ok(())
}

/// Writes a file that isn't there yet into a tree, through no link.
///
/// # Errors
/// A folder above it is a link, or it can't be written.
pub(crate) fn write_within(top: &Utf8Path, path: &Utf8Path, bytes: &[u8]) -> Result<(), LayoutError> {
    make_parents(top, path)?;
    fs::create_whole(&top.join(path), bytes)?;
    Ok(())
}

fn content_of(path: &Utf8Path, content: &str, store: &Utf8Path) -> Result<Vec<u8>, LayoutError> {
    let is_digest = content.len() == 64 && content.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_digest || fs::size(&store.join(content)).is_none() {
        return Err(LayoutError::NoContent(path.to_owned()));
    }
    let bytes = fs::read_from(&store.join(content), 0, MOST_BYTES)?;
    if sha256(&bytes) == content { Ok(bytes) } else { Err(LayoutError::OtherContent(path.to_owned())) }
}

/// Whether the folders above a path are all there; an error where one is a link.
fn has_parents(top: &Utf8Path, path: &Utf8Path) -> Result<bool, LayoutError> {
    let above: Vec<&Utf8Path> = path.ancestors().skip(1).filter(|above| !above.as_str().is_empty()).collect();
    for folder in above.iter().rev() {
        match fs::entry(&top.join(folder)) {
            Entry::Folder => {}
            Entry::Link => return Err(LayoutError::ThroughLink(path.to_owned())),
            _ => return Ok(false),
        }
    }
    Ok(true)
}

fn make_parents(top: &Utf8Path, path: &Utf8Path) -> Result<(), LayoutError> {
    if !has_parents(top, path)? {
        let folder = path.parent().map(|parent| top.join(parent)).unwrap_or_default();
        fs::create_dir(&folder).map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => LayoutError::ThroughLink(path.to_owned()),
            _ => LayoutError::Fs(error),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_within_a_work_tree_are_written() {
        for path in ["", "/etc/x", "../x", "a/../../x", ".git/hooks/x", "a/.GIT/x", "a\\..\\x", "."] {
            assert!(!is_within(path.into()), "{path}");
        }
        for path in ["a", "a/b.rs", ".gitignore", "ä/ö"] {
            assert!(is_within(path.into()), "{path}");
        }
    }

    #[test]
    fn a_link_leads_within_as_long_as_it_never_rises_above_the_top() {
        for (link, target, expected) in [
            ("a/l", "../b", true),
            ("l", "b/c", true),
            ("a/l", "../../b", false),
            ("l", "a/../../b", false),
            ("l", "/etc", false),
            ("l", "", false),
        ] {
            assert_eq!(leads_within(link.into(), target), expected, "{link} -> {target}");
        }
    }

    #[test]
    fn what_was_recorded_is_laid_out_and_nothing_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(folder.path()).unwrap();
        let (top, store) = (dir.join("top"), dir.join("store"));
        fs::create_dir(&top.join("old")).unwrap();
        fs::create_dir(&store).unwrap();
        fs::replace(&top.join("gone"), b"x").unwrap();
        fs::replace_symlink(&top.join("out"), dir).unwrap();
        let content = sha256(b"\x00\xffbytes");
        fs::replace(&store.join(&content), b"\x00\xffbytes").unwrap();
        let file = || Change::File { content: content.clone(), executable: true };
        let good = BTreeMap::from([
            ("gone".into(), Change::Deleted),
            ("old".into(), file()),
            ("new/deep/file".into(), file()),
            ("link".into(), Change::Link("new/deep".to_owned())),
        ]);
        lay_out(&top, &good, &store).unwrap();
        assert!(!fs::is_present(&top.join("gone")) && fs::is_program(&top.join("old")));
        assert_eq!(fs::read_from(&top.join("link/file"), 0, 99).unwrap(), b"\x00\xffbytes");
        let refused =
            |path: &str, change: Change| lay_out(&top, &BTreeMap::from([(path.into(), change)]), &store).unwrap_err();
        assert!(matches!(refused("out/x", file()), LayoutError::ThroughLink(_)));
        assert!(matches!(refused("../x", Change::Deleted), LayoutError::Leaves(_)));
        let other = |content: &str| Change::File { content: content.to_owned(), executable: false };
        assert!(matches!(refused("y", other("../gone")), LayoutError::NoContent(_)));
        fs::replace(&store.join(&content), b"other").unwrap();
        assert!(matches!(refused("y", file()), LayoutError::OtherContent(_)));
        assert!(!fs::is_present(&dir.join("x")));
    }
}
