//! Git's objects: what a gate judges. A repository of its own borrows the objects of the judged one, so that neither that one's
//! configuration, hooks, filters, replaced objects nor its work tree take part.

#![expect(clippy::disallowed_methods, reason = "this is the door to git's objects")]

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::fs;
use super::git::{HARMLESS, LOCAL_VARIABLES};
use super::source::Source;
use crate::base::{ExitCode, Explain};

/// Why git's objects don't say what is to be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObjectsError {
    #[error("git cannot be started: {0}")]
    NotStarted(std::io::Error),
    #[error("this is no git repository: {0}")]
    NoRepository(Utf8PathBuf),
    #[error("`{0}` is not a commit of this repository")]
    NoSuchCommit(String),
    #[error("this clone is shallow, and the history that {head} and {base} share is not in it")]
    Shallow { base: String, head: String },
    #[error("{head} and {base} share no history")]
    Unrelated { base: String, head: String },
    #[error("{head} does not merge with {base}: {}", files.join(", "))]
    Conflict { base: String, head: String, files: Vec<String> },
    #[error("the tree holds a submodule, which a gate cannot check out: {0}")]
    Submodule(Utf8PathBuf),
    #[error("the tree holds a path that is not UTF-8: {0}")]
    NotUtf8(String),
    #[error("git {verb}: {text}")]
    Failed { verb: String, text: String },
    #[error(transparent)]
    Fs(#[from] fs::FsError),
}

impl Explain for ObjectsError {
    fn exit_code(&self) -> ExitCode {
        match self {
            ObjectsError::Fs(error) => error.exit_code(),
            ObjectsError::NotStarted(_) | ObjectsError::Shallow { .. } | ObjectsError::Failed { .. } => {
                ExitCode::Environment
            }
            ObjectsError::Conflict { .. } => ExitCode::Red,
            _ => ExitCode::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            ObjectsError::Fs(error) => error.hint(),
            ObjectsError::NotStarted(_) => Some("install git 2.38 or later".to_owned()),
            ObjectsError::NoRepository(_) => Some("a gate judges commits: git init, and commit a base".to_owned()),
            ObjectsError::NoSuchCommit(_) => Some("name the base with --base, or fetch it first".to_owned()),
            ObjectsError::Shallow { .. } => Some("fetch the rest: git fetch --unshallow".to_owned()),
            ObjectsError::Conflict { .. } => Some("merge or rebase onto the base, and solve the conflicts".to_owned()),
            ObjectsError::Unrelated { .. } | ObjectsError::Submodule(_) | ObjectsError::NotUtf8(_) => None,
            ObjectsError::Failed { .. } => None,
        }
    }
}

pub(super) type Result<T> = std::result::Result<T, ObjectsError>;

/// A file of a tree, or a link.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// As git writes it: `100644`, `100755`, `120000`.
    pub(crate) mode: String,
    pub(crate) id: String,
}

/// A tree's files by their paths.
pub(crate) type Listing = BTreeMap<Utf8PathBuf, Entry>;

/// No attribute of the tree changes bytes on their way, nor how files are merged.
const ATTRIBUTES: &str = "* -text -filter -ident -working-tree-encoding !eol !merge !diff\n";

/// Whoever asks: commits that a gate makes are nobody's.
const IDENTITY: [(&str, &str); 6] = [
    ("GIT_AUTHOR_NAME", "cargo-harness"),
    ("GIT_AUTHOR_EMAIL", "cargo-harness@localhost"),
    ("GIT_AUTHOR_DATE", "2000-01-01T00:00:00Z"),
    ("GIT_COMMITTER_NAME", "cargo-harness"),
    ("GIT_COMMITTER_EMAIL", "cargo-harness@localhost"),
    ("GIT_COMMITTER_DATE", "2000-01-01T00:00:00Z"),
];

/// The environment of every git: objects are what they are, nothing is fetched, nobody is asked.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("LC_ALL", "C"),
];

/// Larger files than this are text for no check.
const LARGEST_TEXT: u64 = 4 << 20;

/// The objects of a repository, borrowed.
#[derive(Debug)]
pub(crate) struct Objects {
    source: Source,
    /// The bare repository that borrows them, and takes what a gate writes.
    store: Utf8PathBuf,
    lenders: String,
}

