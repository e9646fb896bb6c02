//! `cargo harness kill` and the file STOP: everything of this repository's runs ends, and nothing of anybody else's.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Repo, wait_until};

/// A step that leaves its session twice, ignores signals, and goes on.
const DAEMONS: &str = "for i in 1 2 3; do (setsid sh -c 'trap \"\" TERM INT HUP; (setsid sleep 3600 &) ; sleep 3600; sleep 3600' &); \
                       done; touch target/started; sleep 3600";

fn repo() -> Repo {
    let repo = Repo::from_fixture("green");
    let contract = format!(
        "tiers.0 = [\"daemons\"]\n[steps.daemons]\nuses = \"command\"\nrun = [\"sh\", \"-c\", '''{DAEMONS}''']\n"
    );
    repo.write("Harness.toml", &contract).write("target/.keep", "");
    repo
}

/// A run in the middle of that step.
fn begin(repo: &Repo) -> Child {
    let child = repo.start(&["run", "--tier", "0"]);
    wait_until("the daemons run", Duration::from_secs(25), || repo.root().join("target/started").exists());
    std::fs::remove_file(repo.root().join("target/started")).unwrap();
    child
}

fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn nothing_to_end_is_no_error() {
    let repo = repo();
    let answer = repo.harness(&["kill"]);
    let expected = "STOPPED: nothing, as no run of this repository is under way\n";
    assert_eq!((answer.code, answer.stdout.as_str()), (0, expected), "{}", answer.whole());
}

#[test]
fn kill_ends_every_run_with_its_daemons_and_says_so() {
    let repo = repo();
    let runs = [begin(&repo), begin(&repo)];
    let since = Instant::now();
    let answer = repo.harness(&["kill", "--message-format=json"]);
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    let facts: Value = serde_json::from_str(&answer.stdout).unwrap();
    let stopped = facts["runs"].as_array().unwrap();
    assert_eq!((answer.code, stopped.len()), (0, 2), "{}", answer.whole());
    assert!(stopped.iter().all(|run| run["forced"] == false && run["processes"].as_u64() > Some(8)), "{stopped:?}");
    repo.none_is_left();
    for run in runs {
        let (code, stdout) = ended(run);
        assert_eq!(code, Some(143), "{stdout}");
        assert!(stdout.contains("VERDICT: INTERRUPTED at tier 0 step daemons"), "{stdout}");
    }
    let record: Value = serde_json::from_str(&repo.read("target/harness/latest/run.json")).unwrap();
    assert_eq!(record["verdict"], "terminated");
}

#[test]
fn a_run_that_does_not_listen_is_ended_by_force() {
    let repo = repo();
    let run = begin(&repo);
    // What is stopped answers no SIGTERM; and its supervisors, stopped too, see no lifeline close.
    let stop = |pid: i64| drop(Command::new("kill").args(["-STOP", &pid.to_string()]).status());
    let tree = Command::new("ps").args(["-e", "-o", "pid=,ppid="]).output();
    let tree = tree.map(|output| String::from_utf8(output.stdout).unwrap()).unwrap_or_default();
    let own = i64::from(run.id());
    let pairs = tree.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().filter_map(|field| field.parse::<i64>().ok());
        Some((fields.next()?, fields.next()?))
    });
    pairs.filter(|(_, parent)| *parent == own).for_each(|(pid, _)| stop(pid));
    stop(own);
    let answer = repo.harness(&["kill"]);
    assert_eq!(answer.code, 0, "{}", answer.whole());
    repo.none_is_left();
    // A stopped process that is asked is woken, and may then end by itself.
    assert!(answer.stdout.starts_with("STOPPED: 20"), "{}", answer.whole());
    let _ = ended(run);
}

#[test]
fn a_run_is_found_though_its_files_are_gone() {
    let repo = repo();
    let run = begin(&repo);
    std::fs::remove_dir_all(repo.root().join("target/harness/runs")).unwrap();
    let answer = repo.harness(&["kill"]);
    assert!(answer.stdout.starts_with("STOPPED: 20"), "{}", answer.whole());
    repo.none_is_left();
    let _ = ended(run);
}

#[test]
fn neither_another_repository_nor_a_planted_number_is_a_victim() {
    let (here, there) = (repo(), repo());
    let other = begin(&there);
    let mut bystander = Command::new("sleep").arg("3600").stdin(Stdio::null()).spawn().unwrap();
    // As a killed run leaves it, with the number that somebody else has by now.
    let planted = format!("{}\n", bystander.id());
    here.write("target/harness/runs/20260101T000000.000Z-1/.lock", &planted)
        .write("target/harness/watch.lock", &planted);
    let answer = here.harness(&["kill"]);
    assert!(answer.stdout.starts_with("STOPPED: nothing"), "{}", answer.whole());
    assert!(bystander.try_wait().unwrap().is_none(), "a bystander was ended");
    assert!(!there.processes().is_empty(), "another repository's run was ended");
    assert!(there.harness(&["kill"]).stdout.starts_with("STOPPED: 20"));
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    let _ = ended(other);
}

#[test]
fn a_stop_file_ends_the_run_and_lets_none_begin() {
    let repo = repo();
    let run = begin(&repo);
    repo.write("target/harness/STOP", "");
    let since = Instant::now();
    let (code, stdout) = ended(run);
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    assert_eq!(code, Some(143), "{stdout}");
    repo.none_is_left();
    for verb in ["fast", "watch", "run"] {
        let answer = repo.harness(&[verb]);
        assert_eq!(answer.code, 3, "{verb}: {}", answer.whole());
        assert!(
            answer.stderr.contains("STOP is there\nhint: `cargo harness kill --release` removes it"),
            "{}",
            answer.whole()
        );
    }
    let released = repo.harness(&["kill", "--release"]);
    assert_eq!(released.code, 0, "{}", released.whole());
    repo.write("Harness.toml", "tiers.0 = [\"fmt\"]\n");
    assert_eq!(repo.harness(&["run", "--tier", "0"]).code, 0);
    let held = repo.harness(&["kill", "--hold"]);
    assert!(held.stdout.contains("HELD: no run begins while "), "{}", held.whole());
    assert_eq!(repo.harness(&["run", "--tier", "0"]).code, 3, "what is known is not told either");
}

#[test]
fn kill_ends_watch_as_well() {
    let repo = repo();
    repo.write("Harness.toml", "modes.fast.tiers = \"0\"\ntiers.0 = [\"fmt\"]\n");
    let watch = repo.start(&["watch"]);
    wait_until("the first run is over", Duration::from_secs(25), || repo.root().join("target/harness/latest").exists());
    let answer = repo.harness(&["kill"]);
    assert!(answer.stdout.contains("STOPPED: watch, "), "{}", answer.whole());
    let (code, stdout) = ended(watch);
    assert_eq!(code, Some(143), "{stdout}");
    repo.none_is_left();
}
