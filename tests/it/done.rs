//! The definition of done at the gates before a release, and interfaces that are frozen.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Answer, Repo};

const MAIN: &str =
    "//! A program.\n\nfn main() {\n    println!(\"{}\", PADDING.len());\n}\n\nstatic PADDING: [u8; 8] = [1; 8];\n";

fn sample(contract: &str) -> Repo {
    let mut repo = Repo::empty();
    let manifest = "[package]\nname = \"sample\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n";
    repo.write("Cargo.toml", manifest).write(".gitignore", "/target\n").write("src/main.rs", MAIN);
    repo.write("src/lib.rs", "//! A library.\n\n/// One.\npub fn one() {}\n");
    let tiers = "[tiers]\n0 = [\"check\"]\n1 = []\n2 = []\n3 = []\n4 = []\n5 = []\n[protect]\nroles = [\"maintainer\"]\n[roles.maintainer]\n";
    repo.write("Harness.toml", &format!("{tiers}{contract}"));
    assert_eq!(repo.shell("cargo generate-lockfile --offline").code, 0);
    let cache = repo.root().parent().unwrap().join("cache");
    repo.set_env("XDG_CACHE_HOME", cache.as_str());
    repo.git_init();
    repo
}

fn judged(repo: &Repo, gate: &[&str]) -> Answer {
    repo.git(&["checkout", "--quiet", "-B", "work"]);
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "--quiet", "--allow-empty", "--message", "Change"]);
    repo.harness(&[&["gate"], gate, &["--base", "main"]].concat())
}

#[test]
fn what_is_called_done_is_checked_before_a_release_and_its_limits_are_said_everywhere() {
    let repo = sample(
        "[done]\ntiers = \"0-1\"\nbinaries = [{ name = \"sample\", max-size = \"9 MB\" }, { name = \"other\" }]\n\
         targets = [\"x86_64-unknown-nowhere\"]\nnon-goals = [\"x86 real mode\"]\n\
         [[fallbacks]]\nname = \"linker\"\nto = \"GNU ld\"\nfiles = [\"src/link/**\"]\n",
    );
    let push = judged(&repo, &["push"]);
    assert_eq!(push.code, 0, "{}", push.whole());
    for line in ["NOTE: no goal: x86 real mode\n", "NOTE: a fallback: linker leans on GNU ld\n"] {
        assert!(push.stdout.contains(line), "{}", push.stdout);
    }
    assert!(!push.stdout.contains("  done "), "{}", push.stdout);
    let release = judged(&repo, &["release"]);
    assert_eq!(release.code, 1, "{}", release.whole());
    for line in [
        "ERROR: GATE - other: done: there is no binary of that name",
        "ERROR: GATE - x86_64-unknown-nowhere: done: does not build: ",
        "REPORT: GATE - tier 1: done: has nothing to run",
        "VERDICT: RED (done) of gate release",
    ] {
        assert!(release.stdout.contains(line), "{line}: {}", release.stdout);
    }
    assert!(!release.stdout.contains("- sample: done"), "{}", release.stdout);
}

#[test]
fn budgets_are_measured_in_turn_with_the_base_and_their_noise_is_stated() {
    let repo = sample(
        "[done]\nbinaries = [{ name = \"sample\", max-size = \"9 KB\" }]\n\
         budgets = [{ name = \"start\", run = [\"target/release/sample\"], max-time = \"2s\", max-memory = \"1 GB\", max-growth = \"100%\" },\n\
         { name = \"tight\", run = [\"target/release/sample\"], max-growth = \"50%\", max-memory = \"40 MB\" }]\n",
    );
    let slower = MAIN.replace(
        "fn main() {\n",
        "fn main() {\n    let held = std::hint::black_box(vec![1u8; 60_000_000]);\n    std::thread::sleep(std::time::Duration::from_millis(150));\n    drop(held);\n",
    );
    repo.write("src/main.rs", &slower);
    let release = judged(&repo, &["release"]);
    assert_eq!(release.code, 1, "{}", release.whole());
    let errors: Vec<&str> = release.stdout.lines().filter(|line| line.starts_with("ERROR: GATE")).collect();
    let told = |begin: &str, part: &str| errors.iter().any(|line| line.starts_with(begin) && line.contains(part));
    assert!(told("ERROR: GATE - sample: done: ", " built for release, and at most 9 KB is asked"), "{errors:#?}");
    assert!(told("ERROR: GATE - start: done: ", "x the base's time ("), "{errors:#?}");
    assert!(told("ERROR: GATE - tight: done: ", ", and at most 40 MB is asked"), "{errors:#?}");
    assert!(!told("ERROR: GATE - start: done: ", "at most 2s is asked"), "{errors:#?}");
    let note = release.stdout.lines().find(|line| line.starts_with("NOTE: start: ")).unwrap();
    assert!(note.contains(" in 15 runs), ") && note.contains("x the base's memory ("), "{note}");
}