impl Objects {
    /// Those of a repository, through a store below `area`.
    ///
    /// # Errors
    /// There is no repository, or the store can't be made.
    pub(crate) fn borrow(source: &Source, area: &Utf8Path) -> Result<Objects> {
        let lent: String = source.lenders()?.iter().map(|folder| format!("{folder}\n")).collect();
        let store = area.join("objects.git");
        let lenders = format!("{lent}{}\n", store.join("objects"));
        let this = Objects { source: source.clone(), store, lenders };
        if !fs::is_present(&this.store.join("HEAD")) {
            let format = source.ask(&["rev-parse", "--show-object-format"])?.text();
            let format = format!("--object-format={}", format.trim());
            git(&["init", "--quiet", "--bare", "--template=", &format, this.store.as_str()], &[], b"")?.good("init")?;
        }
        this.lend(&this.store, &lent)?;
        Ok(this)
    }

    fn lend(&self, to: &Utf8Path, lenders: &str) -> Result<()> {
        for folder in ["objects/info", "info"] {
            fs::create_dir(&to.join(folder))?;
        }
        fs::replace(&to.join("objects/info/alternates"), lenders.as_bytes())?;
        fs::replace(&to.join("info/attributes"), ATTRIBUTES.as_bytes())?;
        let shallow = self.source.common_dir()?.join("shallow");
        match fs::read_text_if_present(&shallow)? {
            Some(text) => fs::replace(&to.join("shallow"), text.as_bytes())?,
            None => fs::remove_file(&to.join("shallow"))?,
        }
        Ok(())
    }

    fn ask(&self, args: &[&str]) -> Result<Answer> {
        self.give(args, b"")
    }

    fn give(&self, args: &[&str], input: &[u8]) -> Result<Answer> {
        git(&[&["--git-dir", self.store.as_str()], args].concat(), &[], input)
    }

    /// What is staged in an index, as a commit on top of another.
    ///
    /// # Errors
    /// The index has conflicts.
    pub(crate) fn staged(&self, index: Option<&Utf8Path>, parent: &str) -> Result<String> {
        self.make_commit(&self.source.staged(index)?, &[parent])
    }

    /// The tree of a commit.
    ///
    /// # Errors
    /// It isn't here.
    pub(crate) fn tree_of(&self, commit: &str) -> Result<String> {
        let answer =
            self.ask(&["rev-parse", "--verify", "--quiet", &format!("{commit}^{{tree}}")])?.good("rev-parse")?;
        Ok(answer.text().trim().to_owned())
    }

    /// The tree that a head gives when it is merged onto a base.
    ///
    /// # Errors
    /// They conflict, or share no history that is here.
    pub(crate) fn merged(&self, base: &str, head: &str) -> Result<String> {
        let names = || (short(base).to_owned(), short(head).to_owned());
        if !self.ask(&["merge-base", base, head])?.success {
            let (base, head) = names();
            let shallow = fs::is_present(&self.store.join("shallow"));
            return Err(if shallow {
                ObjectsError::Shallow { base, head }
            } else {
                ObjectsError::Unrelated { base, head }
            });
        }
        let answer = self.ask(&["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", base, head])?;
        let text = answer.text();
        let mut fields = text.split('\0').filter(|field| !field.is_empty());
        let tree = fields.next().unwrap_or_default().trim().to_owned();
        if answer.success {
            return Ok(tree);
        }
        let files: BTreeSet<String> = fields.map(str::to_owned).collect();
        if answer.code == Some(1) && !files.is_empty() {
            let (base, head) = names();
            return Err(ObjectsError::Conflict { base, head, files: files.into_iter().collect() });
        }
        Err(answer.failed("merge-tree"))
    }

    /// A commit and those before it on the main line, the newest first, so many at most.
    ///
    /// # Errors
    /// Git can't say.
    pub(crate) fn main_line(&self, head: &str, most: usize) -> Result<Vec<String>> {
        let most = format!("--max-count={most}");
        let answer = self.ask(&["rev-list", "--first-parent", &most, head])?.good("rev-list")?;
        Ok(answer.text().lines().map(str::to_owned).collect())
    }

