//! Shards: every test in exactly one part, and the parts joined into one verdict.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use serde_json::Value;

use crate::support::{Repo, Runner};

/// Runs one shard and keeps its run folder elsewhere, as another machine would send it.
fn part(repo: &Repo, shard: &str, args: &[&str]) -> (Utf8PathBuf, BTreeSet<String>) {
    let harness = repo.root().join("target/harness");
    if harness.exists() {
        std::fs::remove_dir_all(&harness).unwrap();
    }
    let answer = repo.harness(&[&["fast", "--shard", shard], args].concat());
    assert!(matches!(answer.code, 0 | 1), "{}", answer.whole());
    assert!(answer.stdout.contains(&format!(", shard {shard}, ")), "{}", answer.stdout);
    let parts = repo.root().parent().unwrap().join("parts");
    std::fs::create_dir_all(&parts).unwrap();
    let kept = parts.join(format!("{}-{}", shard.replace('/', "-of-"), parts.read_dir_utf8().unwrap().count()));
    let latest = harness.join("latest").canonicalize_utf8().unwrap();
    std::fs::rename(latest, &kept).unwrap();
    let text = crate::support::read(&kept.join("tests.jsonl"));
    let test = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        format!("{} {} {}", record["step"], record["binary"], record["name"])
    };
    let tests: Vec<String> = text.lines().map(test).collect();
    let once: BTreeSet<String> = tests.iter().cloned().collect();
    assert_eq!(once.len(), tests.len(), "a test ran twice");
    (kept, once)
}

/// Twelve tests in two binaries, and an example.
fn dozen() -> Repo {
    let repo = Repo::from_fixture("green");
    let tests: String = (0..11).map(|n| format!("#[test]\nfn t{n:02}() {{}}\n\n")).collect();
    repo.write("tests/more.rs", &format!("//! More.\n\n{}\n", tests.trim_end()));
    repo
}

fn merge(repo: &Repo, parts: &[&Utf8PathBuf]) -> crate::support::Answer {
    let args: Vec<&str> = ["merge"].into_iter().chain(parts.iter().map(|part| part.as_str())).collect();
    repo.harness(&args)
}

#[test]
fn the_shards_together_run_every_test_once_and_merge_into_the_whole_verdict() {
    for runner in Runner::here() {
        let mut repo = dozen();
        repo.use_runner(runner);
        let parts = ["1/3", "2/3", "3/3"].map(|shard| part(&repo, shard, &[]));
        let all: Vec<&String> = parts.iter().flat_map(|(_, tests)| tests).collect();
        let once: BTreeSet<&&String> = all.iter().collect();
        assert_eq!((all.len(), once.len()), (13, 13), "{all:#?}");
        assert!(parts.iter().all(|(_, tests)| !tests.is_empty()), "balanced");
        let joined = merge(&repo, &[&parts[1].0, &parts[2].0, &parts[0].0]);
        assert_eq!(joined.code, 0, "{}", joined.whole());
        assert!(joined.stdout.contains("SUMMARY: 13 passed, 0 failed, 0 skipped\n"), "{}", joined.stdout);
        assert!(joined.stdout.contains("VERDICT: GREEN tiers 0-1 in "), "{}", joined.stdout);
    }
}

#[test]
fn one_red_part_makes_the_whole_red() {
    let repo = dozen();
    repo.write(
        "tests/more.rs",
        &repo.read("tests/more.rs").replace("fn t03() {}", "fn t03() {\n    panic!(\"bad\");\n}"),
    );
    let parts = ["1/2", "2/2"].map(|shard| part(&repo, shard, &[]).0);
    let joined = merge(&repo, &[&parts[0], &parts[1]]);
    assert_eq!(joined.code, 1, "{}", joined.whole());
    let errors: Vec<&str> = joined.stdout.lines().filter(|line| line.starts_with("ERROR: ")).collect();
    assert_eq!(errors.len(), 1, "{}", joined.stdout);
    assert!(errors[0].starts_with("ERROR: PANIC - t03: bad at tests/more.rs:"), "{}", joined.stdout);
    assert!(joined.stdout.contains("VERDICT: RED at tier 1"), "{}", joined.stdout);
}

#[test]
fn what_is_no_whole_run_is_an_error_and_never_green() {
    let repo = dozen();
    let parts = ["1/2", "2/2"].map(|shard| part(&repo, shard, &[]).0);
    let refused = |given: &[&Utf8PathBuf], because: &str| {
        let answer = merge(&repo, given);
        assert_eq!(answer.code, 2, "{because}: {}", answer.whole());
        assert_eq!(answer.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{}", answer.stderr);
        assert!(answer.stderr.contains(because), "{because}: {}", answer.stderr);
        assert!(!answer.stdout.contains("VERDICT"), "{}", answer.stdout);
    };
    refused(&[&parts[0]], "a part is missing: shard 2/2");
    refused(&[&parts[0], &parts[1], &parts[0]], "are both shard 1/2");
    let of_three = part(&repo, "2/3", &[]).0;
    refused(&[&parts[0], &of_three], "");
    let other_seed = part(&repo, "2/2", &["--seed", "7"]).0;
    refused(&[&parts[0], &other_seed], "of another run");
    repo.write("tests/more.rs", &repo.read("tests/more.rs").replace("fn t03()", "fn t99()"));
    let other_tests = part(&repo, "2/2", &[]).0;
    refused(&[&parts[0], &other_tests], "of another run");
    refused(&[&parts[0], &repo.root().join("src")], "no run folder");
    let torn = parts[1].join("run.json");
    let text = crate::support::read(&torn);
    std::fs::write(&torn, &text[..text.len() / 2]).unwrap();
    refused(&[&parts[0], &parts[1]], "run.json is not what cargo-harness wrote");
}

#[test]
fn a_part_alone_does_not_claim_the_whole() {
    let repo = dozen();
    let answer = repo.harness(&["fast", "--shard", "2/2"]);
    let verdict = answer.stdout.lines().last().unwrap();
    assert!(verdict.contains(", shard 2/2, "), "{verdict}");
    let steps: Vec<&str> = answer.stdout.lines().filter(|line| line.starts_with('T')).collect();
    assert!(steps.iter().any(|line| line.contains(" elsewhere")), "{}", answer.stdout);
}

#[test]
fn to_divide_the_tests_none_of_them_is_run() {
    for runner in Runner::here() {
        let mut repo = dozen();
        repo.use_runner(runner);
        let test = |n: u32| {
            let file = format!("concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/target/ran{n}\")");
            format!("#[test]\nfn t{n}() {{\n    std::fs::File::create_new({file}).unwrap();\n}}\n\n")
        };
        let tests: String = (0..4).map(test).collect();
        repo.write("tests/more.rs", &format!("//! Each runs once.\n\n{}\n", tests.trim_end()));
        for shard in ["1/2", "2/2"] {
            let answer = repo.harness(&["run", "--step", "unit", "--shard", shard]);
            assert_eq!(answer.code, 0, "{}", answer.whole());
        }
    }
}
