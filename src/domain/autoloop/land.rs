//! A candidate is brought onto the branch's tip, judged there, and lands with its claim's end in one push.

use super::judge::{Judge, Judgement};
use crate::domain::queue::{Held, Landing, Queue, QueueError, Task};
use crate::ports::repository::{Oid, Repository};

/// Work on a task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) task: &'a Task,
    pub(crate) held: &'a Held,
    pub(crate) head: &'a Oid,
    pub(crate) role: Option<&'a str>,
    pub(crate) worker: &'a str,
}

/// What became of it.
#[derive(Clone, Debug)]
pub(crate) enum Landed {
    Yes { commit: Oid, judgement: Judgement },
    No(Judgement),
}

/// Lands candidates on a queue's branch.
pub(crate) struct Lander<'a> {
    pub(crate) queue: &'a Queue<'a>,
    pub(crate) repository: &'a Repository,
    pub(crate) judge: &'a dyn Judge,
}

/// How often a candidate is judged anew because the branch has moved meanwhile.
const ROUNDS: usize = 8;

impl Lander<'_> {
    /// Judges a candidate on the branch's tip, again as long as the branch moves under it, and lands it if it may.
    ///
    /// # Errors
    /// The claim was taken, or git can't do its part.
    pub(crate) fn land(&self, candidate: &Candidate<'_>) -> Result<Landed, QueueError> {
        for _ in 0..ROUNDS {
            let tip = self.queue.tip()?;
            let commit = match self.onto(&tip, candidate)? {
                Ok(commit) => commit,
                Err(judgement) => return Ok(Landed::No(judgement)),
            };
            let judgement = self.judge.judge(&tip, &commit, candidate.role, candidate.task);
            if !judgement.lands() {
                return Ok(Landed::No(judgement));
            }
            if self.queue.land(candidate.held, &tip, &commit)? == Landing::Landed {
                return Ok(Landed::Yes { commit, judgement });
            }
        }
        Ok(Landed::No(Judgement::Unjudged(format!("the branch moved {ROUNDS} times meanwhile"))))
    }

    /// The candidate's commit on the tip, without the task's files; or why there is none.
    fn onto(&self, tip: &Oid, candidate: &Candidate<'_>) -> Result<Result<Oid, Judgement>, QueueError> {
        let Candidate { task, head, worker, .. } = candidate;
        let merged = match self.repository.merged(tip, head)? {
            Ok(tree) => tree,
            Err(paths) => return Ok(Err(Judgement::Red(format!("it conflicts with the branch in {paths}")))),
        };
        // Nobody's work moves other tasks: they are as on the branch, but for the one that is done.
        let tasks = self.queue.folder();
        if self.repository.grafted(&merged, tip, &tasks, &[])? == self.repository.tree(tip)? {
            return Ok(Err(Judgement::Red("it changes nothing".to_owned())));
        }
        let follows = self.repository.contains(head, tip);
        let parents: Vec<&Oid> = if follows { vec![head] } else { vec![tip, head] };
        let message = format!("{}\n\nTask: {}\nWorker: {worker}", task.title, task.id);
        let files = self.queue.files(&task.id);
        let gone: Vec<_> = files.iter().map(|path| (path.as_str(), None)).collect();
        let tree = self.repository.grafted(&merged, tip, &tasks, &gone)?;
        Ok(Ok(self.repository.commit(&tree, &parents, &message, worker)?))
    }
}
