//! One JSON object a line: the same facts as the brief form, never limited.
//!
//! Every line has `version` and `type`. A reader skips types and keys that it doesn't know; the version is raised when an old
//! reader would misread a line.

use serde::Serialize;

use super::tally::Tally;
use super::verdict_line::{Coverage, verdict_phrase};
use crate::base::{ExitCode, FailureId, Percent, Seed, Shard, Tier, Tiers};
use crate::domain::record::{Counts, Mode, Outcome, RunId, RunRecord, StepRecord, Verdict};

const VERSION: u32 = 1;

/// Every failure, step and note of a run, then its summary and its verdict.
pub(crate) fn json_lines(run: &RunRecord) -> String {
    let mut text = String::new();
    for failure in run.failures() {
        text.push_str(&json_line("failure", failure));
    }
    for step in &run.steps {
        text.push_str(&json_line("step", &StepFacts::of(step)));
    }
    for note in &run.notes {
        text.push_str(&json_line("note", &NoteFacts { step: None, text: note }));
    }
    for step in &run.steps {
        for note in &step.notes {
            text.push_str(&json_line("note", &NoteFacts { step: Some(&step.name), text: note }));
        }
    }
    let tally = run.failures().map(|failure| failure.category.as_str()).collect();
    let repro = run.failures().find(|failure| !failure.replay.argv.is_empty()).map(|failure| &failure.id);
    text.push_str(&json_line("summary", &SummaryFacts::of(run.counts(), &tally, repro)));
    text.push_str(&json_line("verdict", &VerdictFacts::of(run)));
    text
}

/// An error that ended the command before there was a run.
pub(crate) fn json_error(message: &str, hint: Option<&str>, code: ExitCode) -> String {
    json_line("error", &ErrorFacts { message, hint, code: code.code() })
}

/// One line of this form, with its line break.
pub(crate) fn json_line(kind: &'static str, facts: &impl Serialize) -> String {
    let line = Line { version: VERSION, kind, facts };
    let text = serde_json::to_string(&line).unwrap_or_else(|error| {
        // Only a map with keys that aren't text could end here, and no record has one.
        let message = error.to_string().replace(['"', '\\'], "'");
        format!(r#"{{"version":{VERSION},"type":"error","message":"{kind}: {message}","hint":null,"code":3}}"#)
    });
    text + "\n"
}

#[derive(Serialize)]
struct Line<'a, T> {
    version: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    facts: &'a T,
}

#[derive(Serialize)]
struct StepFacts<'a> {
    tier: Tier,
    name: &'a str,
    outcome: Outcome,
    ms: u64,
    cached: bool,
    counts: Option<Counts>,
    detail: &'a str,
    log: &'a str,
}

impl<'a> StepFacts<'a> {
    fn of(step: &'a StepRecord) -> StepFacts<'a> {
        StepFacts {
            tier: step.tier,
            name: &step.name,
            outcome: step.outcome,
            ms: step.ms,
            cached: step.cached,
            counts: step.counts,
            detail: &step.detail,
            log: step.log.as_str(),
        }
    }
}

#[derive(Serialize)]
struct NoteFacts<'a> {
    step: Option<&'a str>,
    text: &'a str,
}

#[derive(Serialize)]
struct Class<'a> {
    category: &'a str,
    count: u64,
}

/// The counts of tests, and of failures by class.
#[derive(Serialize)]
pub(crate) struct SummaryFacts<'a> {
    #[serde(flatten)]
    tests: Counts,
    failures: u64,
    top_errors: Vec<Class<'a>>,
    repro: Option<&'a FailureId>,
}

impl<'a> SummaryFacts<'a> {
    pub(crate) fn of(tests: Counts, tally: &'a Tally, repro: Option<&'a FailureId>) -> SummaryFacts<'a> {
        let top_errors = tally.ranked().into_iter().map(|(category, count)| Class { category, count }).collect();
        SummaryFacts { tests, failures: tally.total(), top_errors, repro }
    }
}

#[derive(Serialize)]
struct VerdictFacts<'a> {
    run: &'a RunId,
    verdict: Verdict,
    /// As in the `VERDICT:` line.
    phrase: String,
    code: u8,
    asked: &'a str,
    mode: Mode,
    tiers: &'a Tiers,
    /// The tiers of which at least one step ran; sets of tiers are empty where there is none.
    ran: String,
    not_run: String,
    elsewhere: String,
    without_steps: String,
    stopped_at: Option<Tier>,
    ms: u64,
    cached: bool,
    /// Whether it ran as `Harness.lock` says, where there is one.
    as_locked: Option<bool>,
    seed: Seed,
    sample: Option<Percent>,
    shard: Option<Shard>,
    log: &'a str,
}

