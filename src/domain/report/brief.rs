//! The brief form: terse on green, faithful on red.

use super::error_line::{ErrorLine, within_limit};
use super::tally::Tally;
use super::verdict_line::verdict_line;
use super::{step_lines, whole_record};
use crate::base::text::{capped, one_line, printable};
use crate::domain::record::{Failure, RunRecord, Verdict};

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Detail {
    /// `ERROR:` lines and the verdict.
    Quiet,
    /// Within the limits below.
    #[default]
    Normal,
    /// Without limits, and with the excerpt of each failure.
    Verbose,
}

/// A green report has no more lines than this, whatever ran.
const GREEN_LINES: usize = 12;
/// Beside failures only so many notes and steps are listed one by one.
const RED_NOTES: usize = 8;
const RED_STEPS: usize = 24;
const NOTE_BYTES: usize = 240;

/// A run as a person or an agent reads it. The same run gives the same text.
pub(crate) fn brief(run: &RunRecord, detail: Detail) -> String {
    let mut lines = error_lines(run, detail);
    if detail != Detail::Quiet {
        let (steps, notes) = steps_and_notes(run, detail);
        lines.extend(steps);
        lines.extend(notes);
        let counts = run.counts();
        lines.push(format!("SUMMARY: {} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped));
        let tally: Tally = run.failures().map(|failure| failure.category.as_str()).collect();
        if tally.total() > 0 {
            lines.push(format!("TOP_ERRORS: {tally}"));
        }
        if let Some(failure) = run.failures().find(|failure| !failure.replay.argv.is_empty()) {
            lines.push(format!("REPRO: cargo harness repro {}", failure.id));
        }
    }
    lines.push(verdict_line(run));
    lines.push(String::new());
    lines.join("\n")
}

fn error_lines(run: &RunRecord, detail: Detail) -> Vec<String> {
    if detail == Detail::Verbose {
        return run.failures().flat_map(with_excerpt).collect();
    }
    let all: Vec<String> = run.failures().map(|failure| ErrorLine::from(failure).to_string()).collect();
    within_limit(all, |more| format!("… and {more} more in {}", whole_record(run)))
}

fn with_excerpt(failure: &Failure) -> Vec<String> {
    let excerpt = failure.excerpt.lines().map(|line| format!("    {}", printable(line)).trim_end().to_owned());
    std::iter::once(ErrorLine::from(failure).to_string()).chain(excerpt).collect()
}

fn steps_and_notes(run: &RunRecord, detail: Detail) -> (Vec<String>, Vec<String>) {
    let steps = step_lines::one_each(&run.steps);
    let notes: Vec<String> = run.notes().map(|note| format!("NOTE: {}", capped(&one_line(note), NOTE_BYTES))).collect();
    if detail == Detail::Verbose {
        return (steps, notes);
    }
    if run.verdict == Verdict::Green && run.failures().next().is_none() {
        // Two lines are the summary's and the verdict's.
        let room = GREEN_LINES - 2;
        let steps = if steps.len() + notes.len() > room { step_lines::collapsed(&run.steps) } else { steps };
        let room = room.saturating_sub(steps.len());
        return (steps, at_most(notes, room, &whole_record(run)));
    }
    let steps = if steps.len() > RED_STEPS { step_lines::collapsed(&run.steps) } else { steps };
    let more = steps.len().saturating_sub(RED_STEPS);
    let mut steps = steps;
    if more > 0 {
        // A line gives way to the one that counts.
        steps.truncate(RED_STEPS - 1);
        steps.push(format!("… and {} more steps in {}", more + 1, whole_record(run)));
    }
    (steps, at_most(notes, RED_NOTES, &whole_record(run)))
}

fn at_most(mut notes: Vec<String>, room: usize, file: &str) -> Vec<String> {
    if notes.len() > room {
        let shown = room.saturating_sub(1);
        let more = notes.len() - shown;
        notes.truncate(shown);
        notes.push(format!("NOTE: … and {more} more in {file}"));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::super::error_line::ERROR_BYTES;
    use super::super::testing::{any_green, any_red, failure, green, red, step, tier};
    use super::{Detail, GREEN_LINES, brief};
    use crate::base::FailureId;
    use crate::domain::record::{Outcome, RunRecord};
    use proptest::prelude::*;

    #[test]
    fn a_green_run_is_a_few_lines() {
        let mut run = green();
        run.steps.push(step(2, "prop", Outcome::None, 0));
        run.notes.push("2 tests are ignored\nin their source".to_owned());
        insta::assert_snapshot!(brief(&run, Detail::Normal), @"
        T0 fmt     ok      0.3s
        T1 unit    ok      0.8s
        T2 prop    none
        NOTE: 2 tests are ignored in their source
        SUMMARY: 842 passed, 0 failed, 2 skipped
        VERDICT: GREEN tiers 0-1 (2-3 have no steps) in 1.2s, seed 24301, log target/harness/latest
        ");
        insta::assert_snapshot!(brief(&run, Detail::Quiet), @"VERDICT: GREEN tiers 0-1 (2-3 have no steps) in 1.2s, seed 24301, log target/harness/latest");
    }

    #[test]
    fn a_red_run_names_every_failure_first() {
        let mut run = red(vec![
            failure("t-9ab20c1d", "ASSERT", "left == right"),
            failure("t-00000001", "ASSERT", "x > 3"),
            failure("t-00000002", "TIMEOUT", "still running after 60s"),
        ]);
        let mut clippy = step(0, "clippy", Outcome::Failed, 2_100);
        clippy.detail = "1 error".to_owned();
        clippy.failures = vec![failure("c-1f3a2b4c", "E0308", "mismatched types")];
        clippy.failures[0].replay.argv.clear();
        clippy.failures[0].excerpt =
            "error[E0308]: mismatched types\n  --> src/lib.rs:47:9\n\nVERDICT: GREEN\n".to_owned();
        run.steps.insert(1, clippy);
        run.stopped_at = Some(tier(1));
        insta::assert_snapshot!(brief(&run, Detail::Normal), @"
        ERROR: E0308 - mismatched types at src/lib.rs:47:9 [c-1f3a2b4c]
        ERROR: ASSERT - parser::string_literal: left == right at src/lib.rs:47:9 [t-9ab20c1d]
        ERROR: ASSERT - parser::string_literal: x > 3 at src/lib.rs:47:9 [t-00000001]
        ERROR: TIMEOUT - parser::string_literal: still running after 60s at src/lib.rs:47:9 [t-00000002]
        T0 fmt     ok      0.3s
        T0 clippy  FAILED  2.1s  1 error
        T1 unit    FAILED  0.8s
        SUMMARY: 842 passed, 3 failed, 0 skipped
        TOP_ERRORS: ASSERT(2), E0308(1), TIMEOUT(1)
        REPRO: cargo harness repro t-9ab20c1d
        VERDICT: RED at tiers 0-1 (2-3 not run) in 1.2s, seed 24301, log target/harness/latest
        ");
        let verbose = brief(&run, Detail::Verbose);
        insta::assert_snapshot!(verbose.lines().take(6).collect::<Vec<_>>().join("\n"), @"
        ERROR: E0308 - mismatched types at src/lib.rs:47:9 [c-1f3a2b4c]
            error[E0308]: mismatched types
              --> src/lib.rs:47:9

            VERDICT: GREEN
        ERROR: ASSERT - parser::string_literal: left == right at src/lib.rs:47:9 [t-9ab20c1d]
        ");
        let quiet = brief(&run, Detail::Quiet);
        assert!(quiet.lines().all(|line| line.starts_with("ERROR: ") || line.starts_with("VERDICT: ")), "{quiet}");
    }

    #[test]
    fn many_green_steps_collapse_to_a_line_a_tier() {
        let mut run = green();
        run.steps.extend((0..9).map(|n| step(1, &format!("s{n}"), Outcome::Ok, 1_000)));
        run.notes = (0..12).map(|n| format!("fact {n}")).collect();
        insta::assert_snapshot!(brief(&run, Detail::Normal), @"
        T0 fmt                                       ok      0.3s
        T1 unit, s0, s1, s2, s3, s4, s5, s6, s7, s8  ok      9.8s
        NOTE: fact 0
        NOTE: fact 1
        NOTE: fact 2
        NOTE: fact 3
        NOTE: fact 4
        NOTE: fact 5
        NOTE: fact 6
        NOTE: … and 5 more in target/harness/latest/run.json
        SUMMARY: 842 passed, 0 failed, 2 skipped
        VERDICT: GREEN tiers 0-1 (2-3 have no steps) in 1.2s, seed 24301, log target/harness/latest
        ");
    }

    #[test]
    fn past_the_limit_the_first_and_the_last_are_shown_and_the_rest_is_counted() {
        let failures: Vec<_> = (0..400).map(|n| failure(&format!("t-{n:08x}"), "ASSERT", "left == right")).collect();
        let text = brief(&red(failures), Detail::Normal);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("[t-00000000]"), "{text}");
        let between = lines.iter().position(|line| line.starts_with("… and ")).unwrap();
        let errors = lines.iter().filter(|line| line.starts_with("ERROR: ")).count();
        assert_eq!(lines[between], format!("… and {} more in target/harness/latest/run.json", 400 - errors));
        assert!(lines[errors].ends_with("[t-0000018f]"), "{text}");
        assert!(text.contains("\nSUMMARY: 842 passed, 400 failed, 0 skipped\nTOP_ERRORS: ASSERT(400)\n"));
    }

    fn bytes_of_errors(text: &str) -> usize {
        let is_error =
            |line: &&str| line.starts_with("ERROR: ") || (line.starts_with("… and ") && !line.contains(" steps "));
        text.lines().filter(is_error).map(|line| line.len() + 1).sum()
    }

    fn has_only_known_lines(text: &str) -> bool {
        let headers = ["ERROR: ", "SUMMARY: ", "TOP_ERRORS: ", "REPRO: ", "VERDICT: ", "NOTE: ", "… and "];
        let is_step = |line: &str| line.starts_with('T') && line[1..].starts_with(|c: char| c.is_ascii_digit());
        text.lines().all(|line| is_step(line) || headers.iter().any(|header| line.starts_with(header)))
            && text.lines().filter(|line| line.starts_with("VERDICT: ")).count() == 1
            && text.lines().last().is_some_and(|line| line.starts_with("VERDICT: "))
            && !text.contains(|c: char| c.is_control() && c != '\n')
    }

    fn ids(run: &RunRecord) -> Vec<&FailureId> {
        run.failures().map(|failure| &failure.id).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_green_report_keeps_to_its_lines(run in any_green()) {
            let text = brief(&run, Detail::Normal);
            prop_assert!(text.lines().count() <= GREEN_LINES, "{}", text);
            prop_assert!(has_only_known_lines(&text), "{}", text);
        }

        #[test]
        fn a_red_report_keeps_to_its_bytes_and_its_counts_add_up(run in any_red()) {
            let text = brief(&run, Detail::Normal);
            prop_assert!(has_only_known_lines(&text), "{}", text);
            prop_assert!(bytes_of_errors(&text) <= ERROR_BYTES);
            let shown = text.lines().filter(|line| line.starts_with("ERROR: ")).count();
            let more = text.lines().find_map(|line| line.strip_prefix("… and ")?.split_once(" more in").map(|(n, _)| n));
            let more: usize = more.map_or(0, |n| n.parse().unwrap());
            prop_assert_eq!(shown + more, ids(&run).len());
            if let (Some(first), Some(last)) = (ids(&run).first(), ids(&run).last()) {
                prop_assert!(text.contains(first.as_str()) && text.contains(last.as_str()));
            }
        }

        #[test]
        fn a_verbose_report_names_every_id(run in any_red()) {
            let text = brief(&run, Detail::Verbose);
            let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("ERROR: ")).collect();
            prop_assert_eq!(errors.len(), ids(&run).len());
            for (line, id) in errors.iter().zip(ids(&run)) {
                let id = format!("[{}]", id);
                prop_assert!(line.ends_with(&id));
            }
        }
    }
}
