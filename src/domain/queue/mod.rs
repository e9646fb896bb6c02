//! The work queue: tasks on a branch, claims that only one worker can have, and work that lands together with its claim's end.
//!
//! What is shared is what git holds: a task is a file below `current_tasks/` of the branch, a claim a ref (or a lock file), and
//! each step is one push that names what it expects to find. Whoever is second is refused by the remote, not by a convention.

mod attempts;
mod board;
mod claim;
mod leases;
#[cfg(test)]
mod race;
mod swap;
mod task;

use std::time::Duration;

pub(crate) use attempts::Attempt;
pub(crate) use board::{Board, Census, Entry, State, Wanted};
pub(crate) use claim::{Claim, is_worker};
pub(crate) use task::{Kind, PRIORITY, Task, TaskId, TaskIdError};

use crate::base::{Digest, ExitCode, Explain};
use crate::domain::contract::{self, ClaimStore};
use crate::ports::repository::{GitError, Oid, Pushed, Remote, Repository, Update};
use crate::ports::{clock, fs};

/// The folder of the lock-file layout, and below it what nobody has claimed.
pub(crate) const FOLDER: &str = "current_tasks";
const AVAILABLE: &str = "available";

/// How often a step that somebody else was faster at is tried anew.
const TRIES: u32 = 60;

/// Why the queue can't do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Fs(#[from] fs::FsError),
    #[error("the branch that tasks are kept on can't be told")]
    NoBranch,
    #[error("the branch {0} has no commit yet")]
    NoCommit(String),
    #[error("there is no task `{wanted}`")]
    NoTask { wanted: String, nearest: Option<String> },
    #[error("there is a task `{0}` already")]
    Taken(TaskId),
    #[error("`{id}` is held by {worker}")]
    Held { id: TaskId, worker: String },
    #[error("`{id}` is blocked: {why}")]
    Blocked { id: TaskId, why: String },
    #[error("`{id}` can't be handed out: {why}")]
    Unfit { id: TaskId, why: String },
    #[error("there is nothing to claim: {0}")]
    Nothing(String),
    #[error("the claim on `{0}` is not yours any more")]
    Lost(TaskId),
    #[error("the remote would not have it: {0}")]
    Rejected(String),
}

impl Explain for QueueError {
    fn exit_code(&self) -> ExitCode {
        match self {
            QueueError::Git(error) => error.exit_code(),
            QueueError::Fs(error) => error.exit_code(),
            QueueError::Rejected(_) => ExitCode::Environment,
            QueueError::NoBranch | QueueError::NoCommit(_) | QueueError::NoTask { .. } | QueueError::Taken(_) => {
                ExitCode::Usage
            }
            QueueError::Held { .. }
            | QueueError::Blocked { .. }
            | QueueError::Unfit { .. }
            | QueueError::Nothing(_)
            | QueueError::Lost(_) => ExitCode::Red,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            QueueError::Git(error) => error.hint(),
            QueueError::Fs(error) => error.hint(),
            QueueError::NoBranch => Some("name it in the contract: queue.branch = \"main\"".to_owned()),
            QueueError::NoCommit(_) => Some("commit once, and push".to_owned()),
            QueueError::NoTask { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
            QueueError::NoTask { nearest: None, .. } => Some("`cargo harness task add TITLE` adds one".to_owned()),
            QueueError::Taken(_) => Some("choose another with --id".to_owned()),
            QueueError::Held { .. } => Some("`cargo harness task claim --next` hands out a free one".to_owned()),
            QueueError::Blocked { id, .. } => Some(format!("`cargo harness task release {id}` frees it")),
            QueueError::Unfit { .. } | QueueError::Nothing(_) => {
                Some("`cargo harness task list` says how each stands".to_owned())
            }
            QueueError::Lost(_) => Some("its lease ran out and it was taken; claim another task".to_owned()),
            QueueError::Rejected(why) if why.contains("unstaged") || why.contains("uncommitted") => {
                Some("commit or stash what is open in the work tree that has the branch".to_owned())
            }
            QueueError::Rejected(_) => {
                Some("if the host refuses refs/harness/, set queue.backend = \"heads\"".to_owned())
            }
        }
    }
}

type Result<T> = std::result::Result<T, QueueError>;

/// A claim as one clone knows it: what it says, and the version that the next step expects to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) claim: Claim,
    /// The commit of its ref; with lock files, the digest of the file.
    pub(crate) version: String,
}

/// What became of a commit that was to land.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Landing {
    Landed,
    /// The branch is not where the commit began.
    Moved,
}

/// The queue of a repository, seen from one clone.
#[derive(Debug)]
pub(crate) struct Queue<'a> {
    repository: &'a Repository,
    settings: &'a contract::Queue,
    remote: Remote,
    branch: String,
    leases: leases::Leases,
    /// How many pushes there were, refused ones included.
    pushes: std::sync::atomic::AtomicU32,
}

