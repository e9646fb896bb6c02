//! All tasks with how each stands: what the branch holds, overlaid with the claims.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{AVAILABLE, FOLDER, Held, Queue, QueueError, Result, Task, TaskId, random, swap};
use crate::base::FailureId;
use crate::domain::contract::ClaimStore;
use crate::ports::clock;
use crate::ports::repository::Oid;

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Free,
    /// Somebody works on it.
    Held(Held),
    /// Somebody did, and has not been heard of for the length of the lease.
    Expired(Held),
    /// It waits for a person.
    Blocked(Held),
    /// Its file can't be read.
    Unfit(String),
}

impl State {
    /// As `task list` has it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            State::Free => "free",
            State::Held(_) => "held",
            State::Expired(_) => "expired",
            State::Blocked(_) => "blocked",
            State::Unfit(_) => "unfit",
        }
    }

    /// The claim, where there is one.
    pub(crate) fn held(&self) -> Option<&Held> {
        match self {
            State::Held(held) | State::Expired(held) | State::Blocked(held) => Some(held),
            State::Free | State::Unfit(_) => None,
        }
    }
}

/// A task and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) task: Task,
    pub(crate) state: State,
}

/// What somebody who asks for the next task can do.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) role: Option<&'a str>,
    /// Whether a failure is known not to be there any more.
    pub(crate) is_green: &'a dyn Fn(&FailureId) -> bool,
}

/// All tasks at one moment, the most urgent first.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    pub(crate) tip: Oid,
    pub(crate) entries: Vec<Entry>,
}

/// How many tasks stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Census {
    pub(crate) free: usize,
    pub(crate) held: usize,
    pub(crate) blocked: usize,
}

pub(super) fn read(queue: &Queue<'_>) -> Result<Board> {
    let pattern = format!("{}/claims/*", queue.space());
    let patterns = [queue.branch.as_str(), &pattern];
    let mut refs = queue.repository.look(&queue.remote, &patterns)?.refs;
    if let Err(error) = queue.repository.bring(&queue.remote, &refs) {
        // A claim that was seen may be gone before it is fetched; the branch never is.
        refs = queue.repository.look(&queue.remote, &patterns)?.refs;
        if queue.repository.bring(&queue.remote, &refs).is_err() {
            let branch = refs.iter().filter(|(name, _)| **name == queue.branch);
            let branch = branch.map(|(name, oid)| (name.clone(), oid.clone())).collect();
            queue.repository.bring(&queue.remote, &branch).map_err(|_| error)?;
        }
    }
    let tip = refs.remove(&queue.branch).ok_or_else(|| QueueError::NoCommit(queue.branch().to_owned()))?;
    refs.retain(|_, oid| queue.repository.has(oid));
    let mut claims = swap::of_refs(queue, &refs)?;
    let now = clock::uptime()?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut seen: BTreeSet<TaskId> = BTreeSet::new();
    for (path, text) in queue.repository.texts(&tip, &queue.repository.path(FOLDER))? {
        let name = path.strip_prefix(&format!("{AVAILABLE}/")).unwrap_or(&path);
        let Some(id) = name.strip_suffix(".txt").and_then(|name| name.parse::<TaskId>().ok()) else { continue };
        if !seen.insert(id.clone()) {
            continue;
        }
        let claim = match queue.settings.backend {
            ClaimStore::Files => swap::of_file(&id, &text),
            ClaimStore::Refs | ClaimStore::Heads => claims.remove(&id),
        };
        let task = Task::read(id, &text);
        let state = match claim {
            Some(held) if held.claim.blocked.is_some() => State::Blocked(held),
            Some(held) if queue.leases.age(&held.claim, &held.version, &now)? > held.claim.duration() => {
                State::Expired(held)
            }
            Some(held) => State::Held(held),
            None if task.problems.is_empty() => State::Free,
            None => State::Unfit(task.problems.join("; ")),
        };
        entries.push(Entry { task, state });
    }
    entries.sort_by(|a, b| (a.task.priority, &a.task.id).cmp(&(b.task.priority, &b.task.id)));
    Ok(Board { tip, entries })
}

