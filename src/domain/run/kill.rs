//! Ends every run of a repository. Runs are found by the locks that they hold, as the kernel tells it: no number that stands in a
//! file is believed, so that neither a number that another process has by now nor one that was planted can name a victim.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8Path;

use super::output::Output;
use crate::ports::clock;
use crate::ports::processes::{self, Hold, Process};

/// How long runs may take to end by themselves, with their verdict written.
const GRACE: Duration = Duration::from_secs(3);
/// How long it is tried to end what doesn't.
const FORCE: Duration = Duration::from_secs(5);
/// A `watch` may begin a run while another one is being ended.
const ROUNDS: usize = 3;

/// A run that was ended.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Ended {
    /// The run's id, or `watch` or `gate`.
    pub(crate) run: String,
    pub(crate) pid: i32,
    /// How many processes it had, its own included.
    pub(crate) processes: usize,
    /// Whether it had to be forced.
    pub(crate) forced: bool,
}

/// What `kill` came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Killed {
    pub(crate) ended: Vec<Ended>,
    /// Numbers of processes that live on all the same.
    pub(crate) left: Vec<i32>,
}

/// Ends every run of the repository with all that it has started, and comes back when they have ended.
pub(crate) fn kill(output: &Output) -> Killed {
    let root = output.root().canonicalize_utf8().unwrap_or_else(|_| output.root().to_owned());
    let is_ours = |path: &str| is_lock(&root, path);
    let mut killed = Killed::default();
    for _ in 0..ROUNDS {
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let found = processes::holders(is_ours).into_iter().filter(|(pid, _)| *pid != own);
        // Held first and looked at again then: what holds the lock now is what the hold is on.
        let runs: Vec<(Hold, String)> = found
            .filter_map(|(pid, _)| Some((Hold::of(pid)?, processes::held(pid, &is_ours)?)))
            .map(|(hold, path)| (hold, name(&path)))
            .collect();
        if runs.is_empty() {
            break;
        }
        killed.add(end(&runs));
    }
    killed
}

impl Killed {
    fn add(&mut self, other: Killed) {
        self.ended.extend(other.ended);
        self.left.extend(other.left);
    }
}

fn is_lock(root: &Utf8Path, path: &str) -> bool {
    let Ok(within) = Utf8Path::new(path).strip_prefix(root) else { return false };
    let parts: Vec<&str> = within.components().map(|part| part.as_str()).collect();
    match parts[..] {
        ["runs", _, Output::LOCK] => true,
        [file] => file.strip_suffix(".lock").is_some_and(|verb| Output::HOLDERS.contains(&verb)),
        _ => false,
    }
}

/// The run that a lock belongs to.
fn name(lock: &str) -> String {
    let path = Utf8Path::new(lock);
    let run = path.parent().and_then(Utf8Path::file_name).filter(|_| path.file_name() == Some(Output::LOCK));
    run.or(path.file_stem()).unwrap_or_default().to_owned()
}

fn end(runs: &[(Hold, String)]) -> Killed {
    let all = processes::all();
    let mut below: BTreeMap<i32, Process> = BTreeMap::new();
    let mut ended = Vec::new();
    for (hold, run) in runs {
        let tree = processes::trees(&all, &[hold.pid()]);
        let processes = tree.iter().filter(|process| !process.is_dead).count();
        below.extend(tree.into_iter().map(|process| (process.pid, process)));
        ended.push(Ended { run: run.clone(), pid: hold.pid(), processes, forced: false });
    }
    runs.iter().for_each(|(hold, _)| hold.ask());
    let deadline = clock::now() + GRACE;
    for ((hold, _), ended) in runs.iter().zip(&mut ended) {
        if !hold.ends(deadline.saturating_duration_since(clock::now())) {
            ended.forced = true;
            force(hold);
        }
    }
    // What a run that was forced, or its supervisors, had started and not ended.
    let left = survivors(below.into_values().collect());
    Killed { ended, left }
}

/// Children before their parent: as long as that lives, whatever it had started is below it.
fn force(run: &Hold) {
    let deadline = clock::now() + FORCE;
    loop {
        let tree = processes::trees(&processes::all(), &[run.pid()]);
        let living: Vec<&Process> =
            tree.iter().filter(|process| process.pid != run.pid() && !process.is_dead).collect();
        if living.is_empty() || clock::now() >= deadline {
            break;
        }
        living.into_iter().filter_map(Hold::of_process).for_each(|process| process.kill());
        std::thread::sleep(Duration::from_millis(2));
    }
    run.kill();
    run.ends(FORCE);
}

/// Ends those that still live, and gives the ones that can't be ended.
fn survivors(mut processes: Vec<Process>) -> Vec<i32> {
    let deadline = clock::now() + FORCE;
    loop {
        let is_living = |process: &Process| {
            processes::one(process.pid).is_some_and(|now| now.started == process.started && !now.is_dead)
        };
        processes.retain(is_living);
        if processes.is_empty() || clock::now() >= deadline {
            return processes.iter().map(|process| process.pid).collect();
        }
        processes.iter().filter_map(Hold::of_process).for_each(|process| process.kill());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_locks_of_runs_and_of_verbs_that_start_them_tell_a_run() {
        let root = Utf8Path::new("/a/target/harness");
        for path in [
            "/a/target/harness/runs/20260101T000000.000Z-7/.lock",
            "/a/target/harness/watch.lock",
            "/a/target/harness/gate.lock",
        ] {
            assert!(is_lock(root, path), "{path}");
        }
        let others = [
            "/a/target/harness/audit.jsonl",
            "/a/target/harness/runs/7/log",
            "/a/target/harness/runs/7/8/.lock",
            "/b/target/harness/watch.lock",
            "/a/target/harness/runs/.lock",
            "/a/target/harness/other.lock",
        ];
        for path in others {
            assert!(!is_lock(root, path), "{path}");
        }
        assert_eq!(name("/a/target/harness/runs/20260101T000000.000Z-7/.lock"), "20260101T000000.000Z-7");
        assert_eq!(name("/a/target/harness/watch.lock"), "watch");
    }
}
