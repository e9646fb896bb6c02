//! The gate before a merge, against ways to leave a bug in and look green, and against honest changes.
//!
//! `HARNESS_CHEATS=99` tries all of `fixtures/cheats`; by default some of each kind.

use camino::{Utf8Path, Utf8PathBuf};

use crate::support::{Answer, Repo, number, said};

/// The shop that is cheated, as the base of every change.
fn shop() -> Repo {
    let mut repo = Repo::from_fixture("cheats/base");
    repo.write(".gitignore", "/target\n").git_init();
    let home = repo.root().parent().unwrap().join("cache");
    repo.set_env("XDG_CACHE_HOME", home.as_str());
    repo
}

fn patches(kind: &str) -> Vec<Utf8PathBuf> {
    let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cheats").join(kind);
    let mut all: Vec<Utf8PathBuf> = folder.read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path()).collect();
    all.sort();
    all
}

/// So many, spread evenly.
fn some(all: Vec<Utf8PathBuf>) -> Vec<Utf8PathBuf> {
    let wanted = number("HARNESS_CHEATS", 3).clamp(1, all.len());
    (0..wanted).map(|n| all[n * all.len() / wanted].clone()).collect()
}

/// Judges the base with a patch, whose first line is the commit's message.
fn judged(repo: &Repo, patch: &Utf8Path) -> Answer {
    repo.git(&["checkout", "--quiet", "-B", "work", "main"]);
    repo.git(&["apply", "--index", patch.as_str()]);
    let text = std::fs::read_to_string(patch).unwrap();
    let message = text.split("\ndiff --git").next().unwrap();
    repo.git(&["commit", "--quiet", &format!("--message={message}")]);
    let answer = repo.harness(&["gate", "merge", "--base", "main", "--head", "work"]);
    repo.git(&["checkout", "--quiet", "main"]);
    answer
}

#[test]
fn no_way_to_look_green_gets_past_the_gate() {
    let repo = shop();
    let chosen = some(patches("patches"));
    let codes: Vec<(Utf8PathBuf, Answer)> =
        chosen.into_iter().map(|patch| (patch.clone(), judged(&repo, &patch))).collect();
    let with = |code: i32| codes.iter().filter(|(_, answer)| answer.code == code).count();
    said(&format!("of {} cheats {} are red and {} need approval", codes.len(), with(1), with(6)));
    for (patch, answer) in &codes {
        assert!([1, 6].contains(&answer.code), "{patch}: {answer:#?}");
    }
}

#[test]
fn honest_changes_are_green_or_ask() {
    let repo = shop();
    let chosen = some(patches("honest"));
    let codes: Vec<(Utf8PathBuf, Answer)> =
        chosen.into_iter().map(|patch| (patch.clone(), judged(&repo, &patch))).collect();
    let with = |code: i32| codes.iter().filter(|(_, answer)| answer.code == code).count();
    said(&format!("of {} honest changes {} are green and {} need approval", codes.len(), with(0), with(6)));
    for (patch, answer) in &codes {
        assert!([0, 6].contains(&answer.code), "{patch}: {answer:#?}");
    }
    assert!(with(0) * 2 > codes.len(), "more than half are green: {codes:#?}");
}

#[test]
fn a_second_ask_is_answered_from_the_receipt_and_what_was_judged_before_leaves_no_trace() {
    let repo = shop();
    let cheat = patches("patches").remove(0);
    let honest = patches("honest").remove(0);
    assert_ne!(judged(&repo, &cheat).code, 0);
    let first = judged(&repo, &honest);
    assert_eq!(first.code, 0, "{first:#?}");
    let second = repo.harness(&["gate", "merge", "--base", "main", "--head", "work"]);
    assert!(second.code == 0 && second.stdout.contains(", cached, "), "{second:#?}");
}

