//! What git knows, asked so that nothing in the repository's configuration is executed.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::{fs, process, worktree};
use crate::base::Digest;

/// Configuration by which a repository could have git run programs of its choice.
pub(super) const HARMLESS: [&str; 8] = [
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "diff.external=",
    "-c",
    "submodule.recurse=false",
];

/// The options by which git calls none of the filters that a repository has: programs that it would run on each file that it compares
/// or checks out.
pub(super) fn without_filters(dir: &Utf8Path) -> Vec<String> {
    let question = ["config", "--null", "--name-only", "--get-regexp", r"^filter\."];
    let names = answer(dir, &question).unwrap_or_default();
    let option = |name: &str| {
        let value = if name.ends_with(".required") { "false" } else { "" };
        ["-c".to_owned(), format!("{name}={value}")]
    };
    names.split('\0').filter(|name| !name.is_empty()).flat_map(option).collect()
}

/// What `git rev-parse --local-env-vars` lists: the variables that tie git to one repository, set in its hooks. And the one by which
/// every git below a `pre-receive` hook would refuse to write a reference, of whatever repository.
pub(crate) const LOCAL_VARIABLES: [&str; 16] = [
    "GIT_QUARANTINE_PATH",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
];

/// The files below `dir` that differ from the last commit or are untracked and not ignored, relative to `dir`.
/// None outside of git, or where git is not installed.
pub(crate) fn changed_files(dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let changed = ["diff", "--name-only", "--no-ext-diff", "--relative", "-z", "HEAD"];
    let untracked = ["ls-files", "--others", "--exclude-standard", "-z"];
    let mut files = paths(&compared(dir, &changed).unwrap_or_default());
    files.extend(ask(dir, &untracked));
    files.sort();
    files.dedup();
    files
}

/// A name for the content of the tree at `dir`, uncommitted changes included. None outside of git.
pub(crate) fn tree(dir: &Utf8Path) -> Option<String> {
    let committed = answer(dir, &["rev-parse", "--verify", "HEAD^{tree}"])?;
    let difference = compared(dir, &["diff", "--no-ext-diff", "--no-textconv", "--binary", "HEAD"])?;
    let untracked = ask(dir, &["ls-files", "--others", "--exclude-standard", "-z"]);
    let names = untracked.iter().map(|path| path.as_str().as_bytes());
    let content: Vec<String> = untracked.iter().map(|path| fs::digest(&dir.join(path)).unwrap_or_default()).collect();
    let fields = [committed.trim().as_bytes(), difference.as_bytes()].into_iter().chain(names);
    Some(Digest::of_fields(fields.chain(content.iter().map(|digest| digest.as_bytes()))).to_string())
}

/// Where the repository whose work tree has this top keeps its own files; none outside of git.
pub(crate) fn dir(top: &Utf8Path) -> Option<Utf8PathBuf> {
    let entry = top.join(".git");
    if fs::is_dir(&entry) {
        return Some(entry);
    }
    // A linked work tree or a submodule names the folder in a file.
    let text = fs::read_text(&entry).ok()?;
    Some(top.join(text.strip_prefix("gitdir: ")?.trim_end()))
}

/// The commit that is checked out at a folder or the nearest one above it that git knows, read from git's files. None before the first
/// commit, and where git keeps its references in another form.
pub(crate) fn head(folder: &Utf8Path) -> Option<String> {
    let own = folder.ancestors().find_map(dir)?;
    let head = fs::read_text(&own.join("HEAD")).ok()?;
    let Some(name) = head.trim_end().strip_prefix("ref: ") else { return commit(&head) };
    // References are of all work trees together.
    let common = fs::read_text(&own.join("commondir")).map_or(own.clone(), |path| own.join(path.trim_end()));
    let loose = fs::read_text(&common.join(name)).ok().and_then(|text| commit(&text));
    loose.or_else(|| {
        let packed = fs::read_text(&common.join("packed-refs")).ok()?;
        packed.lines().find_map(|line| commit(line.strip_suffix(name)?.strip_suffix(' ')?))
    })
}

/// Only what is a commit's name and nothing else.
fn commit(text: &str) -> Option<String> {
    let name = text.trim_end();
    let is_name = [40, 64].contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_name.then(|| name.to_owned())
}

/// Every file that git has in its index, relative to the top of the work tree. None where git can't say.
pub(crate) fn tracked(top: &Utf8Path) -> Option<Vec<Utf8PathBuf>> {
    let text = answer(top, &["ls-files", "-z"])?;
    Some(paths(&text))
}

/// The commit that new warnings and changed files are told by: the merge base with the upstream branch, or without one the last
/// commit. None outside of git or before the first commit.
pub(crate) fn base(dir: &Utf8Path) -> Option<String> {
    // In a work tree that a failure is replayed in, what it was where the failure was found.
    let top = dir.ancestors().find(|above| fs::is_present(&above.join(".git")));
    let recorded = top.and_then(self::dir).and_then(|own| fs::read_text(&own.join(worktree::BASE)).ok());
    let base = recorded.or_else(|| answer(dir, &["merge-base", "HEAD", "@{upstream}"]));
    let base = base.or_else(|| answer(dir, &["rev-parse", "--verify", "HEAD"]))?;
    Some(base.trim().to_owned())
}

