//! What a step's processes use together has a limit: whoever goes past one is ended with all that it has started, and the step is
//! red for it.

use serde_json::Value;

use crate::support::{Facts, Repo, Runner, said};

/// A repository whose one step runs this line of shell under these limits.
fn step(limits: &str, line: &str) -> Repo {
    let repo = Repo::from_fixture("green");
    let contract = format!(
        "tiers.0 = [\"abuse\"]\n[steps.abuse]\nuses = \"command\"\nrun = [\"sh\", \"-c\", '''{line}''']\ntimeout = \"25s\"\n\n\
         [sandbox]\n{limits}\n"
    );
    repo.write("Harness.toml", &contract);
    repo
}

/// The only failure of the step says this, and nothing is left of it.
fn is_stopped(limits: &str, line: &str, code: i32, category: &str, message: &str) -> Repo {
    let repo = step(limits, line);
    let facts = repo.facts(&["run", "--tier", "0"]);
    let failed = facts.failures();
    let failures: Vec<(&str, &str)> =
        failed.iter().map(|failed| (failed.category.as_str(), failed.message.as_str())).collect();
    assert_eq!((facts.code, &failures[..]), (code, &[(category, message)][..]), "{line}: {facts:#?}");
    repo.none_is_left();
    repo
}

/// Under the same limits something ordinary passes.
fn passes(limits: &str, line: &str) -> Facts {
    let facts = step(limits, line).facts(&["run", "--tier", "0"]);
    assert_eq!(facts.code, 0, "{line}: {facts:#?}");
    facts
}

/// Holds so many megabytes until it is ended.
fn hold(megabytes: u32) -> String {
    format!("(head -c {megabytes}m /dev/zero; sleep 60) | tail >/dev/null")
}

#[test]
fn a_process_that_takes_too_much_memory_is_out_of_memory() {
    let limits = "memory = \"100 MB\"";
    is_stopped(limits, &hold(200), 1, "OOM", "stopped at the step's memory limit of 100 MB");
    passes(limits, "head -c 40m /dev/zero | tail >/dev/null");
}

#[test]
fn the_memory_of_all_processes_together_counts() {
    let each = hold(40);
    let all = format!("{each} & {each} & {each} & {each} & wait");
    is_stopped("memory = \"100 MB\"", &all, 1, "OOM", "stopped at the step's memory limit of 100 MB");
}

#[test]
fn a_process_that_spins_is_stopped_at_its_processor_time() {
    let message = "stopped at the step's limit of 1s of processor time";
    is_stopped("cpu = \"1s\"", "while :; do :; done", 4, "TIMEOUT", message);
    passes("cpu = \"1s\"", "sleep 1.2");
}

#[test]
fn the_processor_time_of_children_that_have_ended_counts() {
    let line = "while :; do sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'; done";
    is_stopped("cpu = \"1s\"", line, 4, "TIMEOUT", "stopped at the step's limit of 1s of processor time");
}

#[test]
fn a_fork_bomb_is_stopped() {
    let line = "f() { [ $1 -gt 0 ] && { f $(($1-1)) & f $(($1-1)) & }; sleep 60; }; f 9";
    is_stopped("pids = 100", line, 1, "BUDGET", "stopped at the step's limit of 100 processes and threads");
    passes("pids = 100", "for i in 1 2 3 4 5 6 7 8 9; do sleep 0.3 & done; wait");
}

#[test]
fn daemons_in_sessions_of_their_own_count_and_end_too() {
    let line =
        "for i in 1 2 3 4 5 6 7 8 9; do (setsid sh -c 'trap \"\" TERM INT HUP; sleep 60; sleep 60' &); done; sleep 60";
    is_stopped("pids = 15", line, 1, "BUDGET", "stopped at the step's limit of 15 processes and threads");
}

#[test]
fn what_fills_the_disk_is_stopped() {
    let limits = "disk = \"50 MB\"";
    let line = "mkdir -p target && head -c 120m /dev/zero >target/big; sleep 60";
    let repo = is_stopped(limits, line, 1, "BUDGET", "stopped at the step's limit of 50 MB on disk");
    said(&format!("{} bytes were written", repo.root().join("target/big").metadata().unwrap().len()));
    passes(limits, "mkdir -p target && head -c 10m /dev/zero >target/small");
}

#[test]
fn endless_output_is_stopped_even_when_the_process_has_ended_already() {
    let limits = "output = \"5 MB\"";
    is_stopped(limits, "yes", 1, "BUDGET", "stopped at the step's limit of 5 MB of output");
    is_stopped(limits, "head -c 6m /dev/zero", 1, "BUDGET", "stopped at the step's limit of 5 MB of output");
    passes(limits, "head -c 1m /dev/zero");
}

#[test]
fn open_files_of_each_process_are_limited_by_the_kernel() {
    passes("files = 99", "test \"$(ulimit -n)\" = 99 && test \"$(ulimit -H -n)\" = 99");
}

#[test]
fn the_record_says_what_held_and_how_far_it_can_be_relied_on() {
    let repo = step("cpu = \"1m\"\nfiles = 500", "true");
    assert_eq!(repo.facts(&["run", "--tier", "0"]).code, 0);
    let record: Value = serde_json::from_str(&repo.read("target/harness/latest/run.json")).unwrap();
    let limits = record["steps"][0]["limits"].as_array().unwrap();
    let said: Vec<String> = limits
        .iter()
        .filter(|limit| limit["name"] != "memory")
        .map(|limit| ["name", "value", "by", "strength"].map(|key| limit[key].as_str().unwrap()).join(" "))
        .collect();
    assert_eq!(
        said,
        [
            "wall 25s supervisor enforced",
            "cpu 1m watchdog best-effort",
            "pids 8192 watchdog best-effort",
            "files 500 rlimit enforced",
            "disk 100 GB watchdog best-effort",
            "output 1 GB watchdog best-effort",
        ]
    );
    assert!(limits.iter().any(|limit| limit["name"] == "memory" && limit["strength"] == "best-effort"), "{limits:?}");
}

/// Tests share a process in `fast`, and each has its own in the other modes and where nextest runs them.
#[test]
fn a_test_that_takes_too_much_memory_is_out_of_memory_however_it_is_run() {
    for runner in Runner::here() {
        for mode in ["fast", "full"] {
            let mut repo = Repo::from_fixture("green");
            repo.use_runner(runner);
            repo.write("Harness.toml", "tiers.1 = [\"unit\"]\n[sandbox]\nmemory = \"900 MB\"\n");
            let test = "#[test]\nfn greedy() {\n    let kept: Vec<Vec<u8>> = (0..130).map(|_| vec![1; 10 << 20]).collect();\n    \
                        std::thread::sleep(std::time::Duration::from_secs(60));\n    assert_eq!(kept.len(), 130);\n}\n";
            repo.write("tests/greedy.rs", test);
            let facts = repo.facts(&["run", "--mode", mode, "--tier", "1"]);
            let oom = facts.failures().iter().filter(|failed| failed.category == "OOM").count();
            assert_eq!((facts.code, oom), (1, 1), "{runner:?} {mode}: {facts:#?}");
            repo.none_is_left();
        }
    }
}
