//! The test binaries are built while the ground is judged: neither waits for the other, and a red ground leaves nothing of it.

use crate::support::{Repo, Runner};

const MANIFEST: &str = "[package]\nname = \"sample\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n";
const TEST: &str = "\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn good() {}\n}\n";

fn sample(code: &str) -> Repo {
    let repo = Repo::empty();
    repo.write("Cargo.toml", MANIFEST).write("src/lib.rs", &format!("//! A sample.\n{code}{TEST}"));
    repo.write(".gitignore", "/target\n").git_init();
    repo
}

#[test]
fn a_red_ground_leaves_nothing_of_the_build() {
    let mut repo = sample("\npub fn same(n: u32) -> bool {\n    n == n\n}\n");
    for runner in Runner::here() {
        repo.use_runner(runner);
        for mode in ["fast", "full"] {
            let facts = repo.facts(&[mode, "--no-cache"]);
            assert_eq!(facts.phrase(), "RED at tier 0", "{runner:?} {mode}");
            let left = std::fs::read_dir(repo.root().join("target/harness/latest")).unwrap();
            let of_tests = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            assert_eq!(of_tests.filter(|name| name.starts_with("1-")).collect::<Vec<_>>(), Vec::<String>::new());
            repo.none_is_left();
        }
    }
}

#[test]
fn with_keep_going_the_build_serves_its_step() {
    let repo = sample("\npub fn same(n: u32) -> bool {\n    n == n\n}\n");
    let facts = repo.facts(&["fast", "--keep-going"]);
    assert_eq!((facts.phrase().as_str(), facts.counts().as_str()), ("RED at tier 0", "1 passed, 0 failed, 0 skipped"));
    let log = repo.read("target/harness/latest/1-unit.log");
    assert_eq!(log.matches("test --no-run").count(), 1, "{log}");
}

#[test]
fn lints_do_not_wait_for_a_build() {
    let repo = sample("");
    assert_eq!(repo.facts(&["fast"]).code, 0);
    // As cargo holds it while it builds.
    let lock = std::fs::File::options().write(true).open(repo.root().join("target/debug/.cargo-lock")).unwrap();
    lock.lock().unwrap();
    repo.write("src/lib.rs", &format!("//! A sample, changed.\n{TEST}"));
    assert_eq!(repo.facts(&["run", "--step", "clippy"]).code, 0);
}
