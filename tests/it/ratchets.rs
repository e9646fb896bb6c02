//! Numbers that may only get better: held in Harness.lock, judged by every gate, written down when they are better.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Answer, Repo};

const MAIN: &str = "//! A sample.\n\npub mod left;\npub mod right;\n";

/// Three calls each, all of them unsafe.
fn unsafe_calls(count: usize) -> String {
    let call = |n: usize| format!("    total += unsafe {{ *values.get_unchecked({n}) }};\n");
    let calls: String = (0..count).map(call).collect();
    let state = if count == 0 { "let total" } else { "let mut total" };
    format!(
        "//! Sums.\n\n/// The sum.\npub fn sum(values: &[u64; 8]) -> u64 {{\n    {state} = values.len() as u64;\n{calls}    total\n}}\n"
    )
}

/// A crate whose lock holds its ratchets, with more in the contract.
fn sample(contract: &str) -> Repo {
    let mut repo = Repo::empty();
    repo.write("Cargo.toml", "[package]\nname = \"sample\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n");
    let contract = format!(
        "[tiers]\n0 = [\"fmt\", \"check\"]\n1 = []\n2 = []\n3 = []\n\n[protect]\nroles = [\"maintainer\"]\n[roles.maintainer]\n{contract}"
    );
    repo.write("Harness.toml", &contract).write(".gitignore", "/target\n").write("src/lib.rs", MAIN);
    repo.write("src/left.rs", &unsafe_calls(3)).write("src/right.rs", &unsafe_calls(3));
    assert_eq!(repo.shell("cargo generate-lockfile --offline").code, 0);
    let cache = repo.root().parent().unwrap().join("cache");
    repo.set_env("XDG_CACHE_HOME", cache.as_str());
    let locked = repo.harness(&["lock"]);
    assert_eq!(locked.code, 0, "{}", locked.whole());
    repo.git_init();
    repo
}

fn commit(repo: &Repo, branch: &str) {
    repo.git(&["checkout", "--quiet", "-B", branch]);
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "--quiet", "--message", "Change"]);
}

/// Judges what lies in the work tree, as a commit on main.
fn judged(repo: &Repo, gate: &[&str]) -> Answer {
    commit(repo, "work");
    repo.harness(&[&["gate"], gate, &["--base", "main"]].concat())
}

fn back_to_main(repo: &Repo) {
    repo.git(&["checkout", "--quiet", "--force", "main"]);
}

#[test]
fn worse_is_red_better_is_written_down_and_moved_code_is_neither() {
    let repo = sample("");
    let lock = repo.read("Harness.lock");
    assert!(lock.contains("kinds = [\"ignored\", \"suppressions\", \"unsafe\"]"), "{lock}");
    assert!(lock.contains("[ratchets.counts.\"src/left.rs\"]\nunsafe = 3\n"), "{lock}");

    repo.write("src/right.rs", &unsafe_calls(4));
    let worse = judged(&repo, &["push"]);
    assert_eq!(worse.code, 1, "{}", worse.whole());
    assert!(
        worse.stdout.contains("ERROR: RATCHET - unsafe: ratchets: 6 recorded, 7 now: src/right.rs 3 -> 4 [g-"),
        "{}",
        worse.stdout
    );

    back_to_main(&repo);
    repo.git(&["mv", "src/left.rs", "src/up.rs"]);
    repo.write("src/lib.rs", "//! A sample.\n\npub mod right;\npub mod up;\n");
    repo.write("src/right.rs", &unsafe_calls(2)).write("src/up.rs", &unsafe_calls(4));
    let moved = judged(&repo, &["push"]);
    assert_eq!(moved.code, 0, "{}", moved.whole());
    assert!(moved.stdout.contains("NOTE: unsafe: 6 as before, of other files: src/up.rs 3 -> 4"), "{}", moved.stdout);

    back_to_main(&repo);
    repo.write("src/right.rs", &unsafe_calls(1));
    let better = judged(&repo, &["push", "--tighten"]);
    assert_eq!(better.code, 0, "{}", better.whole());
    let note = "NOTE: unsafe: 6 recorded, 4 now; write it down: cargo harness gate push --tighten";
    assert!(better.stdout.contains(note), "{}", better.stdout);
    assert!(better.stdout.ends_with("TIGHTENED: src/right.rs unsafe 3 -> 1\n"), "{}", better.stdout);
    let tightened = lock.replace("\"src/right.rs\"]\nunsafe = 3", "\"src/right.rs\"]\nunsafe = 1");
    assert_eq!(repo.read("Harness.lock"), tightened, "no other line is touched");
    let committed = judged(&repo, &["push", "--tighten"]);
    assert_eq!(committed.code, 0, "a tighter lock needs nobody's approval: {}", committed.whole());
    assert!(committed.stdout.ends_with("TIGHTENED: nothing is better than recorded\n"), "{}", committed.stdout);
}

