//! Many workers race for many tasks, each a process in a clone of its own, while some of them are killed.

#![expect(clippy::disallowed_methods, reason = "the test starts, and kills, processes of its own")]

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Held, Landing, Queue, QueueError, Result, State, Task, TaskId, Wanted, random};
use crate::base::TimeLimit;
use crate::domain::contract::{self, ClaimStore};
use crate::ports::fs;
use crate::ports::repository::{Oid, Repository};

/// Set for the processes that the race starts: the clone to work in.
const CLONE: &str = "HARNESS_RACE_CLONE";
const BACKEND: &str = "HARNESS_RACE_BACKEND";
/// Set by a person: how many tasks are raced for.
const TASKS: &str = "HARNESS_TASKS";
const LEASE: u64 = 4;
/// By how much a claim that nobody renews may outlive its lease until somebody on this machine, as busy as it is, gets round to it.
const SLACK: u64 = 30;

fn settings(backend: ClaimStore) -> contract::Queue {
    contract::Queue { lease: TimeLimit::seconds(LEASE), backend, ..contract::Queue::default() }
}

fn git(dir: &Utf8Path, args: &[&str]) -> String {
    let who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"];
    let output = Command::new("git").arg("-C").arg(dir).args(who).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A bare repository with so many tasks, and as many clones of it.
struct Field {
    folder: tempfile::TempDir,
    clones: usize,
}

impl Field {
    fn new(clones: usize, tasks: usize) -> Field {
        let field = Field { folder: tempfile::tempdir().unwrap(), clones };
        let seed = field.path("seed");
        fs::create_dir(&seed.join("current_tasks/available")).unwrap();
        for number in 0..tasks {
            let task = Task::new(format!("task-{number}").parse().unwrap(), "Do it");
            fs::replace(&seed.join(format!("current_tasks/available/{}.txt", task.id)), task.file().as_bytes())
                .unwrap();
        }
        git(&seed, &["init", "--quiet"]);
        fs::replace(&seed.join("README.md"), b"x").unwrap();
        git(&seed, &["add", "--all"]);
        git(&seed, &["commit", "--quiet", "--message=Begin"]);
        git(&field.top(), &["clone", "--quiet", "--bare", "seed", "bare"]);
        for number in 0..clones {
            git(&field.top(), &["clone", "--quiet", "bare", &format!("clone-{number}")]);
        }
        field
    }

    fn top(&self) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.folder.path().canonicalize().unwrap()).unwrap()
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        self.top().join(name)
    }

    fn repository(&self, number: usize) -> Repository {
        Repository::open(&self.path(&format!("clone-{number}"))).unwrap()
    }

    fn start(&self, number: usize, backend: &str) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "domain::queue::race::one_worker_of_the_race"])
            .env(CLONE, self.path(&format!("clone-{}", number % self.clones)))
            .env(BACKEND, backend)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// How long the oldest claim has stood unchanged; `seen` is when each was first seen.
    fn oldest(&self, seen: &mut BTreeMap<String, Instant>) -> Duration {
        let refs = git(&self.path("bare"), &["for-each-ref", "--format=%(objectname)", "refs/harness/claims"]);
        seen.retain(|oid, _| refs.contains(oid.as_str()));
        for oid in refs.lines() {
            seen.entry(oid.to_owned()).or_insert_with(Instant::now);
        }
        seen.values().map(Instant::elapsed).max().unwrap_or_default()
    }

    /// How many pushes the workers have counted.
    fn pushes(&self) -> usize {
        let count =
            |number| fs::read_text_if_present(&self.path(&format!("clone-{number}")).join(".git/pushes")).unwrap();
        (0..self.clones)
            .filter_map(count)
            .flat_map(|text| text.lines().map(|n| n.parse().unwrap()).collect::<Vec<usize>>())
            .sum()
    }
}

/// A tree in which the task is done: its file is gone, and another one says by whom.
fn done(repository: &Repository, queue: &Queue<'_>, held: &Held, tip: &Oid) -> Oid {
    let id = &held.claim.id;
    let (files, proof) = (queue.files(id), format!("done/{id}"));
    let edits =
        [(files[0].as_str(), None), (files[1].as_str(), None), (proof.as_str(), Some(held.claim.worker.as_str()))];
    let tree = repository.edited(tip, &edits).unwrap();
    repository.commit(&tree, &[tip], &format!("Done {id}"), &held.claim.worker).unwrap()
}

