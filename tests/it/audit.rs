//! The audit log: each command that judges or changes something is in it, and what is done to it afterwards is found.

use serde_json::Value;

use crate::support::{Answer, Repo};

const LOG: &str = "target/harness/audit.jsonl";

fn repo() -> Repo {
    let repo = Repo::from_fixture("green");
    repo.write("Harness.toml", "tiers.0 = [\"fmt\"]\nmodes.fast.tiers = \"0\"\n")
        .write(".gitignore", "/target\n")
        .git_init();
    repo
}

fn entries(repo: &Repo) -> Vec<Value> {
    repo.read(LOG).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn verify(repo: &Repo) -> Answer {
    repo.harness(&["audit", "log", "--verify"])
}

fn is_broken(repo: &Repo, words: &str) {
    let answer = verify(repo);
    assert_eq!(answer.code, 1, "{}", answer.whole());
    let line = answer.stdout.lines().next().unwrap();
    assert!(line.starts_with("ERROR: TAMPER - ") && line.contains(words), "{words}: {}", answer.whole());
}

#[test]
fn every_command_that_judges_or_stops_is_recorded_cached_ones_too() {
    let repo = repo();
    assert_eq!(repo.harness(&["fast"]).code, 0);
    assert_eq!(repo.harness(&["fast"]).code, 0);
    repo.write("src/lib.rs", "pub  fn unformatted() {}\n");
    assert_eq!(repo.harness(&["fast", "--seed", "7"]).code, 1);
    assert_eq!(repo.harness(&["kill"]).code, 0);
    let entries = entries(&repo);
    let told: Vec<(&str, u64, bool)> = entries
        .iter()
        .map(|entry| {
            let (code, cached) = (entry["code"].as_u64().unwrap(), entry["cached"].as_bool().unwrap());
            (entry["outcome"].as_str().unwrap(), code, cached)
        })
        .collect();
    assert_eq!(told, [("green", 0, false), ("green", 0, true), ("red", 1, false), ("killed", 0, false)]);
    let commit = repo.git(&["rev-parse", "HEAD"]);
    assert!(entries.iter().all(|entry| entry["commit"] == commit.trim()), "{entries:#?}");
    assert_eq!(entries[0]["run"], entries[1]["run"]);
    assert_eq!(entries[0]["tree"], entries[1]["tree"]);
    assert_ne!(entries[0]["tree"], entries[2]["tree"]);
    assert_eq!(entries[2]["argv"], serde_json::json!(["harness", "fast", "--seed", "7"]));
    let shown = repo.harness(&["audit", "log"]);
    assert_eq!((shown.code, shown.stdout.lines().count()), (0, 4), "{}", shown.whole());
    assert!(shown.stdout.lines().nth(2).unwrap().ends_with(": harness fast --seed 7"), "{}", shown.whole());
    let answer = verify(&repo);
    assert!(answer.code == 0 && answer.stdout.starts_with("AUDIT: ok, 4 lines, head "), "{}", answer.whole());
}

#[test]
fn what_is_done_to_the_log_is_found_with_its_line() {
    let repo = repo();
    for seed in ["1", "2", "3", "4"] {
        assert_eq!(repo.harness(&["fast", "--seed", seed]).code, 0);
    }
    let whole = repo.read(LOG);
    let lines: Vec<&str> = whole.lines().collect();
    let put = |lines: &[&str]| {
        repo.write(LOG, &(lines.join("\n") + "\n"));
    };
    repo.write(LOG, &whole.replacen("\"green\"", "\"grown\"", 1));
    is_broken(&repo, "line 1 is not what was written");
    put(&[lines[0], lines[2], lines[3]]);
    is_broken(&repo, "line 2 does not follow the one before it");
    put(&[lines[0], lines[2], lines[1], lines[3]]);
    is_broken(&repo, "line 2 does not follow the one before it");
    put(&lines[..3]);
    is_broken(&repo, "line 4 is missing and all that follow it: the log has 3, and 4 were written");
    repo.write(LOG, &whole);
    assert_eq!(verify(&repo).code, 0);
    let run = repo.read("target/harness/latest/run.json");
    repo.write("target/harness/latest/run.json", &run.replace("\"green\"", "\"red\""));
    is_broken(&repo, "whose run.json has been changed since");
    repo.write("target/harness/latest/run.json", &run);
    // Killed in the middle of a line: no alarm, and the next command mends it.
    repo.write(LOG, &(whole.clone() + &whole[..80]));
    let answer = verify(&repo);
    assert!(answer.code == 0 && answer.stdout.contains("NOTE: the last line was not finished"), "{}", answer.whole());
    assert_eq!(repo.harness(&["fast"]).code, 0);
    assert!(verify(&repo).stdout.starts_with("AUDIT: ok, 5 lines"), "{}", verify(&repo).whole());
}

#[test]
fn a_log_that_cargo_clean_has_removed_is_gone_and_not_well() {
    let repo = repo();
    assert_eq!(repo.harness(&["fast"]).code, 0);
    std::fs::remove_dir_all(repo.root().join("target")).unwrap();
    is_broken(&repo, "the log is gone, and 1 line has been written");
    assert_eq!(repo.harness(&["fast"]).code, 0);
    is_broken(&repo, "line 1 begins anew");
    let hint = verify(&repo).stdout;
    let kept = hint.rsplit(" and ").next().unwrap().split(' ').next().unwrap().to_owned();
    std::fs::remove_file(repo.root().join(LOG)).unwrap();
    std::fs::remove_file(kept).unwrap();
    // The runs still name lines of the log that is gone only where there were any before them.
    assert_eq!(repo.harness(&["fast"]).code, 0);
    assert!(verify(&repo).stdout.starts_with("AUDIT: ok, 1 line,"), "{}", verify(&repo).whole());
}

#[test]
fn audit_by_itself_says_what_there_is() {
    let answer = repo().harness(&["audit"]);
    assert_eq!(answer.code, 2, "{}", answer.whole());
    assert!(answer.stderr.contains("hint: `cargo harness audit log`"), "{}", answer.whole());
}
