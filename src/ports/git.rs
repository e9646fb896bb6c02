//! What git knows, asked so that nothing in the repository's configuration is executed.

use camino::{Utf8Path, Utf8PathBuf};

use super::{fs, process};
use crate::base::Digest;

/// Configuration by which a repository could have git run programs of its choice.
const HARMLESS: [&str; 6] = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "diff.external="];

/// The files below `dir` that differ from the last commit or are untracked and not ignored, relative to `dir`.
/// None outside of git, or where git is not installed.
pub(crate) fn changed_files(dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let changed = ["diff", "--name-only", "--no-ext-diff", "--relative", "-z", "HEAD"];
    let untracked = ["ls-files", "--others", "--exclude-standard", "-z"];
    let mut files = ask(dir, &changed);
    files.extend(ask(dir, &untracked));
    files.sort();
    files.dedup();
    files
}

/// A name for the content of the tree at `dir`, uncommitted changes included. None outside of git.
pub(crate) fn tree(dir: &Utf8Path) -> Option<String> {
    let committed = answer(dir, &["rev-parse", "--verify", "HEAD^{tree}"])?;
    let difference = answer(dir, &["diff", "--no-ext-diff", "--no-textconv", "--binary", "HEAD"])?;
    let untracked = ask(dir, &["ls-files", "--others", "--exclude-standard", "-z"]);
    let names = untracked.iter().map(|path| path.as_str().as_bytes());
    let content: Vec<String> = untracked.iter().map(|path| fs::digest(&dir.join(path)).unwrap_or_default()).collect();
    let fields = [committed.trim().as_bytes(), difference.as_bytes()].into_iter().chain(names);
    Some(Digest::of_fields(fields.chain(content.iter().map(|digest| digest.as_bytes()))).to_string())
}

fn ask(dir: &Utf8Path, question: &[&str]) -> Vec<Utf8PathBuf> {
    let text = answer(dir, question).unwrap_or_default();
    text.split('\0').filter(|path| !path.is_empty()).map(Utf8PathBuf::from).collect()
}

fn answer(dir: &Utf8Path, question: &[&str]) -> Option<String> {
    let command = ["git", "-C", dir.as_str()];
    let argv: Vec<String> = command.iter().chain(&HARMLESS).chain(question).map(|word| (*word).to_owned()).collect();
    process::capture(&argv).ok().filter(|output| output.success).map(|output| output.stdout)
}
