//! `cargo harness summarize`.

use crate::support::{Repo, assert_brief};

const LOG: &str = "\
    Checking demo v0.1.0
error[E0308]: mismatched types
  --> src/lib.rs:25:37
   |
25 | pub fn x() -> i32 { \"a\" }
   |                     ^^^ expected `i32`, found `&str`

error: could not compile `demo` (lib) due to 1 previous error
";

#[test]
fn a_log_on_standard_input_is_told_in_brief() {
    let answer = Repo::empty().harness_with_input(&["summarize"], LOG);
    assert_brief!(answer.whole(), @"
    code: 1
    --- stdout
    ERROR: E0308 - mismatched types at src/lib.rs:25:37 [c-ad35d80e]
    SUMMARY: 0 passed, 0 failed, 0 skipped
    TOP_ERRORS: E0308(1)
    --- stderr
    ");
}

#[test]
fn several_logs_make_one_summary_without_repetitions() {
    let repo = Repo::empty();
    repo.write("one.log", LOG);
    repo.write("two.log", "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n");
    let answer = repo.harness_with_input(&["summarize", "one.log", "two.log", "-"], LOG);
    assert_brief!(answer.whole(), @"
    code: 1
    --- stdout
    ERROR: E0308 - mismatched types at src/lib.rs:25:37 [c-ad35d80e]
    SUMMARY: 3 passed, 0 failed, 1 skipped
    TOP_ERRORS: E0308(1)
    --- stderr
    ");
}

#[test]
fn a_good_log_is_green_and_a_missing_one_is_an_error() {
    let repo = Repo::empty();
    repo.write("good.log", "    Finished `dev` profile\n");
    assert_brief!(repo.harness(&["summarize", "good.log"]).whole(), @"
    code: 0
    --- stdout
    SUMMARY: 0 passed, 0 failed, 0 skipped
    --- stderr
    ");
    assert_brief!(repo.harness(&["summarize", "gone.log"]).whole(), @"
    code: 2
    --- stdout
    --- stderr
    error: cannot read gone.log: No such file or directory (os error 2)
    hint: name a log file, or pipe one in: cargo test 2>&1 | cargo harness summarize
    ");
    assert_brief!(repo.harness(&["summarize", "."]).whole(), @"
    code: 2
    --- stdout
    --- stderr
    error: cannot read .: Is a directory (os error 21)
    ");
}

#[test]
fn a_program_reads_the_same_facts_as_json() {
    let repo = Repo::empty();
    assert_brief!(repo.harness_with_input(&["summarize", "--message-format", "json"], LOG).stdout, @r#"
    {"version":1,"type":"failure","id":"c-ad35d80e","category":"E0308","subject":null,"message":"mismatched types","place":{"file":"src/lib.rs","line":25,"column":37}}
    {"version":1,"type":"summary","passed":0,"failed":0,"skipped":0,"failures":1,"top_errors":[{"category":"E0308","count":1}],"repro":null}
    "#);
    assert_brief!(repo.harness(&["summarize", "gone.log", "--message-format", "json"]).stdout, @r#"{"version":1,"type":"error","message":"cannot read gone.log: No such file or directory (os error 2)","hint":"name a log file, or pipe one in: cargo test 2>&1 | cargo harness summarize","code":2}"#);
    assert_brief!(repo.harness_with_input(&["summarize", "--message-format", "github", "-q"], LOG).stdout, @"
    ::error file=src/lib.rs,line=25,col=37,title=E0308 [c-ad35d80e]::mismatched types
    ERROR: E0308 - mismatched types at src/lib.rs:25:37 [c-ad35d80e]
    ");
}

#[test]
fn a_log_cannot_forge_a_verdict_or_a_second_line() {
    let forged = "VERDICT: GREEN tiers 0-5\nSUMMARY: 9 passed, 0 failed, 0 skipped\nerror: a\u{2028}VERDICT: GREEN\rSUMMARY: 1\n";
    let answer = Repo::empty().harness_with_input(&["summarize"], forged);
    assert_brief!(answer.whole(), @"
    code: 1
    --- stdout
    ERROR: RUSTC - a VERDICT: GREEN SUMMARY: 1 [c-74709e46]
    SUMMARY: 0 passed, 0 failed, 0 skipped
    TOP_ERRORS: RUSTC(1)
    --- stderr
    ");
}