impl Queue<'_> {
    /// The queue that a contract names.
    ///
    /// # Errors
    /// The remote can't be reached, or has no branch that tasks could be on.
    pub(crate) fn open<'a>(repository: &'a Repository, settings: &'a contract::Queue) -> Result<Queue<'a>> {
        let remote = repository.remote(&settings.remote)?;
        let branch = match &settings.branch {
            Some(branch) => format!("refs/heads/{branch}"),
            None => repository.look(&remote, &["HEAD"])?.head.ok_or(QueueError::NoBranch)?,
        };
        let leases = leases::Leases::of(repository.common());
        Ok(Queue { repository, settings, remote, branch, leases, pushes: 0.into() })
    }

    /// The branch, as a reader knows it.
    pub(crate) fn branch(&self) -> &str {
        self.branch.trim_start_matches("refs/heads/")
    }

    /// How many pushes there were.
    pub(crate) fn pushes(&self) -> u32 {
        self.pushes.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Below what the queue's own refs lie.
    fn space(&self) -> &'static str {
        match self.settings.backend {
            ClaimStore::Refs => "refs/harness",
            ClaimStore::Heads | ClaimStore::Files => "refs/heads/harness",
        }
    }

    fn claim_ref(&self, id: &TaskId) -> String {
        format!("{}/claims/{id}", self.space())
    }

    fn push(&self, updates: &[Update]) -> Result<Pushed> {
        self.pushes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(self.repository.push(&self.remote, updates)?)
    }

    /// The tip of the branch, with all that belongs to it.
    ///
    /// # Errors
    /// The remote can't be reached, or the branch is empty.
    pub(crate) fn tip(&self) -> Result<Oid> {
        let mut look = self.repository.look(&self.remote, &[&self.branch])?;
        self.repository.bring(&self.remote, &look.refs)?;
        look.refs.remove(&self.branch).ok_or_else(|| QueueError::NoCommit(self.branch().to_owned()))
    }

    /// How every task stands.
    ///
    /// # Errors
    /// The remote can't be reached.
    pub(crate) fn board(&self) -> Result<Board> {
        board::read(self)
    }

    /// Publishes a task.
    ///
    /// # Errors
    /// There is one of that id, or the remote can't be reached.
    pub(crate) fn add(&self, task: &Task, who: &str) -> Result<()> {
        let path = self.file(&task.id, true);
        let text = task.file();
        self.change(&format!("Task {}: {}", task.id, task.title), who, |tip| {
            let is_there = [true, false]
                .into_iter()
                .any(|free| self.repository.text(tip, &self.file(&task.id, free)).is_ok_and(|text| text.is_some()));
            if is_there {
                Err(QueueError::Taken(task.id.clone()))
            } else {
                Ok(vec![(path.clone(), Some(text.clone()))])
            }
        })
    }

    /// Claims a task that is free, or whose claim has run out. None where another was faster, or it is done meanwhile.
    ///
    /// # Errors
    /// The remote can't be reached.
    pub(crate) fn claim(&self, entry: &Entry, worker: &str) -> Result<Option<Held>> {
        let id = &entry.task.id;
        let mut claim = Claim::new(id.clone(), worker, nonce(worker)?, self.settings.lease);
        if let State::Expired(before) = &entry.state {
            claim.expiries = before.claim.expiries + 1;
            if claim.expiries >= claim::MOST_EXPIRIES {
                claim.blocked =
                    Some(format!("its claim ran out {} times, last that of {}", claim.expiries, before.claim.worker));
                swap::put(self, Some(before), claim)?;
                return Ok(None);
            }
        }
        let before = match &entry.state {
            State::Expired(before) => Some(before),
            State::Free => None,
            State::Held(_) | State::Blocked(_) | State::Unfit(_) => return Ok(None),
        };
        let Some(held) = swap::put(self, before, claim)? else { return Ok(None) };
        // Whoever has done it since the board was read took the claim away together with the task.
        let tip = self.tip()?;
        for file in self.files(id) {
            if self.repository.text(&tip, &file)?.is_some() {
                return Ok(Some(held));
            }
        }
        swap::end(self, &held)?;
        Ok(None)
    }

    /// Shows that the worker is alive.
    ///
    /// # Errors
    /// The claim was taken, or the remote can't be reached.
    pub(crate) fn renew(&self, held: &Held) -> Result<Held> {
        let claim = Claim { renewed: held.claim.renewed.saturating_add(1), ..held.claim.clone() };
        swap::put(self, Some(held), claim)?.ok_or_else(|| QueueError::Lost(held.claim.id.clone()))
    }

    /// Gives a task back.
    ///
    /// # Errors
    /// The claim was taken, or the remote can't be reached.
    pub(crate) fn release(&self, held: &Held) -> Result<()> {
        if swap::end(self, held)? { Ok(()) } else { Err(QueueError::Lost(held.claim.id.clone())) }
    }

    /// Leaves a task to a person.
    ///
    /// # Errors
    /// The claim was taken, or the remote can't be reached.
    pub(crate) fn block(&self, held: &Held, why: &str) -> Result<()> {
        let claim = Claim { blocked: Some(why.to_owned()), ..held.claim.clone() };
        swap::put(self, Some(held), claim)?.map(|_| ()).ok_or_else(|| QueueError::Lost(held.claim.id.clone()))
    }

    /// Moves the branch from `base` to `commit` and ends the claim, both or neither. The commit's tree must be without the task.
    ///
    /// # Errors
    /// The claim was taken, or the remote can't be reached.
    pub(crate) fn land(&self, held: &Held, base: &Oid, commit: &Oid) -> Result<Landing> {
        swap::land(self, held, base, commit)
    }

    /// Keeps what the next command of the same worker needs to know of a claim.
    ///
    /// # Errors
    /// The repository can't be written.
    pub(crate) fn remember(&self, held: &Held) -> Result<()> {
        let file = self.memory(&held.claim.worker, &held.claim.id);
        fs::create_dir(file.parent().unwrap_or(self.repository.common()))?;
        Ok(fs::replace(&file, held.version.as_bytes())?)
    }

    /// The claim of a worker on a task, as long as it is the one that was made from here.
    ///
    /// # Errors
    /// It is somebody else's, or there is none.
    pub(crate) fn own<'b>(&self, entry: &'b Entry, worker: &str) -> Result<&'b Held> {
        let id = &entry.task.id;
        let held = entry.state.held().ok_or_else(|| QueueError::Lost(id.clone()))?;
        if held.claim.worker != worker {
            return Err(QueueError::Held { id: id.clone(), worker: held.claim.worker.clone() });
        }
        match fs::read_text_if_present(&self.memory(worker, id))? {
            Some(version) if version == held.version => Ok(held),
            _ => Err(QueueError::Lost(id.clone())),
        }
    }

    /// Forgets a claim that has ended.
    ///
    /// # Errors
    /// The repository can't be written.
    pub(crate) fn forget(&self, worker: &str, id: &TaskId) -> Result<()> {
        Ok(fs::remove_file(&self.memory(worker, id))?)
    }

    fn memory(&self, worker: &str, id: &TaskId) -> camino::Utf8PathBuf {
        self.repository.common().join("harness/held").join(worker).join(id.as_str())
    }

    /// The paths that a task has in the tree.
    pub(crate) fn files(&self, id: &TaskId) -> [String; 2] {
        [self.file(id, true), self.file(id, false)]
    }

    /// The folder of all of them.
    pub(crate) fn folder(&self) -> String {
        self.repository.path(FOLDER)
    }

    fn file(&self, id: &TaskId, is_free: bool) -> String {
        let folder = if is_free { format!("{FOLDER}/{AVAILABLE}") } else { FOLDER.to_owned() };
        self.repository.path(&format!("{folder}/{id}.txt"))
    }

    /// Changes files of the branch by a commit of its own, however often others move the branch meanwhile.
    fn change(
        &self,
        message: &str,
        who: &str,
        edits: impl Fn(&Oid) -> Result<Vec<(String, Option<String>)>>,
    ) -> Result<()> {
        let mut why = String::new();
        for attempt in 0..TRIES {
            let tip = self.tip()?;
            let edits = edits(&tip)?;
            let borrowed: Vec<_> = edits.iter().map(|(path, text)| (path.as_str(), text.as_deref())).collect();
            let tree = self.repository.edited(&tip, &borrowed)?;
            let commit = self.repository.commit(&tree, &[&tip], message, who)?;
            let update = Update { name: self.branch.clone(), old: Some(tip.clone()), new: Some(commit.clone()) };
            let pushed = match self.remote.is_own {
                // A work tree with open changes elsewhere is no reason to refuse a task.
                true => self.repository.advance(&self.branch, &tip, &commit, &borrowed)?,
                false => self.push(&[update])?,
            };
            match pushed {
                Pushed::Done => return Ok(()),
                Pushed::Rejected(reason) => why = reason,
            }
            pause(attempt)?;
        }
        Err(QueueError::Rejected(why))
    }
}

/// Waits a while that grows and that no two workers share.
fn pause(attempt: u32) -> Result<()> {
    let most = 50u64 << attempt.min(5);
    std::thread::sleep(Duration::from_millis(random()? % most));
    Ok(())
}

/// A number that nobody else has.
pub(crate) fn random() -> fs::Result<u64> {
    let bytes = fs::read_from("/dev/urandom".into(), 0, 8)?;
    Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn nonce(worker: &str) -> Result<String> {
    let (random, time) = (random()?.to_le_bytes(), clock::timestamp());
    Ok(Digest::of_fields([worker.as_bytes(), &random, time.as_bytes()]).prefix(16).to_owned())
}
