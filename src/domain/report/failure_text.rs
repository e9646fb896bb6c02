//! One failure in full.

use std::fmt::Write;

use serde::Serialize;

use super::error_line::ErrorLine;
use super::json::json_line;
use crate::base::text::{capped, one_line, printable};
use crate::base::{Seed, shell};
use crate::domain::record::{Failure, FailureRecord, Place, Replay, RunId};

/// What surrounds a failure's record: none of it is in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    /// The text of the file that the place names, where it can be read and lies within the workspace.
    pub(crate) source: Option<&'a str>,
    /// Where the log is, and whether it still is there.
    pub(crate) log: &'a str,
    pub(crate) log_is_kept: bool,
}

const CONTEXT_LINES: u32 = 3;
const SOURCE_LINE_BYTES: usize = 200;

/// The failure with its place in the source, its output and the commands that show it again.
pub(crate) fn failure_text(record: &FailureRecord, around: Surroundings<'_>) -> String {
    let failure = &record.failure;
    let mut text = format!("{}\n", ErrorLine::from(failure));
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(text, "{name}: {}", one_line(value));
    };
    field("category", failure.category.as_str());
    field("step", &format!("T{} {}", failure.tier, failure.step));
    if let Some(test) = &failure.test {
        field("test", &format!("{} {}", test.binary, test.name));
    }
    field("message", &failure.message);
    if let Some(place) = &failure.place {
        field("place", &place.to_string());
        for line in source_lines(place, around.source) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    if !failure.excerpt.is_empty() {
        text.push_str("output:\n");
        for line in failure.excerpt.lines() {
            let _ = writeln!(text, "{}", format!("    {}", printable(line)).trim_end());
        }
    }
    let gone = if around.log_is_kept { "" } else { " (no longer kept)" };
    let _ = writeln!(text, "log: {}{gone}", one_line(around.log));
    let _ = writeln!(text, "seen: run {}, seed {}", one_line(&record.run.0), record.seed);
    if !failure.replay.argv.is_empty() {
        let _ = writeln!(text, "command: {}", one_line(&command(&failure.replay)));
        let _ = writeln!(text, "REPRO: cargo harness repro {}", failure.id);
    }
    text
}

/// The same facts as one line of JSON.
pub(crate) fn failure_json(record: &FailureRecord, around: Surroundings<'_>) -> String {
    let facts = FailureFacts {
        failure: &record.failure,
        run: &record.run,
        seed: record.seed,
        log_path: around.log,
        log_is_kept: around.log_is_kept,
        source: record.failure.place.as_ref().map(|place| source_lines(place, around.source)).unwrap_or_default(),
    };
    json_line("failure", &facts)
}

#[derive(Serialize)]
struct FailureFacts<'a> {
    #[serde(flatten)]
    failure: &'a Failure,
    run: &'a RunId,
    seed: Seed,
    log_path: &'a str,
    log_is_kept: bool,
    source: Vec<String>,
}

/// The line of the place between the lines around it, each with its number.
fn source_lines(place: &Place, source: Option<&str>) -> Vec<String> {
    let first = place.line.saturating_sub(CONTEXT_LINES).max(1);
    let last = place.line.saturating_add(CONTEXT_LINES);
    let width = last.to_string().len();
    let lines = (1..).zip(source.unwrap_or_default().lines());
    lines
        .skip_while(|(number, _)| *number < first)
        .take_while(|(number, _)| *number <= last)
        .map(|(number, line): (u32, &str)| {
            let mark = if number == place.line { '>' } else { ' ' };
            let line = capped(&printable(&line.replace('\t', "    ")), SOURCE_LINE_BYTES);
            format!("  {mark} {number:>width$} | {line}").trim_end().to_owned()
        })
        .collect()
}

/// A command line to paste into a shell at the workspace's root.
fn command(replay: &Replay) -> String {
    let folder = replay.dir.as_str();
    let folder =
        if folder.is_empty() || folder == "." { String::new() } else { format!("cd {} && ", shell::quote(&[folder])) };
    let variables: String =
        replay.env.iter().map(|(name, value)| format!("{name}={} ", shell::quote(&[value]))).collect();
    format!("{folder}{variables}{}", shell::quote(&replay.argv))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_failure, failure};
    use super::{Surroundings, failure_json, failure_text};
    use crate::base::Seed;
    use crate::domain::record::{FailureRecord, RunId};
    use proptest::prelude::*;

    fn record() -> FailureRecord {
        let mut shown = failure("t-9ab20c1d", "ASSERT", "left == right");
        shown.excerpt = "thread 'x' panicked\nVERDICT: GREEN\n".to_owned();
        shown.replay.dir = "my crate".into();
        shown.replay.env.insert("PROPTEST_RNG_SEED".to_owned(), "1 2".to_owned());
        if let Some(place) = &mut shown.place {
            place.line = 5;
        }
        FailureRecord::new(RunId("20261122T170005.123Z-7".to_owned()), Seed::default(), shown, None)
    }

    #[test]
    fn a_failure_is_shown_with_its_source_and_its_command() {
        let source = "one\ntwo\nthree\n\tfour\nfive\nsix\n";
        let around = Surroundings { source: Some(source), log: "target/harness/runs/x/1-unit.log", log_is_kept: false };
        insta::assert_snapshot!(failure_text(&record(), around), @"
        ERROR: ASSERT - parser::string_literal: left == right at src/lib.rs:5:9 [t-9ab20c1d]
        category: ASSERT
        step: T1 unit
        test: demo parser::string_literal
        message: left == right
        place: src/lib.rs:5:9
            2 | two
            3 | three
            4 |     four
          > 5 | five
            6 | six
        output:
            thread 'x' panicked
            VERDICT: GREEN
        log: target/harness/runs/x/1-unit.log (no longer kept)
        seen: run 20261122T170005.123Z-7, seed 24301
        command: cd 'my crate' && PROPTEST_RNG_SEED='1 2' cargo nextest run
        REPRO: cargo harness repro t-9ab20c1d
        ");
        let around = Surroundings { log_is_kept: true, ..around };
        insta::assert_snapshot!(failure_json(&record(), around), @r#"{"version":1,"type":"failure","id":"t-9ab20c1d","category":"ASSERT","tier":1,"step":"unit","subject":"parser::string_literal","message":"left == right","place":{"file":"src/lib.rs","line":5,"column":9},"test":{"binary":"demo","name":"parser::string_literal"},"excerpt":"thread 'x' panicked\nVERDICT: GREEN\n","log":"1-unit.log","replay":{"argv":["cargo","nextest","run"],"dir":"my crate","env":{"PROPTEST_RNG_SEED":"1 2"}},"run":"20261122T170005.123Z-7","seed":24301,"log_path":"target/harness/runs/x/1-unit.log","log_is_kept":true,"source":["    2 | two","    3 | three","    4 |     four","  > 5 | five","    6 | six"]}"#);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_text_of_a_failure_looks_like_a_header(mut shown in any_failure(), source: String) {
            shown.replay.argv = vec![shown.message.clone()];
            let record = FailureRecord { failure: shown, ..record() };
            let text = failure_text(&record, Surroundings { source: Some(&source), log: &source, log_is_kept: true });
            let known = ["ERROR:", "category:", "step:", "test:", "message:", "place:", "output:", "log:", "seen:", "command:", "REPRO:", "  "];
            prop_assert!(text.lines().all(|line| line.is_empty() || known.iter().any(|start| line.starts_with(start))), "{}", text);
        }
    }
}
