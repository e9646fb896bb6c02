//! A git repository that is written to: commits made without a work tree, and refs moved on a remote by compare and swap.

use std::collections::BTreeMap;
use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};

use super::fs;
use super::git::{HARMLESS, without_filters};
use super::process::{self, Captured};
use crate::base::text::{capped, one_line};
use crate::base::{ExitCode, Explain};

/// Git could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("git cannot be started: {0}")]
    NotStarted(std::io::Error),
    #[error("{0} is not in a git repository")]
    Outside(Utf8PathBuf),
    #[error("git {verb} failed: {said}")]
    Refused { verb: String, said: String },
    #[error(transparent)]
    Fs(#[from] fs::FsError),
}

impl Explain for GitError {
    fn exit_code(&self) -> ExitCode {
        match self {
            GitError::NotStarted(_) | GitError::Refused { .. } => ExitCode::Environment,
            GitError::Outside(_) => ExitCode::Usage,
            GitError::Fs(error) => error.exit_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            GitError::NotStarted(_) => Some("install git".to_owned()),
            GitError::Outside(_) => Some("tasks and claims live in git: run `git init`, then commit".to_owned()),
            GitError::Refused { .. } => None,
            GitError::Fs(error) => error.hint(),
        }
    }
}

type Result<T> = std::result::Result<T, GitError>;

/// The name of an object: 40 or 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub(crate) struct Oid(String);

impl Oid {
    fn read(text: &str) -> Option<Oid> {
        let text = text.trim();
        let is_oid = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_oid.then(|| Oid(text.to_owned()))
    }

    /// The object of that name.
    pub(crate) fn named(text: &str) -> Option<Oid> {
        Oid::read(text)
    }

    /// As git prints it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Enough of it for a reader.
    pub(crate) fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where refs are shared: a remote of the repository, or the repository itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// The remote's name, or the folder that git keeps this repository in.
    pub(crate) name: String,
    /// Whether it is this repository.
    pub(crate) is_own: bool,
}

/// What a remote holds at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    /// The branch that its `HEAD` names, as a whole ref.
    pub(crate) head: Option<String>,
    pub(crate) refs: BTreeMap<String, Oid>,
}

/// One ref to move: only if it is at `old`, where none means that there must be no such ref.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) name: String,
    pub(crate) old: Option<Oid>,
    pub(crate) new: Option<Oid>,
}

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// All refs have moved.
    Done,
    /// None has, because one was not where it was expected, or the remote would not have it.
    Rejected(String),
}

/// One path of a difference between two commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: Utf8PathBuf,
    /// `100644`, `100755`, `120000` for a link, `160000` for a submodule; `000000` where there is none.
    pub(crate) old_mode: String,
    pub(crate) new_mode: String,
}

/// What is written instead of a file, or that it goes.
pub(crate) type Edit<'a> = (&'a str, Option<&'a str>);

/// A repository, seen from a folder of its work tree.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    top: Utf8PathBuf,
    /// The folder that it is seen from, relative to the top: empty, or ending in a slash.
    prefix: String,
    /// Where git keeps what all of its work trees share.
    common: Utf8PathBuf,
}

impl Repository {
    /// The repository that a folder is in.
    ///
    /// # Errors
    /// It is in none, or git is missing.
    pub(crate) fn open(dir: &Utf8Path) -> Result<Repository> {
        let question = ["rev-parse", "--path-format=absolute", "--show-toplevel", "--git-common-dir", "--show-prefix"];
        let output = run(dir, &question, None)?;
        let mut lines = output.stdout.lines();
        match (output.success, lines.next(), lines.next()) {
            (true, Some(top), Some(common)) => Ok(Repository {
                top: top.into(),
                common: common.into(),
                prefix: lines.next().unwrap_or_default().to_owned(),
            }),
            _ => Err(GitError::Outside(dir.to_owned())),
        }
    }

