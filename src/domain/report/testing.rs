//! Records for the tests of this room.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use proptest::prelude::*;

use crate::base::{Category, Digest, Tier, Tiers};
use crate::domain::record::{
    Counts, Failure, Mode, Outcome, Place, Replay, RunId, RunRecord, StepRecord, TestName, Verdict,
};

pub(super) fn tier(number: u8) -> Tier {
    Tier::try_from(number).unwrap()
}

pub(super) fn step(number: u8, name: &str, outcome: Outcome, ms: u64) -> StepRecord {
    StepRecord {
        tier: tier(number),
        name: name.to_owned(),
        outcome,
        ms,
        cached: false,
        counts: None,
        detail: String::new(),
        notes: Vec::new(),
        failures: Vec::new(),
        limits: Vec::new(),
        log: Utf8PathBuf::from(format!("{number}-{name}.log")),
    }
}

pub(super) fn failure(id: &str, category: &str, message: &str) -> Failure {
    let is_test = id.starts_with("t-");
    let name = "parser::string_literal".to_owned();
    Failure {
        id: id.parse().unwrap(),
        category: Category::named(category),
        tier: tier(u8::from(is_test)),
        step: if is_test { "unit" } else { "clippy" }.to_owned(),
        subject: is_test.then(|| name.clone()),
        message: message.to_owned(),
        place: Some(Place { file: "src/lib.rs".into(), line: 47, column: Some(9) }),
        test: is_test.then(|| TestName { binary: "demo".to_owned(), name }),
        excerpt: String::new(),
        log: "1-unit.log".into(),
        replay: Replay {
            argv: vec!["cargo".to_owned(), "nextest".to_owned(), "run".to_owned()],
            dir: Utf8PathBuf::new(),
            env: BTreeMap::new(),
            input: None,
        },
    }
}

/// Tiers 0-3 asked for, two of them with steps, all well.
pub(super) fn green() -> RunRecord {
    let mut unit = step(1, "unit", Outcome::Ok, 800);
    unit.counts = Some(Counts { passed: 842, failed: 0, skipped: 2 });
    RunRecord {
        version: RunRecord::VERSION,
        id: RunId("20261122T170005.123Z-7".to_owned()),
        asked: "full".to_owned(),
        mode: Mode::Full,
        tiers: "0-3".parse().unwrap(),
        seed: "24301".parse().unwrap(),
        verdict: Verdict::Green,
        stopped_at: None,
        ms: 1_234,
        cached: false,
        sample: None,
        latest: "target/harness/latest".into(),
        shard: None,
        plan: None,
        suites: Default::default(),
        contract: Digest::of_fields([]),
        lock: None,
        sandbox: None,
        tools: Vec::new(),
        audit: None,
        steps: vec![step(0, "fmt", Outcome::Ok, 300), unit],
        notes: Vec::new(),
    }
}

/// The same with a step of tests that failed so.
pub(super) fn red(failures: Vec<Failure>) -> RunRecord {
    let mut run = green();
    run.verdict = Verdict::Red;
    run.stopped_at = Some(tier(1));
    if let Some(unit) = run.steps.last_mut() {
        unit.outcome = Outcome::Failed;
        unit.counts = Some(Counts { passed: 842, failed: failures.len() as u64, skipped: 0 });
        unit.failures = failures;
    }
    run
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z :]{0,30}",
        "(ERROR: |VERDICT: GREEN|\n|\r|,|%|::|\\[|\u{2028}|é){0,20}",
        (200usize..900).prop_map(|length| "x".repeat(length)),
    ]
}

pub(super) fn any_failure() -> impl Strategy<Value = Failure> {
    let place = (any_text(), any::<u32>(), any::<Option<u32>>()).prop_map(|(file, line, column)| Place {
        file: file.into(),
        line,
        column,
    });
    let id = "[ctpfdbg]-[0-9a-f]{8}";
    (id, any_text(), any_text(), prop::option::of(any_text()), prop::option::of(place), any_text(), any::<bool>())
        .prop_map(|(id, category, message, subject, place, excerpt, replayable)| {
            let mut made = failure(&id, &category, &message);
            (made.subject, made.place, made.excerpt) = (subject, place, excerpt);
            if !replayable {
                made.replay = Replay::default();
            }
            made
        })
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop::sample::select(vec![
        Outcome::Ok,
        Outcome::Failed,
        Outcome::None,
        Outcome::Elsewhere,
        Outcome::Lacking,
        Outcome::TimedOut,
        Outcome::Interrupted,
    ])
}

fn any_step(outcome: impl Strategy<Value = Outcome>, failures: usize) -> impl Strategy<Value = StepRecord> {
    let counts = prop::option::of((0u64..9_999, 0u64..9_999, 0u64..9_999));
    let notes = prop::collection::vec(any_text(), 0..4);
    let failures = prop::collection::vec(any_failure(), 0..=failures);
    (0u8..=5, any_text(), outcome, any::<u64>(), counts, any_text(), notes, failures).prop_map(
        |(number, name, outcome, ms, counts, detail, notes, failures)| {
            let counts = counts.map(|(passed, failed, skipped)| Counts { passed, failed, skipped });
            StepRecord { counts, detail, notes, failures, ..step(number, &name, outcome, ms) }
        },
    )
}

fn with_steps(steps: impl Strategy<Value = Vec<StepRecord>>, verdict: Verdict) -> impl Strategy<Value = RunRecord> {
    (steps, prop::collection::vec(any_text(), 0..20), any::<bool>()).prop_map(move |(mut steps, notes, stopped)| {
        steps.sort_by_key(|step| step.tier);
        let tiers = Tiers::from_iter(Tier::all());
        let stopped_at = stopped.then(|| tier(1));
        RunRecord { steps, notes, tiers, verdict, stopped_at, ..green() }
    })
}

/// Any run that is green: no failures, only good steps.
pub(super) fn any_green() -> impl Strategy<Value = RunRecord> {
    let outcome = prop::sample::select(vec![Outcome::Ok, Outcome::None, Outcome::Elsewhere]);
    with_steps(prop::collection::vec(any_step(outcome, 0), 0..20), Verdict::Green)
}

/// Any run at all that isn't green.
pub(super) fn any_red() -> impl Strategy<Value = RunRecord> {
    let verdicts = vec![
        Verdict::Red,
        Verdict::NothingVerified,
        Verdict::Lacking,
        Verdict::TimeLimit,
        Verdict::Interrupted,
        Verdict::Terminated,
    ];
    prop::sample::select(verdicts)
        .prop_flat_map(|verdict| with_steps(prop::collection::vec(any_step(any_outcome(), 10), 0..5), verdict))
}
