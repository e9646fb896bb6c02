//! The work queue from outside: tasks that are added, claimed, worked on, and land by the gate or don't.

use camino::Utf8PathBuf;

use crate::support::{Answer, Repo};

const LIBRARY: &str = "//! Sums.\n\n/// Both together.\npub fn sum(a: u32, b: u32) -> u32 {\n    a - b\n}\n\n\
                       /// Twice as much.\npub fn twice(a: u32) -> u32 {\n    a + 2\n}\n";
const TESTS: &str = "#[test]\nfn sums_add_up() {\n    assert_eq!(sums::sum(3, 2), 5);\n}\n\n\
                     #[test]\nfn twice_is_twice() {\n    assert_eq!(sums::twice(5), 10);\n}\n";

/// A clone of a bare repository in which two tests fail.
fn red() -> Repo {
    let mut repo = Repo::empty();
    repo.write("Cargo.toml", "[package]\nname = \"sums\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    repo.write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"sums\"\nversion = \"0.1.0\"\n");
    repo.write("src/lib.rs", LIBRARY).write("tests/sums.rs", TESTS).write(".gitignore", "/target\n");
    repo.write("Harness.toml", "[gates.merge]\ntiers = \"0-1\"\n[tiers]\n0 = [\"clippy\"]\n1 = [\"unit\"]\n");
    repo.git_init();
    let bare = bare(&repo);
    repo.git(&["clone", "--quiet", "--bare", ".", bare.as_str()]);
    repo.git(&["remote", "add", "origin", bare.as_str()]);
    repo.git(&["fetch", "--quiet", "origin"]);
    let cache = repo.root().parent().unwrap().join("cache");
    repo.set_env("XDG_CACHE_HOME", cache.as_str()).set_env("HARNESS_WORKER", "ada");
    repo
}

fn bare(repo: &Repo) -> Utf8PathBuf {
    repo.root().parent().unwrap().join("bare")
}

fn good(answer: Answer) -> String {
    assert_eq!(answer.code, 0, "{}", answer.whole());
    answer.stdout
}

fn refused(answer: &Answer, code: i32, text: &str) {
    assert!(answer.code == code && answer.whole().contains(text), "{}", answer.whole());
}

/// Begins a branch at the remote's tip with one file changed.
fn work(repo: &Repo, path: &str, text: &str) {
    repo.git(&["fetch", "--quiet", "origin"]);
    repo.git(&["checkout", "--quiet", "-B", "work", "origin/main"]);
    repo.write(path, text);
    repo.git(&["commit", "--quiet", "--all", "--message", "Work"]);
}

#[test]
fn a_red_branch_becomes_green_task_by_task_and_a_cheat_never_lands() {
    let repo = red();
    for (title, id) in [("Mend sum", "mend-sum"), ("Mend twice", "mend-twice")] {
        let added = good(repo.harness(&["task", "add", title]));
        assert_eq!(added, format!("ADDED: {id} to current_tasks/available/{id}.txt on main\n"));
    }
    let claimed = good(repo.harness(&["task", "claim", "mend-sum"]));
    assert!(claimed.starts_with("CLAIMED: mend-sum by ada, for 30 min\n"), "{claimed}");
    work(&repo, "src/lib.rs", &LIBRARY.replace("a - b", "a + b"));
    let done = good(repo.harness(&["task", "done", "mend-sum"]));
    assert!(done.contains(" on main, which takes away 1 of the failures there"), "{done}");
    let refs = || repo.git(&["ls-remote", bare(&repo).as_str(), "refs/harness/claims/*"]);
    assert_eq!(refs(), "", "the claim goes with the work's landing");
    assert_eq!(good(repo.harness(&["task", "list"])).lines().last(), Some("TASKS: 1 free, 0 held, 0 blocked"));

    good(repo.harness(&["task", "claim", "--next"]));
    let before = repo.git(&["ls-remote", bare(&repo).as_str(), "main"]);
    work(&repo, "tests/sums.rs", TESTS.split("\n#[test]\nfn twice").next().unwrap());
    let cheat = repo.harness(&["task", "done", "mend-twice"]);
    assert!([1, 6].contains(&cheat.code) && cheat.stdout.starts_with("NOT DONE: mend-twice: "), "{}", cheat.whole());
    assert_eq!(repo.git(&["ls-remote", bare(&repo).as_str(), "main"]), before, "nothing has landed");
    let shown = good(repo.harness(&["task", "show", "mend-twice"]));
    assert!(shown.contains("state: held by ada") && shown.contains("; tried tests/sums.rs, by ada"), "{shown}");
    work(&repo, "src/lib.rs", &LIBRARY.replace("a - b", "a + b").replace("a + 2", "a * 2"));
    let done = good(repo.harness(&["task", "done", "mend-twice"]));
    assert!(done.starts_with("DONE: mend-twice as ") && !done.contains("failures"), "{done}");
    assert_eq!(good(repo.harness(&["task", "list"])), "TASKS: 0 free, 0 held, 0 blocked\n");
}