fn ask(dir: &Utf8Path, question: &[&str]) -> Vec<Utf8PathBuf> {
    paths(&answer(dir, question).unwrap_or_default())
}

fn paths(text: &str) -> Vec<Utf8PathBuf> {
    text.split('\0').filter(|path| !path.is_empty()).map(Utf8PathBuf::from).collect()
}

/// The answer to a question for which git reads the files of the work tree.
fn compared(dir: &Utf8Path, question: &[&str]) -> Option<String> {
    let options = without_filters(dir);
    let words: Vec<&str> = options.iter().map(String::as_str).chain(question.iter().copied()).collect();
    answer(dir, &words)
}

fn answer(dir: &Utf8Path, question: &[&str]) -> Option<String> {
    let command = ["git", "-C", dir.as_str()];
    let argv: Vec<String> = command.iter().chain(&HARMLESS).chain(question).map(|word| (*word).to_owned()).collect();
    process::capture_briefly(&argv).ok().filter(|output| output.success).map(|output| output.stdout)
}

/// The lines of a tree that differ from a commit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangedLines {
    /// By file: first line and number of lines of each changed place.
    places: BTreeMap<Utf8PathBuf, Vec<(u32, u32)>>,
    untracked: BTreeSet<Utf8PathBuf>,
}

impl ChangedLines {
    /// Whether a line, counted from 1, of a file relative to the tree is among them.
    pub(crate) fn contain(&self, file: &Utf8Path, line: u32) -> bool {
        let within = |(first, count): &(u32, u32)| (*first..first.saturating_add(*count)).contains(&line);
        self.untracked.contains(file) || self.places.get(file).is_some_and(|places| places.iter().any(within))
    }
}

/// The lines below `dir` that differ from the upstream branch, or without one from the last commit. None outside of git or
/// before the first commit.
pub(crate) fn changed_lines(dir: &Utf8Path) -> Option<ChangedLines> {
    let base = base(dir)?;
    let question = [
        "-c",
        "core.quotePath=false",
        "diff",
        "--unified=0",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--text",
        "--relative",
    ];
    let form = ["--no-renames", "--src-prefix=a/", "--dst-prefix=b/", &base, "--"];
    let difference = compared(dir, &[question.as_slice(), form.as_slice()].concat())?;
    let untracked = ask(dir, &["ls-files", "--others", "--exclude-standard", "-z"]);
    Some(ChangedLines { places: changed_places(&difference)?, untracked: untracked.into_iter().collect() })
}

/// Reads a diff without context. The lines of a place are skipped by their number, so that none can pass for a header.
/// None where a name is so odd that git quotes it.
fn changed_places(difference: &str) -> Option<BTreeMap<Utf8PathBuf, Vec<(u32, u32)>>> {
    let mut places: BTreeMap<Utf8PathBuf, Vec<(u32, u32)>> = BTreeMap::new();
    let mut file = None;
    let mut content = 0;
    for line in difference.lines().filter(|line| !line.starts_with('\\')) {
        if content > 0 {
            content -= 1;
        } else if line.starts_with("+++ \"") {
            return None;
        } else if let Some(path) = line.strip_prefix("+++ ") {
            // Behind a name with a space stands a tab.
            file = path.strip_prefix("b/").map(|path| Utf8PathBuf::from(path.trim_end_matches('\t')));
        } else if let Some((removed, (first, added))) = place_header(line)
            && let Some(file) = &file
        {
            places.entry(file.clone()).or_default().push((first, added));
            content = removed + added;
        }
    }
    Some(places)
}

/// `@@ -A,B +C,D @@`: B, and C with D; a count that is left out is 1.
fn place_header(line: &str) -> Option<(u32, (u32, u32))> {
    let (removed, rest) = line.strip_prefix("@@ -")?.split_once(" +")?;
    let range = |text: &str| -> Option<(u32, u32)> {
        let (first, count) = text.split_once(',').unwrap_or((text, "1"));
        Some((first.parse().ok()?, count.parse().ok()?))
    };
    Some((range(removed)?.1, range(rest.split(' ').next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_lines_are_read_and_content_passes_for_no_header() {
        let difference = "diff --git a/x.rs b/x.rs\n--- a/x.rs\n+++ b/x.rs\n@@ -1,2 +1,3 @@ fn x()\n-a\n-b\n+c\n+++ b/y.rs\n+d\n\
                          @@ -9 +10 @@\n-e\n+f\n\\ No newline at end of file\n--- a/z.rs\n+++ /dev/null\n";
        let changed = ChangedLines { places: changed_places(difference).unwrap(), ..ChangedLines::default() };
        let lines: Vec<u32> = (0..15).filter(|line| changed.contain("x.rs".into(), *line)).collect();
        assert_eq!(lines, [1, 2, 3, 10]);
        assert!(!changed.contain("y.rs".into(), 1));
        assert_eq!(changed_places("--- /dev/null\n+++ \"b/\\t.rs\"\n@@ -0,0 +1 @@\n+a\n"), None);
    }
}
