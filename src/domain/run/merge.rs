//! Joins the parts of a sharded run into one verdict. Pure.
//!
//! Nothing is assumed of how the parts came here: one that is missing, there twice, or of another run is an error, and so
//! is a test that no part, or more than one, has run.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use crate::base::{ExitCode, Explain, Shard};
use crate::domain::record::{Counts, Outcome, RunId, RunRecord, StepRecord, TestRecord, Verdict};

/// One part: where it was read from, and what it holds.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) dir: Utf8PathBuf,
    pub(crate) record: RunRecord,
    pub(crate) tests: Vec<TestRecord>,
}

/// Why parts don't make a whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MergeError {
    #[error("there are no parts to merge")]
    Empty,
    #[error("{dir} is not part of a sharded run")]
    NotSharded { dir: Utf8PathBuf },
    #[error("{dir} is of another run than {first}: {what} differ")]
    Foreign { dir: Utf8PathBuf, first: Utf8PathBuf, what: &'static str },
    #[error("{first} and {second} are both shard {shard}")]
    Repeated { first: Utf8PathBuf, second: Utf8PathBuf, shard: Shard },
    #[error("{} missing: shard {}", if missing.len() == 1 { "a part is" } else { "parts are" }, list(missing))]
    Missing { missing: Vec<Shard> },
    #[error("{test} of step {step} was run by more than one part")]
    RunTwice { step: String, test: String },
    #[error("{ran} of the {tests} tests of step {step} are in the parts")]
    TestsLacking { step: String, ran: u64, tests: u64 },
    #[error("no part ran the step {step}")]
    StepLacking { step: String },
}

fn list(shards: &[Shard]) -> String {
    shards.iter().map(Shard::to_string).collect::<Vec<_>>().join(", ")
}

impl Explain for MergeError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            MergeError::Empty | MergeError::Missing { .. } => "give the run folder of every shard, such as target/harness/latest",
            MergeError::NotSharded { .. } => "run the parts with --shard 1/N to --shard N/N",
            MergeError::Foreign { .. } => {
                "parts must come from the same tree, contract, seed, tiers and recorded times (target/harness/history)"
            }
            _ => return None,
        }
        .to_owned())
    }
}

/// Joins the parts; `id` names the joined run.
///
/// # Errors
/// The parts aren't those of one whole run.
pub(crate) fn merge(mut parts: Vec<Part>, id: RunId) -> Result<(RunRecord, Vec<TestRecord>), MergeError> {
    check_parts(&parts)?;
    parts.sort_by_key(|part| part.record.shard.map(Shard::position));
    let red = parts.iter().any(|part| part.record.verdict != Verdict::Green);
    check_tests(&parts, red)?;
    let first = parts.first().ok_or(MergeError::Empty)?;
    let names: Vec<(String, u8)> = steps_in_order(&parts);
    let steps: Vec<StepRecord> = names.iter().filter_map(|(name, _)| join_step(&parts, name)).collect();
    if let Some(step) = steps.iter().find(|step| step.outcome == Outcome::Elsewhere && !red) {
        return Err(MergeError::StepLacking { step: step.name.clone() });
    }
    let interrupted = parts
        .iter()
        .map(|part| part.record.verdict)
        .find(|verdict| matches!(verdict, Verdict::Interrupted | Verdict::Terminated));
    let record = RunRecord {
        id,
        asked: format!("merge of {} parts", parts.len()),
        verdict: interrupted.unwrap_or_else(|| Verdict::of(&steps)),
        stopped_at: parts.iter().filter_map(|part| part.record.stopped_at).min(),
        ms: parts.iter().map(|part| part.record.ms).max().unwrap_or(0),
        shard: None,
        // That of a part is of another log.
        audit: None,
        notes: union(parts.iter().map(|part| &part.record.notes)),
        steps,
        ..first.record.clone()
    };
    Ok((record, parts.into_iter().flat_map(|part| part.tests).collect()))
}

