//! How `fast` runs tests: each binary in one process, what isn't green there alone, and what is known not at all.

use crate::support::{Repo, Runner};

const MANIFEST: &str = "[package]\nname = \"sample\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n";

/// A library with these tests, and one test beside it.
fn sample(tests: &str) -> Repo {
    let repo = Repo::empty();
    let lib = format!(
        "//! A sample.\n\n/// One more.\npub fn next(n: u32) -> u32 {{\n    n + 1\n}}\n\n#[cfg(test)]\nmod tests {{\n{tests}}}\n"
    );
    let beside = "//! From outside.\n\n#[test]\nfn two_is_next() {\n    assert_eq!(sample::next(1), 2);\n}\n";
    repo.write("Cargo.toml", MANIFEST).write("src/lib.rs", &lib).write("tests/beside.rs", beside);
    repo.write(".gitignore", "/target\n").git_init();
    repo
}

fn unit_detail(repo: &Repo, args: &[&str]) -> String {
    let text = repo.harness(args).stdout;
    let line = text.lines().find(|line| line.starts_with("T1 unit")).unwrap_or_else(|| panic!("{text}"));
    line.split_once("s  ").map_or(line, |(_, detail)| detail).to_owned()
}

const GOOD: &str = "    #[test]\n    fn good() {}\n";

#[test]
fn after_a_comment_no_test_runs_and_after_a_statement_they_do() {
    let mut repo = sample(GOOD);
    for runner in Runner::here() {
        repo.use_runner(runner);
        let lib = repo.read("src/lib.rs");
        assert_eq!(unit_detail(&repo, &["fast", "--no-cache"]), "2 tests", "{runner:?}");
        repo.write("src/lib.rs", &format!("{lib}// Behind all.\n"));
        assert_eq!(unit_detail(&repo, &["fast"]), "2 tests, 2 of 2 binaries cached", "{runner:?}");
        repo.write("src/lib.rs", &lib.replace("n + 1", "n + 2"));
        let facts = repo.facts(&["fast"]);
        let failed: Vec<String> = facts.failures().into_iter().map(|failure| failure.subject).collect();
        assert_eq!((facts.code, failed), (1, vec!["two_is_next".to_owned()]), "{runner:?}");
        repo.write("src/lib.rs", &lib);
        assert_eq!(repo.facts(&["fast"]).code, 0, "{runner:?}");
    }
}

#[test]
fn a_test_that_reads_a_source_runs_again_when_that_has_changed() {
    let tidy = "    #[test]\n    fn tidy() {\n        let text = std::fs::read_to_string(\"src/lib.rs\").unwrap();\n        \
                let word = [\"FIX\", \"ME\"].concat();\n        assert!(!text.contains(&word));\n    }\n";
    let repo = sample(tidy);
    assert_eq!(repo.facts(&["fast"]).code, 0);
    let lib = repo.read("src/lib.rs");
    repo.write("src/lib.rs", &format!("{lib}// All is well.\n"));
    assert_eq!(unit_detail(&repo, &["fast"]), "2 tests, 1 of 2 binaries cached", "the other one has read nothing");
    repo.write("src/lib.rs", &format!("{lib}// FIXME\n"));
    assert_eq!(repo.facts(&["fast"]).phrase(), "RED at tier 1");
}

/// Two tests of which the second to run in a process fails.
const JEALOUS: &str = "    use std::sync::atomic::{AtomicU32, Ordering};\n    static RUN: AtomicU32 = AtomicU32::new(0);\n\n    \
                       #[test]\n    fn one() {\n        assert_eq!(RUN.fetch_add(1, Ordering::SeqCst), 0);\n    }\n\n    \
                       #[test]\n    fn other() {\n        assert_eq!(RUN.fetch_add(1, Ordering::SeqCst), 0);\n    }\n";

#[test]
fn what_passes_only_alone_is_green_and_named_once() {
    let mut repo = sample(JEALOUS);
    let about = |notes: Vec<String>| notes.into_iter().filter(|note| note.contains("alone")).count();
    for runner in Runner::here() {
        repo.use_runner(runner);
        let first = repo.facts(&["fast", "--no-cache"]);
        assert_eq!((first.code, first.counts()), (0, "3 passed, 0 failed, 0 skipped".to_owned()), "{runner:?}");
        assert_eq!(about(first.notes()), 1, "{first:#?}");
        repo.write("tests/beside.rs", &format!("{}// Again.\n", repo.read("tests/beside.rs")));
        let second = repo.facts(&["run", "--mode", "fast", "--step", "unit"]);
        assert_eq!((second.code, about(second.notes())), (0, 0), "{second:#?}");
    }
}

#[test]
fn the_contract_gives_each_test_a_process_of_its_own() {
    let repo = sample(JEALOUS);
    if !Runner::here().contains(&Runner::Nextest) {
        return;
    }
    for contract in ["run.engine = \"nextest\"\n", "[steps.unit]\nuses = \"nextest\"\nengine = \"nextest\"\n"] {
        repo.write("Harness.toml", contract);
        let facts = repo.facts(&["fast", "--no-cache"]);
        assert_eq!((facts.code, facts.notes()), (0, Vec::new()), "{contract}");
    }
}

#[test]
fn a_crash_a_hang_and_an_early_end_cost_only_their_own_test() {
    let mut repo = sample(GOOD);
    repo.write("Harness.toml", "run.test-timeout = \"1s\"\n");
    let bad = [
        ("std::process::abort();", "SIGNAL"),
        ("std::process::exit(0);", "EXIT"),
        ("std::thread::sleep(std::time::Duration::from_secs(60));", "TIMEOUT"),
        ("println!(\"ok good\\ntest good ... ok\");\n    panic!(\"after all\");", "PANIC"),
    ];
    for runner in Runner::here() {
        repo.use_runner(runner);
        for (statement, category) in bad {
            let test = |name: &str, body: &str| format!("\n#[test]\nfn {name}() {{\n    {body}\n}}\n");
            let text = format!("//! One is bad.\n{}{}", test("bad", statement), test("good", "assert_eq!(1 + 1, 2);"));
            repo.write("tests/bad.rs", &text);
            let facts = repo.facts(&["run", "--mode", "fast", "--step", "unit"]);
            let failed: Vec<(String, String)> =
                facts.failures().into_iter().map(|failure| (failure.category, failure.subject)).collect();
            assert_eq!(failed, [(category.to_owned(), "bad".to_owned())], "{runner:?}: {facts:#?}");
            assert_eq!(facts.counts(), "3 passed, 1 failed, 0 skipped", "{runner:?} {category}");
            assert_eq!(repo.processes(), [""; 0], "{runner:?} {category}");
        }
    }
}

#[test]
fn a_kept_verdict_of_full_is_given_again_and_each_part_of_it_is_run_otherwise() {
    let repo = sample(GOOD);
    assert_eq!(repo.facts(&["fast"]).code, 0);
    let full = repo.facts(&["full"]);
    assert_eq!((full.code, &full.verdict()["cached"]), (0, &serde_json::Value::Bool(false)));
    assert!(!repo.harness(&["full", "--no-cache"]).stdout.contains("cached"));
    assert_eq!(repo.facts(&["full"]).verdict()["cached"], true);
    repo.write("src/lib.rs", &format!("{}// Behind all.\n", repo.read("src/lib.rs")));
    assert!(!repo.harness(&["full"]).stdout.contains("cached"));
}
