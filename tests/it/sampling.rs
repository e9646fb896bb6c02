//! Samples: the same tests for the same seed and tree, and in any case those that failed or that a change touches.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Facts, Repo, Runner};

/// 200 tests in two modules, committed.
fn two_hundred() -> Repo {
    let repo = Repo::from_fixture("green");
    let module = |name: &str| {
        let tests: String = (0..100).map(|n| format!("#[test]\nfn t{n:02}() {{}}\n\n")).collect();
        format!("//! Tests of {name}.\n\n{}\n", tests.trim_end())
    };
    repo.write("src/lib.rs", "//! Two modules of tests.\n\n#[cfg(test)]\nmod one;\n#[cfg(test)]\nmod two;\n");
    repo.write("src/one.rs", &module("one")).write("src/two.rs", &module("two"));
    repo.write(".gitignore", "/target\n/Cargo.lock\n").git_init();
    repo
}

/// The tests of the last run.
fn ran(repo: &Repo) -> BTreeSet<String> {
    let text = repo.read("target/harness/latest/tests.jsonl");
    let name = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        record["name"].as_str().unwrap().to_owned()
    };
    text.lines().map(name).collect()
}

fn sampled(repo: &Repo, args: &[&str]) -> (Facts, BTreeSet<String>) {
    let facts = repo.facts(&[&["run", "--step", "unit"], args].concat());
    (facts, ran(repo))
}

#[test]
fn the_same_seed_gives_the_same_sample_with_every_runner_and_another_one_another() {
    let mut repo = two_hundred();
    let mut samples = BTreeSet::new();
    for runner in Runner::here() {
        repo.use_runner(runner);
        let (facts, first) = sampled(&repo, &["--sample", "10%", "--seed", "7"]);
        assert_eq!(facts.code, 0, "{facts:#?}");
        assert!((8..=35).contains(&first.len()), "{}", first.len());
        assert_eq!(facts.verdict()["sample"], "10%", "{facts:#?}");
        let left_out = format!("a sample of 10% ran: {} tests; {} left out", first.len(), 200 - first.len());
        assert!(facts.notes().contains(&left_out), "{facts:#?}");
        assert_eq!(sampled(&repo, &["--sample", "10%", "--seed", "7"]).1, first);
        assert_ne!(sampled(&repo, &["--sample", "10%", "--seed", "8"]).1, first);
        let larger = sampled(&repo, &["--sample", "50%", "--seed", "7"]).1;
        assert!(first.is_subset(&larger), "a larger sample holds the smaller one");
        samples.insert(first);
    }
    assert_eq!(samples.len(), 1, "the runners differ");
}

#[test]
fn a_sample_of_everything_is_no_sample() {
    let repo = two_hundred();
    let (facts, all) = sampled(&repo, &["--sample", "100%"]);
    assert_eq!((facts.code, facts.counts(), all.len()), (0, "200 passed, 0 failed, 0 skipped".to_owned(), 200));
    assert_eq!(facts.verdict()["sample"], Value::Null);
    assert_eq!(facts.notes().iter().filter(|note| note.contains("sample")).count(), 0, "{facts:#?}");
}

#[test]
fn what_failed_last_time_is_in_every_sample_until_it_is_good() {
    let repo = two_hundred();
    let (_, sample) = sampled(&repo, &["--sample", "1%", "--seed", "1"]);
    let good = repo.read("src/two.rs");
    let out = (0..100).map(|n| format!("t{n:02}")).find(|name| !sample.contains(&format!("two::{name}"))).unwrap();
    repo.write(
        "src/two.rs",
        &good.replace(&format!("fn {out}() {{}}"), &format!("fn {out}() {{ panic!(\"once\"); }}")),
    );
    assert_eq!(sampled(&repo, &[]).0.failures().len(), 1);
    // Committed, so that it is not its change that brings it in.
    repo.git(&["commit", "--quiet", "--all", "--message=Break"]);
    let (facts, again) = sampled(&repo, &["--sample", "1%", "--seed", "1"]);
    assert_eq!((facts.code, facts.failures().len()), (1, 1), "{facts:#?}");
    assert_eq!(again.difference(&sample).collect::<Vec<_>>(), [&format!("two::{out}")]);
    repo.write("src/two.rs", &good).git(&["commit", "--quiet", "--all", "--message=Mend"]);
    assert!(
        sampled(&repo, &["--sample", "1%", "--seed", "1"]).1.contains(&format!("two::{out}")),
        "until seen to be good"
    );
    assert_eq!(sampled(&repo, &["--sample", "1%", "--seed", "1", "--no-cache"]).1, sample, "then no longer");
}

#[test]
fn what_a_change_touches_is_in_every_sample() {
    let repo = two_hundred();
    let (_, sample) = sampled(&repo, &["--sample", "1%"]);
    repo.write("src/one.rs", &repo.read("src/one.rs").replace("Tests of one", "Changed tests of one"));
    let (facts, after) = sampled(&repo, &["--sample", "1%"]);
    assert_eq!(facts.code, 0, "{facts:#?}");
    let expected: BTreeSet<String> = (0..100).map(|n| format!("one::t{n:02}")).chain(sample).collect();
    assert_eq!(after, expected);
}

#[test]
fn fast_keeps_to_its_budget_by_a_sample_that_stays_the_same() {
    let repo = two_hundred();
    let slow = repo
        .read("src/one.rs")
        .replace("() {}", "() {\n    std::thread::sleep(std::time::Duration::from_millis(100));\n}");
    repo.write("src/one.rs", &slow)
        .write("Harness.toml", "[modes.fast]\nbudget = \"2s\"\n[tiers]\n0 = []\n1 = [\"unit\"]\n");
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "--quiet", "--message=Slow"]);
    let whole = repo.facts(&["fast", "--sample", "100%"]);
    assert_eq!(whole.counts(), "200 passed, 0 failed, 0 skipped");
    let first = (repo.facts(&["fast"]).code, ran(&repo));
    assert_eq!(first.0, 0);
    assert!(first.1.len() < 200, "{}", first.1.len());
    assert_eq!((repo.facts(&["fast"]).code, ran(&repo)), first);
}

#[test]
fn past_its_budget_fast_runs_a_sample_that_keeps_what_failed_before_it_was_chosen() {
    let repo = Repo::from_fixture("green");
    let slow =
        |n: u32| format!("    #[test]\n    fn slow{n:02}() {{\n        sleep(Duration::from_millis(300));\n    }}\n");
    let tests: String = (0..40).map(slow).collect();
    let head = "//! Slow tests.\n\n#[cfg(test)]\nmod slow {\n    use std::{thread::sleep, time::Duration};\n";
    let failing = "    #[test]\n    fn a_failing_one() {\n        assert_eq!(1, 2);\n    }\n";
    repo.write("src/lib.rs", "//! Slow.\n\nmod inner;\n").write("src/inner.rs", &format!("{head}{failing}{tests}}}\n"));
    repo.write("Harness.toml", "modes.fast.budget = \"2s\"\n");
    repo.write(".gitignore", "/target\n/Cargo.lock\n").git_init();
    let args = ["run", "--step", "unit", "--mode", "fast"];
    let facts = repo.facts(&args);
    let first = ran(&repo);
    assert_eq!(facts.code, 1, "{facts:#?}");
    assert!(first.contains("inner::slow::a_failing_one"), "{first:?}");
    assert!(first.len() < 30, "{} of 41 ran", first.len());
    assert!(facts.verdict()["sample"].is_string(), "{facts:#?}");
    repo.facts(&args);
    assert_eq!(ran(&repo), first, "the same seed and tree, another sample");
}
