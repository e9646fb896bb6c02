//! What GitHub Actions shows: annotations beside the changed lines, and a summary of the job.

use std::fmt::Write;

use super::brief::{Detail, brief};
use super::error_line::ErrorLine;
use super::step_lines::{seconds, word};
use super::verdict_line::verdict_line;
use super::{tally::Tally, whole_record};
use crate::base::text::{capped, one_line};
use crate::domain::record::{Failure, RunRecord, StepRecord};

/// GitHub shows no more annotations of one level for a step.
const ANNOTATIONS: usize = 10;
const MESSAGE_BYTES: usize = 1024;

/// Annotations for failures and notes, then the brief form.
pub(crate) fn github(run: &RunRecord, detail: Detail) -> String {
    let errors = run.failures().map(|failure| annotation(&ErrorLine::from(failure))).collect();
    let notices = run.notes().map(|note| format!("::notice title=cargo harness::{}", data(note))).collect();
    let notices = if detail == Detail::Quiet { Vec::new() } else { limited(notices, 0, "notes") };
    let notices: String = notices.into_iter().map(|line| line + "\n").collect();
    with_annotations(errors, 0, &(notices + &disarmed(&brief(run, detail))))
}

/// A text below the annotations of failures, of which `left_out` are not among the commands.
pub(crate) fn with_annotations(commands: Vec<String>, left_out: usize, text: &str) -> String {
    let lines = limited(commands, left_out, "errors");
    lines.into_iter().map(|line| line + "\n").collect::<String>() + text
}

fn limited(mut commands: Vec<String>, left_out: usize, what: &str) -> Vec<String> {
    let more = commands.len().saturating_sub(ANNOTATIONS).saturating_add(left_out);
    commands.truncate(ANNOTATIONS);
    if more > 0 {
        commands.push(format!("… and {more} more {what} without an annotation"));
    }
    commands
}

/// The annotation of one failure.
pub(crate) fn annotation(failure: &ErrorLine<'_>) -> String {
    let mut properties = String::new();
    if let Some(place) = failure.place {
        let column = place.column.map_or(String::new(), |column| format!(",col={column}"));
        properties = format!("file={},line={}{column},", property(place.file.as_str()), place.line);
    }
    let title = property(&format!("{} [{}]", failure.category, failure.id));
    let subject = failure.subject.map_or(String::new(), |subject| format!("{subject}: "));
    format!("::error {properties}title={title}::{}", data(&format!("{subject}{}", failure.message)))
}