#[test]
fn a_raised_line_needs_approval_and_a_lock_cannot_claim_less_than_there_is() {
    let repo = sample("");
    let lock = repo.read("Harness.lock");
    repo.write("src/right.rs", &unsafe_calls(4));
    repo.write("Harness.lock", &lock.replace("right.rs\"]\nunsafe = 3", "right.rs\"]\nunsafe = 4"));
    let raised = judged(&repo, &["push"]);
    assert_eq!(raised.code, 6, "{}", raised.whole());
    let line = "APPROVE: RATCHET - unsafe: ratchets: 6 recorded, raised to 7 in Harness.lock";
    assert!(raised.stdout.contains(line), "{}", raised.stdout);
    let approved = judged_again(&repo, &["push", "--role", "maintainer"]);
    assert_eq!(approved.code, 0, "{}", approved.whole());

    back_to_main(&repo);
    let cut = lock.split("[ratchets]").next().unwrap().to_owned();
    repo.write("Harness.lock", &cut);
    assert_eq!(judged(&repo, &["push"]).code, 6, "without its ratchets a lock lets everything through");

    back_to_main(&repo);
    repo.write("Harness.lock", &lock.replace("right.rs\"]\nunsafe = 3", "right.rs\"]\nunsafe = 1"));
    let boast = judged(&repo, &["push"]);
    assert_eq!(boast.code, 1, "{}", boast.whole());
    assert!(boast.stdout.contains("6 are there, and Harness.lock says 4"), "{}", boast.stdout);
}

fn judged_again(repo: &Repo, gate: &[&str]) -> Answer {
    repo.harness(&[&["gate"], gate, &["--base", "main"]].concat())
}

#[test]
fn two_branches_that_improve_neighbouring_files_merge_without_conflict() {
    let repo = sample("");
    for (branch, file) in [("left", "src/left.rs"), ("right", "src/right.rs")] {
        back_to_main(&repo);
        repo.write(file, &unsafe_calls(1));
        commit(&repo, branch);
        let answer = repo.harness(&["gate", "push", "--base", "main", "--tighten"]);
        assert_eq!(answer.code, 0, "{}", answer.whole());
        commit(&repo, branch);
    }
    repo.git(&["merge", "--quiet", "--no-edit", "left"]);
    let lock = repo.read("Harness.lock");
    assert_eq!(lock.matches("unsafe = 1\n").count(), 2, "{lock}");
    let merged = judged_again(&repo, &["push", "--tighten"]);
    assert_eq!(merged.code, 0, "{}", merged.whole());
}