impl<'a> VerdictFacts<'a> {
    fn of(run: &'a RunRecord) -> VerdictFacts<'a> {
        let coverage = Coverage::of(run);
        VerdictFacts {
            run: &run.id,
            verdict: run.verdict,
            phrase: verdict_phrase(run),
            code: run.verdict.exit_code().code(),
            asked: &run.asked,
            mode: run.mode,
            tiers: &run.tiers,
            ran: coverage.ran.to_string(),
            not_run: coverage.not_run.to_string(),
            elsewhere: coverage.elsewhere.to_string(),
            without_steps: coverage.without_steps.to_string(),
            stopped_at: run.stopped_at,
            ms: run.ms,
            cached: run.cached,
            as_locked: run.lock.as_ref().map(|lock| lock.drift.is_empty()),
            seed: run.seed,
            sample: run.sample,
            shard: run.shard,
            log: run.latest.as_str(),
        }
    }
}

#[derive(Serialize)]
struct ErrorFacts<'a> {
    message: &'a str,
    hint: Option<&'a str>,
    code: u8,
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_red, failure, red};
    use super::{json_error, json_lines};
    use crate::base::ExitCode;
    use proptest::prelude::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn the_facts_of_a_run_are_one_object_a_line() {
        let mut run = red(vec![failure("t-9ab20c1d", "ASSERT", "left == right")]);
        run.notes.push("a fact".to_owned());
        insta::assert_snapshot!(json_lines(&run), @r#"
        {"version":1,"type":"failure","id":"t-9ab20c1d","category":"ASSERT","tier":1,"step":"unit","subject":"parser::string_literal","message":"left == right","place":{"file":"src/lib.rs","line":47,"column":9},"test":{"binary":"demo","name":"parser::string_literal"},"log":"1-unit.log","replay":{"argv":["cargo","nextest","run"],"dir":"","env":{}}}
        {"version":1,"type":"step","tier":0,"name":"fmt","outcome":"ok","ms":300,"cached":false,"counts":null,"detail":"","log":"0-fmt.log"}
        {"version":1,"type":"step","tier":1,"name":"unit","outcome":"failed","ms":800,"cached":false,"counts":{"passed":842,"failed":1,"skipped":0},"detail":"","log":"1-unit.log"}
        {"version":1,"type":"note","step":null,"text":"a fact"}
        {"version":1,"type":"summary","passed":842,"failed":1,"skipped":0,"failures":1,"top_errors":[{"category":"ASSERT","count":1}],"repro":"t-9ab20c1d"}
        {"version":1,"type":"verdict","run":"20261122T170005.123Z-7","verdict":"red","phrase":"RED at tier 1","code":1,"asked":"full","mode":"full","tiers":"0-3","ran":"0-1","not_run":"2-3","elsewhere":"","without_steps":"","stopped_at":1,"ms":1234,"cached":false,"as_locked":null,"seed":24301,"sample":null,"shard":null,"log":"target/harness/latest"}
        "#);
    }

    #[test]
    fn an_error_before_a_run_has_the_same_form() {
        let line = json_error("no \"Cargo.toml\"", Some("cd"), ExitCode::Usage);
        insta::assert_snapshot!(line, @r#"{"version":1,"type":"error","message":"no \"Cargo.toml\"","hint":"cd","code":2}"#);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_line_is_an_object_with_its_version_and_type(run in any_red()) {
            let text = json_lines(&run);
            let lines: Vec<Value> = text.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect();
            let of_type = |wanted: &str| lines.iter().filter(|line| line["type"] == wanted).count();
            prop_assert!(lines.iter().all(|line| line["version"] == 1));
            prop_assert_eq!(of_type("failure"), run.failures().count());
            // The brief text tells a note once, the facts tell each step's.
            let notes: BTreeSet<&str> = lines.iter().filter(|line| line["type"] == "note").filter_map(|line| line["text"].as_str()).collect();
            prop_assert_eq!(notes, run.notes().collect::<BTreeSet<&str>>());
            prop_assert_eq!((of_type("step"), of_type("summary"), of_type("verdict")), (run.steps.len(), 1, 1));
        }
    }
}