    /// What all work trees of the repository share.
    pub(crate) fn common(&self) -> &Utf8Path {
        &self.common
    }

    /// The top of the work tree.
    pub(crate) fn top(&self) -> &Utf8Path {
        &self.top
    }

    /// A path of the folder that the repository is seen from, as git names it.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The remote of that name where it is configured, and otherwise the repository itself.
    ///
    /// # Errors
    /// Git can't be started.
    pub(crate) fn remote(&self, name: &str) -> Result<Remote> {
        let is_configured = run(&self.top, &["config", "--get", &format!("remote.{name}.url")], None)?.success;
        Ok(match is_configured {
            true => Remote { name: name.to_owned(), is_own: false },
            false => Remote { name: self.common.to_string(), is_own: true },
        })
    }

    /// The remote's refs that match the patterns, and the branch that its `HEAD` names.
    ///
    /// # Errors
    /// The remote can't be reached.
    pub(crate) fn look(&self, remote: &Remote, patterns: &[&str]) -> Result<Look> {
        let question = [&["ls-remote", "--quiet", "--symref", &remote.name, "HEAD"], patterns].concat();
        // Git matches a pattern against the end of a name; what is asked for here are whole names, or all below a prefix.
        let is_asked = |name: &str| {
            patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == *pattern,
            })
        };
        let mut look = Look::default();
        for line in self.ask(&question)?.lines() {
            let Some((what, name)) = line.split_once('\t') else { continue };
            match (what.strip_prefix("ref: "), Oid::read(what)) {
                (Some(branch), _) if name == "HEAD" => look.head = Some(branch.to_owned()),
                (None, Some(oid)) if name != "HEAD" && is_asked(name) => drop(look.refs.insert(name.to_owned(), oid)),
                _ => {}
            }
        }
        Ok(look)
    }

    /// Brings what these refs of a remote hold, unless it is here already. No ref of this repository moves, so that two who do it at
    /// once are not in each other's way.
    ///
    /// # Errors
    /// The remote can't be reached, or a ref is gone meanwhile.
    pub(crate) fn bring(&self, remote: &Remote, refs: &BTreeMap<String, Oid>) -> Result<()> {
        let missing: Vec<&str> = refs.iter().filter(|(_, oid)| !self.has(oid)).map(|(name, _)| name.as_str()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let plain = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", "--no-auto-maintenance"];
        let question = [&plain[..], &["--recurse-submodules=no", &remote.name], &missing].concat();
        self.ask(&question).map(|_| ())
    }

    /// Whether a commit with all that belongs to it is here.
    pub(crate) fn has(&self, oid: &Oid) -> bool {
        let name = format!("{oid}^{{commit}}");
        run(&self.top, &["cat-file", "-e", &name], None).is_ok_and(|output| output.success)
    }

    /// Moves all of these refs on a remote, or none.
    ///
    /// # Errors
    /// The remote can't be reached; whether they have moved is not known then.
    pub(crate) fn push(&self, remote: &Remote, updates: &[Update]) -> Result<Pushed> {
        // Of the repository itself, a branch that is checked out moves with its work tree, and only if that is clean.
        const OWN: &str =
            "--receive-pack=git -c core.hooksPath=/dev/null -c receive.denyCurrentBranch=updateInstead receive-pack";
        let settings =
            ["-c", "push.followTags=false", "-c", "push.gpgSign=false", "-c", "push.useForceIfIncludes=false"];
        let plain = ["push", "--porcelain", "--atomic", "--no-verify", "--recurse-submodules=no"];
        let mut question: Vec<String> = settings.iter().chain(&plain).map(|word| (*word).to_owned()).collect();
        question.extend(remote.is_own.then(|| OWN.to_owned()));
        let name = |oid: &Option<Oid>| oid.as_ref().map_or("", Oid::as_str).to_owned();
        // The expected object is always named: what a fetch in the background brings would defeat a bare lease.
        question
            .extend(updates.iter().map(|update| format!("--force-with-lease={}:{}", update.name, name(&update.old))));
        question.push(remote.name.clone());
        question.extend(updates.iter().map(|update| format!("{}:{}", name(&update.new), update.name)));
        let words: Vec<&str> = question.iter().map(String::as_str).collect();
        let output = run(&self.top, &words, None)?;
        pushed(&output, updates.len())
    }

    /// Moves a branch of this repository, in whose work tree, where it is checked out, only these files change: whatever else is open
    /// there stays so.
    ///
    /// # Errors
    /// The repository or the work tree can't be written.
    pub(crate) fn advance(&self, branch: &str, old: &Oid, new: &Oid, edits: &[Edit<'_>]) -> Result<Pushed> {
        let moved = run(&self.top, &["update-ref", branch, new.as_str(), old.as_str()], None)?;
        if !moved.success {
            return Ok(Pushed::Rejected(refused("update-ref", &moved).to_string()));
        }
        let trees = self.ask(&["worktree", "list", "--porcelain", "-z"])?;
        let mut folder = "";
        for line in trees.split('\0') {
            if let Some(path) = line.strip_prefix("worktree ") {
                folder = path;
            } else if line.strip_prefix("branch ") == Some(branch) {
                self.follow(folder.into(), new, edits)?;
            }
        }
        Ok(Pushed::Done)
    }

    /// Brings files of a work tree, and what its index says of them, to a commit's state.
    fn follow(&self, folder: &Utf8Path, commit: &Oid, edits: &[Edit<'_>]) -> Result<()> {
        for (path, text) in edits {
            let file = folder.join(path);
            match text {
                Some(text) => {
                    fs::create_dir(file.parent().unwrap_or(folder))?;
                    fs::replace(&file, text.as_bytes())?;
                }
                None => fs::remove_file(&file)?,
            }
        }
        let paths: Vec<&str> = edits.iter().map(|(path, _)| *path).collect();
        let question = [&["reset", "--quiet", commit.as_str(), "--"][..], &paths].concat();
        succeed(run(folder, &question, None)?, &question).map(|_| ())
    }

    /// Whether a commit is another one or follows from it.
    pub(crate) fn contains(&self, tip: &Oid, commit: &Oid) -> bool {
        let question = ["merge-base", "--is-ancestor", commit.as_str(), tip.as_str()];
        run(&self.top, &question, None).is_ok_and(|output| output.success)
    }

    /// The texts of the files in a folder of a commit, by their paths below it. Files with odd names or without a text are left out.
    ///
    /// # Errors
    /// There is no such commit.
    pub(crate) fn texts(&self, commit: &Oid, folder: &str) -> Result<BTreeMap<String, String>> {
        let empty = self.empty_tree()?;
        let question = ["-c", "core.quotePath=false", "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--text"];
        let form = ["--no-renames", "--unified=0", "--src-prefix=a/", "--dst-prefix=b/"];
        let what = [empty.as_str(), commit.as_str(), "--", folder];
        let text = self.ask(&[&question[..], &form, &what].concat())?;
        let prefix = format!("{folder}/");
        let below = |(path, text): (String, String)| Some((path.strip_prefix(&prefix)?.to_owned(), text));
        Ok(added_files(&text).into_iter().filter_map(below).collect())
    }

    /// The text of one file of a commit; none where it has no such file.
    ///
    /// # Errors
    /// Git can't be started.
    pub(crate) fn text(&self, commit: &Oid, path: &str) -> Result<Option<String>> {
        let output = run(&self.top, &["cat-file", "blob", &format!("{commit}:{path}")], None)?;
        Ok(output.success.then_some(output.stdout))
    }

    /// The messages of commits.
    ///
    /// # Errors
    /// One of them is not here.
    pub(crate) fn messages(&self, commits: &[&Oid]) -> Result<BTreeMap<Oid, String>> {
        if commits.is_empty() {
            return Ok(BTreeMap::new());
        }
        let plain = ["-c", "log.showSignature=false", "show", "--no-patch", "--no-notes", "--format=%H%n%B%x00"];
        let names: Vec<&str> = commits.iter().map(|oid| oid.as_str()).collect();
        let text = self.ask(&[&plain[..], &names, &["--"]].concat())?;
        let entry = |entry: &str| {
            let (oid, message) = entry.trim_start().split_once('\n')?;
            Some((Oid::read(oid)?, message.trim_end().to_owned()))
        };
        Ok(text.split('\0').filter_map(entry).collect())
    }

    /// The messages of a commit and of those that it follows, newest first, `most` at most.
    ///
    /// # Errors
    /// It is not here.
    pub(crate) fn history(&self, commit: &Oid, most: usize) -> Result<Vec<String>> {
        let count = format!("--max-count={most}");
        let plain =
            ["-c", "log.showSignature=false", "log", "--no-notes", "--format=%B%x00", &count, commit.as_str(), "--"];
        let text = self.ask(&plain)?;
        Ok(text.split('\0').map(|entry| entry.trim().to_owned()).filter(|entry| !entry.is_empty()).collect())
    }

    /// The paths that differ between two commits, and how many lines were added or removed.
    ///
    /// # Errors
    /// One of them is not here.
    pub(crate) fn changes(&self, base: &Oid, head: &Oid) -> Result<(Vec<Change>, u64)> {
        let ends = [base.as_str(), head.as_str(), "--"];
        let raw = self.ask(&[&["diff-tree", "-r", "-z", "--raw", "--no-renames"][..], &ends].concat())?;
        let lines =
            self.ask(&[&["diff-tree", "-r", "-z", "--numstat", "--no-renames", "--no-ext-diff"][..], &ends].concat())?;
        let count = |entry: &str| -> u64 {
            let mut fields = entry.split('\t').take(2).map(|field| field.parse::<u64>().unwrap_or(0));
            fields.next().unwrap_or(0) + fields.next().unwrap_or(0)
        };
        Ok((changes(&raw), lines.split('\0').map(count).sum()))
    }

    /// The tree without anything in it.
    ///
    /// # Errors
    /// The repository can't be written.
    pub(crate) fn empty_tree(&self) -> Result<Oid> {
        self.object(&["hash-object", "-t", "tree", "-w", "/dev/null"], None)
    }

    /// The tree of a commit with some files written or removed. Paths are those that git has.
    ///
    /// # Errors
    /// The repository can't be written.
    pub(crate) fn edited(&self, commit: &Oid, edits: &[Edit<'_>]) -> Result<Oid> {
        let index = Index::new(self)?;
        index.ask(&["read-tree", commit.as_str()])?;
        index.edit(edits)?;
        index.object(&["write-tree"])
    }

    /// A tree in which what lies below `kept` is as it is in a commit, with some files written or removed.
    ///
    /// # Errors
    /// The repository can't be written.
    pub(crate) fn grafted(&self, tree: &Oid, commit: &Oid, kept: &str, edits: &[Edit<'_>]) -> Result<Oid> {
        let index = Index::new(self)?;
        index.ask(&["read-tree", tree.as_str()])?;
        index.take(commit, kept)?;
        index.edit(edits)?;
        index.object(&["write-tree"])
    }

    /// A commit of a tree.
    ///
    /// # Errors
    /// The repository can't be written.
    pub(crate) fn commit(&self, tree: &Oid, parents: &[&Oid], message: &str, who: &str) -> Result<Oid> {
        let (name, email) = (format!("user.name={who}"), format!("user.email={who}@harness.invalid"));
        let message = capped(&message.replace('\0', " "), 64 << 10);
        let mut question = vec!["-c", &name, "-c", &email, "commit-tree", tree.as_str()];
        question.extend(parents.iter().flat_map(|parent| ["-p", parent.as_str()]));
        question.extend(["-m", &message]);
        self.object(&question, None)
    }

    /// The tree of one commit with what another has changed, or the paths on which they conflict.
    ///
    /// # Errors
    /// One of them is not here.
    pub(crate) fn merged(&self, ours: &Oid, theirs: &Oid) -> Result<std::result::Result<Oid, String>> {
        let question = ["merge-tree", "--write-tree", "--name-only", "--no-messages", ours.as_str(), theirs.as_str()];
        let output = run(&self.top, &question, None)?;
        let (first, rest) = output.stdout.split_once('\n').unwrap_or((&output.stdout, ""));
        match (output.success, Oid::read(first)) {
            (true, Some(tree)) => Ok(Ok(tree)),
            (false, Some(_)) => Ok(Err(rest.split_whitespace().collect::<Vec<_>>().join(", "))),
            (_, None) => Err(refused("merge-tree", &output)),
        }
    }

    /// The tree of a commit.
    ///
    /// # Errors
    /// It is not here.
    pub(crate) fn tree(&self, commit: &Oid) -> Result<Oid> {
        self.object(&["rev-parse", "--verify", &format!("{commit}^{{tree}}")], None)
    }

    /// The commit that a name stands for here.
    ///
    /// # Errors
    /// None does.
    pub(crate) fn resolve(&self, name: &str) -> Result<Oid> {
        self.object(&["rev-parse", "--verify", "--end-of-options", &format!("{name}^{{commit}}")], None)
    }

    /// A clone of its own at a commit, with the objects of this one. Nothing that is done in it reaches this repository.
    ///
    /// # Errors
    /// The folder can't be written.
    pub(crate) fn clone_at(&self, commit: &Oid, folder: &Utf8Path) -> Result<()> {
        let own = self.common.as_str();
        self.ask(&["clone", "--quiet", "--shared", "--no-checkout", "--no-tags", "--", own, folder.as_str()])?;
        let within = |args: &[&str]| succeed(run(folder, args, None)?, args);
        let filters = without_filters(folder);
        let checkout = ["checkout", "--quiet", "-B", "work", commit.as_str()];
        within(&filters.iter().map(String::as_str).chain(checkout).collect::<Vec<&str>>())?;
        within(&["remote", "remove", "origin"])?;
        Ok(())
    }

    fn ask(&self, args: &[&str]) -> Result<String> {
        succeed(run(&self.top, args, None)?, args)
    }

    fn object(&self, args: &[&str], index: Option<&Utf8Path>) -> Result<Oid> {
        let output = run(&self.top, args, index)?;
        Oid::read(&output.stdout).filter(|_| output.success).ok_or_else(|| refused(verb(args), &output))
    }
}

/// An index beside the repository's own, for as long as a tree is put together.
struct Index<'a> {
    repository: &'a Repository,
    file: Utf8PathBuf,
    folder: tempfile::TempDir,
}

impl Index<'_> {
    fn new(repository: &Repository) -> Result<Index<'_>> {
        let folder = fs::temporary_dir(&repository.common)?;
        let file = Utf8Path::from_path(folder.path()).unwrap_or(&repository.common).join("index");
        Ok(Index { repository, file, folder })
    }

    fn ask(&self, args: &[&str]) -> Result<String> {
        self.within(&self.repository.top, args)
    }

    fn within(&self, dir: &Utf8Path, args: &[&str]) -> Result<String> {
        succeed(run(dir, args, Some(&self.file))?, args)
    }

    fn object(&self, args: &[&str]) -> Result<Oid> {
        self.repository.object(args, Some(&self.file))
    }

    /// Takes a folder from a commit.
    fn take(&self, commit: &Oid, folder: &str) -> Result<()> {
        self.ask(&["rm", "-r", "--quiet", "--cached", "--ignore-unmatch", "--", folder])?;
        let before = format!("{commit}:{folder}");
        if run(&self.repository.top, &["cat-file", "-e", &before], None)?.success {
            self.ask(&["read-tree", &format!("--prefix={folder}/"), &before])?;
        }
        Ok(())
    }

    fn edit(&self, edits: &[Edit<'_>]) -> Result<()> {
        let folder = Utf8Path::from_path(self.folder.path()).unwrap_or(&self.repository.common);
        let mut question = vec!["update-index".to_owned(), "--add".to_owned()];
        for (number, (path, text)) in edits.iter().enumerate() {
            let Some(text) = text else { continue };
            let file = folder.join(format!("file-{number}"));
            fs::replace(&file, text.as_bytes())?;
            let blob = self.object(&["hash-object", "-w", "--no-filters", "--", file.as_str()])?;
            question.extend(["--cacheinfo".to_owned(), format!("100644,{blob},{path}")]);
        }
        let gone = edits.iter().filter(|(_, text)| text.is_none()).map(|(path, _)| (*path).to_owned());
        question.push("--force-remove".to_owned());
        question.push("--".to_owned());
        let first = question.len();
        question.extend(gone);
        if question.len() == first {
            question.truncate(first - 2);
        }
        let words: Vec<&str> = question.iter().map(String::as_str).collect();
        if words.len() > 2 { self.ask(&words).map(|_| ()) } else { Ok(()) }
    }
}

fn run(dir: &Utf8Path, args: &[&str], index: Option<&Utf8Path>) -> Result<Captured> {
    let mut argv: Vec<String> = Vec::new();
    if let Some(index) = index {
        argv.extend(["env".to_owned(), format!("GIT_INDEX_FILE={index}")]);
    }
    let command = ["git", "--no-replace-objects", "-C", dir.as_str()];
    argv.extend(command.iter().chain(&HARMLESS).chain(args).map(|word| (*word).to_owned()));
    // Only what talks to a remote may hang, and starts programs that could outlive it. The program of unit tests has no leash.
    let is_remote = !cfg!(test) && matches!(verb(args), "push" | "fetch" | "ls-remote" | "clone");
    let ask = if is_remote { process::capture } else { process::capture_briefly };
    ask(&argv).map_err(GitError::NotStarted)
}

fn succeed(output: Captured, args: &[&str]) -> Result<String> {
    if output.success { Ok(output.stdout) } else { Err(refused(verb(args), &output)) }
}

/// The first word that is no setting.
fn verb<'a>(args: &[&'a str]) -> &'a str {
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match *word {
            "-c" => drop(words.next()),
            word if word.starts_with('-') => {}
            word => return word,
        }
    }
    ""
}

