//! A test that fails and then passes is flaky: a verdict of its own, red unless the contract holds it in quarantine.

use crate::support::{Repo, Runner};

const MANIFEST: &str = "[package]\nname = \"sample\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n";

/// A test that fails as often as `fails` says and passes from then on; how often it ran stands in a file of the target folder.
fn sample(fails: u32) -> Repo {
    let repo = Repo::empty();
    let lib = format!(
        "//! A sample.\n\n#[cfg(test)]\nmod tests {{\n    #[test]\n    fn good() {{}}\n\n    #[test]\n    fn moody() {{\n        \
         let count = concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/target/count\");\n        let ran: u32 = \
         std::fs::read_to_string(count).map_or(0, |text| text.parse().unwrap());\n        std::fs::write(count, \
         (ran + 1).to_string()).unwrap();\n        assert!(ran >= {fails}, \"not in the mood\");\n    }}\n}}\n"
    );
    repo.write("Cargo.toml", MANIFEST).write("src/lib.rs", &lib).write(".gitignore", "/target\n");
    assert!(repo.shell("cargo fmt").code == 0);
    repo.git_init();
    repo
}

fn anew(repo: &Repo) {
    let _ = std::fs::remove_file(repo.root().join("target/count"));
}

#[test]
fn what_fails_and_then_passes_is_flaky_and_red_with_its_rate() {
    let mut repo = sample(1);
    for runner in Runner::here() {
        repo.use_runner(runner);
        std::fs::remove_dir_all(repo.root().join("target")).ok();
        for times in 1..=2 {
            anew(&repo);
            let full = repo.facts(&["run", "--mode", "full", "--step", "unit", "--no-cache"]);
            let failed = full.failures();
            assert_eq!((full.code, failed[0].category.as_str()), (1, "FLAKY"), "{runner:?} {full:#?}");
            let runs = if times == 1 { "1 run" } else { "2 runs" };
            let told = format!("failed at first, passed when run again (flaky in {times} of {runs}): ");
            assert!(failed[0].message.starts_with(&told), "{runner:?} {failed:#?}");
            let is_whole = failed[0].message.ends_with("not in the mood");
            assert!(is_whole || runner == Runner::CargoTest, "what it said at first is not lost: {failed:#?}");
            assert_eq!(full.counts(), "1 passed, 1 failed, 0 skipped");
        }
    }
}

#[test]
fn what_fails_twice_is_no_more_than_red() {
    let repo = sample(9);
    let full = repo.facts(&["run", "--step", "unit"]);
    assert_eq!((full.code, full.failures()[0].category.as_str()), (1, "ASSERT"), "{full:#?}");
}

#[test]
fn quarantine_lets_a_flaky_test_pass_until_its_day_and_keeps_no_verdict() {
    let mut repo = sample(1);
    let held = |until: &str| format!("[[quarantine]]\ntest = \"tests::moody\"\nowner = \"ada\"\nuntil = \"{until}\"\n");
    for runner in Runner::here() {
        repo.use_runner(runner);
        repo.write("Harness.toml", &held("2999-12-31"));
        let args = ["run", "--step", "unit"];
        for _ in 0..2 {
            anew(&repo);
            let green = repo.facts(&args);
            assert_eq!((green.code, green.counts().as_str()), (0, "2 passed, 0 failed, 0 skipped"), "{green:#?}");
            let about = |note: &String| note == "flaky, and in quarantine: tests::moody (ada, until 2999-12-31)";
            assert!(green.notes().iter().any(about), "{runner:?} {green:#?}");
        }
        repo.write("Harness.toml", &held("2020-01-31"));
        anew(&repo);
        let red = repo.facts(&args);
        assert_eq!((red.code, red.failures()[0].category.as_str()), (1, "FLAKY"), "{red:#?}");
        let about = |note: &String| note == "no longer in quarantine: tests::moody (ada, until 2020-01-31)";
        assert!(red.notes().iter().any(about), "{runner:?} {red:#?}");
    }
}

#[test]
fn a_quarantine_needs_an_owner_and_a_day() {
    let repo = sample(0);
    let said = |text: &str| {
        repo.write("Harness.toml", text);
        let answer = repo.harness(&["fast"]);
        assert_eq!(answer.code, 2, "{}", answer.whole());
        answer.whole()
    };
    assert!(said("[[quarantine]]\ntest = \"t\"\nuntil = \"2026-12-31\"\n").contains("owner"));
    assert!(said("[[quarantine]]\ntest = \"t\"\nowner = \"ada\"\n").contains("until"));
    assert!(said("[[quarantine]]\ntest = \"t\"\nowner = \"ada\"\nuntil = \"soon\"\n").contains("`soon` is not a day"));
    assert!(said("[[quarantine]]\ntest = \"\"\nowner = \"ada\"\nuntil = \"2026-12-31\"\n").contains("Harness.toml:2"));
}