fn data(text: &str) -> String {
    capped(&one_line(text), MESSAGE_BYTES).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Output of the judged code must not be read as a command to the runner, which looks for them behind blanks as well.
pub(crate) fn disarmed(text: &str) -> String {
    let disarm = |line: &str| {
        let line = line.replace("##[", "## [");
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if text.starts_with("::") { format!("{}: {}\n", &line[..indent], &text[1..]) } else { line + "\n" }
    };
    text.lines().map(disarm).collect()
}

/// GitHub refuses a summary of a mebibyte; a reader gives up long before. Together the parts stay below 64 KiB.
const STEPS_BYTES: usize = 16 << 10;
const NOTES_BYTES: usize = 8 << 10;
const FAILURES_BYTES: usize = 32 << 10;

/// The run in Markdown: verdict, steps, notes, failures.
pub(crate) fn job_summary(run: &RunRecord) -> String {
    let mut text = String::new();
    let file = whole_record(run);
    let counts = run.counts();
    let _ = writeln!(text, "### {}\n", escaped(&verdict_line(run)));
    let _ = writeln!(text, "{} passed, {} failed, {} skipped\n", counts.passed, counts.failed, counts.skipped);
    text.push_str("| Tier | Step | Outcome | Time | |\n|---|---|---|---|---|\n");
    let row = |step: &StepRecord| {
        let cell = |text: &str| escaped(&capped(&one_line(text), 120));
        let (name, outcome, time) = (cell(&step.name), word(step.outcome), seconds(step.ms));
        format!("| {} | {name} | {outcome} | {time} | {} |", step.tier, cell(&step.detail))
    };
    // After the table a blank line: without it what follows would be another row.
    push_within(&mut text, run.steps.iter().map(row), STEPS_BYTES, ("steps", &file));
    text.push('\n');
    let note = |note: &str| format!("- {}", escaped(&capped(&one_line(note), 240)));
    push_within(&mut text, run.notes().map(note), NOTES_BYTES, ("notes", &file));
    let tally: Tally = run.failures().map(|failure| failure.category.as_str()).collect();
    if tally.total() > 0 {
        let _ = writeln!(text, "\n#### {}\n", escaped(&tally.to_string()));
        let failure = |failure: &Failure| {
            let line = ErrorLine::from(failure).to_string();
            format!("- {}", escaped(line.strip_prefix("ERROR: ").unwrap_or(&line)))
        };
        push_within(&mut text, run.failures().map(failure), FAILURES_BYTES, ("failures", &file));
    }
    text
}

fn push_within(text: &mut String, lines: impl Iterator<Item = String>, limit: usize, (what, file): (&str, &str)) {
    let mut used = 0;
    let mut left_out = 0;
    for line in lines {
        used += line.len() + 1;
        if left_out > 0 || used > limit {
            left_out += 1;
        } else {
            text.push_str(&line);
            text.push('\n');
        }
    }
    if left_out > 0 {
        let _ = writeln!(text, "\n… and {left_out} more {what} in {file}");
    }
}

/// Text that Markdown shows as it is.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            // `@` would notify people.
            '@' => safe.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_red, failure, red};
    use super::{Detail, github, job_summary};
    use proptest::prelude::*;

    #[test]
    fn a_failure_is_annotated_where_it_stands() {
        let mut bad = failure("t-9ab20c1d", "clippy::eq_op", "100% wrong, a: b\nc");
        bad.place.as_mut().unwrap().file = "src/a,b:c.rs".into();
        let mut run = red(vec![bad]);
        run.notes.push("a fact".to_owned());
        let text = github(&run, Detail::Normal);
        insta::assert_snapshot!(text.lines().take(3).collect::<Vec<_>>().join("\n"), @"
        ::error file=src/a%2Cb%3Ac.rs,line=47,col=9,title=clippy%3A%3Aeq_op [t-9ab20c1d]::parser::string_literal: 100%25 wrong, a: b c
        ::notice title=cargo harness::a fact
        ERROR: clippy::eq_op - parser::string_literal: 100% wrong, a: b c at src/a,b:c.rs:47:9 [t-9ab20c1d]
        ");
    }

    #[test]
    fn more_annotations_than_are_shown_are_counted() {
        let failures = (0..25).map(|n| failure(&format!("t-{n:08x}"), "ASSERT", "x")).collect();
        let text = github(&red(failures), Detail::Quiet);
        assert_eq!(text.lines().filter(|line| line.starts_with("::error ")).count(), 10);
        assert!(text.contains("\n… and 15 more errors without an annotation\n"), "{text}");
    }

    #[test]
    fn a_summary_shows_markup_as_text() {
        let run = red(vec![failure("t-9ab20c1d", "ASSERT", "<b>|`x`|@all")]);
        insta::assert_snapshot!(job_summary(&run), @r"
        ### VERDICT: RED at tier 1 (2-3 not run) in 1.2s, seed 24301, log target/harness/latest

        842 passed, 1 failed, 0 skipped

        | Tier | Step | Outcome | Time | |
        |---|---|---|---|---|
        | 0 | fmt | ok | 0.3s |  |
        | 1 | unit | FAILED | 0.8s |  |


        #### ASSERT(1)

        - ASSERT - parser::string\_literal: &lt;b&gt;\|\`x\`\|&#64;all at src/lib.rs:47:9 \[t-9ab20c1d\]
        ");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn nothing_but_our_own_annotations_is_a_command(run in any_red()) {
            let text = github(&run, Detail::Verbose);
            let is_command = |line: &&str| line.trim_start().starts_with("::");
            let ours = |line: &&str| line.starts_with("::error ") || line.starts_with("::notice title=cargo harness::");
            prop_assert!(text.lines().filter(is_command).all(|line| ours(&line)));
            prop_assert!(text.lines().filter(is_command).count() <= 20);
            prop_assert!(!text.contains("\n    ##["));
        }

        #[test]
        fn a_summary_stays_below_its_limit(run in any_red()) {
            prop_assert!(job_summary(&run).len() < 64 << 10);
        }
    }
}
