//! Work trees of git's: what differs from the commit, and another one beside the user's. Nothing that the repository or its
//! configuration names is executed: neither hooks, nor filters, nor a file monitor.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::git::{HARMLESS, without_filters};
use super::process;

/// The ref that a work tree of the harness's own has for what the user's upstream branch was. No other work tree sees it.
pub(crate) const BASE: &str = "refs/worktree/harness/base";

/// Git did not do what it was asked to, in its own words.
#[derive(Debug, thiserror::Error)]
#[error("git: {0}")]
pub(crate) struct GitError(String);

/// A repository, with the options that keep git from running what it names.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    /// The top of its work tree.
    pub(crate) top: Utf8PathBuf,
    options: Vec<String>,
}

impl Repository {
    /// The one that a folder lies in; none outside of git.
    pub(crate) fn find(dir: &Utf8Path) -> Option<Repository> {
        let options = HARMLESS.iter().map(|word| (*word).to_owned()).chain(without_filters(dir)).collect();
        let here = Repository { top: dir.to_owned(), options };
        let top = here.ask(&["rev-parse", "--show-toplevel"]).ok()?.trim_end_matches('\n').into();
        Some(Repository { top, ..here })
    }

    /// The last commit.
    pub(crate) fn head(&self) -> Option<String> {
        let text = self.ask(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).ok()?;
        Some(text.trim().to_owned())
    }

    /// Whether it has this commit.
    pub(crate) fn has(&self, commit: &str) -> bool {
        is_object_id(commit) && self.ask(&["cat-file", "-e", &format!("{commit}^{{commit}}")]).is_ok()
    }

    /// The paths that differ from the last commit, from the top: changed, deleted, and untracked ones that are not ignored. Before
    /// the first commit all of them.
    ///
    /// # Errors
    /// Git's own words.
    pub(crate) fn differing(&self) -> Result<Vec<Utf8PathBuf>, GitError> {
        let tracked = match self.head() {
            Some(head) => self.ask(&[
                "diff",
                "--name-only",
                "--no-renames",
                "--no-ext-diff",
                "--no-textconv",
                "--ignore-submodules=none",
                "-z",
                &head,
                "--",
            ])?,
            None => self.ask(&["ls-files", "--cached", "-z"])?,
        };
        let untracked = self.ask(&["ls-files", "--others", "--exclude-standard", "-z"])?;
        let names = tracked.split('\0').chain(untracked.split('\0')).filter(|name| !name.is_empty());
        let mut paths: Vec<Utf8PathBuf> = names.map(Utf8PathBuf::from).collect();
        paths.sort();
        paths.dedup();
        Ok(paths)
    }

    /// Whether git ignores a path from the top.
    pub(crate) fn ignores(&self, path: &Utf8Path) -> bool {
        self.ask(&["check-ignore", "--quiet", "--", path.as_str()]).is_ok()
    }

    /// The submodules that the last commit names.
    pub(crate) fn submodules(&self) -> Vec<Utf8PathBuf> {
        let listed = self.ask(&["ls-files", "--stage", "-z"]).unwrap_or_default();
        let entries = listed.split('\0').filter_map(|line| line.strip_prefix("160000 ")?.split_once('\t'));
        entries.map(|(_, path)| Utf8PathBuf::from(path)).collect()
    }

    /// Makes a work tree of a commit in a folder that is not there yet, or an empty repository where there is no commit.
    ///
    /// # Errors
    /// Git's own words.
    pub(crate) fn add(&self, at: &Utf8Path, commit: Option<&str>, base: Option<&str>) -> Result<(), GitError> {
        let Some(commit) = commit else {
            return self.ask(&["init", "--quiet", "--template=", at.as_str()]).map(drop);
        };
        self.ask(&["worktree", "add", "--quiet", "--detach", at.as_str(), commit])?;
        if let Some(base) = base.filter(|base| self.has(base)) {
            let made = Repository { top: at.to_owned(), ..self.clone() };
            made.ask(&["update-ref", BASE, base])?;
        }
        Ok(())
    }

    /// Forgets the work trees whose folders are gone.
    pub(crate) fn prune(&self) {
        // What is left over does no harm, and git removes it by and by.
        let _ = self.ask(&["worktree", "prune", "--expire=now"]);
    }

    fn ask(&self, question: &[&str]) -> Result<String, GitError> {
        let command = ["git".to_owned(), "-C".to_owned(), self.top.to_string()];
        let words = question.iter().map(|word| (*word).to_owned());
        let argv: Vec<String> = command.into_iter().chain(self.options.iter().cloned()).chain(words).collect();
        let output = process::capture(&argv).map_err(|error: io::Error| GitError(error.to_string()))?;
        if output.success { Ok(output.stdout) } else { Err(GitError(said(&output.stderr))) }
    }
}

/// Its last words, without its own label.
fn said(text: &str) -> String {
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it failed without a word");
    line.trim_start_matches("fatal: ").trim_start_matches("error: ").to_owned()
}

/// SHA-1 or SHA-256 in hexadecimal, and so no option and no expression.
pub(crate) fn is_object_id(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
