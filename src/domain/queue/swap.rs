//! The one step that all others are made of: a claim is replaced if it is still the one that was expected.

use std::collections::BTreeMap;

use super::{Claim, Held, Landing, Queue, QueueError, Result, TRIES, Task, TaskId, pause};
use crate::base::Digest;
use crate::domain::contract::ClaimStore;
use crate::ports::repository::{Oid, Pushed, Update};

/// Replaces `old`, where none is no claim, by another. None where somebody was faster.
pub(super) fn put(queue: &Queue<'_>, old: Option<&Held>, claim: Claim) -> Result<Option<Held>> {
    match queue.settings.backend {
        ClaimStore::Refs | ClaimStore::Heads => {
            let commit = commit(queue, &claim)?;
            let is_swapped = swap_ref(queue, &claim.id, old.map(oid).transpose()?, Some(commit.clone()))?;
            Ok(is_swapped.then(|| Held { claim, version: commit.to_string() }))
        }
        ClaimStore::Files => {
            let text = swap_file(queue, &claim.id, old, Some(&claim))?;
            Ok(text.and_then(|text| of_file(&claim.id, &text)))
        }
    }
}

/// Ends a claim; false where it is not the one that was expected.
pub(super) fn end(queue: &Queue<'_>, old: &Held) -> Result<bool> {
    let id = &old.claim.id;
    match queue.settings.backend {
        ClaimStore::Refs | ClaimStore::Heads => swap_ref(queue, id, Some(oid(old)?), None),
        ClaimStore::Files => Ok(swap_file(queue, id, Some(old), None)?.is_some()),
    }
}

fn swap_ref(queue: &Queue<'_>, id: &TaskId, old: Option<Oid>, new: Option<Oid>) -> Result<bool> {
    let name = queue.claim_ref(id);
    let update = Update { name: name.clone(), old, new };
    for attempt in 0..TRIES {
        let pushed = queue.push(std::slice::from_ref(&update));
        if let Ok(Pushed::Done) = pushed {
            return Ok(true);
        }
        // A push may have arrived although its answer didn't, and a ref may have been locked by somebody who had another one in mind.
        let there = queue.repository.look(&queue.remote, &[&name])?.refs.remove(&name);
        if there == update.new {
            return Ok(true);
        }
        if there != update.old {
            return Ok(false);
        }
        match pushed? {
            Pushed::Rejected(reason) if is_final(&reason) => return Err(QueueError::Rejected(reason)),
            _ => pause(attempt)?,
        }
    }
    Err(QueueError::Rejected(format!("{name} stays locked")))
}

fn commit(queue: &Queue<'_>, claim: &Claim) -> Result<Oid> {
    let tree = queue.repository.empty_tree()?;
    Ok(queue.repository.commit(&tree, &[], &claim.message(), &claim.worker)?)
}

fn oid(held: &Held) -> Result<Oid> {
    Oid::named(&held.version).ok_or_else(|| QueueError::Lost(held.claim.id.clone()))
}

/// The claims of the refs that were seen, by task.
pub(super) fn of_refs(queue: &Queue<'_>, refs: &BTreeMap<String, Oid>) -> Result<BTreeMap<TaskId, Held>> {
    let prefix = format!("{}/claims/", queue.space());
    let commits: Vec<&Oid> = refs.iter().filter(|(name, _)| name.starts_with(&prefix)).map(|(_, oid)| oid).collect();
    let messages = queue.repository.messages(&commits)?;
    let entry = |(name, oid): (&String, &Oid)| {
        let id: TaskId = name.strip_prefix(&prefix)?.parse().ok()?;
        let claim = Claim::read(&id, messages.get(oid)?)?;
        Some((id, Held { claim, version: oid.to_string() }))
    };
    Ok(refs.iter().filter_map(entry).collect())
}

/// The claim that a lock file holds.
pub(super) fn of_file(id: &TaskId, text: &str) -> Option<Held> {
    let version = Digest::of_fields([text.as_bytes()]).prefix(40).to_owned();
    Claim::read(id, text).map(|claim| Held { claim, version })
}

