//! `cargo harness show`.

use crate::support::{Repo, assert_brief};

const FAILURE: &str = r#"{"id":"t-9ab20c1d","category":"ASSERT","tier":1,"step":"unit","subject":"tests::sums","message":"left == right",
    "place":{"file":"src/lib.rs","line":9,"column":5},"test":{"binary":"green","name":"tests::sums"},"excerpt":"assertion failed\n",
    "log":"1-unit.log","replay":{"argv":["cargo","nextest","run"],"dir":"","env":{"SEED":"1"}}}"#;

fn record_of(failure: &str, verdict: &str) -> String {
    format!(
        r#"{{"version":1,"id":"20261122T170005.123Z-7","asked":"fast","mode":"fast","tiers":"0-1","seed":24301,"verdict":"{verdict}",
        "stopped_at":1,"ms":2412,"latest":"target/harness/latest","contract":"00","tools":[],"steps":[
        {{"tier":0,"name":"fmt","outcome":"ok","ms":300,"log":"0-fmt.log"}},
        {{"tier":1,"name":"unit","outcome":"failed","ms":900,"counts":{{"passed":4,"failed":1,"skipped":0}},"failures":[{failure}],
        "log":"1-unit.log"}}]}}"#
    )
}

/// As after a run that ended red.
fn after_a_red_run() -> Repo {
    let repo = Repo::from_fixture("green");
    repo.write("target/harness/latest/run.json", &record_of(FAILURE, "red"));
    repo.write("target/harness/runs/20261122T170005.123Z-7/1-unit.log", "whole output\n");
    repo.write("target/harness/failures/t-9ab20c1d.json", &failure_of(FAILURE));
    repo
}