#[test]
fn kinds_that_the_contract_names_are_held_against_the_base_where_no_lock_does() {
    let repo = sample("[ratchets]\nkinds = [\"unwrap\", \"api\"]\nexclude = [\"src/vendored/**\"]\n");
    repo.git(&["rm", "--quiet", "Harness.lock"]);
    repo.git(&["commit", "--quiet", "--message", "No lock"]);
    let unwrapping =
        "//! Sums.\n\n/// The first.\npub fn sum(values: &[u64]) -> u64 {\n    *values.first().unwrap()\n}\n";
    repo.write("src/vendored/x.rs", unwrapping);
    let excluded = judged(&repo, &["push"]);
    assert_eq!(excluded.code, 0, "{}", excluded.whole());
    repo.write("src/right.rs", unwrapping);
    let worse = judged_again_committed(&repo);
    assert_eq!(worse.code, 1, "{}", worse.whole());
    assert!(worse.stdout.contains("unwrap: ratchets: 0 in the base, 1 now: src/right.rs 0 -> 1"), "{}", worse.stdout);
    repo.write("src/right.rs", "//! Sums.\n\n/// One.\npub fn one() {}\n/// Two.\npub fn two() {}\n");
    let wider = judged_again_committed(&repo);
    assert!(wider.stdout.contains("api: ratchets: 4 in the base, 5 now"), "{}", wider.whole());
}

fn judged_again_committed(repo: &Repo) -> Answer {
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "--quiet", "--message", "Another change"]);
    judged_again(repo, &["push"])
}

/// Makes a script that can be run.
fn script(repo: &Repo, path: &str, text: &str) {
    repo.write(path, text);
    let file = repo.root().join(path);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_programs_number_may_not_grow_and_its_script_is_the_bases() {
    let repo = sample("");
    script(&repo, "count", "#!/bin/sh\necho \"left: $(grep -c TODO src/left.rs) todos\"\n");
    let contract = repo.read("Harness.toml");
    let named = "\n[ratchets]\ncommands = [{ name = \"todos\", run = [\"./count\"], timeout = \"5s\" }]\n";
    repo.write("Harness.toml", &format!("{contract}{named}"))
        .write("src/left.rs", "//! TODO: all.\n//! TODO: the rest.\n");
    let locked = repo.harness(&["lock"]);
    assert_eq!(locked.code, 0, "{}", locked.whole());
    assert!(repo.read("Harness.lock").contains("[ratchets.counts.\"command:todos\"]\nnumber = 2\n"));
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "--quiet", "--message", "Count"]);

    repo.write("src/left.rs", "//! TODO: all.\n//! TODO: the rest.\n//! TODO: more.\n");
    let worse = judged(&repo, &["push"]);
    assert_eq!(worse.code, 1, "{}", worse.whole());
    assert!(worse.stdout.contains("RATCHET - todos: ratchets: 2 recorded, 3 now"), "{}", worse.stdout);

    script(&repo, "count", "#!/bin/sh\necho 0\n");
    let cheating = judged_again_committed(&repo);
    assert_eq!(cheating.code, 1, "the base's script counts: {}", cheating.whole());
    assert!(cheating.stdout.contains("TAMPER - count: protected: changed"), "{}", cheating.stdout);

    back_to_main(&repo);
    repo.write("src/left.rs", "//! TODO: all.\n");
    let better = judged(&repo, &["push", "--tighten"]);
    assert_eq!(better.code, 0, "{}", better.whole());
    assert!(better.stdout.ends_with("TIGHTENED: command:todos number 2 -> 1\n"), "{}", better.stdout);
}

#[test]
fn a_number_that_cannot_be_had_is_red() {
    let repo = sample("");
    let contract = repo.read("Harness.toml");
    for (text, why) in [
        ("#!/bin/sh\necho many\n", "printed no integer"),
        ("#!/bin/sh\necho 1\nexit 3\n", "ended with 3"),
        ("#!/bin/sh\nwhile :; do :; done\n", "stopped at its time limit of 1s"),
    ] {
        repo.git(&["checkout", "--quiet", "--force", "main"]);
        script(&repo, "n", text);
        let named = "\n[ratchets]\ncommands = [{ name = \"n\", run = [\"./n\"], timeout = \"1s\" }]\n";
        repo.write("Harness.toml", &format!("{contract}{named}"));
        repo.git(&["add", "--all"]);
        repo.git(&["commit", "--quiet", "--message", "Count"]);
        repo.write("README", text);
        let answer = judged(&repo, &["push"]);
        assert_eq!(answer.code, 1, "{}", answer.whole());
        assert!(answer.stdout.contains(&format!("n: ratchets: its number cannot be had: {why}")), "{}", answer.stdout);
    }
}
