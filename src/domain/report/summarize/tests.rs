//! Logs as the tools write them, and logs as nobody writes them.

use camino::Utf8Path;
use proptest::prelude::*;

use super::{Findings, brief_of_logs, json_of_logs, read_log, settled};
use crate::domain::report::Detail;

fn brief(log: &str) -> String {
    brief_of_logs(&findings(log), Detail::Normal)
}

fn findings(log: &str) -> Findings {
    let mut findings = Findings::default();
    read_log(log.as_bytes(), Utf8Path::new("/repo"), &mut findings).unwrap();
    settled(findings)
}

#[test]
fn rustc_and_clippy_findings_are_read_once() {
    let error = "error[E0308]: mismatched types\n  --> src/lib.rs:25:37\n   |\n25 | pub fn x() -> i32 { \"a\" }\n   |               \
                 ---     ^^^ expected `i32`, found `&str`\n\n";
    let lint = "error: equal expressions as operands to `==`\n --> /repo/src/lib.rs:3:5\n  |\n3 |     a == a\n  |     ^^^^^^\n  |\n  = \
                help: for further information visit https://rust-lang.github.io/rust-clippy/rust-1.95.0/index.html#eq_op\n  = note: \
                `#[deny(clippy::eq_op)]` on by default\n\n";
    let log = format!(
        "    Checking demo v0.1.0 (/repo)\n{error}{lint}{error}error: linking with `cc` failed: exit status: 1\n\nwarning: unused\n --> \
         a.rs:1:1\n\nerror: could not compile `demo` (lib) due to 2 previous errors\n"
    );
    insta::assert_snapshot!(brief(&log), @"
    ERROR: E0308 - mismatched types at src/lib.rs:25:37 [c-ad35d80e]
    ERROR: clippy::eq_op - equal expressions as operands to `==` at src/lib.rs:3:5 [c-74e78720]
    ERROR: RUSTC - linking with `cc` failed: exit status: 1 [c-e906a3a2]
    SUMMARY: 0 passed, 0 failed, 0 skipped
    TOP_ERRORS: E0308(1), RUSTC(1), clippy::eq_op(1)
    ");
}

#[test]
fn json_messages_name_findings_as_the_text_does() {
    let json = r#"{"reason":"compiler-message","message":{"rendered":"x","$message_type":"diagnostic","level":"error","message":"mismatched types","code":{"code":"E0308","explanation":null},"spans":[{"file_name":"src/lib.rs","line_start":25,"column_start":37,"is_primary":true}]}}
{"reason":"compiler-message","message":{"level":"failure-note","message":"For more information","code":null,"spans":[]}}
{"reason":"build-finished","success":false}
"#;
    let text = "error[E0308]: mismatched types\n  --> src/lib.rs:25:37\n";
    assert_eq!(brief(json), brief(text));
    insta::assert_snapshot!(brief(json), @"
    ERROR: E0308 - mismatched types at src/lib.rs:25:37 [c-ad35d80e]
    SUMMARY: 0 passed, 0 failed, 0 skipped
    TOP_ERRORS: E0308(1)
    ");
}

#[test]
fn rustfmt_is_one_failure_a_file() {
    let log = "Diff in /repo/src/lib.rs:2:\n a\n\u{1b}[31m-b\n\u{1b}(B\u{1b}[m\nDiff in /repo/src/lib.rs:9:\n x\nDiff in /repo/tests/it.rs at line 1:\n";
    insta::assert_snapshot!(brief(log), @"
    ERROR: FMT - rustfmt would change 2 places at src/lib.rs:2 [c-2606c83c]
    ERROR: FMT - rustfmt would change 1 place at tests/it.rs:1 [c-1b72daf1]
    SUMMARY: 0 passed, 0 failed, 0 skipped
    TOP_ERRORS: FMT(2)
    ");
}

const LIBTEST: &str = "\
     Running unittests src/lib.rs (target/debug/deps/demo-8348ca7a80742723)

running 7 tests
test tests::bad ... FAILED
test tests::good ... ok
test tests::should - should panic ... FAILED
test tests::th ... FAILED
test tests::err ... FAILED

failures:

---- tests::bad stdout ----
error: this is printed by the test
thread 'tests::bad' (12829) panicked at src/lib.rs:11:16:
assertion `left == right` failed: sums
  left: 2
 right: 3
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

---- tests::err stdout ----
Error: \"nope\"

---- tests::should stdout ----
note: test did not panic as expected at src/lib.rs:19:8
---- tests::th stdout ----

thread '<unnamed>' (12835) panicked at src/lib.rs:23:37:
deep

thread 'tests::th' (12834) panicked at src/lib.rs:23:60:
called `Result::unwrap()` on an `Err` value: Any { .. }


failures:
    tests::bad
    tests::th

test result: FAILED. 1 passed; 4 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.09s

error: test failed, to rerun pass `--lib`
     Running tests/it.rs (target/debug/deps/it-a69063779ff8c574)

running 2 tests
error: test failed, to rerun pass `--test it`

Caused by:
  process didn't exit successfully: `/repo/target/debug/deps/it-a69063779ff8c574` (signal: 6, SIGABRT: process abort signal)
   Doc-tests demo

running 1 test
test src/lib.rs - two (line 2) ... FAILED

failures:

---- src/lib.rs - two (line 2) stdout ----
Test executable failed (exit status: 101).

stderr:

thread 'main' (12855) panicked at src/lib.rs:5:1:
assertion `left == right` failed
  left: 2
 right: 3


failures:
    src/lib.rs - two (line 2)

test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.17s

error: doctest failed, to rerun pass `--doc`
error: 2 targets failed:
    `--lib`
    `--doc`
";

#[test]
fn libtest_failures_are_explained_by_their_output() {
    insta::assert_snapshot!(brief(LIBTEST), @r#"
    ERROR: ASSERT - tests::bad: left == right: sums (left: 2, right: 3) at src/lib.rs:11:16 [t-4ab9b13c]
    ERROR: ASSERT - tests::err: returned an error: "nope" [t-463a6a39]
    ERROR: ASSERT - tests::should: test did not panic as expected at src/lib.rs:19:8 [t-c454c63b]
    ERROR: PANIC - tests::th: deep at src/lib.rs:23:37 [t-37a359d7]
    ERROR: SIGNAL - demo::it: SIGABRT [t-52b7363b]
    ERROR: DOCTEST - src/lib.rs - two (line 2): left == right (left: 2, right: 3) at src/lib.rs:2 [t-d34b2eb3]
    SUMMARY: 1 passed, 5 failed, 1 skipped
    TOP_ERRORS: ASSERT(3), DOCTEST(1), PANIC(1), SIGNAL(1)
    "#);
}

#[test]
fn uncaptured_output_explains_as_well() {
    let log = "running 1 test\nthread 'a::b' panicked at src/a.rs:1:2:\nboom\ntest a::b ... FAILED\n\nfailures:\n\nfailures:\n    a::b\n\n\
               test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n";
    insta::assert_snapshot!(brief(log), @"
    ERROR: PANIC - a::b: boom at src/a.rs:1:2 [t-b55151c7]
    SUMMARY: 0 passed, 1 failed, 0 skipped
    TOP_ERRORS: PANIC(1)
    ");
}

const NEXTEST: &str = "\
    Finished `test` profile [unoptimized + debuginfo] target(s) in 0.01s
────────────
 Nextest run ID 43a6de3c-da8c-4733-b059-e117a6e6de73 with nextest profile: default
    Starting 8 tests across 2 binaries (1 test skipped)
        FAIL [   0.102s] (1/8) demo tests::bad
  stdout ───

    running 1 test
    test tests::bad ... FAILED

    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 6 filtered out; finished in 0.09s

  stderr ───

    thread 'tests::bad' (12898) panicked at src/lib.rs:11:16:
    assertion `left == right` failed: sums
      left: 2
     right: 3
    note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

        PASS [   0.006s] (4/8) demo tests::good
     SIGABRT [   0.007s] (6/8) demo::it abort
  stdout ───

    running 1 test

    (test aborted with signal 6: SIGABRT)

  TRY 1 FAIL [   0.007s] (7/8) demo::it flaky
  stdout ───
    thread 'flaky' (1) panicked at tests/it.rs:1:1:
    once
  TRY 2 PASS [   0.007s] (7/8) demo::it flaky
     TIMEOUT [  60.007s] (8/8) demo::it slow
────────────
     Summary [   0.198s] 8 tests run: 5 passed (1 flaky), 2 failed, 1 timed out, 1 skipped
   FLAKY 2/3 [   0.007s] (7/8) demo::it flaky
        FAIL [   0.102s] (1/8) demo tests::bad
     SIGABRT [   0.007s] (6/8) demo::it abort
     TIMEOUT [  60.007s] (8/8) demo::it slow
error: test run failed
";

#[test]
fn nextest_failures_are_read_once_and_flaky_ones_not_at_all() {
    insta::assert_snapshot!(brief(NEXTEST), @"
    ERROR: ASSERT - tests::bad: left == right: sums (left: 2, right: 3) at src/lib.rs:11:16 [t-4ab9b13c]
    ERROR: SIGNAL - abort: SIGABRT [t-94760f0e]
    ERROR: TIMEOUT - slow: stopped at its time limit [t-144b0f2b]
    SUMMARY: 5 passed, 3 failed, 1 skipped
    TOP_ERRORS: ASSERT(1), SIGNAL(1), TIMEOUT(1)
    ");
}

#[test]
fn other_compilers_and_short_messages_are_read() {
    let log = "gcc -c a.c\n/repo/src/a.c:3:5: error: unused variable 'x' [-Werror=unused-variable]\nb.c:1:10: fatal error: no.h: No such \
               file\nsrc/lib.rs:25:37: error[E0308]: mismatched types\nmain.c:(.text+0x5): undefined reference to `foo'\nmake: *** \
               [Makefile:3: all] Error 1\n";
    insta::assert_snapshot!(brief(log), @"
    ERROR: unused-variable - unused variable 'x' at src/a.c:3:5 [b-7214abbd]
    ERROR: BUILD - no.h: No such file at b.c:1:10 [b-8e103648]
    ERROR: E0308 - mismatched types at src/lib.rs:25:37 [c-ad35d80e]
    ERROR: BUILD - undefined reference to `foo' [b-14a3d1fc]
    SUMMARY: 0 passed, 0 failed, 0 skipped
    TOP_ERRORS: BUILD(2), E0308(1), unused-variable(1)
    ");
}

#[test]
fn a_log_that_only_says_that_something_failed_is_not_clean() {
    insta::assert_snapshot!(brief("error: could not compile `demo` (lib) due to 2 previous errors\n"), @"
    ERROR: RUSTC - could not compile `demo` (lib) due to 2 previous errors [b-61cb52f1]
    SUMMARY: 0 passed, 0 failed, 0 skipped
    TOP_ERRORS: RUSTC(1)
    ");
    insta::assert_snapshot!(brief("test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n"), @"
    ERROR: EXIT - tests failed that the log does not name [b-7bb03dbd]
    SUMMARY: 3 passed, 1 failed, 0 skipped
    TOP_ERRORS: EXIT(1)
    ");
    insta::assert_snapshot!(brief("make: *** [Makefile:3: all] Error 1\n"), @"
    ERROR: BUILD - make: *** [Makefile:3: all] Error 1 [b-0821e366]
    SUMMARY: 0 passed, 0 failed, 0 skipped
    TOP_ERRORS: BUILD(1)
    ");
}

#[test]
fn a_program_that_panics_outside_of_tests_has_failed() {
    let log =
        "     Running `target/debug/demo`\n\nthread 'main' (1) panicked at src/main.rs:2:5:\nboom\nnote: run with\n";
    insta::assert_snapshot!(brief(log), @"
    ERROR: PANIC - boom at src/main.rs:2:5 [b-68d90c78]
    SUMMARY: 0 passed, 0 failed, 0 skipped
    TOP_ERRORS: PANIC(1)
    ");
}

#[test]
fn good_logs_are_clean() {
    let log = "warning: unused variable: `x`\n --> src/lib.rs:1:1\n\n    Finished `test`\n\nrunning 2 tests\ntest a ... ok\ntest b ... ok\n\n\
               test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
    assert_eq!(brief(log), "SUMMARY: 2 passed, 0 failed, 0 skipped\n");
}

#[test]
fn a_huge_log_keeps_to_its_limits_and_its_counts() {
    let log: String = (0..9_000).map(|n| format!("error[E0308]: message {n}\n --> src/lib.rs:{n}:1\n\n")).collect();
    let text = brief(&log);
    assert!(text.len() < 5_000 && text.ends_with("TOP_ERRORS: E0308(9000)\n"), "{text}");
    let shown = text.lines().filter(|line| line.starts_with("ERROR: ")).count();
    assert!(text.contains(&format!("… and {} more in the log\n", 9_000 - shown)), "{text}");
    assert!(text.contains("message 8999 at"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_mixture_of_lines_is_read(picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..120), text: String) {
        let all: Vec<&str> = LIBTEST.lines().chain(NEXTEST.lines()).chain(text.lines())
            .chain(["error: x", "{\"reason\":\"compiler-message\"}", "{", "Diff in a:1:", "error[", "thread 'x' panicked at 'a", "a:1: error: b"])
            .collect();
        let log: String = picks.iter().map(|pick| format!("{}\n", pick.get(&all))).collect();
        let findings = findings(&log);
        let text = brief_of_logs(&findings, Detail::Normal);
        let known = ["ERROR: ", "SUMMARY: ", "TOP_ERRORS: ", "… and "];
        prop_assert!(text.lines().all(|line| known.iter().any(|start| line.starts_with(start))), "{}", text);
        let json = json_of_logs(&findings);
        let mut values = json.lines().map(serde_json::from_str::<serde_json::Value>);
        prop_assert!(values.all(|value| value.is_ok_and(|value| value["version"] == 1)));
    }
}