fn check_parts(parts: &[Part]) -> Result<(), MergeError> {
    let first = parts.first().ok_or(MergeError::Empty)?;
    let mut seen: BTreeMap<Shard, &Part> = BTreeMap::new();
    let mut suites = BTreeMap::new();
    for part in parts {
        let Some(shard) = part.record.shard else { return Err(MergeError::NotSharded { dir: part.dir.clone() }) };
        let foreign = |what| MergeError::Foreign { dir: part.dir.clone(), first: first.dir.clone(), what };
        if part.record.plan != first.record.plan || part.record.plan.is_none() {
            return Err(foreign("their trees, contracts, seeds or tiers"));
        }
        for (step, suite) in &part.record.suites {
            if suites.entry(step).or_insert(suite) != &suite {
                return Err(foreign("their tests or recorded times"));
            }
        }
        if let Some(other) = seen.insert(shard, part) {
            return Err(MergeError::Repeated { first: other.dir.clone(), second: part.dir.clone(), shard });
        }
    }
    let count = first.record.shard.map_or(0, Shard::count);
    let all = (1..=count).filter_map(|i| format!("{i}/{count}").parse::<Shard>().ok());
    let missing: Vec<Shard> = all.filter(|shard| !seen.contains_key(shard)).collect();
    if missing.is_empty() { Ok(()) } else { Err(MergeError::Missing { missing }) }
}

/// Every test of every suite in exactly one part. A red part may have stopped before its tests.
fn check_tests(parts: &[Part], red: bool) -> Result<(), MergeError> {
    let suites: BTreeMap<&String, u64> =
        parts.iter().flat_map(|part| &part.record.suites).map(|(step, suite)| (step, suite.tests)).collect();
    let mut seen = BTreeSet::new();
    for test in parts.iter().flat_map(|part| &part.tests).filter(|test| suites.contains_key(&test.step)) {
        if !seen.insert((&test.step, &test.test)) {
            return Err(MergeError::RunTwice { step: test.step.clone(), test: test.test.name.clone() });
        }
    }
    for (step, tests) in suites {
        let ran = seen.iter().filter(|(of, _)| *of == step).count() as u64;
        if ran != tests && !red {
            return Err(MergeError::TestsLacking { step: step.clone(), ran, tests });
        }
    }
    Ok(())
}

fn steps_in_order(parts: &[Part]) -> Vec<(String, u8)> {
    let mut names: Vec<(String, u8)> = Vec::new();
    for step in parts.iter().flat_map(|part| &part.record.steps) {
        let entry = (step.name.clone(), step.tier.number());
        if !names.contains(&entry) {
            names.push(entry);
        }
    }
    names.sort_by_key(|(_, tier)| *tier);
    names
}

/// The worst outcome of a step over the parts, all of its failures, the longest of its times.
fn join_step(parts: &[Part], name: &str) -> Option<StepRecord> {
    let rank = |outcome: Outcome| match outcome {
        Outcome::Elsewhere => 0,
        Outcome::None => 1,
        Outcome::Ok => 2,
        Outcome::Lacking => 3,
        Outcome::Failed => 4,
        Outcome::TimedOut => 5,
        Outcome::Interrupted => 6,
    };
    let records: Vec<(&Part, &StepRecord)> = parts
        .iter()
        .flat_map(|part| part.record.steps.iter().filter(|step| step.name == name).map(move |step| (part, step)))
        .collect();
    let (_, worst) = records.iter().max_by_key(|(_, step)| rank(step.outcome))?;
    let counts = records.iter().filter_map(|(_, step)| step.counts).reduce(std::ops::Add::add);
    let failures = records.iter().flat_map(|(part, step)| {
        step.failures.iter().cloned().map(|mut failure| {
            failure.log = part.dir.join(&failure.log);
            failure
        })
    });
    Some(StepRecord {
        ms: records.iter().map(|(_, step)| step.ms).max().unwrap_or(0),
        detail: counts.map_or_else(|| worst.detail.clone(), detail),
        counts,
        notes: union(records.iter().map(|(_, step)| &step.notes)),
        failures: failures.collect(),
        ..(*worst).clone()
    })
}

fn detail(counts: Counts) -> String {
    let ran = super::context::counted(counts.ran() as usize, "test");
    if counts.failed == 0 { ran } else { format!("{} of {ran} failed", counts.failed) }
}

fn union<'a>(lists: impl Iterator<Item = &'a Vec<String>>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for note in lists.flatten() {
        if !all.contains(note) {
            all.push(note.clone());
        }
    }
    all
}
