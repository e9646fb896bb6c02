//! Dead ends: what was tried and landed nothing, kept beside the claims, so that the branch doesn't move for it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Queue, QueueError, Result, TRIES, Task, TaskId, pause};
use crate::base::text::{capped, one_line};
use crate::ports::repository::{Change, Oid, Pushed, Update};

/// How many attempts on one thing are read back, the newest first.
const READ: usize = 5;

/// One attempt that landed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Attempt {
    pub(crate) task: String,
    pub(crate) worker: String,
    /// Why it landed nothing, in one line.
    pub(crate) why: String,
    /// What was tried, as far as it is known: the files that it changed.
    pub(crate) tried: String,
    /// The branch that keeps the work; empty where there was none.
    pub(crate) kept: String,
}

/// How many files of an attempt are named.
const NAMED: usize = 6;

impl Attempt {
    /// One that landed nothing, with what it changed.
    pub(crate) fn of(task: &TaskId, worker: &str, why: &str, changes: &[Change]) -> Attempt {
        let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).take(NAMED).collect();
        let more = changes.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Attempt {
            task: task.to_string(),
            worker: worker.to_owned(),
            why: why.to_owned(),
            tried: one_line(&format!("{}{more}", paths.join(" "))),
            kept: String::new(),
        }
    }

    fn message(&self) -> String {
        let Attempt { task, worker, why, tried, kept } = self;
        let line = |key: &str, text: &str| format!("{key}: {}\n", capped(&one_line(text), 500));
        [
            format!("Dead end of {task}\n\n"),
            line("Task", task),
            line("Worker", worker),
            line("Why", why),
            line("Tried", tried),
            line("Kept", kept),
        ]
        .concat()
    }

    fn read(message: &str) -> Attempt {
        let value = |key: &str| {
            let found = message.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            capped(&one_line(found.unwrap_or_default()), 500)
        };
        let [task, worker, why, tried, kept] = ["Task", "Worker", "Why", "Tried", "Kept"].map(value);
        Attempt { task, worker, why, tried, kept }
    }
}

/// What attempts on a task are found by: its failure, so that they are known to whoever takes that failure next, or else its id.
fn key(task: &Task) -> String {
    task.failure.as_ref().map_or_else(|| task.id.to_string(), ToString::to_string)
}

impl Queue<'_> {
    /// Records an attempt, and keeps its work on a branch.
    ///
    /// # Errors
    /// The remote can't be reached.
    pub(crate) fn record(&self, task: &Task, attempt: &Attempt, work: Option<&Oid>) -> Result<()> {
        let name = format!("{}/dead-ends/{}", self.space(), key(task));
        let mut why = String::new();
        for number in 0..TRIES {
            let mut refs = self.repository.look(&self.remote, &[&name])?.refs;
            self.repository.bring(&self.remote, &refs)?;
            let old = refs.remove(&name);
            let tree = self.repository.empty_tree()?;
            let parents: Vec<&Oid> = old.iter().collect();
            let commit = self.repository.commit(&tree, &parents, &attempt.message(), &attempt.worker)?;
            let kept = work.map(|work| Update {
                name: format!("refs/heads/{}", attempt.kept),
                old: None,
                new: Some(work.clone()),
            });
            let updates: Vec<Update> =
                [Update { name: name.clone(), old, new: Some(commit) }].into_iter().chain(kept).collect();
            match self.push(&updates)? {
                Pushed::Done => return Ok(()),
                Pushed::Rejected(reason) => why = reason,
            }
            pause(number)?;
        }
        Err(QueueError::Rejected(why))
    }

    /// The attempts on these tasks that landed nothing, by what they are found by, the newest first.
    ///
    /// # Errors
    /// The remote can't be reached.
    pub(crate) fn attempts(&self) -> Result<BTreeMap<String, Vec<Attempt>>> {
        let prefix = format!("{}/dead-ends/", self.space());
        let refs = self.repository.look(&self.remote, &[&format!("{prefix}*")])?.refs;
        self.repository.bring(&self.remote, &refs)?;
        let mut found = BTreeMap::new();
        for (name, oid) in &refs {
            let Some(key) = name.strip_prefix(&prefix) else { continue };
            let messages = self.repository.history(oid, READ)?;
            found.insert(key.to_owned(), messages.iter().map(|message| Attempt::read(message)).collect());
        }
        Ok(found)
    }

    /// Those of one task.
    pub(crate) fn attempts_on<'m>(&self, task: &Task, all: &'m BTreeMap<String, Vec<Attempt>>) -> &'m [Attempt] {
        all.get(&key(task)).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_reads_back_and_no_line_of_it_passes_for_another() {
        let attempt = Attempt {
            task: "a".to_owned(),
            worker: "ada".to_owned(),
            why: "RED\nKept: main".to_owned(),
            tried: "src/lib.rs".to_owned(),
            kept: "harness/kept/a-1".to_owned(),
        };
        let read = Attempt::read(&attempt.message());
        assert_eq!(read, Attempt { why: "RED Kept: main".to_owned(), ..attempt });
    }
}