    /// The messages of the commits that a head has beyond a base, the newest first.
    ///
    /// # Errors
    /// Git can't say.
    pub(crate) fn messages(&self, base: &str, head: &str) -> Result<Vec<String>> {
        let range = format!("{base}..{head}");
        let answer = self.ask(&["log", "--no-merges", "--format=%B%x00", &range])?.good("log")?;
        Ok(answer.text().split('\0').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect())
    }

    /// How many lines a change adds and removes, without those of binary files.
    ///
    /// # Errors
    /// Git can't say.
    pub(crate) fn changed_lines(&self, before: &str, after: &str) -> Result<u64> {
        let answer = self.ask(&["diff-tree", "-r", "--numstat", "--no-renames", "--text", before, after])?;
        let answer = answer.good("diff-tree")?;
        let counts = |line: &str| -> Option<u64> {
            let mut fields = line.split('\t');
            Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
        };
        Ok(answer.text().lines().filter_map(counts).sum())
    }

    /// Files that have another name in the other tree, by their old ones.
    ///
    /// # Errors
    /// Git can't say.
    pub(crate) fn renames(&self, before: &str, after: &str) -> Result<BTreeMap<Utf8PathBuf, Utf8PathBuf>> {
        let answer = self.ask(&["diff-tree", "-r", "-z", "-M", "--diff-filter=R", "--name-status", before, after])?;
        let text = answer.good("diff-tree")?.text();
        let fields: Vec<&str> = text.split('\0').collect();
        let triples = fields.chunks_exact(3).map(|three| (three[1].into(), three[2].into()));
        Ok(triples.collect())
    }