fn land(repository: &Repository, queue: &Queue<'_>, held: &Held) -> Result<()> {
    loop {
        let tip = queue.tip()?;
        if queue.land(held, &tip, &done(repository, queue, held, &tip))? == Landing::Landed {
            return Ok(());
        }
        super::pause(1)?;
    }
}

/// What each process of the race does. Without its variable it is a test of nothing.
#[test]
fn one_worker_of_the_race() {
    let Ok(clone) = std::env::var(CLONE) else { return };
    let repository = Repository::open(clone.as_str().into()).unwrap();
    let settings =
        settings(if std::env::var(BACKEND).unwrap() == "files" { ClaimStore::Files } else { ClaimStore::Refs });
    let queue = Queue::open(&repository, &settings).unwrap();
    let worker = format!("w-{}", std::process::id());
    let mut told = 0;
    loop {
        let board = queue.board().unwrap();
        if board.entries.is_empty() {
            return;
        }
        let is_green = |_: &crate::base::FailureId| false;
        let candidates = board.candidates(Wanted { role: None, is_green: &is_green }).unwrap();
        let Some(entry) = candidates.first() else {
            std::thread::sleep(Duration::from_millis(200));
            continue;
        };
        if let Some(held) = queue.claim(entry, &worker).unwrap() {
            match land(&repository, &queue, &held) {
                Ok(()) | Err(QueueError::Lost(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let text = format!("{}\n", queue.pushes() - told);
        fs::append_bytes(&repository.common().join("pushes"), text.as_bytes()).unwrap();
        told = queue.pushes();
    }
}

/// Lets them race, kills one now and then, starts another in its clone, and gives how many were killed and how old a claim got.
fn race(field: &Field, workers: usize, kills: usize, backend: &str) -> (usize, Duration) {
    let (mut seen, mut oldest) = (BTreeMap::new(), Duration::ZERO);
    let mut running: Vec<(usize, Child)> = (0..workers).map(|number| (number, field.start(number, backend))).collect();
    let deadline = Instant::now() + Duration::from_secs(if kills > 20 { 600 } else { 60 });
    let mut killed = 0;
    while !running.is_empty() {
        assert!(Instant::now() < deadline, "the race does not end");
        oldest = oldest.max(field.oldest(&mut seen));
        assert!(oldest < Duration::from_secs(LEASE + SLACK), "a stale claim outlives its lease: {oldest:?}");
        running.retain_mut(|(_, child)| match child.try_wait().unwrap() {
            Some(status) => {
                assert!(
                    status.success() || std::os::unix::process::ExitStatusExt::signal(&status) == Some(9),
                    "{status}"
                );
                false
            }
            None => true,
        });
        if killed < kills && !running.is_empty() {
            let victim = random().unwrap() as usize % running.len();
            let (number, mut child) = running.swap_remove(victim);
            child.kill().unwrap();
            child.wait().unwrap();
            running.push((number, field.start(number, backend)));
            killed += 1;
        }
        std::thread::sleep(Duration::from_millis(150 + random().unwrap() % 250));
    }
    (killed, oldest)
}

#[expect(clippy::print_stderr, reason = "a test tells the figures to whoever runs it")]
fn holds(workers: usize, tasks: usize, backend: &str) {
    let field = Field::new(workers, tasks);
    let begun = Instant::now();
    let (killed, oldest) = race(&field, workers, (tasks / 6).max(2), backend);
    let bare = field.path("bare");
    let log = git(&bare, &["log", "--format=%s", "main"]);
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    log.lines().filter_map(|line| line.strip_prefix("Done ")).for_each(|id| *done.entry(id).or_default() += 1);
    assert_eq!(done.len(), tasks, "a task is lost");
    assert!(done.values().all(|times| *times == 1), "a task was done twice: {done:?}");
    assert_eq!(git(&bare, &["ls-tree", "--name-only", "main:done"]).lines().count(), tasks);
    assert_eq!(git(&bare, &["for-each-ref", "refs/harness/claims"]), "", "a claim outlives its task");
    let pushes = field.pushes();
    eprintln!(
        "{backend}: {workers} workers, {tasks} tasks, {killed} killed, {:.1} s, {pushes} pushes, {:.2} a task, oldest claim {:.1} s of a lease of {LEASE} s",
        begun.elapsed().as_secs_f64(),
        pushes as f64 / tasks as f64,
        oldest.as_secs_f64()
    );
}

#[test]
fn workers_that_are_killed_lose_no_task_and_do_none_twice() {
    let tasks = std::env::var(TASKS).ok().and_then(|tasks| tasks.parse().ok()).unwrap_or(16);
    holds((tasks / 12).clamp(5, 16), tasks, "refs");
}

#[test]
fn lock_files_on_the_branch_hold_as_well() {
    holds(3, 6, "files");
}

fn claim(queue: &Queue<'_>, id: &str, worker: &str) -> Option<Held> {
    let board = queue.board().unwrap();
    queue.claim(board.find(&id.parse::<TaskId>().unwrap()).unwrap(), worker).unwrap()
}

#[test]
fn whoever_lost_a_claim_can_neither_renew_nor_land() {
    let field = Field::new(2, 1);
    let repositories = [field.repository(0), field.repository(1)];
    for backend in [ClaimStore::Refs, ClaimStore::Files] {
        let settings = contract::Queue { lease: "1s".parse().unwrap(), ..settings(backend) };
        let [first, second] = [0, 1].map(|number| Queue::open(&repositories[number], &settings).unwrap());
        let held = claim(&first, "task-0", "ada").unwrap();
        // The same name on another clone is another claim.
        assert_eq!(claim(&second, "task-0", "ada"), None);
        let deadline = Instant::now() + Duration::from_secs(20);
        let taken = loop {
            assert!(Instant::now() < deadline, "the lease never runs out");
            if let Some(taken) = claim(&second, "task-0", "bob") {
                break taken;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        assert_eq!(taken.claim.expiries, 1);
        let tip = first.tip().unwrap();
        assert!(matches!(first.renew(&held), Err(QueueError::Lost(_))));
        let commit = done(&repositories[0], &first, &held, &tip);
        assert!(matches!(first.land(&held, &tip, &commit), Err(QueueError::Lost(_))));
        assert_eq!(git(&field.path("bare"), &["rev-parse", "main"]).trim(), tip.as_str(), "nothing has landed");
        let renewed = second.renew(&taken).unwrap();
        second.release(&renewed).unwrap();
        assert!(matches!(first.board().unwrap().entries[0].state, State::Free));
    }
}

#[test]
fn a_claim_that_runs_out_three_times_waits_for_a_person() {
    let field = Field::new(1, 1);
    let repository = field.repository(0);
    let settings = settings(ClaimStore::Refs);
    let queue = Queue::open(&repository, &settings).unwrap();
    let mut entry = queue.board().unwrap().entries.remove(0);
    for expected in [0, 1, 2] {
        let held = queue.claim(&entry, "ada").unwrap().unwrap();
        assert_eq!(held.claim.expiries, expected);
        entry.state = State::Expired(held);
    }
    assert_eq!(queue.claim(&entry, "ada").unwrap(), None);
    let board = queue.board().unwrap();
    let State::Blocked(held) = &board.entries[0].state else { panic!("{:?}", board.entries[0].state) };
    assert_eq!(held.claim.blocked.as_deref(), Some("its claim ran out 3 times, last that of ada"));
}

#[test]
fn two_workers_on_one_clone_without_a_remote_cannot_have_the_same_task() {
    let field = Field::new(1, 3);
    let clone = field.path("clone-0");
    git(&clone, &["remote", "remove", "origin"]);
    fs::replace(&clone.join("open"), b"not committed").unwrap();
    let repository = field.repository(0);
    let settings = settings(ClaimStore::Refs);
    let got: Vec<Held> = std::thread::scope(|scope| {
        let work = || {
            let queue = Queue::open(&repository, &settings).unwrap();
            ["task-0", "task-1", "task-2"].into_iter().filter_map(|id| claim(&queue, id, "ada")).collect::<Vec<_>>()
        };
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(got.len(), 3, "{got:?}");
    let queue = Queue::open(&repository, &settings).unwrap();
    land(&repository, &queue, &got[0]).unwrap();
    // The work tree that has the branch has moved along, and what was open there still is.
    assert!(fs::is_present(&clone.join(format!("done/{}", got[0].claim.id))));
    assert_eq!(git(&clone, &["status", "--porcelain"]), "?? open\n");
    queue.add(&Task::new("more".parse().unwrap(), "More"), "ada").unwrap();
    assert_eq!(git(&clone, &["status", "--porcelain"]), "?? open\n");
    assert!(matches!(queue.add(&Task::new("more".parse().unwrap(), "More"), "ada"), Err(QueueError::Taken(_))));
}
