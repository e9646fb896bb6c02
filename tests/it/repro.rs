//! `cargo harness repro`: every kind of failure is replayed, here, in its own tree, and from a capsule in a fresh clone.

use std::process::Command;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::support::{Answer, Failed, Repo, skipped, wait_until};

/// What `repro --message-format json` says.
fn replayed(repo: &Repo, args: &[&str]) -> (i32, Value) {
    let answer = repo.harness(&[&["repro", "--message-format=json"], args].concat());
    let line = answer.stdout.lines().find(|line| line.contains(r#""type":"repro""#));
    let line = line.unwrap_or_else(|| panic!("{args:?}: {}", answer.whole()));
    (answer.code, serde_json::from_str(line).unwrap())
}

fn word(value: &Value) -> &str {
    value["answer"].as_str().unwrap()
}

/// A git repository of one crate with this module, and this contract, committed as they are.
fn sample(module: &str, contract: &str) -> Repo {
    let repo = Repo::from_fixture("single");
    repo.write(".gitignore", "/target\n").git_init();
    repo.write("src/plot.rs", module).write("Harness.toml", &format!("run.test-timeout = '2s'\n{contract}"));
    repo
}

fn test_of(body: &str) -> String {
    format!(
        "//! Where something is planted.\n\n#[cfg(test)]\nmod tests {{\n    #[test]\n    fn planted() {{\n{body}    }}\n}}\n"
    )
}

/// The one failure of a run of this step.
fn failed(repo: &Repo, step: &str) -> Failed {
    let facts = repo.facts(&["run", "--step", step]);
    let failures = facts.failures();
    let [failed] = &failures[..] else { panic!("{step}: {facts:#?}") };
    failed.clone()
}

/// A clone of the repository's commits, beside it.
fn clone(repo: &Repo) -> Repo {
    let other = Repo::empty();
    other.git(&["clone", "--quiet", repo.root().as_str(), "."]);
    other
}

fn record(repo: &Repo, id: &str) -> Value {
    serde_json::from_str(&repo.read(&format!("target/harness/failures/{id}.json"))).unwrap()
}

/// Replays it here; exports it; and in a fresh clone, which has nothing of the uncommitted change, replays the capsule.
fn goes_round(repo: &Repo, step: &str, category: &str) {
    let failed = failed(repo, step);
    assert_eq!(failed.category, category, "{failed:?}");
    let (code, here) = replayed(repo, &[&failed.id]);
    assert_eq!((code, word(&here)), (1, "REPRODUCED"), "{failed:?}: {here:#}");
    assert_eq!(here["changed"], serde_json::json!([]), "{here:#}");
    let capsule = repo.root().parent().unwrap().join("capsule");
    let exported = repo.harness(&["repro", &failed.id, "--export", capsule.as_str()]);
    assert_eq!(exported.code, 0, "{}", exported.whole());
    let other = clone(repo);
    let (code, there) = replayed(&other, &["--from", capsule.as_str(), "--yes"]);
    assert_eq!((code, word(&there)), (1, "REPRODUCED"), "{failed:?}: {there:#}");
    assert_eq!(there["changed"], serde_json::json!([]), "{there:#}");
    let tree = format!("{}/target/harness/exact/{}/tree", other.root(), failed.id);
    let message = there["failure"]["message"].as_str().unwrap().replace(&tree, repo.root().as_str());
    assert_eq!(message, failed.message);
    assert_eq!(other.git(&["status", "--porcelain"]), "", "the clone is left as it was");
    assert_eq!(other.git(&["worktree", "list"]).lines().count(), 1);
    assert!(!other.root().join("target/harness/exact").join(&failed.id).exists());
    assert_eq!(repo.processes(), [""; 0]);
}

#[test]
fn a_compile_error_goes_round() {
    goes_round(&sample("//! Broken.\n\npub fn planted() -> u32 {\n    \"a\"\n}\n", ""), "clippy", "E0308");
}

#[test]
fn a_lint_goes_round() {
    let module = "//! Linted.\n\npub fn planted(a: u32) -> u32 {\n    return a;\n}\n";
    goes_round(&sample(module, ""), "clippy", "clippy::needless_return");
}

#[test]
fn an_unformatted_file_goes_round() {
    goes_round(&sample("//! Unformatted.\npub fn planted( ) {}\n", ""), "fmt", "FMT");
}

#[test]
fn an_assertion_goes_round() {
    goes_round(&sample(&test_of("        assert_eq!(1 + 1, 3);\n"), ""), "unit", "ASSERT");
}

#[test]
fn a_panic_goes_round() {
    goes_round(&sample(&test_of("        panic!(\"deep down\");\n"), ""), "unit", "PANIC");
}

#[test]
fn a_test_that_hangs_goes_round() {
    let body = "        std::thread::sleep(std::time::Duration::from_secs(3600));\n";
    goes_round(&sample(&test_of(body), ""), "unit", "TIMEOUT");
}

#[test]
fn an_abort_goes_round() {
    goes_round(&sample(&test_of("        std::process::abort();\n"), ""), "unit", "SIGNAL");
}

#[test]
fn a_documentation_example_goes_round() {
    let module =
        "//! Where something is planted.\n\n/// ```\n/// assert_eq!(1 + 1, 3);\n/// ```\npub fn planted() {}\n";
    goes_round(&sample(module, ""), "doc", "DOCTEST");
}

#[test]
fn an_external_build_goes_round() {
    let contract = "[[builds]]\nname = \"lua\"\ndir = \"lua\"\nrun = [\"sh\", \"build.sh\"]\n";
    let repo = sample("//! Empty.\n", contract);
    repo.write("lua/build.sh", "echo \"ld: $PWD/x.o: cannot find\" >&2\nexit 2\n");
    goes_round(&repo, "builds", "BUILD");
}

#[test]
fn a_command_goes_round() {
    let contract = "tiers.1 = [\"golden\"]\n[steps.golden]\nuses = \"command\"\nrun = [\"sh\", \"golden.sh\"]\n";
    let repo = sample("//! Empty.\n", contract);
    repo.write("golden.sh", "echo the last word; exit 3\n");
    goes_round(&repo, "golden", "BUILD");
}

/// The minimal case is the same in the clone: the seed decides it.
#[test]
fn a_property_goes_round_with_its_minimal_case() {
    let mut repo = Repo::from_fixture("properties");
    repo.with_dependencies();
    let module = "//! Where something is planted.\n\nuse proptest::prelude::*;\n\nproptest! {\n    #[test]\n    fn planted(n: u32) {\n        prop_assert!(n < 1000, \"{} is large\", n);\n    }\n}\n";
    repo.write("src/plot.rs", "//! Nothing yet.\n").write(".gitignore", "/target\n").git_init();
    repo.write("src/plot.rs", module);
    let facts = repo.facts(&["run", "--step", "unit"]);
    let failed = facts.failures().into_iter().next().unwrap_or_else(|| panic!("{facts:#?}"));
    assert_eq!((failed.category.as_str(), &failed.id[..2]), ("PROPERTY", "p-"), "{failed:?}");
    assert!(failed.message.contains("1000"), "{failed:?}");
    let harness_dir = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).join("dependencies/harness");
    let kept = crate::support::read(&harness_dir.join(format!("failures/{}.json", failed.id)));
    let capsule = repo.root().parent().unwrap().join("capsule");
    let exported = repo.harness(&["repro", &failed.id, "--export", capsule.as_str()]);
    assert_eq!(exported.code, 0, "{}", exported.whole());
    let other = clone(&repo);
    let (code, there) = replayed(&other, &["--from", capsule.as_str(), "--yes"]);
    assert_eq!((code, word(&there)), (1, "REPRODUCED"), "{kept}\n{there:#}");
    assert_eq!(there["failure"]["message"].as_str(), Some(failed.message.as_str()));
}

/// A fuzz target is an ordinary program that runs the files it is given; this one needs no crate.
#[test]
fn a_fuzz_input_that_git_ignores_goes_round() {
    let repo = Repo::from_fixture("single");
    repo.write(".gitignore", "target\nfuzz/artifacts\n");
    repo.write(
        "fuzz/Cargo.toml",
        "[package]\nname = \"fuzz\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[[bin]]\nname = \"words\"\npath = \"words.rs\"\n",
    );
    let target = "fn main() {\n    for path in std::env::args().skip(1).filter(|arg| !arg.starts_with('-')) {\n        eprintln!(\"Running: {path}\");\n        assert!(std::fs::read(&path).unwrap() != b\"bad\", \"crashed\");\n    }\n}\n";
    repo.write("fuzz/words.rs", target).git_init();
    repo.write("fuzz/artifacts/words/crash-1", "bad");
    let failed = failed(&repo, "fuzz");
    assert_eq!(failed.category, "FUZZ");
    let capsule = repo.root().parent().unwrap().join("capsule");
    assert_eq!(repo.harness(&["repro", &failed.id, "--export", capsule.as_str()]).code, 0);
    std::fs::remove_dir_all(repo.root().join("fuzz/artifacts")).unwrap();
    let (code, here) = replayed(&repo, &[&failed.id]);
    assert_eq!((code, word(&here)), (1, "REPRODUCED"), "{here:#}");
    let (code, there) = replayed(&clone(&repo), &["--from", capsule.as_str(), "--yes"]);
    assert_eq!((code, word(&there)), (1, "REPRODUCED"), "{there:#}");
    assert_eq!(there["failure"]["message"].as_str(), Some(failed.message.as_str()));
}

#[test]
fn what_has_changed_since_is_named_and_another_failure_is_different() {
    let repo = sample(&test_of("        assert_eq!(1 + 1, 3);\n"), "");
    let failed = failed(&repo, "unit");
    let ground = &record(&repo, &failed.id)["ground"];
    assert_eq!((ground["dirty"].as_bool(), ground["mode"].as_str()), (Some(true), Some("full")), "{ground:#}");
    repo.write("src/plot.rs", &test_of("        assert_eq!(1 + 1, 4);\n"));
    repo.write("Harness.toml", "run.test-timeout = '3s'\n");
    let answer = repo.harness(&["repro", &failed.id]);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(answer.code, 7, "{}", answer.whole());
    let changed = ["test-timeout 2s -> 3s", "contract", "Harness.toml", "src/plot.rs"];
    assert_eq!(lines[..4], changed.map(|what| format!("CHANGED: {what}")), "{}", answer.whole());
    assert!(lines[4].starts_with(&format!("DIFFERENT: {}: ASSERT - left == right (left: 2, right: 4)", failed.id)));
    // What was recorded is still there, as it was.
    let (code, exact) = replayed(&repo, &[&failed.id, "--exact"]);
    assert_eq!((code, word(&exact), &exact["changed"]), (1, "REPRODUCED", &serde_json::json!([])), "{exact:#}");
    assert!(repo.read("src/plot.rs").contains("4"));
    repo.write("src/plot.rs", &test_of("        assert_eq!(1 + 1, 2);\n"));
    let (code, gone) = replayed(&repo, &[&failed.id, "--count", "2"]);
    assert_eq!((code, word(&gone), gone["goes"].as_u64()), (0, "NOT REPRODUCED", Some(2)), "{gone:#}");
    // A test that no longer builds has not passed.
    repo.write("src/plot.rs", &test_of("        nothing();\n"));
    assert_eq!(repo.harness(&["repro", &failed.id]).code, 7);
}

/// Fails every other time.
const MOODY: &str = "        let file = std::path::Path::new(env!(\"CARGO_MANIFEST_DIR\")).join(\"target/mood\");\n        let bad = std::fs::read(&file).is_ok();\n        if bad { std::fs::remove_file(&file).unwrap() } else { std::fs::write(&file, \"\").unwrap() }\n        assert!(!bad, \"in a mood\");\n";

#[test]
fn of_several_goes_the_failed_ones_are_counted_and_the_first_ends_until_fail() {
    let repo = sample(&test_of(MOODY), "");
    repo.facts(&["run", "--step", "unit"]);
    repo.write("target/mood", "");
    let facts = repo.facts(&["run", "--step", "unit", "--fail-fast"]);
    let id = facts.failures()[0].id.clone();
    let answer = repo.harness(&["repro", &id, "--count", "4"]);
    assert!(answer.code == 1 && answer.stdout.contains("REPRODUCED (2 of 4): "), "{}", answer.whole());
    if repo.root().join("target/mood").exists() {
        std::fs::remove_file(repo.root().join("target/mood")).unwrap();
    }
    let (code, until) = replayed(&repo, &[&id, "--until-fail", "9"]);
    assert_eq!((code, until["goes"].as_u64(), until["reproduced"].as_u64()), (1, Some(2), Some(1)), "{until:#}");
}

/// Everything that git can hold, and what it would run if it were let.
#[test]
fn the_exact_tree_has_all_kinds_of_changes_and_runs_nothing_of_gits() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let repo = Repo::from_fixture("single");
    let root = repo.root().to_owned();
    let witness = root.parent().unwrap().join("home/ran");
    let contract = "tiers.1 = [\"look\"]\n[steps.look]\nuses = \"command\"\nrun = [\"sh\", \"look.sh\"]\n";
    repo.write("Harness.toml", contract)
        .write(".gitignore", "/target\n/ignored\n")
        .write("gone", "x")
        .write("a/file", "1");
    repo.write(".gitattributes", "*.bin filter=evil\n").git_init();
    let look = "set -e\ntest ! -e gone; test -x new/tool; test \"$(readlink link)\" = new/tool; test ! -e ignored\n\
                test \"$(od -An -tx1 data.bin | tr -d ' \\n')\" = 00ff0a0d; test -f .git\necho all there; exit 3\n";
    repo.write("look.sh", look).write("new/tool", "").write("ignored", "");
    std::fs::write(root.join("data.bin"), b"\x00\xff\n\r").unwrap();
    std::fs::remove_file(root.join("gone")).unwrap();
    std::fs::set_permissions(root.join("new/tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink("new/tool", root.join("link")).unwrap();
    let evil = format!("touch {witness}; cat");
    for (key, value) in [("filter.evil.clean", &evil), ("filter.evil.smudge", &evil), ("core.fsmonitor", &evil)] {
        repo.git(&["config", key, value]);
    }
    repo.write(".git/hooks/post-checkout", &format!("#!/bin/sh\ntouch {witness}\n"));
    std::fs::set_permissions(root.join(".git/hooks/post-checkout"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let failed = failed_command(&repo);
    let (code, exact) = replayed(&repo, &[&failed.id, "--exact"]);
    assert_eq!((code, word(&exact)), (1, "REPRODUCED"), "{exact:#}");
    assert!(exact["failure"]["message"].as_str().unwrap().contains("all there"), "{exact:#}");
    assert!(!witness.exists(), "something of the repository's ran");
    repo.git(&["status"]);
    assert!(witness.exists(), "and it would have");
}

/// The work tree goes with the replay, whoever ends it, and so does everything that it started.
#[test]
fn a_replay_that_is_ended_leaves_neither_work_tree_nor_process() {
    let contract = "tiers.1 = [\"look\"]\n[steps.look]\nuses = \"command\"\nrun = [\"sh\", \"look.sh\"]\n";
    let repo = sample("//! Empty.\n", contract);
    repo.write("look.sh", "test -d .git && exit 3\necho here > started\nsleep 3600\n");
    let failed = failed(&repo, "look");
    let child = repo.start(&["repro", &failed.id, "--exact"]);
    let exact = repo.root().join("target/harness/exact").join(&failed.id);
    wait_until("the step runs", Duration::from_secs(30), || exact.join("tree/started").exists());
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
    assert!(!exact.exists());
    assert_eq!(repo.git(&["worktree", "list"]).lines().count(), 1);
    repo.none_is_left();
}

/// In the tree that it is found in the look fails at its last line or before; both are one failure, by the step's name.
fn failed_command(repo: &Repo) -> Failed {
    let script = repo.read("look.sh");
    repo.write("look.sh", &script.replace("test ! -e ignored\n", "true\n").replace("test -f .git\n", "true\n"));
    let failed = failed(repo, "look");
    assert!(failed.message.contains("all there"), "{failed:?}");
    failed
}

/// What the user chose for a run holds for its replay, and no secret is written down.
#[test]
fn the_environment_is_as_it_was_and_secrets_are_in_no_record() {
    let body = "        assert_eq!(std::env::var(\"LC_TIME\").as_deref(), Ok(\"none\"));\n";
    let mut repo = sample(&test_of(body), "");
    repo.set_env("LC_TIME", "then").set_env("LC_AUTH_TOKEN", "hush-hush");
    let failed = failed(&repo, "unit");
    let text = record(&repo, &failed.id).to_string();
    assert!(text.contains("\"LC_TIME\":\"then\"") && !text.contains("hush-hush"), "{text}");
    repo.set_env("LC_TIME", "now").set_env("LC_NUMERIC", "new");
    let answer = repo.harness(&["repro", &failed.id]);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(answer.code, 1, "{}", answer.whole());
    let changed = ["CHANGED: environment LC_NUMERIC none -> new", "CHANGED: environment LC_TIME then -> now"];
    assert_eq!(lines[..2], changed, "{}", answer.whole());
    assert!(lines[2].starts_with("REPRODUCED: ") && lines[2].contains("then"), "{}", answer.whole());
}

/// What fails only where nothing outside is to be seen fails so again, and not being contained is said.
#[test]
fn what_was_contained_is_contained_again() {
    let folder = Repo::empty();
    folder.write("outside", "");
    let repo = sample(&test_of(&format!("        std::fs::read(\"{}/outside\").unwrap();\n", folder.root())), "");
    let facts = repo.facts(&["run", "--step", "unit", "--sandbox=auto"]);
    let run: Value = serde_json::from_str(&repo.read("target/harness/latest/run.json")).unwrap();
    if run["sandbox"]["containment"] == "off" {
        return skipped("a replay within a sandbox: this machine has none");
    }
    let id = facts.failures()[0].id.clone();
    let (code, again) = replayed(&repo, &[&id]);
    assert_eq!((code, word(&again), &again["changed"]), (1, "REPRODUCED", &serde_json::json!([])), "{again:#}");
    // Without a word of it in the record, as earlier versions have left them, nothing contains it.
    let mut old = record(&repo, &id);
    old["ground"].as_object_mut().unwrap().remove("sandbox");
    repo.write(&format!("target/harness/failures/{id}.json"), &old.to_string());
    assert_eq!(repo.harness(&["repro", &id]).code, 0);
}

#[test]
fn submodules_and_what_is_no_file_are_said_not_to_be_rebuilt() {
    let repo = sample(&test_of("        assert_eq!(1 + 1, 3);\n"), "");
    repo.write(".gitignore", "/target\nCargo.lock\n");
    repo.git(&["init", "--quiet", "../other"]);
    repo.git(&["-C", "../other", "commit", "--quiet", "--allow-empty", "--message=Begin"]);
    repo.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../other", "sub"]);
    repo.git(&["commit", "--quiet", "--message=Sub"]);
    let failed = failed(&repo, "unit");
    let answer = repo.harness(&["repro", &failed.id, "--exact"]);
    assert_eq!(answer.code, 1, "{}", answer.whole());
    assert!(answer.stdout.starts_with("NOTE: not rebuilt: sub (a submodule)\n"), "{}", answer.whole());
    // Ignored as it is, the lock file decides what is built.
    let run = record(&repo, &failed.id)["run"].as_str().unwrap().to_owned();
    let tree: Value = serde_json::from_str(&repo.read(&format!("target/harness/runs/{run}/tree.json"))).unwrap();
    assert!(tree["changes"]["Cargo.lock"].is_object(), "{tree:#}");
}

#[test]
fn before_the_first_commit_and_outside_of_git() {
    let repo = sample(&test_of("        assert_eq!(1 + 1, 3);\n"), "");
    std::fs::remove_dir_all(repo.root().join(".git")).unwrap();
    let outside = failed(&repo, "unit");
    let answer = repo.harness(&["repro", &outside.id, "--exact"]);
    assert!(answer.code == 2 && answer.stderr.contains("hint: without --exact"), "{}", answer.whole());
    let answer = repo.harness(&["repro", &outside.id, "--export", "capsule"]);
    assert_eq!(answer.code, 2, "{}", answer.whole());
    repo.git(&["init", "--quiet"]);
    assert_eq!(failed(&repo, "unit").id, outside.id);
    let (code, exact) = replayed(&repo, &[&outside.id, "--exact"]);
    assert_eq!((code, word(&exact)), (1, "REPRODUCED"), "{exact:#}");
    let lock = repo.root().join(format!("target/harness/exact/{}.lock", outside.id));
    let held = std::fs::File::open(lock).unwrap();
    held.lock().unwrap();
    let busy = repo.harness(&["repro", &outside.id, "--exact"]);
    assert!(busy.code == 3 && busy.stderr.contains("is being replayed already"), "{}", busy.whole());
}

/// One that is good, as a file.
fn capsule() -> (Repo, Utf8PathBuf, String) {
    let contract = "tiers.1 = [\"golden\"]\n[steps.golden]\nuses = \"command\"\nrun = [\"sh\", \"golden.sh\"]\n";
    let repo = sample("//! Empty.\n", contract);
    repo.write("golden.sh", "echo the last word; exit 3\n");
    let failed = failed(&repo, "golden");
    let file = repo.root().parent().unwrap().join("capsule");
    let export = || {
        let answer = repo.harness(&["repro", &failed.id, "--export", file.as_str()]);
        assert_eq!(answer.code, 0, "{}", answer.whole());
        let lines: Vec<&str> = answer.stdout.lines().collect();
        assert!(lines[0].starts_with(&format!("EXPORTED: {} at commit ", failed.id)), "{}", answer.whole());
        assert_eq!(
            lines[1..],
            ["  file Harness.toml", "  file golden.sh", "  file src/plot.rs"],
            "nothing is packed unnamed"
        );
        std::fs::read(&file).unwrap()
    };
    assert_eq!(export(), export(), "the same content has the same bytes");
    (repo, file, failed.id)
}

#[test]
fn nothing_runs_before_somebody_says_yes_nor_without_the_commit() {
    let (repo, file, id) = capsule();
    let other = clone(&repo);
    let answer = other.harness(&["repro", "--from", file.as_str()]);
    assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{}", answer.whole());
    for words in
        ["CAPSULE: ", "RUNS: cargo harness run --step golden", "COMMAND: sh golden.sh", "file golden.sh", "--yes"]
    {
        assert!(answer.stderr.contains(words), "{words}: {}", answer.whole());
    }
    assert!(!other.root().join("target").exists());
    let wrong = other.harness(&["repro", "t-00000000", "--from", file.as_str(), "--yes"]);
    assert!(wrong.code == 2 && wrong.stderr.contains(&format!("the capsule holds {id}")), "{}", wrong.whole());
    let stranger = Repo::from_fixture("green");
    stranger.git_init();
    let answer = stranger.harness(&["repro", "--from", file.as_str(), "--yes"]);
    let commit = repo.git(&["rev-parse", "HEAD"]);
    assert!(answer.code == 2 && answer.stderr.contains(commit.trim()), "{}", answer.whole());
    assert!(answer.stderr.contains("hint: fetch it"), "{}", answer.whole());
}

#[test]
fn a_capsule_that_is_cut_off_or_none_is_refused() {
    let (repo, file, _) = capsule();
    let bytes = std::fs::read(&file).unwrap();
    let refused = |bytes: &[u8]| -> Answer {
        std::fs::write(&file, bytes).unwrap();
        let answer = repo.harness(&["repro", "--from", file.as_str(), "--yes"]);
        assert!(answer.code == 2 && answer.stderr.contains("error: "), "{}", answer.whole());
        assert!(!answer.stderr.contains("panicked"), "{}", answer.whole());
        answer
    };
    for length in [0, 1, 9, bytes.len() / 2, bytes.len() - 1] {
        assert!(refused(&bytes[..length]).stderr.contains("it is not a capsule, or it is cut off"), "{length}");
    }
    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    refused(&flipped);
    refused(b"no archive at all");
}
