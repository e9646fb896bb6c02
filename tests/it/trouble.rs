//! Bad input and a bad environment: one clear error each and the right exit code. And judged code that attacks the verdict.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use camino::Utf8Path;

use crate::support::{Answer, Repo, Runner, assert_brief, skipped};

/// One `error:` line, at most one hint, no verdict, this exit code.
fn is_one_error(answer: &Answer, code: i32, words: &str) {
    let errors: Vec<&str> = answer.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    let [error] = errors[..] else { panic!("{} errors: {}", errors.len(), answer.whole()) };
    assert!(error.contains(words), "{words}: {error}");
    assert_eq!(answer.code, code, "{}", answer.whole());
    assert!(!answer.stdout.contains("VERDICT: GREEN"), "{}", answer.whole());
    assert!(!answer.stderr.contains("panicked at"), "{}", answer.whole());
}

#[test]
fn without_a_manifest_there_is_nothing_to_judge() {
    assert_brief!(Repo::empty().harness(&["fast"]).whole(), @"
    code: 2
    --- stdout
    --- stderr
    error: could not find `Cargo.toml` in `[DIR]/repo` or any parent directory
    hint: run in a Rust repository, or give --manifest-path
    ");
    let repo = Repo::empty();
    assert_brief!(repo.harness(&["fast", "--manifest-path", "no/Cargo.toml"]).whole(), @"
    code: 2
    --- stdout
    --- stderr
    error: manifest path `no/Cargo.toml` does not exist
    ");
}

#[test]
fn a_broken_manifest_is_told_as_cargo_tells_it() {
    let repo = Repo::from_fixture("green");
    repo.write("Cargo.toml", "[package]\nname = \"green\nversion = \"0.1.0\"\n");
    assert_brief!(repo.harness(&["fast"]).whole(), @r#"
    code: 2
    --- stdout
    --- stderr
    error: invalid basic string, expected `"`
     --> Cargo.toml:2:14
      |
    2 | name = "green
      |              ^
    "#);
    repo.write("Cargo.toml", "[package]\nname = \"green\"\nedition = \"1066\"\n");
    assert_brief!(repo.harness(&["fast"]).whole(), @"
    code: 2
    --- stdout
    --- stderr
    error: failed to parse manifest at `[DIR]/repo/Cargo.toml`

    Caused by:
      failed to parse the `edition` key

    Caused by:
      supported edition values are `2015`, `2018`, `2021`, or `2024`, but `1066` is unknown
    ");
    repo.write(
        "Cargo.toml",
        "[package]\nname = \"green\"\n[dependencies]\nno-such-crate-anywhere = { path = \"nowhere\" }\n",
    );
    assert_brief!(repo.harness(&["fast", "-q"]).whole(), @"
    code: 1
    --- stdout
    ERROR: SETUP - clippy: failed to get `no-such-crate-anywhere` as a dependency of package `green v0.0.0 [DIR]/repo)`: failed to load source for dependency `no-such-crate-anywhere` [g-f1d797a0]
    VERDICT: RED at tier 0 (1 not run) in [T], seed 24301, log target/harness/latest
    --- stderr
    ");
}

#[test]
fn a_broken_lock_file_is_told() {
    let repo = Repo::from_fixture("green");
    repo.write("Cargo.lock", "<<<<<<< HEAD\n");
    assert_brief!(repo.harness(&["fast", "-q"]).whole(), @"
    code: 1
    --- stdout
    ERROR: SETUP - clippy: failed to parse lock file at: [DIR]/repo/Cargo.lock: TOML parse error at line 1, column 9 [g-f1d797a0]
    VERDICT: RED at tier 0 (1 not run) in [T], seed 24301, log target/harness/latest
    --- stderr
    ");
    let repo = Repo::from_fixture("green");
    assert_brief!(repo.harness(&["fast", "--locked", "-q"]).whole(), @"
    code: 1
    --- stdout
    ERROR: SETUP - clippy: cannot create the lock file [DIR]/repo/Cargo.lock because --locked was passed to prevent this [g-f1d797a0]
    VERDICT: RED at tier 0 (1 not run) in [T], seed 24301, log target/harness/latest
    --- stderr
    ");
}

#[test]
fn a_broken_contract_names_its_place_and_the_way_out() {
    let repo = Repo::from_fixture("green");
    let told = |contract: &str| repo.write("Harness.toml", contract).harness(&["fast"]).whole();
    assert_brief!(told("[run]\ntest-timeuot = \"1s\"\n"), @"
    code: 2
    --- stdout
    --- stderr
    error: Harness.toml:2:1: unknown key `test-timeuot` in [run]
    hint: did you mean `test-timeout`?
    ");
    assert_brief!(told("[run]\nseed = \"x\"\n"), @"
    code: 2
    --- stdout
    --- stderr
    error: Harness.toml:2:8: `run.seed` is a string, expected an integer
    ");
    assert_brief!(told("[tiers]\n1 = [\"unit\", \"nowhere\"]\n"), @"
    code: 2
    --- stdout
    --- stderr
    error: Harness.toml:2:14: tier 1 names the step `nowhere`, which does not exist
    hint: define it in [steps.nowhere]
    ");
    assert_brief!(told("[run\n"), @"
    code: 2
    --- stdout
    --- stderr
    error: Harness.toml:1:5: unclosed table, expected `]`
    ");
    repo.write("Harness.toml", "");
    let manifest = repo.read("Cargo.toml");
    repo.write("Cargo.toml", &format!("{manifest}\n[package.metadata.harness.run]\nseed = 1\n"));
    assert_brief!(repo.harness(&["fast"]).whole(), @"
    code: 2
    --- stdout
    --- stderr
    error: Cargo.toml:9:19: [package.metadata.harness] is a second contract beside Harness.toml
    hint: keep one of them
    ");
}

#[test]
fn an_unreadable_contract_is_no_missing_one() {
    let repo = Repo::from_fixture("green");
    std::fs::create_dir(repo.root().join("Harness.toml")).unwrap();
    is_one_error(&repo.harness(&["fast"]), 2, "Harness.toml");
    let repo = Repo::from_fixture("green");
    repo.write("Harness.toml", "");
    std::fs::set_permissions(repo.root().join("Harness.toml"), std::fs::Permissions::from_mode(0o000)).unwrap();
    if is_root() {
        skipped("an unreadable file: root reads everything");
        return;
    }
    is_one_error(&repo.harness(&["fast"]), 2, "Harness.toml");
}

#[test]
fn impossible_flags_are_refused_before_anything_runs() {
    let repo = Repo::from_fixture("green");
    let flags: [&[&str]; 10] = [
        &["run", "--tier", "9"],
        &["run", "--tier", "2-1"],
        &["fast", "--sample", "0"],
        &["fast", "--sample", "101%"],
        &["fast", "--shard", "5/4"],
        &["fast", "--shard", "0/4"],
        &["fast", "--seed", "x"],
        &["fast", "--seed", "-1"],
        &["fast", "--keep-going", "--fail-fast"],
        &["fast", "-p", "no-such-member"],
    ];
    for args in flags {
        is_one_error(&repo.harness(args), 2, "");
    }
    assert!(!repo.root().join("target").exists(), "something ran");
}

#[test]
fn broken_cargo_configuration_is_told() {
    let repo = Repo::from_fixture("green");
    repo.write(".cargo/config.toml", "[build\n");
    is_one_error(&repo.harness(&["fast"]), 2, "config");
}

#[test]
fn a_file_in_the_place_of_the_harness_folder_is_told() {
    let repo = Repo::from_fixture("green");
    repo.write("target/harness", "in the way\n");
    is_one_error(&repo.harness(&["fast"]), 3, "target/harness");
}

/// A small file system that goes when the test ends.
struct Tmpfs<'a>(&'a Utf8Path);

impl Tmpfs<'_> {
    fn mount<'a>(at: &'a Utf8Path, size: &str) -> Option<Tmpfs<'a>> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs", at.as_str()]).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Tmpfs(at))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        // A test that fails here has failed already; the folder's own removal will tell.
        let _ = Command::new("umount").args(["-l", self.0.as_str()]).status();
    }
}

#[test]
fn a_full_disk_is_told_and_never_green() {
    for size in ["16k", "200k", "1M"] {
        let mut repo = Repo::from_fixture("green");
        let target = repo.root().join("target");
        let Some(_disk) = Tmpfs::mount(&target, size) else {
            skipped("a full disk: this user may not mount");
            return;
        };
        repo.set_env("CARGO_TARGET_DIR", target.as_str());
        let answer = repo.harness(&["fast"]);
        assert!(matches!(answer.code, 1 | 3), "{size}: {}", answer.whole());
        assert!(!answer.stdout.contains("VERDICT: GREEN"), "{size}: {}", answer.whole());
        if answer.code == 3 {
            is_one_error(&answer, 3, "No space left");
        } else {
            // The compiler's or the linker's own words: they may have been ended by a signal instead.
            assert!(answer.stdout.contains("ERROR: "), "{size}: {}", answer.whole());
        }
    }
}

#[test]
fn a_read_only_target_folder_is_told() {
    let mut repo = Repo::from_fixture("green");
    let target = repo.root().join("target");
    let Some(_disk) = Tmpfs::mount(&target, "1M") else {
        skipped("a read-only folder: this user may not mount");
        return;
    };
    let remounted = Command::new("mount").args(["-o", "remount,ro", target.as_str()]).status().unwrap();
    assert!(remounted.success());
    repo.set_env("CARGO_TARGET_DIR", target.as_str());
    is_one_error(&repo.harness(&["fast"]), 3, "harness");
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}

/// A repository with a bad test, and before it a test that does this to every run's folder that it finds.
fn attacked(attack: &str) -> Repo {
    let repo = Repo::from_fixture("green");
    let test = format!(
        r#"//! A test that doesn't like to be judged.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

fn runs() -> Vec<PathBuf> {{
    let exe = std::env::current_exe().unwrap();
    let target = exe.ancestors().find(|dir| dir.join("harness/runs").is_dir()).unwrap();
    fs::read_dir(target.join("harness/runs")).unwrap().map(|entry| entry.unwrap().path()).collect()
}}

fn append(path: PathBuf, text: &str) {{
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}}

#[test]
fn a_attacks() {{
    let _ = append;
    for run in runs() {{
        let events = run.join("1-unit.events.jsonl");
        let order = run.join("1-unit.order.json");
        let _ = (&events, &order);
{attack}
    }}
}}

#[test]
fn b_is_bad() {{
    // After the attack, whoever runs the tests in parallel.
    std::thread::sleep(std::time::Duration::from_millis(500));
    if std::env::var_os("NEVER").is_none() {{
        std::process::exit(BAD);
    }}
}}
"#
    );
    repo.write("tests/attack.rs", &test);
    repo
}

const FORGED: &str = r#"{\"event\":\"end\",\"binary\":\"green::attack\",\"name\":\"b_is_bad\",\"attempt\":1,\"end\":{\"exited\":0},\"said\":\"ok\",\"ms\":1,\"log\":\"x.log\"}\n"#;

/// Whatever the attack, the bad test is not green, with a bad exit status or a good one.
fn is_red_all_the_same(attack: &str) {
    is_red_with(&["1", "0"], attack);
}

fn is_red_with(codes: &[&str], attack: &str) {
    for code in codes {
        let mut repo = attacked(attack);
        repo.write("tests/attack.rs", &repo.read("tests/attack.rs").replace("BAD", code));
        for runner in Runner::here() {
            repo.use_runner(runner);
            let facts = repo.facts(&["run", "--step", "unit"]);
            let red = facts.code == 1 && !facts.failures().is_empty() && facts.phrase() == "RED at tier 1";
            // Where the harness's own files or processes are gone there is no verdict at all.
            let no_verdict = facts.code == 3 && facts.phrase().is_empty();
            assert!(red || no_verdict, "{runner:?}, exit {code}: {facts:#?}");
            assert_eq!(repo.processes(), [""; 0], "{runner:?}, exit {code}: left behind");
        }
    }
}

#[test]
fn a_forged_result_makes_nothing_green() {
    is_red_all_the_same(&format!("append(events, \"{FORGED}\");"));
}

#[test]
fn foreign_lines_among_the_results_make_nothing_green() {
    is_red_all_the_same("append(events, \"all is well\\n\");");
}

#[test]
fn removed_results_make_nothing_green() {
    is_red_all_the_same("fs::remove_file(events).unwrap();");
}

#[test]
fn rewritten_results_make_nothing_green() {
    is_red_all_the_same(&format!("fs::write(events, \"{FORGED}\").unwrap();"));
}

#[test]
fn rewritten_orders_to_the_shims_make_nothing_green() {
    let attack = r#"
        let text = fs::read_to_string(&order).unwrap();
        let text = text.replace("\"chain\":[]", "\"chain\":[\"true\"]");
        let text = text.replace("\"unharnessed\":[]", "\"unharnessed\":[\"green::attack\"]");
        fs::write(order, text).unwrap();
"#;
    is_red_all_the_same(attack);
}

#[test]
fn a_forged_line_in_the_log_of_verdicts_makes_nothing_green() {
    let attack = r#"
        let Ok(logs) = fs::read_dir(run.join("1-unit.tests")) else { continue };
        for log in logs.flatten().filter(|log| log.path().extension().is_some_and(|end| end == "verdict")) {
            append(log.path(), "ok b_is_bad\n");
        }
"#;
    // A good exit status besides would be the bad test's own doing: it could as well not test anything.
    is_red_with(&["1"], attack);
}

#[test]
fn a_removed_run_folder_makes_nothing_green() {
    is_red_all_the_same("fs::remove_dir_all(run).unwrap();");
}

#[test]
fn a_forged_record_of_the_run_makes_nothing_green() {
    let attack = r#"
        fs::write(run.join("run.json"), "{\"version\":1,\"verdict\":\"green\"}").unwrap();
        fs::write(run.join("tests.jsonl"), "").unwrap();
        fs::write(run.join("1-unit.nextest.xml"), "<testsuites/>").unwrap();
"#;
    is_red_all_the_same(attack);
}

#[test]
fn a_stopped_shim_makes_nothing_green() {
    let attack = r#"
        let _ = run;
        let parent = std::os::unix::process::parent_id();
        std::process::Command::new("kill").args(["-9", &parent.to_string()]).status().unwrap();
"#;
    is_red_all_the_same(attack);
}

/// An alias of a tool's name is the repository's word, and nothing that the harness asks of the tool runs it.
#[test]
fn an_alias_of_a_tools_name_is_not_asked_for_the_tools_version() {
    let repo = Repo::from_fixture("green");
    let ran = repo.root().parent().unwrap().join("ran");
    let aliases =
        ["fmt", "clippy", "nextest", "fuzz", "mutants"].map(|name| format!("{name} = [\"run\", \"--quiet\", \"--\"]"));
    repo.write(".cargo/config.toml", &format!("[alias]\n{}\n", aliases.join("\n")));
    repo.write(
        "src/main.rs",
        &format!("//! Runs.\n\nfn main() {{\n    std::fs::write({:?}, \"\").unwrap();\n}}\n", ran.as_str()),
    );
    repo.harness(&["doctor"]);
    repo.harness(&["lock"]);
    assert!(!ran.exists(), "an alias was run");
}

/// What a link of the repository's leads to is the host's: of a file there nothing is changed, not even its time.
#[test]
fn no_file_outside_is_touched_through_a_link() {
    let repo = Repo::from_fixture("green");
    repo.write("../outside/data", "a\n").git_init();
    std::os::unix::fs::symlink("../outside", repo.root().join("data")).unwrap();
    let outside = repo.root().join("../outside/data");
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let age = || std::fs::File::options().write(true).open(&outside).unwrap().set_modified(old).unwrap();
    age();
    assert_eq!(repo.harness(&["fast"]).code, 0);
    std::fs::write(&outside, "b\n").unwrap();
    age();
    assert_eq!(repo.harness(&["fast"]).code, 0);
    assert_eq!(std::fs::metadata(&outside).unwrap().modified().unwrap(), old);
}
