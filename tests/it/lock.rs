//! `Harness.lock` pins with what verdicts are given; every run says whether it ran with that.

use crate::support::Repo;

fn sample() -> Repo {
    let repo = Repo::empty();
    repo.write("Cargo.toml", "[package]\nname = \"sample\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n");
    repo.write("src/lib.rs", "//! A sample.\n\n#[test]\nfn good() {}\n").write(".gitignore", "/target\n");
    repo.write("fuzz/corpus/t/one", "1").git_init();
    assert_eq!(repo.shell("cargo generate-lockfile --offline").code, 0);
    repo
}

#[test]
fn what_drifts_is_named_by_check_and_by_every_run() {
    let repo = sample();
    assert_eq!(repo.facts(&["fast"]).verdict()["as_locked"], serde_json::Value::Null);
    let written = repo.harness(&["lock"]);
    assert!(written.code == 0 && written.stdout.starts_with("LOCK: Harness.lock written, which pins "), "{written:#?}");
    let text = repo.read("Harness.lock");
    assert!(
        ["commit = ", "channel = ", "cargo = ", "\"Cargo.lock\" = ", "contract = ", "\"fuzz/corpus\" = ", "run = "]
            .iter()
            .all(|key| text.contains(key)),
        "{text}"
    );
    assert!(repo.harness(&["lock"]).stdout.starts_with("LOCK: Harness.lock is up to date"));
    let good = repo.harness(&["lock", "--check"]);
    assert!(good.code == 0 && good.stdout.starts_with("LOCK: all of "), "{good:#?}");
    let locked = repo.facts(&["fast"]);
    assert_eq!((locked.notes(), &locked.verdict()["as_locked"]), (Vec::new(), &true.into()));

    repo.write("fuzz/corpus/t/two", "2").write("Harness.toml", "[run]\nseed = 7\n");
    let drifted = repo.harness(&["lock", "--check"]);
    let lines: Vec<&str> = drifted.stdout.lines().collect();
    assert_eq!((drifted.code, lines.len()), (1, 4), "{drifted:#?}");
    assert!(lines[0].starts_with("DRIFT: inputs.contract ") && lines[1].starts_with("DRIFT: inputs.fuzz/corpus "));
    assert_eq!(lines[2], "DRIFT: seeds.run 24301 -> 7");
    let run = repo.facts(&["fast"]);
    assert_eq!(run.verdict()["as_locked"], false);
    let notes = run.notes();
    assert!(notes[0].starts_with("not as locked: inputs.contract ") && notes[0].ends_with(" and 2 more"), "{notes:?}");
}

#[test]
fn a_lock_that_is_missing_or_no_lock_is_an_error_and_a_run_says_so() {
    let repo = sample();
    let missing = repo.harness(&["lock", "--check"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("hint: write it: cargo harness lock"), "{missing:#?}");
    repo.write("Harness.lock", "version = 1\ntoolchain = 3\n");
    let malformed = repo.harness(&["lock", "--check"]);
    assert!(malformed.code == 2 && malformed.stderr.contains("Harness.lock:2: "), "{malformed:#?}");
    let notes = repo.facts(&["fast"]).notes();
    assert!(notes[0].starts_with("not as locked: ") && notes[0].contains("Harness.lock:2"), "{notes:?}");
}
