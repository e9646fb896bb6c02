//! What a contained step may write and use, and how it is known to have ended.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Facts, Repo, has_bubblewrap, skipped};

fn cannot_be_tested() -> bool {
    if has_bubblewrap() {
        return false;
    }
    assert!(std::env::var("CI").is_err(), "CI promises bubblewrap");
    skipped("steps within the whole sandbox: bubblewrap is missing or may not make namespaces");
    true
}

/// A contract whose one step runs this line of shell.
fn step(line: &str, more: &str) -> Repo {
    let repo = Repo::from_fixture("green");
    repo.write(
        "Harness.toml",
        &format!(
            "tiers.0 = [\"line\"]\n[steps.line]\nuses = \"command\"\nrun = [\"sh\", \"-c\", '''{line}''']\n{more}"
        ),
    );
    repo
}

fn run(repo: &Repo) -> Facts {
    repo.facts(&["run", "--tier", "0", "--sandbox=required"])
}

fn message(line: &str) -> String {
    let facts = run(&step(line, ""));
    let failures: Vec<String> = facts.failures().into_iter().map(|failed| failed.message).collect();
    assert_eq!((facts.code, failures.len()), (1, 1), "{line}: {facts:#?}");
    failures.into_iter().next().unwrap()
}

/// A program before all others of its name, in a folder that is seen within.
fn stand_in(repo: &mut Repo, name: &str, text: &str) -> String {
    let bin = repo.root().parent().unwrap().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(bin.join(name), text).unwrap();
    std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    repo.set_env("PATH", &path);
    bin.into_string()
}

#[test]
fn an_exit_code_is_told_from_a_signal() {
    if cannot_be_tested() {
        return;
    }
    assert_eq!(message("exit 137"), "ended with 137");
    assert_eq!(message("exit 139"), "ended with 139");
    assert_eq!(message("kill -KILL $$"), "ended by SIGKILL");
    assert_eq!(message("kill -TERM $$"), "ended by SIGTERM");
    // The process that tells it can't be ended from within.
    assert_eq!(message("kill -KILL 1; kill -TERM 1; exit 3"), "ended with 3");
    assert!(message("exec /no/such/program").starts_with("ended with 127"));
}

#[test]
fn a_limit_of_memory_is_none_of_what_is_only_mapped() {
    if cannot_be_tested() {
        return;
    }
    let facts = run(&step("test \"$(ulimit -v)\" = unlimited", "[sandbox]\nmemory = \"100 MB\"\n"));
    assert_eq!(facts.code, 0, "{facts:#?}");
    let greedy = "(head -c 200m /dev/zero; sleep 60) | tail >/dev/null";
    let facts = run(&step(greedy, "[sandbox]\nmemory = \"100 MB\"\n"));
    assert_eq!(facts.failures()[0].category, "OOM", "{facts:#?}");
}

#[test]
fn limits_of_each_process_hold_within() {
    if cannot_be_tested() {
        return;
    }
    let facts = run(&step("test \"$(ulimit -n)\" = 99 && test \"$(ulimit -H -n)\" = 99", "[sandbox]\nfiles = 99\n"));
    assert_eq!(facts.code, 0, "{facts:#?}");
}

#[test]
fn a_build_writes_where_its_outputs_are_to_be_and_nowhere_else() {
    if cannot_be_tested() {
        return;
    }
    let repo = Repo::from_fixture("green");
    let line = "set -e; touch out/bin/thing out/bin/object; ! touch source; ! touch ../src/planted";
    let build = |dir: &str, expect: &str, line: &str| {
        format!(
            "tiers.0 = [\"made\"]\n[steps.made]\nuses = \"build\"\n[[builds]]\nname = \"project\"\ndir = \"{dir}\"\n\
             run = [\"sh\", \"-c\", '''{line}''']\nexpect = [{{ path = \"{expect}\" }}]\n"
        )
    };
    repo.write("project/source", "kept")
        .write("Harness.toml", &build("project", "out/bin/thing", line).replace("tiers.0", "tiers.4"));
    let run = || repo.facts(&["run", "--tier", "4", "--sandbox=required"]);
    let facts = run();
    assert_eq!((facts.code, repo.read("project/source").as_str()), (0, "kept"), "{facts:#?}");
    // What is to lie at the top doesn't open the workspace, and a link doesn't lead out of it.
    repo.write("Harness.toml", &build(".", "thing", "touch thing").replace("tiers.0", "tiers.4"));
    assert_eq!(run().code, 1);
    let outside = repo.root().parent().unwrap().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, repo.root().join("project/led")).unwrap();
    repo.write("Harness.toml", &build("project", "led/thing", "touch led/thing").replace("tiers.0", "tiers.4"));
    assert_eq!((run().code, outside.join("thing").exists()), (1, false));
}