    /// Every file of a tree.
    ///
    /// # Errors
    /// One that can't be checked out here.
    pub(crate) fn listing(&self, tree: &str) -> Result<Listing> {
        let answer = self.ask(&["ls-tree", "-r", "-z", "--full-tree", tree])?.good("ls-tree")?;
        let mut listing = Listing::new();
        for line in answer.stdout.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            let text = String::from_utf8(line.to_vec())
                .map_err(|error| ObjectsError::NotUtf8(String::from_utf8_lossy(error.as_bytes()).into_owned()))?;
            let Some((meta, path)) = text.split_once('\t') else { continue };
            let mut fields = meta.split(' ');
            let (mode, id) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
            if mode == "160000" {
                return Err(ObjectsError::Submodule(path.into()));
            }
            listing.insert(path.into(), Entry { mode: mode.to_owned(), id: id.to_owned() });
        }
        Ok(listing)
    }

    /// The texts of files by their ids; those that are no text or very large are left out.
    ///
    /// # Errors
    /// Git can't read them.
    pub(crate) fn texts<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Result<BTreeMap<String, String>> {
        let ids: BTreeSet<&str> = ids.into_iter().collect();
        let asked: String = ids.iter().map(|id| format!("{id}\n")).collect();
        let sizes = self.give(&["cat-file", "--batch-check=%(objectname) %(objectsize)"], asked.as_bytes())?;
        let sizes = sizes.good("cat-file")?.text();
        let small = sizes.lines().filter_map(|line| {
            let (id, size) = line.split_once(' ')?;
            (size.parse::<u64>().ok()? <= LARGEST_TEXT).then_some(id)
        });
        let asked: String = small.map(|id| format!("{id}\n")).collect();
        let answer = self.give(&["cat-file", "--batch"], asked.as_bytes())?.good("cat-file")?;
        let mut texts = BTreeMap::new();
        let mut rest = answer.stdout.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let header = String::from_utf8_lossy(&rest[..end]).into_owned();
            let mut fields = header.split(' ');
            let (id, size) = (fields.next().unwrap_or_default(), fields.nth(1).and_then(|size| size.parse().ok()));
            let Some(size) = size.filter(|size: &usize| end + 1 + size < rest.len()) else { break };
            if let Ok(text) = String::from_utf8(rest[end + 1..end + 1 + size].to_vec()) {
                texts.insert(id.to_owned(), text);
            }
            rest = &rest[end + size + 2..];
        }
        Ok(texts)
    }

    /// Keeps a text as a file's content.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn keep(&self, text: &str) -> Result<String> {
        let answer = self.give(&["hash-object", "-w", "--stdin", "--no-filters"], text.as_bytes())?;
        Ok(answer.good("hash-object")?.text().trim().to_owned())
    }

    /// Makes a tree of files.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn make_tree(&self, listing: &Listing) -> Result<String> {
        let index = self.store.join("index.new");
        fs::remove_file(&index)?;
        let lines: String =
            listing.iter().map(|(path, entry)| format!("{} {}\t{path}\0", entry.mode, entry.id)).collect();
        let with = [("GIT_INDEX_FILE", index.as_str())];
        let store = ["--git-dir", self.store.as_str()];
        git(&[&store[..], &["update-index", "-z", "--index-info"]].concat(), &with, lines.as_bytes())?
            .good("update-index")?;
        let answer = git(&[&store[..], &["write-tree"]].concat(), &with, b"")?.good("write-tree")?;
        fs::remove_file(&index)?;
        Ok(answer.text().trim().to_owned())
    }

    /// Makes a commit.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn make_commit(&self, tree: &str, parents: &[&str]) -> Result<String> {
        let mut args = vec!["commit-tree", "-m", "cargo-harness gate", tree];
        args.extend(parents.iter().flat_map(|parent| ["-p", parent]));
        Ok(self.ask(&args)?.good("commit-tree")?.text().trim().to_owned())
    }

    /// Writes a commit into an empty folder, byte for byte as its tree has it, as a repository of its own whose upstream is `base`.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn check_out(&self, commit: &str, base: &str, dir: &Utf8Path) -> Result<()> {
        fs::remove_dir(dir)?;
        fs::create_dir(dir)?;
        let format = format!("--object-format={}", if commit.len() == 64 { "sha256" } else { "sha1" });
        git(&["init", "--quiet", "--template=", "--initial-branch=subject", &format, dir.as_str()], &[], b"")?
            .good("init")?;
        let own = dir.join(".git");
        self.lend(&own, &self.lenders)?;
        let at = |args: &[&str]| -> Result<()> {
            let place = ["--git-dir", own.as_str(), "--work-tree", dir.as_str()];
            git(&[&place[..], args].concat(), &[], b"")?.good(args.first().unwrap_or(&"")).map(|_| ())
        };
        at(&["update-ref", "refs/heads/base", base])?;
        at(&["update-ref", "refs/heads/subject", commit])?;
        at(&["config", "branch.subject.remote", "."])?;
        at(&["config", "branch.subject.merge", "refs/heads/base"])?;
        at(&["read-tree", commit])?;
        at(&["checkout-index", "--all", "--force", "--quiet"])
    }

    /// The judged repository.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }
}

/// The first digits of an id, as people write them.
pub(crate) fn short(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}

/// What git answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) success: bool,
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(super) fn good(self, verb: &str) -> Result<Answer> {
        if self.success { Ok(self) } else { Err(self.failed(verb)) }
    }

    fn failed(&self, verb: &str) -> ObjectsError {
        let text = String::from_utf8_lossy(&self.stderr);
        let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("it failed").trim();
        let text = line.trim_start_matches("fatal: ").trim_start_matches("error: ").to_owned();
        ObjectsError::Failed { verb: verb.to_owned(), text }
    }
}

pub(super) fn git(args: &[&str], with: &[(&str, &str)], input: &[u8]) -> Result<Answer> {
    let command = duct::cmd("git", HARMLESS.iter().chain(&["-c", "core.quotePath=false"]).chain(args));
    // What is said of a command first overrides what is said of it later.
    let variables = with.iter().chain(&ENVIRONMENT).chain(&IDENTITY);
    let command = variables.fold(command, |command, (name, value)| command.env(name, value));
    let command = LOCAL_VARIABLES.iter().fold(command, |command, name| command.env_remove(name));
    let output = command.stdin_bytes(input).stdout_capture().stderr_capture().unchecked().run();
    let output = output.map_err(ObjectsError::NotStarted)?;
    let (success, code) = (output.status.success(), output.status.code());
    Ok(Answer { success, code, stdout: output.stdout, stderr: output.stderr })
}