#[test]
fn what_cannot_be_judged_is_an_error_and_never_green() {
    let repo = shop();
    let unknown = repo.harness(&["gate", "merge", "--base", "nowhere"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("nowhere"), "{unknown:#?}");
    assert_eq!(repo.harness(&["gate", "nonsense"]).code, 2);
    let outside = Repo::empty();
    outside
        .write("Cargo.toml", "[package]\nname = \"x\"\nversion = \"0.1.0\"\n\n[workspace]\n")
        .write("src/lib.rs", "");
    assert_ne!(outside.harness(&["gate", "merge"]).code, 0);
}

#[test]
fn a_role_of_the_base_approves_and_holds_within_its_limits() {
    let repo = shop();
    repo.git(&["checkout", "--quiet", "-b", "work"]);
    repo.write("Harness.toml", "[run]\nseed = 7\n");
    repo.git(&["commit", "--quiet", "--all", "--message", "Another seed"]);
    let gate = |more: &[&str]| repo.harness(&[&["gate", "push", "--base", "main"], more].concat());
    let first = gate(&[]);
    assert_eq!(first.code, 6, "{}", first.whole());
    assert!(first.stdout.contains("APPROVE: TAMPER - Harness.toml: protected: changed"), "{}", first.stdout);
    let second = gate(&[]);
    assert_eq!(second.code, 6);
    assert!(second.stdout.contains(", cached, seed 24301"), "{}", second.stdout);
    let approved = gate(&["--role", "maintainer"]);
    assert_eq!(approved.code, 0, "{}", approved.whole());
    let limited = gate(&["--role", "bug-miner"]);
    assert_eq!(limited.code, 1, "{}", limited.whole());
    assert!(limited.stdout.contains("ERROR: ROLE - Harness.toml: role: the role bug-miner may not change it"));
    let unknown = gate(&["--role", "sheriff"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("has no role `sheriff`"), "{}", unknown.stderr);
}

#[test]
fn objects_are_judged_and_never_the_work_tree_nor_what_replaces_them() {
    let repo = shop();
    repo.git(&["checkout", "--quiet", "-b", "work"]);
    let good = repo.read("src/money.rs");
    repo.write("src/money.rs", &good.replace("amount * percent / 100", "amount * percent / 200"));
    repo.git(&["commit", "--quiet", "--all", "--message", "Bad"]);
    let bad = repo.git(&["rev-parse", "HEAD:src/money.rs"]);
    let sound = repo.git(&["rev-parse", "main:src/money.rs"]);
    repo.write("src/money.rs", &good);
    repo.git(&["replace", bad.trim(), sound.trim()]);
    let answer = repo.harness(&["gate", "push", "--base", "main"]);
    assert_eq!(answer.code, 1, "{}", answer.whole());
    assert!(answer.stdout.contains("a_discount_is_taken_off"), "{}", answer.stdout);
}

#[test]
fn bad_input_is_one_clear_error_and_never_green() {
    let repo = shop();
    let refused = |args: &[&str], code: i32, text: &str| {
        let answer = repo.harness(args);
        assert_eq!(answer.code, code, "{}", answer.whole());
        assert!(answer.stderr.contains(text) && answer.stdout.is_empty(), "{}", answer.whole());
    };
    refused(&["gate", "merge", "--base", "nowhere"], 2, "error: `nowhere` is not a commit of this repository");
    refused(&["gate", "merge", "--base=--all"], 2, "is not a commit of this repository");
    refused(&["gate", "marge"], 2, "no gate is called `marge`");
    repo.git(&["checkout", "--quiet", "-b", "left"]);
    repo.write("src/lib.rs", "//! Left.\n");
    repo.git(&["commit", "--quiet", "--all", "--message", "Left"]);
    repo.git(&["checkout", "--quiet", "-b", "right", "main"]);
    repo.write("src/lib.rs", "//! Right.\n");
    repo.git(&["commit", "--quiet", "--all", "--message", "Right"]);
    refused(&["gate", "merge", "--base", "left"], 1, "does not merge with");
    repo.git(&["checkout", "--quiet", "--orphan", "alone"]);
    repo.git(&["commit", "--quiet", "--message", "Alone"]);
    refused(&["gate", "merge", "--base", "main"], 2, "share no history");
    repo.git(&["checkout", "--quiet", "-B", "sub", "main"]);
    let commit = repo.git(&["rev-parse", "HEAD"]);
    let module = format!("160000,{},vendor", commit.trim());
    repo.git(&["update-index", "--add", "--cacheinfo", &module]);
    repo.git(&["commit", "--quiet", "--message", "Vendor"]);
    refused(&["gate", "merge", "--base", "main"], 2, "holds a submodule, which a gate cannot check out: vendor");
    let outside = Repo::empty().harness(&["gate", "merge"]);
    assert_eq!(outside.code, 2);
    assert!(outside.stderr.contains("this is no git repository"), "{}", outside.stderr);
}
