//! The gate before a merge, against ways to leave a bug in and look green, and against honest changes.
//!
//! `HARNESS_CHEATS=99` tries all of `fixtures/cheats`; by default some of each kind.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::support::{Answer, Repo, number, said, skipped, wait_until};

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

/// Judges some patches of a kind; every answer is one of two codes, and how many are the first of them.
fn all_answer(kind: &str, codes: [(i32, &str); 2]) -> (usize, usize) {
    let repo = shop();
    let answers: Vec<i32> = some(patches(kind))
        .iter()
        .map(|patch| {
            let answer = judged(&repo, patch);
            assert!(codes.iter().any(|(code, _)| *code == answer.code), "{patch}: {answer:#?}");
            answer.code
        })
        .collect();
    let with = |code: i32| answers.iter().filter(|answer| **answer == code).count();
    let told = codes.map(|(code, words)| format!("{} {words}", with(code))).join(", ");
    said(&format!("of {} {kind} changes: {told}", answers.len()));
    (with(codes[0].0), answers.len())
}

#[test]
fn no_way_to_look_green_gets_past_the_gate() {
    all_answer("cheating", [(1, "red"), (6, "need approval")]);
}

#[test]
fn honest_changes_are_green_or_ask() {
    let (green, all) = all_answer("honest", [(0, "green"), (6, "need approval")]);
    assert!(green * 2 > all, "{green} of {all}");
}

#[test]
fn a_second_ask_is_answered_from_the_receipt_and_what_was_judged_before_leaves_no_trace() {
    let repo = shop();
    let cheat = patches("cheating").remove(0);
    let honest = patches("honest").remove(0);
    assert_ne!(judged(&repo, &cheat).code, 0);
    let first = judged(&repo, &honest);
    assert_eq!(first.code, 0, "{first:#?}");
    let second = repo.harness(&["gate", "merge", "--base", "main", "--head", "work"]);
    assert!(second.code == 0 && second.stdout.contains(", cached, "), "{second:#?}");
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
    assert!(unknown.stderr.contains("there is no role `sheriff`"), "{}", unknown.stderr);
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

/// A key of its own, as the line of a list of allowed signers.
fn key(repo: &Repo, name: &str) -> String {
    let path = repo.root().parent().unwrap().join(name);
    assert_eq!(repo.shell(&format!("ssh-keygen -q -t ed25519 -N '' -C '' -f '{path}'")).code, 0);
    let public = std::fs::read_to_string(format!("{path}.pub")).unwrap();
    format!("a@example.org {public}")
}

fn sign(repo: &Repo, tag: &str, key: &str) {
    let key = format!("user.signingKey={}", repo.root().parent().unwrap().join(key));
    repo.git(&["-c", "gpg.format=ssh", "-c", &key, "tag", "--sign", "--message", "Yes", tag, "work"]);
}

#[test]
fn only_a_tag_signed_by_an_allowed_key_approves_and_its_removal_takes_that_back() {
    let repo = shop();
    if repo.shell("command -v ssh-keygen").code != 0 {
        return skipped("approval by a signed tag: ssh-keygen is missing");
    }
    let allowed = key(&repo, "allowed");
    key(&repo, "other");
    let contract = repo.read("Harness.toml").replace("[protect]\n", "[protect]\nsigners = \"signers\"\n");
    repo.write("signers", &allowed).write("Harness.toml", &contract);
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "--quiet", "--message", "Name who may approve"]);
    repo.git(&["checkout", "--quiet", "-b", "work"]);
    repo.write("Harness.toml", &format!("{contract}\n[run]\nseed = 7\n"));
    repo.git(&["commit", "--quiet", "--all", "--message", "Another seed"]);
    let gate = || repo.harness(&["gate", "push", "--base", "main"]);
    assert_eq!(gate().code, 6, "nobody has approved");
    sign(&repo, "harness-approve-other", "other");
    assert_eq!(gate().code, 6, "whoever is not named may sign what they like");
    // A signature that the repository's own program would find good.
    let program = repo.root().parent().unwrap().join("gpg");
    let good = "#!/bin/sh\ncat >/dev/null; echo '[GNUPG:] NEWSIG'; echo '[GNUPG:] GOODSIG 1 a'; echo '[GNUPG:] VALIDSIG 1'; echo '[GNUPG:] TRUST_ULTIMATE'\n";
    std::fs::write(&program, good).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["gpg.program", "gpg.openpgp.program", "gpg.ssh.program"] {
        repo.git(&["config", name, program.as_str()]);
    }
    let forged = format!(
        "object {}type commit\ntag harness-approve-forged\ntagger A <a@example.org> 1767225600 +0000\n\nYes\n\
         -----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n",
        repo.git(&["rev-parse", "work"])
    );
    repo.write("target/forged", &forged);
    let id = repo.git(&["hash-object", "-t", "tag", "-w", "target/forged"]);
    repo.git(&["update-ref", "refs/tags/harness-approve-forged", id.trim()]);
    repo.git(&["verify-tag", "harness-approve-forged"]);
    assert_eq!(gate().code, 6, "what the repository takes for good is no approval");
    for name in ["gpg.program", "gpg.openpgp.program", "gpg.ssh.program"] {
        repo.git(&["config", "--unset", name]);
    }
    sign(&repo, "harness-approve-allowed", "allowed");
    let approved = gate();
    assert!(approved.code == 0, "{}", approved.whole());
    assert!(approved.stdout.contains("approved by the signed tag harness-approve-allowed"), "{}", approved.stdout);
    repo.git(&["tag", "--delete", "harness-approve-allowed"]);
    assert_eq!(gate().code, 6, "no receipt outlives the approval");
}

#[test]
fn a_gate_is_in_the_audit_log_and_ends_by_kill_and_does_not_begin_while_stop_is_there() {
    let repo = shop();
    assert_eq!(judged(&repo, &patches("honest").remove(0)).code, 0);
    let log = repo.read("target/harness/audit.jsonl");
    assert!(log.lines().count() == 1 && log.contains("\"gate\"") && log.contains("\"outcome\":\"green\""), "{log}");
    repo.git(&["checkout", "--quiet", "-b", "slow", "main"]);
    let text = repo.read("tests/money.rs");
    let hanging = "\n#[test]\nfn hangs() {\n    std::thread::sleep(std::time::Duration::from_secs(3600));\n}\n";
    repo.write("tests/money.rs", &format!("{text}{hanging}"));
    repo.git(&["commit", "--quiet", "--all", "--message", "Slow"]);
    let child = repo.start(&["gate", "push", "--base", "main"]);
    let begun = || repo.processes().iter().any(|line| line.contains("money-"));
    wait_until("the test hangs", Duration::from_secs(60), begun);
    let answer = repo.harness(&["kill", "--hold"]);
    assert!(answer.code == 0 && answer.stdout.starts_with("STOPPED: gate, "), "{}", answer.whole());
    let output = child.wait_with_output().unwrap();
    assert_ne!(output.status.code(), Some(0));
    repo.none_is_left();
    assert_eq!(repo.harness(&["gate", "push", "--base", "main"]).code, 3);
}