#[test]
fn whoever_is_second_is_told_so_and_can_neither_renew_nor_land() {
    let repo = red();
    good(repo.harness(&["task", "add", "First", "--priority", "1", "--failure", "t-00000001"]));
    good(repo.harness(&["task", "add", "Same", "--priority", "2", "--failure", "t-00000001"]));
    good(repo.harness(&["task", "add", "Words", "--role", "docs", "--type", "docs"]));
    good(repo.harness(&["task", "claim", "--next", "--role", "bug-miner"]));
    refused(&repo.harness(&["task", "claim", "first", "--as", "bob"]), 1, "`first` is held by ada");
    refused(&repo.harness(&["task", "claim", "same", "--as", "bob"]), 1, "ada works on t-00000001 already");
    refused(
        &repo.harness(&["task", "claim", "--next", "--as", "bob", "--role", "bug-miner"]),
        1,
        "there is nothing to claim",
    );
    for verb in ["renew", "release", "done"] {
        refused(&repo.harness(&["task", verb, "first", "--as", "bob"]), 1, "`first` is held by ada");
    }
    let claimed = good(repo.harness(&["task", "claim", "--next", "--as", "bob", "--role", "docs"]));
    assert!(
        claimed.starts_with("CLAIMED: words by bob") && claimed.contains("\nscope: docs may change **/*.md docs/**"),
        "{claimed}"
    );
    good(repo.harness(&["task", "renew", "first"]));
    assert_eq!(
        good(repo.harness(&["task", "block", "first", "--reason", "no\ncompiler"])),
        "BLOCKED: first: no compiler\n"
    );
    refused(&repo.harness(&["task", "claim", "first"]), 1, "`first` is blocked: no compiler");
    assert_eq!(
        good(repo.harness(&["task", "list"])),
        "1 first  blocked: no compiler  First\n2 same  free  Same\n5 words  held by bob  Words (docs)\n\
         TASKS: 1 free, 1 held, 1 blocked\n"
    );
    good(repo.harness(&["task", "release", "first", "--as", "bob"]));
    good(repo.harness(&["task", "claim", "first", "--as", "bob"]));
}

#[test]
fn what_cannot_be_meant_is_a_usage_error_with_a_way_out() {
    let repo = red();
    good(repo.harness(&["task", "add", "Mend sum"]));
    refused(&repo.harness(&["task", "add", "Mend sum"]), 2, "there is a task `mend-sum` already");
    refused(&repo.harness(&["task", "claim", "mend-sun"]), 2, "hint: did you mean `mend-sum`?");
    refused(&repo.harness(&["task", "claim", "../x"]), 2, "is not a task id");
    refused(&repo.harness(&["task", "claim", "mend-sum", "--as", "a b"]), 2, "is no name for a worker");
    refused(&repo.harness(&["task", "claim", "mend-sum", "--role", "sheriff"]), 2, "there is no role `sheriff`");
    refused(&Repo::empty().harness(&["task", "list"]), 2, "error: ");
}

#[test]
fn a_fresh_clone_and_a_brief_are_enough_to_go_on() {
    let repo = red();
    good(repo.harness(&["task", "add", "Mend sum", "--check", "cargo test sums_add_up", "--text", "A minus too many"]));
    good(repo.harness(&["task", "claim", "mend-sum"]));
    assert_eq!(repo.harness(&["fast"]).code, 1);
    let page = good(repo.harness(&["brief"]));
    assert!(page.lines().count() <= 60 && page.len() <= 6000, "{page}");
    for line in [
        "VERDICT: RED of tiers 0-1 by fast",
        "TASK: mend-sum",
        "check: cargo test sums_add_up",
        "QUEUE: 0 free, 1 held",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    assert!(
        page.contains("\nERROR: ASSERT - sums_add_up") && page.contains("\nREPRO: cargo harness repro t-"),
        "{page}"
    );
    repo.write("PROGRESS.md", "# Progress\n\nOurs: ask Grace.\n");
    good(repo.harness(&["brief", "--write"]));
    let text = repo.read("PROGRESS.md");
    assert!(text.contains("Ours: ask Grace.") && text.contains("- RED of tiers 0-1: 0 passed, 2 failed"), "{text}");
    repo.git(&["add", "PROGRESS.md", "KNOWN_FAILURES.md"]);
    assert_eq!(good(repo.harness(&["brief", "--write"])), "kept PROGRESS.md\nkept KNOWN_FAILURES.md\n");
    repo.git(&["commit", "--quiet", "--message", "Where things stand"]);
    repo.git(&["push", "--quiet", "--force", "origin", "HEAD:refs/heads/state"]);

    let mut clone = Repo::empty();
    clone.git(&["clone", "--quiet", "--branch", "state", bare(&repo).as_str(), "."]);
    clone.set_env("HARNESS_WORKER", "ada");
    let page = good(clone.harness(&["brief"]));
    for line in ["VERDICT: none in this clone yet", "RED of tiers 0-1: 0 passed, 2 failed", "TASK: mend-sum", "NEXT: "]
    {
        assert!(page.contains(line), "{line}: {page}");
    }
}