/// What the lock file, or for a task that is free again the task's, holds afterwards; none where somebody was faster.
fn swap_file(queue: &Queue<'_>, id: &TaskId, old: Option<&Held>, new: Option<&Claim>) -> Result<Option<String>> {
    let [free, locked] = queue.files(id);
    let (message, who) = match (new, old) {
        (Some(claim), _) => (format!("Claim {id} for {}", claim.worker), claim.worker.as_str()),
        (None, old) => (format!("Release {id}"), old.map_or("harness", |old| old.claim.worker.as_str())),
    };
    let written = std::cell::RefCell::new(String::new());
    let outcome = queue.change(&message, who, |tip| {
        let lost = || QueueError::Lost(id.clone());
        let there = queue.repository.text(tip, &locked)?;
        let task = match (there, old) {
            (Some(text), Some(old)) if of_file(id, &text).is_some_and(|held| held.version == old.version) => text,
            (None, None) => queue.repository.text(tip, &free)?.ok_or_else(lost)?,
            _ => return Err(lost()),
        };
        let lines = new.map(Claim::lines).unwrap_or_default();
        let text = format!("{lines}{}", Task::read(id.clone(), &task).file());
        written.replace(text.clone());
        let (stays, goes) = if new.is_some() { (&locked, &free) } else { (&free, &locked) };
        let moved = (old.is_some() != new.is_some()).then(|| (goes.clone(), None));
        Ok([(stays.clone(), Some(text))].into_iter().chain(moved).collect())
    });
    match outcome {
        Ok(()) => Ok(Some(written.into_inner())),
        Err(QueueError::Lost(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The atomic end of a task: the branch moves, and the claim goes.
pub(super) fn land(queue: &Queue<'_>, held: &Held, base: &Oid, commit: &Oid) -> Result<Landing> {
    let id = &held.claim.id;
    let branch = Update { name: queue.branch.clone(), old: Some(base.clone()), new: Some(commit.clone()) };
    let updates = match queue.settings.backend {
        ClaimStore::Refs | ClaimStore::Heads => {
            vec![branch, Update { name: queue.claim_ref(id), old: Some(oid(held)?), new: None }]
        }
        ClaimStore::Files => {
            let [_, locked] = queue.files(id);
            let there = queue.repository.text(base, &locked)?.and_then(|text| of_file(id, &text));
            if there.is_none_or(|there| there.version != held.version) {
                return Err(QueueError::Lost(id.clone()));
            }
            vec![branch]
        }
    };
    for attempt in 0..TRIES {
        let pushed = queue.push(&updates);
        if let Ok(Pushed::Done) = pushed {
            return Ok(Landing::Landed);
        }
        // What the remote holds decides, not what it answered.
        let names: Vec<&str> = updates.iter().map(|update| update.name.as_str()).collect();
        let there = queue.repository.look(&queue.remote, &names)?.refs;
        let is = |update: &Update, expected: &Option<Oid>| there.get(&update.name) == expected.as_ref();
        if is(&updates[0], &updates[0].new) && updates.iter().all(|update| is(update, &update.new)) {
            return Ok(Landing::Landed);
        }
        if updates[1..].iter().any(|update| !is(update, &update.old)) {
            // Somebody may have landed after it.
            let contains = |tip: &Oid| queue.repository.contains(tip, commit);
            if queue.tip().is_ok_and(|tip| contains(&tip)) {
                return Ok(Landing::Landed);
            }
            return Err(QueueError::Lost(id.clone()));
        }
        if !is(&updates[0], &updates[0].old) {
            return Ok(Landing::Moved);
        }
        match pushed? {
            Pushed::Rejected(reason) if is_final(&reason) => return Err(QueueError::Rejected(reason)),
            _ => pause(attempt)?,
        }
    }
    Err(QueueError::Rejected("a ref stays locked".to_owned()))
}

/// Whether trying again is of no use.
fn is_final(reason: &str) -> bool {
    ["hook declined", "hidden ref", "deny", "denied", "protected", "unstaged", "uncommitted", "Working directory"]
        .iter()
        .any(|word| reason.contains(word))
}