fn refused(verb: &str, output: &Captured) -> GitError {
    let said = output.stderr.lines().find(|line| line.starts_with("fatal: ") || line.starts_with("error: "));
    let said = said.or_else(|| output.stderr.lines().next()).unwrap_or("it says nothing");
    let said = said.trim_start_matches("fatal: ").trim_start_matches("error: ");
    GitError::Refused { verb: verb.to_owned(), said: capped(&one_line(said), 300) }
}

/// Reads what `git push --porcelain` prints: a line for each ref, led by what became of it.
fn pushed(output: &Captured, asked: usize) -> Result<Pushed> {
    let lines: Vec<(char, &str)> = output
        .stdout
        .lines()
        .filter(|line| line.as_bytes().get(1) == Some(&b'\t'))
        .filter_map(|line| Some((line.chars().next()?, line.rsplit('\t').next()?)))
        .collect();
    if let Some((_, why)) = lines.iter().find(|(flag, _)| matches!(flag, '!' | '=')) {
        return Ok(Pushed::Rejected(capped(&one_line(why), 300)));
    }
    if output.success && lines.len() == asked { Ok(Pushed::Done) } else { Err(refused("push", output)) }
}

/// The files that a diff without context adds. Lines are counted, so that none passes for a header.
fn added_files(difference: &str) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut file: Option<String> = None;
    let mut content = 0u32;
    for line in difference.split_inclusive('\n') {
        if content > 0 {
            content -= 1;
            if let (Some(file), Some(text)) = (&file, line.strip_prefix('+')) {
                files.entry(file.clone()).or_default().push_str(text);
            }
        } else if line.starts_with("diff --git ") {
            file = None;
        } else if let Some(path) = line.strip_prefix("+++ ") {
            file = path.trim_end_matches('\n').strip_prefix("b/").map(|path| path.trim_end_matches('\t').to_owned());
        } else if let Some(header) = line.strip_prefix("@@ -0,0 +") {
            let range = header.split(' ').next().unwrap_or_default();
            content = range.split_once(',').map_or(Ok(1), |(_, count)| count.parse()).unwrap_or(0);
        }
    }
    files
}