#[test]
fn a_fuzz_target_is_fuzzed_within() {
    if cannot_be_tested() {
        return;
    }
    let mut repo = Repo::from_fixture("single");
    repo.write(
        "fuzz/Cargo.toml",
        "[package]\nname = \"fuzz\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[[bin]]\nname = \"words\"\npath = \"words.rs\"\n",
    );
    repo.write("fuzz/words.rs", "fn main() {}\n").write("fuzz/corpus/words/one", "1");
    // Cargo-fuzz as far as it writes: `run nightly cargo fuzz run --fuzz-dir DIR --target-dir DIR NAME FOUND CORPUS`.
    let fuzz = "#!/bin/sh\ncase \"$*\" in *--version) exit 0;; esac\nset -e\nmkdir -p \"$7/artifacts/${10}\" \"$9/asan\"\n\
                touch \"$7/artifacts/${10}/made\" \"$9/asan/words\" \"${11}/new\"\n! touch \"${12}/planted\"\necho FUZZED\n";
    let bin = stand_in(&mut repo, "rustup", fuzz);
    repo.write("Harness.toml", &format!("[sandbox]\nread = [\"{bin}\"]\n[modes.deep]\nfuzz-time = \"1s\"\n"));
    let facts = repo.facts(&["run", "--mode", "deep", "--step", "fuzz", "--sandbox=required"]);
    let log = repo.read("target/harness/latest/2-fuzz.words.fuzz.log");
    assert!(facts.code == 0 && log.contains("FUZZED"), "{facts:#?}\n{log}");
    assert!(repo.root().join("fuzz/artifacts/words/made").exists() && repo.root().join("fuzz/Cargo.lock").exists());
    assert!(!repo.root().join("fuzz/corpus/words/planted").exists());
}

/// Cargo, which writes what it may of the repository when it fetches.
const FETCHING: &str = "#!/bin/sh\nif [ \"$1\" = fetch ]; then touch planted .git/planted; mkdir .cargo; echo '#' | tee -a Cargo.lock; fi\n";

fn with_own_cargo(repo: &mut Repo) {
    let bin = stand_in(repo, "own-cargo", &format!("{FETCHING}exec cargo \"$@\"\n"));
    repo.set_env("CARGO", &format!("{bin}/own-cargo"));
    repo.write("Harness.toml", &format!("[sandbox]\nread = [\"{bin}\"]\n")).write(".gitignore", "/target\n").git_init();
}

#[test]
fn of_a_repository_without_a_lock_file_a_fetch_writes_that_alone() {
    if cannot_be_tested() {
        return;
    }
    let mut repo = Repo::from_fixture("green");
    with_own_cargo(&mut repo);
    let facts = repo.facts(&["run", "--step", "unit", "--sandbox=required"]);
    assert_eq!(facts.code, 0, "{facts:#?}\n{}", repo.read("target/harness/latest/fetch.log"));
    assert!(repo.read("Cargo.lock").contains("version = 4"), "{}", repo.read("Cargo.lock"));
    for planted in ["planted", ".git/planted", ".cargo"] {
        assert!(!repo.root().join(planted).exists(), "{planted}");
    }
}

#[test]
fn a_fetch_that_fails_leaves_no_lock_file() {
    if cannot_be_tested() {
        return;
    }
    let repo = Repo::from_fixture("green");
    let manifest = repo.read("Cargo.toml");
    repo.write(
        "Cargo.toml",
        &format!("{manifest}\n[dependencies]\nno-such-crate-anywhere = {{ path = \"no-such-folder\" }}\n"),
    );
    let facts = repo.facts(&["run", "--step", "unit", "--sandbox=required"]);
    assert_ne!(facts.code, 0, "{facts:#?}");
    assert!(!repo.root().join("Cargo.lock").exists());
}

#[test]
fn a_lock_file_that_is_a_link_leads_no_fetch_out_of_the_repository() {
    if cannot_be_tested() {
        return;
    }
    let mut repo = Repo::from_fixture("green");
    let outside = repo.root().parent().unwrap().join("outside");
    std::fs::write(&outside, "kept").unwrap();
    std::os::unix::fs::symlink(&outside, repo.root().join("Cargo.lock")).unwrap();
    with_own_cargo(&mut repo);
    repo.harness(&["run", "--step", "unit", "--sandbox=required"]);
    assert_eq!(std::fs::read_to_string(outside).unwrap(), "kept");
}

#[test]
fn a_folder_to_write_that_leads_out_of_the_workspace_is_refused() {
    if cannot_be_tested() {
        return;
    }
    let repo = step("true", "[sandbox]\nwrite = [\"led\"]\n");
    std::os::unix::fs::symlink(repo.root().parent().unwrap(), repo.root().join("led")).unwrap();
    let answer = repo.harness(&["run", "--tier", "0", "--sandbox=required"]);
    assert!(answer.code == 2 && answer.stderr.contains("lies outside of the workspace or leads there"), "{answer:#?}");
}