fn failure_of(failure: &str) -> String {
    format!(r#"{{"version":1,"run":"20261122T170005.123Z-7","seed":24301,"failure":{failure}}}"#)
}

#[test]
fn the_last_verdict_is_told_again_with_its_exit_code() {
    let repo = after_a_red_run();
    assert_brief!(repo.harness(&["show"]).whole(), @"
    code: 1
    --- stdout
    ERROR: ASSERT - tests::sums: left == right at src/lib.rs:9:5 [t-9ab20c1d]
    T0 fmt     ok      [T]
    T1 unit    FAILED  [T]
    SUMMARY: 4 passed, 1 failed, 0 skipped
    TOP_ERRORS: ASSERT(1)
    REPRO: cargo harness repro t-9ab20c1d
    VERDICT: RED at tier 1 in [T], seed 24301, log target/harness/latest
    --- stderr
    ");
    assert_eq!(repo.harness(&["show", "-q"]).stdout.lines().count(), 2);
    assert_eq!(repo.harness(&["show", "--message-format=json"]).code, 1);
    repo.write("target/harness/latest/run.json", &record_of(FAILURE, "time-limit"));
    assert_eq!(repo.harness(&["show"]).code, 4);
}

#[test]
fn before_the_first_run_there_is_a_hint() {
    assert_brief!(Repo::from_fixture("green").harness(&["show"]).whole(), @"
    code: 2
    --- stdout
    --- stderr
    error: there has been no run in [DIR]/repo yet
    hint: run `cargo harness fast` first
    ");
}

#[test]
fn a_failure_is_found_by_the_beginning_of_its_id() {
    let repo = after_a_red_run();
    let answer = repo.harness(&["show", "t-9ab2"]);
    assert_brief!(answer.whole(), @"
    code: 0
    --- stdout
    ERROR: ASSERT - tests::sums: left == right at src/lib.rs:9:5 [t-9ab20c1d]
    category: ASSERT
    step: T1 unit
    test: green tests::sums
    message: left == right
    place: src/lib.rs:9:5
         6 | /// assert_eq!(green::sum(1, 2), 3);
         7 | /// ```
         8 | pub fn sum(a: u32, b: u32) -> u32 {
      >  9 |     a + b
        10 | }
        11 |
        12 | #[cfg(test)]
    output:
        assertion failed
    log: target/harness/runs/[RUN]/1-unit.log
    seen: run [RUN], seed 24301
    command: SEED=1 cargo nextest run
    REPRO: cargo harness repro t-9ab20c1d
    --- stderr
    ");
    assert_eq!(repo.harness(&["show", "9ab20c1d"]).stdout, answer.stdout);
    assert_brief!(repo.harness(&["show", "t-9ab2", "--message-format=json"]).stdout, @r#"{"version":1,"type":"failure","id":"t-9ab20c1d","category":"ASSERT","tier":1,"step":"unit","subject":"tests::sums","message":"left == right","place":{"file":"src/lib.rs","line":9,"column":5},"test":{"binary":"green","name":"tests::sums"},"excerpt":"assertion failed\n","log":"1-unit.log","replay":{"argv":["cargo","nextest","run"],"dir":"","env":{"SEED":"1"}},"run":"[RUN]","seed":24301,"log_path":"target/harness/runs/[RUN]/1-unit.log","log_is_kept":true,"source":["     6 | /// assert_eq!(green::sum(1, 2), 3);","     7 | /// ```","     8 | pub fn sum(a: u32, b: u32) -> u32 {","  >  9 |     a + b","    10 | }","    11 |","    12 | #[cfg(test)]"]}"#);
}

#[test]
fn an_unknown_id_names_the_known_ones_and_a_short_one_its_candidates() {
    let repo = after_a_red_run();
    assert_brief!(repo.harness(&["show", "t-9ab30000"]).whole(), @"
    code: 2
    --- stdout
    --- stderr
    error: no failure `t-9ab30000` is known
    hint: the nearest known ids are t-9ab20c1d
    ");
    assert_brief!(repo.harness(&["show", "../../etc"]).whole(), @"
    code: 2
    --- stdout
    --- stderr
    error: `../../etc` is not a failure id: they look like `t-9ab20c1d`; four digits are enough
    hint: ids stand in brackets at the end of `ERROR:` lines
    ");
    repo.write("target/harness/failures/t-9ab2ffff.json", "{}");
    assert_brief!(repo.harness(&["show", "t-9ab2"]).whole(), @"
    code: 2
    --- stdout
    --- stderr
    error: `t-9ab2` is short for several failures: t-9ab20c1d, t-9ab2ffff
    hint: write more digits
    ");
}

#[test]
fn torn_foreign_and_newer_records_are_one_clear_error() {
    let repo = after_a_red_run();
    repo.write("target/harness/latest/run.json", "{\"version\":1,\"id\":");
    assert_brief!(repo.harness(&["show"]).whole(), @"
    code: 3
    --- stdout
    --- stderr
    error: [DIR]/repo/target/harness/latest/run.json is not what cargo-harness wrote: EOF while parsing a value at line 1 column 18
    hint: run `cargo harness fast` to write it anew
    ");
    repo.write("target/harness/latest/run.json", "{\"version\":2,\"all\":\"else\"}");
    assert_brief!(repo.harness(&["show"]).whole(), @"
    code: 3
    --- stdout
    --- stderr
    error: [DIR]/repo/target/harness/latest/run.json was written by a newer cargo-harness, in form 2
    hint: update cargo-harness
    ");
    repo.write("target/harness/failures/t-9ab20c1d.json", "[]");
    assert_brief!(repo.harness(&["show", "t-9ab20c1d", "--message-format=json"]).stdout, @r#"{"version":1,"type":"error","message":"[DIR]/repo/target/harness/failures/t-9ab20c1d.json is not what cargo-harness wrote: invalid length 0, expected an object with a version at line 1 column 2","hint":"run `cargo harness fast` to write it anew","code":3}"#);
}

#[test]
fn no_line_of_a_file_outside_of_the_workspace_is_shown() {
    let repo = after_a_red_run();
    std::os::unix::fs::symlink("/etc", repo.root().join("link")).unwrap();
    for file in ["../../../../../../../etc/passwd", "/etc/passwd", "link/passwd"] {
        repo.write("target/harness/failures/t-9ab20c1d.json", &failure_of(&FAILURE.replace("src/lib.rs", file)));
        let answer = repo.harness(&["show", "t-9ab2"]);
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        assert!(!answer.stdout.contains(" | "), "{}", answer.stdout);
    }
}