/// Reads `git diff-tree --raw -z`.
fn changes(raw: &str) -> Vec<Change> {
    let mut fields = raw.split('\0');
    let mut found = Vec::new();
    while let (Some(facts), Some(path)) = (fields.next(), fields.next()) {
        let mut words = facts.trim_start_matches(':').split(' ');
        if let (Some(old), Some(new)) = (words.next(), words.next()) {
            found.push(Change { path: path.into(), old_mode: old.to_owned(), new_mode: new.to_owned() });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(success: bool, stdout: &str, stderr: &str) -> Captured {
        Captured { success, stdout: stdout.to_owned(), stderr: stderr.to_owned() }
    }

    #[test]
    fn a_push_counts_only_if_every_ref_has_moved() {
        let moved = "To x\n*\tabc:refs/a\t[new reference]\n \tabc:refs/b\t1..2\nDone\n";
        assert_eq!(pushed(&captured(true, moved, ""), 2).unwrap(), Pushed::Done);
        let same = "To x\n=\tabc:refs/a\t[up to date]\nDone\n";
        assert!(matches!(pushed(&captured(true, same, ""), 1), Ok(Pushed::Rejected(_))));
        let stale = "To x\n!\tabc:refs/a\t[rejected] (stale info)\n";
        assert_eq!(pushed(&captured(false, stale, ""), 1).unwrap(), Pushed::Rejected("[rejected] (stale info)".into()));
        let error = pushed(&captured(false, "", "fatal: no route\n"), 1).unwrap_err();
        assert_eq!(error.to_string(), "git push failed: no route");
        assert!(pushed(&captured(true, moved, ""), 3).is_err());
    }

    #[test]
    fn files_are_read_from_a_diff_and_their_lines_pass_for_no_header() {
        let text = "diff --git a/t/a.txt b/t/a.txt\nnew file mode 100644\n--- /dev/null\n+++ b/t/a.txt\n@@ -0,0 +1,3 @@\n+Title: x\n\
                    ++++ b/t/b.txt\n+@@ -0,0 +1,9 @@\n\\ No newline at end of file\n\
                    diff --git a/t/c.txt b/t/c.txt\n--- /dev/null\n+++ \"b/\\t.txt\"\n@@ -0,0 +1 @@\n+y\n";
        let files = added_files(text);
        assert_eq!(files.len(), 1);
        assert_eq!(files["t/a.txt"], "Title: x\n+++ b/t/b.txt\n@@ -0,0 +1,9 @@\n");
    }

    #[test]
    fn raw_differences_tell_links_and_deletions() {
        let raw = ":100644 000000 a b D\0old name.rs\0:000000 120000 a b A\0l\0";
        let found: Vec<String> =
            changes(raw).iter().map(|c| format!("{} {} {}", c.path, c.old_mode, c.new_mode)).collect();
        assert_eq!(found, ["old name.rs 100644 000000", "l 000000 120000"]);
    }
}