impl Board {
    /// A task by its id.
    ///
    /// # Errors
    /// There is none of that id.
    pub(crate) fn find(&self, id: &TaskId) -> Result<&Entry> {
        self.entries.iter().find(|entry| entry.task.id == *id).ok_or_else(|| {
            let ids = self.entries.iter().map(|entry| entry.task.id.to_string());
            let likeness = |text: &String| strsim::jaro(text, id.as_str());
            let nearest = ids.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            QueueError::NoTask { wanted: id.to_string(), nearest: nearest.filter(|text| likeness(text) > 0.7) }
        })
    }

    /// How many tasks stand how; what waits for a person is blocked.
    pub(crate) fn census(&self) -> Census {
        let count = |wanted: &dyn Fn(&State) -> bool| self.entries.iter().filter(|entry| wanted(&entry.state)).count();
        Census {
            free: count(&|state| matches!(state, State::Free | State::Expired(_))),
            held: count(&|state| matches!(state, State::Held(_))),
            blocked: count(&|state| matches!(state, State::Blocked(_) | State::Unfit(_))),
        }
    }

    /// The tasks that could be handed out, the most urgent first; those of the same urgency in an order that no two workers share, so that
    /// they don't all reach for the same one.
    ///
    /// # Errors
    /// There is no randomness.
    pub(crate) fn candidates(&self, wanted: Wanted<'_>) -> Result<Vec<&Entry>> {
        let salt = random()?.to_le_bytes();
        let held: BTreeSet<&FailureId> = self
            .entries
            .iter()
            .filter(|entry| matches!(entry.state, State::Held(_) | State::Blocked(_)))
            .filter_map(|entry| entry.task.failure.as_ref())
            .collect();
        let fits = |entry: &&Entry| {
            let Entry { task, state } = entry;
            let is_open = |failure: &FailureId| !held.contains(failure) && !(wanted.is_green)(failure);
            matches!(state, State::Free | State::Expired(_))
                && task.problems.is_empty()
                && task.role.as_deref().is_none_or(|role| wanted.role.is_none_or(|own| own == role))
                && task.failure.as_ref().is_none_or(is_open)
        };
        let mut found: Vec<&Entry> = self.entries.iter().filter(fits).collect();
        found.sort_by_cached_key(|entry| {
            let id = entry.task.id.as_str().as_bytes();
            (entry.task.priority, crate::base::Digest::of_fields([&salt[..], id]))
        });
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::claim::Claim;
    use super::*;

    fn entry(id: &str, lines: &str, state: State) -> Entry {
        Entry { task: Task::read(id.parse().unwrap(), &format!("Title: {id}\n{lines}")), state }
    }

    fn held(id: &str) -> Held {
        let claim = Claim::read(&id.parse().unwrap(), "Claimed-By: ada").unwrap();
        Held { claim, version: String::new() }
    }

    #[test]
    fn the_next_task_is_the_most_urgent_that_fits_and_whose_failure_is_open_and_free() {
        let board = Board {
            tip: Oid::named(&"0".repeat(40)).unwrap(),
            entries: vec![
                entry("held", "Failure: t-00000001", State::Held(held("held"))),
                entry("expired", "Priority: 2", State::Expired(held("expired"))),
                entry("same", "Priority: 1\nFailure: t-00000001", State::Free),
                entry("green", "Priority: 1\nFailure: t-00000002", State::Free),
                entry("docs", "Priority: 1\nRole: docs", State::Free),
                entry("open", "Priority: 3\nFailure: t-00000003", State::Free),
                entry("broken", "Priority: 0", State::Free),
            ],
        };
        let is_green = |failure: &FailureId| failure.as_str() == "t-00000002";
        let ids = |role: Option<&str>| -> Vec<String> {
            let found = board.candidates(Wanted { role, is_green: &is_green }).unwrap();
            found.iter().map(|entry| entry.task.id.to_string()).collect()
        };
        assert_eq!(ids(Some("bug-miner")), ["expired", "open"]);
        assert_eq!(ids(None), ["docs", "expired", "open"]);
        assert_eq!(board.find(&"opne".parse().unwrap()).unwrap_err().to_string(), "there is no task `opne`");
    }
}
