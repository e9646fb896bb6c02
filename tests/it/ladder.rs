//! Climbing: what runs, where it stops, and how the same facts are told.

use serde_json::Value;

use crate::support::{Facts, Repo, Runner, assert_brief};

/// Red in tier 0 by its format, in tier 1 by a test.
fn red_twice() -> Repo {
    let repo = Repo::from_fixture("green");
    repo.write("src/lib.rs", &repo.read("src/lib.rs").replace("a + b", "a  *  b"));
    repo
}

#[test]
fn a_red_tier_stops_the_climb() {
    assert_brief!(red_twice().harness(&["fast"]).whole(), @"
    code: 1
    --- stdout
    ERROR: FMT - rustfmt would change 1 place at src/lib.rs:9 [c-2606c83c]
    T0 fmt     FAILED  [T]  1 file
    T0 clippy  ok      [T]
    SUMMARY: 0 passed, 0 failed, 0 skipped
    TOP_ERRORS: FMT(1)
    REPRO: cargo harness repro c-2606c83c
    VERDICT: RED at tier 0 (1 not run) in [T], seed 24301, log target/harness/latest
    --- stderr
    ");
}

#[test]
fn the_climb_goes_on_where_it_is_told_to() {
    assert_brief!(red_twice().harness(&["fast", "--keep-going"]).whole(), @"
    code: 1
    --- stdout
    ERROR: FMT - rustfmt would change 1 place at src/lib.rs:9 [c-2606c83c]
    ERROR: ASSERT - tests::one_and_two_are_three: left == right (left: 2, right: 3) at src/lib.rs:18:9 [t-d9619b37]
    ERROR: DOCTEST - src/lib.rs - sum (line 5): left == right (left: 2, right: 3) at src/lib.rs:5 [t-f8ce588f]
    T0 fmt     FAILED  [T]  1 file
    T0 clippy  ok      [T]
    T1 unit    FAILED  [T]  1 of 1 test failed
    T1 doc     FAILED  [T]  1 of 1 example failed
    SUMMARY: 0 passed, 2 failed, 0 skipped
    TOP_ERRORS: ASSERT(1), DOCTEST(1), FMT(1)
    REPRO: cargo harness repro c-2606c83c
    VERDICT: RED at tiers 0-1 in [T], seed 24301, log target/harness/latest
    --- stderr
    ");
}

#[test]
fn the_bare_command_is_fast() {
    let repo = Repo::from_fixture("green");
    let bare = repo.facts(&[]);
    assert_eq!((bare.code, bare.phrase(), bare.steps().len()), (0, "GREEN tiers 0-1".to_owned(), 4));
}

#[test]
fn a_tier_or_a_step_runs_alone() {
    let repo = red_twice();
    let steps = |args: &[&str]| repo.facts(&[&["run"], args].concat()).steps();
    assert_eq!(steps(&["--tier", "0"]), ["fmt failed", "clippy ok"]);
    assert_eq!(steps(&["--step", "clippy", "--step", "doc"]), ["clippy ok", "doc failed"]);
    assert_eq!(steps(&["--tier", "1", "--step", "unit"]), ["unit failed"]);
    assert_brief!(repo.harness(&["run", "--step", "unti"]).whole(), @"
    code: 2
    --- stdout
    --- stderr
    error: no step is named `unti` in tiers 0-5
    hint: the steps there are fmt, clippy, unit, doc, prop, fuzz, diff, builds, system
    ");
    assert_brief!(repo.harness(&["run", "--tier", "0", "--step", "unit"]).whole(), @"
    code: 2
    --- stdout
    --- stderr
    error: no step is named `unit` in tiers 0
    hint: the steps there are fmt, clippy
    ");
}

#[test]
fn fail_fast_leaves_out_what_comes_later() {
    let mut repo = Repo::from_fixture("green");
    let tests: String = (0..40).map(|n| format!("#[test]\nfn t{n:02}() {{\n    assert_eq!(1, {n});\n}}\n")).collect();
    repo.write("src/lib.rs", &format!("//! Mostly bad.\n{tests}"));
    for runner in Runner::here() {
        repo.use_runner(runner);
        let facts = repo.facts(&["run", "--tier", "1", "--fail-fast"]);
        assert_eq!((facts.code, facts.steps()), (1, vec!["unit failed".to_owned()]), "{runner:?}");
        if runner == Runner::Nextest {
            assert!(facts.failures().len() < 39, "{facts:#?}");
        }
    }
}

#[test]
fn quiet_leaves_the_errors_and_the_verdict_and_verbose_adds_the_output() {
    let repo = red_twice();
    let quiet = repo.harness(&["fast", "--keep-going", "-q"]).stdout;
    assert!(quiet.lines().all(|line| line.starts_with("ERROR: ") || line.starts_with("VERDICT: ")), "{quiet}");
    assert_eq!(quiet.lines().count(), 4, "{quiet}");
    let verbose = repo.harness(&["fast", "--keep-going", "-v"]).stdout;
    assert!(verbose.contains("    assertion `left == right` failed\n"), "{verbose}");
}

#[test]
fn the_facts_are_the_same_in_every_format() {
    let repo = red_twice();
    let human = repo.harness(&["fast", "--keep-going"]).stdout;
    let facts = repo.facts(&["fast", "--keep-going"]);
    let errors: Vec<String> = facts.failures().iter().map(|failed| failed.line()).collect();
    let lines = |prefix: &str| -> Vec<&str> { human.lines().filter(|line| line.starts_with(prefix)).collect() };
    assert_eq!(lines("ERROR: "), errors);
    assert_eq!(lines("SUMMARY: "), [format!("SUMMARY: {}", facts.counts())]);
    assert!(lines("VERDICT: ")[0].starts_with(&format!("VERDICT: {}", facts.phrase())), "{human}");
    let github = repo.harness(&["fast", "--keep-going", "--message-format=github"]).stdout;
    for failed in facts.failures() {
        let annotated = github.lines().any(|line| line.starts_with("::error ") && line.contains(&failed.id));
        assert!(annotated, "{} in {github}", failed.id);
    }
}

#[test]
fn github_gets_a_job_summary() {
    let mut repo = red_twice();
    let summary = repo.root().join("summary.md");
    repo.set_env("GITHUB_STEP_SUMMARY", summary.as_str());
    repo.harness(&["fast", "--message-format=github"]);
    assert!(repo.read("summary.md").contains("FMT"), "{}", repo.read("summary.md"));
}

#[test]
fn an_error_in_json_is_one_object_too() {
    let answer = Repo::empty().harness(&["fast", "--message-format=json"]);
    let line: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!((answer.code, &line["type"], &line["code"]), (2, &"error".into(), &2.into()), "{}", answer.whole());
    assert_eq!(answer.stdout.lines().count(), 1);
    let repo = Repo::from_fixture("green");
    repo.write("Harness.toml", "[run]\nsede = 1\n");
    let answer = repo.harness(&["fast", "--message-format=json"]);
    let line: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!((answer.code, &line["hint"]), (2, &"did you mean `seed`?".into()), "{}", answer.whole());
}

#[test]
fn green_is_at_most_twelve_lines_however_many_steps_there_are() {
    let repo = Repo::from_fixture("green");
    let names: Vec<String> = (0..20).map(|n| format!("\"step-{n}\"")).collect();
    let steps: String = (0..20).map(|n| format!("[steps.step-{n}]\nuses = \"command\"\nrun = [\"true\"]\n")).collect();
    repo.write("Harness.toml", &format!("[tiers]\n1 = [\"unit\", {}]\n{steps}", names.join(", ")));
    let answer = repo.harness(&["fast"]);
    assert_eq!(answer.code, 0, "{}", answer.whole());
    assert!(answer.stdout.lines().count() <= 12, "{}", answer.stdout);
    assert!(answer.stdout.contains("VERDICT: GREEN tiers 0-1 in "), "{}", answer.stdout);
}

#[test]
fn three_hundred_failures_are_counted_to_the_last_one() {
    let mut repo = Repo::from_fixture("green");
    let tests: String = (0..300).map(|n| format!("#[test]\nfn t{n:03}() {{\n    panic!(\"{n}\");\n}}\n")).collect();
    repo.write("src/lib.rs", &format!("//! All bad.\n{tests}"));
    repo.use_runner(Runner::here()[0]);
    let answer = repo.harness(&["run", "--step", "unit"]);
    let facts = Facts::of(&repo.harness(&["show", "--message-format=json"]));
    let all: Vec<String> = facts.failures().iter().map(|failed| failed.line()).collect();
    assert_eq!(all.len(), 300);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    let shown: Vec<&&str> = lines.iter().filter(|line| line.starts_with("ERROR: ")).collect();
    let more = lines.iter().find_map(|line| line.strip_prefix("… and ")?.split_once(" more in ")).unwrap();
    assert_eq!(shown.len() + more.0.parse::<usize>().unwrap(), 300, "{}", answer.stdout);
    assert_eq!((*shown[0], **shown.last().unwrap()), (all[0].as_str(), all[299].as_str()));
    assert!(shown.iter().map(|line| line.len() + 1).sum::<usize>() <= 4096);
    assert!(answer.stdout.len() <= 5000, "{}", answer.stdout.len());
    assert!(answer.stdout.contains("SUMMARY: 0 passed, 300 failed, 0 skipped\nTOP_ERRORS: PANIC(300)\n"));
    let record = repo.read(more.1);
    assert!(facts.failures().iter().all(|failed| record.contains(&failed.id)));
}

#[test]
fn a_fixed_failure_is_closed_and_an_open_one_stays() {
    let repo = Repo::from_fixture("green");
    let good = repo.read("src/lib.rs");
    repo.write("src/lib.rs", &good.replace("a + b", "a * b"));
    let open = || -> Vec<String> {
        let folder = repo.root().join("target/harness/failures");
        folder.read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned()).collect()
    };
    assert_eq!(repo.facts(&["fast", "--keep-going"]).failures().len(), 2);
    assert_eq!(open().len(), 2);
    assert_eq!(repo.facts(&["run", "--tier", "0"]).code, 0);
    assert_eq!(open().len(), 2, "what did not run is not known to be gone");
    repo.write("src/lib.rs", &good);
    assert_eq!(repo.facts(&["fast"]).code, 0);
    assert_eq!(open(), [""; 0]);
}
