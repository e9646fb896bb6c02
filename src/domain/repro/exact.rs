//! A work tree of its own in which a failure's tree is rebuilt: the commit, and on top what differed from it.

use std::fs::File;

use camino::{Utf8Path, Utf8PathBuf};

use crate::base::{ExitCode, Explain, FailureId};
use crate::domain::provenance::snapshot::{self, LayoutError};
use crate::domain::record::{Ground, RecordedTree, RunId};
use crate::ports::fs;
use crate::ports::worktree::{GitError, Repository};

/// The recorded tree can't be rebuilt.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExactError {
    #[error("{0} is not in a git repository, from which its tree could be rebuilt")]
    NoGit(Utf8PathBuf),
    #[error("the record of {0} says nothing of its tree")]
    NoTree(FailureId),
    #[error("this repository does not have the commit {commit}")]
    NoCommit { commit: String },
    #[error("{0} is being replayed already")]
    Busy(FailureId),
    #[error("the tree cannot be rebuilt: {0}")]
    Git(#[from] GitError),
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Fs(#[from] fs::FsError),
}

impl Explain for ExactError {
    fn exit_code(&self) -> ExitCode {
        match self {
            ExactError::NoGit(_) | ExactError::NoTree(_) | ExactError::NoCommit { .. } | ExactError::Layout(_) => {
                ExitCode::Usage
            }
            ExactError::Busy(_) | ExactError::Git(_) | ExactError::Fs(_) => ExitCode::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            ExactError::NoGit(_) => Some("without --exact the failure is replayed in the tree as it is now".to_owned()),
            ExactError::NoTree(_) => Some("run `cargo harness run` again, which records it anew".to_owned()),
            ExactError::NoCommit { commit } => Some(format!("fetch it: git fetch origin {commit}")),
            ExactError::Busy(_) => Some("wait for it to end".to_owned()),
            ExactError::Fs(error) => error.hint(),
            ExactError::Git(_) | ExactError::Layout(_) => None,
        }
    }
}

/// The work tree and its target folder, which go when this does.
#[derive(Debug)]
pub(crate) struct Exact {
    folder: Utf8PathBuf,
    prefix: Utf8PathBuf,
    repository: Repository,
    _lock: File,
}

impl Exact {
    /// Rebuilds a tree below the harness's folder; `store` has the contents of what differed.
    ///
    /// # Errors
    /// The repository lacks the commit, the record names what no tree can have, or the same failure is being replayed.
    pub(crate) fn build(
        harness_dir: &Utf8Path,
        repository: Repository,
        id: &FailureId,
        ground: &Ground,
        tree: &RecordedTree,
        store: &Utf8Path,
    ) -> Result<Exact, ExactError> {
        if let Some(commit) = ground.commit.as_ref().filter(|commit| !repository.has(commit)) {
            return Err(ExactError::NoCommit { commit: commit.clone() });
        }
        if !ground.prefix.as_str().is_empty() && !snapshot::is_within(&ground.prefix) {
            return Err(LayoutError::Leaves(ground.prefix.clone()).into());
        }
        let home = harness_dir.join("exact");
        fs::create_dir(&home)?;
        let lock = fs::create(&home.join(format!("{id}.lock")))?;
        if lock.try_lock().is_err() {
            return Err(ExactError::Busy(id.clone()));
        }
        let folder = home.join(id.as_str());
        // What a replay that was killed has left.
        fs::remove_dir(&folder)?;
        repository.prune();
        fs::create_dir(&folder)?;
        let exact = Exact { folder, prefix: ground.prefix.clone(), repository, _lock: lock };
        exact.repository.add(&exact.top(), ground.commit.as_deref(), ground.base.as_deref())?;
        snapshot::lay_out(&exact.top(), &tree.changes, store)?;
        Ok(exact)
    }

    fn top(&self) -> Utf8PathBuf {
        self.folder.join("tree")
    }

    /// The workspace's root in it.
    pub(crate) fn root(&self) -> Utf8PathBuf {
        if self.prefix.as_str().is_empty() { self.top() } else { self.top().join(&self.prefix) }
    }

    /// Where cargo is to build.
    pub(crate) fn target_dir(&self) -> Utf8PathBuf {
        self.folder.join("target")
    }

    /// Puts the input of a fuzz target where it lay, if that is within the tree and nothing lies there.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn place_input(&self, at: &Utf8Path, bytes: &[u8]) -> Result<Option<Utf8PathBuf>, ExactError> {
        if !snapshot::is_within(at) {
            return Ok(None);
        }
        let path = self.root().join(at);
        if !fs::is_present(&path) {
            snapshot::write_within(&self.root(), at, bytes)?;
        }
        Ok(Some(path))
    }

    /// Moves the files of a run that took place in it to the other runs.
    ///
    /// # Errors
    /// They can't be moved.
    pub(crate) fn take_run(&self, run: &RunId, runs: &Utf8Path) -> Result<(), ExactError> {
        fs::create_dir(runs)?;
        Ok(fs::rename(&self.target_dir().join("harness/runs").join(&run.0), &runs.join(&run.0))?)
    }
}

impl Drop for Exact {
    fn drop(&mut self) {
        // What can't be removed now is before the next replay.
        let _ = fs::remove_dir(&self.folder);
        self.repository.prune();
    }
}