#[test]
fn a_change_that_costs_nothing_keeps_within_its_budget() {
    let budget = "[done]\nbudgets = [{ name = \"start\", run = [\"target/release/sample\"], max-growth = \"100%\" }]\n";
    let repo = sample(budget);
    repo.write("src/main.rs", &MAIN.replace("[1; 8]", "[2; 8]"));
    let release = judged(&repo, &["weekly"]);
    assert_eq!(release.code, 0, "{}", release.whole());
    assert!(release.stdout.contains("G  done          ok        1 budget as asked"), "{}", release.stdout);
}

/// A program that speaks as cargo-public-api does: each public function of the crate's one file.
const LISTING: &str = "#!/bin/sh\n[ \"$1\" = public-api ] || exit 9\nwhile [ \"$1\" != --manifest-path ]; do shift; done\n\
    echo 'pub mod sample'\ngrep '^pub fn' \"$(dirname \"$2\")/src/lib.rs\" | sed 's/pub fn /pub fn sample::/; s/ {}//'\n";

/// With only this folder, and the system's own, to find tools in.
fn with_tools(repo: &mut Repo, program: Option<(&str, &str)>) {
    let bin = repo.root().parent().unwrap().join("tools");
    std::fs::create_dir_all(&bin).unwrap();
    if let Some((name, text)) = program {
        std::fs::write(bin.join(name), text).unwrap();
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = std::env::var("PATH").unwrap();
    let is_kept = |folder: &&str| {
        !["cargo-public-api", "cargo-semver-checks"].iter().any(|tool| std::path::Path::new(folder).join(tool).exists())
    };
    let kept: Vec<&str> = path.split(':').filter(is_kept).collect();
    repo.set_env("PATH", &format!("{bin}:{}", kept.join(":")));
}

#[test]
fn a_frozen_interface_changes_with_approval_alone_and_a_missing_tool_is_red() {
    let mut repo = sample("[freeze]\ncrates = [\"sample\"]\n");
    with_tools(&mut repo, None);
    let missing = judged(&repo, &["merge"]);
    assert_eq!(missing.code, 1, "{}", missing.whole());
    let hint = "freeze: cargo-public-api or cargo-semver-checks is missing: cargo install --locked cargo-public-api";
    assert!(missing.stdout.contains(hint), "{}", missing.stdout);

    with_tools(&mut repo, Some(("cargo-public-api", LISTING)));
    // What the repository would have cargo call instead is of no account.
    repo.write(".cargo/config.toml", "[alias]\npublic-api = \"version\"\n");
    repo.write("src/lib.rs", "//! A library.\n\n/// One.\npub fn one() {}\n\nfn two() {}\n\n/// Three.\npub(crate) fn three() {\n    two();\n}\n");
    repo.git(&["checkout", "--quiet", "main"]);
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "--quiet", "--message", "Alias"]);
    let same = judged(&repo, &["merge"]);
    assert_eq!(same.code, 0, "{}", same.whole());
    assert!(same.stdout.contains("1 crate as in the base, by cargo-public-api"), "{}", same.stdout);

    repo.write("src/lib.rs", "//! A library.\n\n/// Two.\npub fn two() {}\n");
    let changed = judged(&repo, &["merge"]);
    assert_eq!(changed.code, 6, "{}", changed.whole());
    for line in ["removed: pub fn sample::one()", "added: pub fn sample::two()"] {
        assert!(changed.stdout.contains(&format!("APPROVE: GATE - sample: freeze: {line}")), "{}", changed.stdout);
    }
    let approved = repo.harness(&["gate", "merge", "--base", "main", "--role", "maintainer"]);
    assert_eq!(approved.code, 0, "{}", approved.whole());

    with_tools(&mut repo, Some(("cargo-public-api", "#!/bin/sh\necho error: no nightly >&2\nexit 1\n")));
    let broken = judged(&repo, &["merge"]);
    assert_eq!(broken.code, 1, "a tool that fails is no comparison: {}", broken.whole());
}
