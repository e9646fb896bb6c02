//! Which tests of a suite run: all, a shard, or a sample that fits the budget.

use std::collections::BTreeSet;
use std::time::Duration;

use super::affected;
use super::context::{Context, RunError, counted};
use super::history::History;
use super::judge::{Evidence, Judgement};
use super::tests_step::Suite;
use crate::base::{Digest, Percent};
use crate::domain::contract::Sample;
use crate::domain::ladder::{PlannedStep, SampleOrder, Selection, balance, next_smaller, share_for};
use crate::domain::record::{SuiteFacts, TestName};
use crate::ports::env;

/// What to run, and why.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) selection: Selection,
    /// After so long the tests are stopped, and a smaller sample is chosen by what was learnt.
    pub(super) stop_after: Option<Duration>,
    /// How many times that has happened.
    passes: u32,
    /// The whole suite, where this is a shard of it.
    pub(super) suite: Option<SuiteFacts>,
    /// Whether these tests have run already, and now run one after the other.
    pub(super) again: bool,
}

impl Choice {
    /// These tests, however long they take.
    pub(super) fn of(selection: Selection) -> Choice {
        Choice { selection, ..Choice::default() }
    }

    /// These once more and each alone, as long as there is time.
    pub(super) fn again(tests: BTreeSet<TestName>, time: Duration) -> Choice {
        let selection = Selection { only: Some(tests), ..Selection::default() };
        Choice { selection, stop_after: Some(time), again: true, ..Choice::default() }
    }

    /// The sample's share, where it is one. What failed or changed may make it the whole all the same.
    pub(super) fn share(&self) -> Option<Percent> {
        self.selection.sample.map(|order| order.share)
    }

    /// What the reader must know of what was left out.
    pub(super) fn note(&self, judgement: &Judgement) -> Option<String> {
        let share = self.share().filter(|_| judgement.left_out > 0)?;
        let ran = counted(judgement.counts.ran() as usize, "test");
        Some(format!("a sample of {share} ran: {ran}; {} left out", judgement.left_out))
    }
}

/// Chooses. `list` asks the binaries for their tests; it is only called where the choice needs them.
pub(super) fn choose(
    run: &Context<'_>,
    step: &PlannedStep,
    suite: &Suite,
    list: impl Fn(&Selection) -> Result<BTreeSet<TestName>, RunError>,
) -> Result<Choice, RunError> {
    let mut choice = Choice { selection: suite.selection.clone(), ..Choice::default() };
    if let Some(test) = &run.plan.only {
        choice.selection.only = Some(BTreeSet::from([test.clone()]));
        return Ok(choice);
    }
    if let Some(shard) = run.plan.shard {
        let history = History::load(run.output);
        let all = list(&suite.selection)?.into_iter().filter(|test| suite.selection.takes(test));
        let timed: Vec<(TestName, Option<u64>)> = all.map(|test| (test.clone(), history.ms(&test))).collect();
        let tests = timed.len() as u64;
        choice.suite = Some(SuiteFacts { digest: digest(run, step, &timed), tests });
        choice.selection.only = Some(balance(&timed, shard, run.plan.seed));
    }
    if !suite.sampled {
        return Ok(choice);
    }
    match (run.plan.sample, run.plan.budget) {
        (Sample::Off, _) | (Sample::Auto, None) => {}
        (Sample::Share(share), _) => sample(run, &mut choice.selection, share),
        (Sample::Auto, Some(budget)) => {
            let history = History::load(run.output);
            match history.expected_ms(&step.name) {
                None => choice.stop_after = Some(budget.duration() / 2),
                Some(total) => {
                    choice.stop_after = Some(budget.duration());
                    let share = chosen_before(run, step, &history, total)
                        .or_else(|| share_for(total / threads(), budget.duration().as_millis() as u64));
                    if let Some(share) = share {
                        History::keep_share(run.output, &key(run, step), share)?;
                        sample(run, &mut choice.selection, share);
                    }
                }
            }
        }
    }
    Ok(choice)
}

/// How often a sample is made smaller before one runs to its end, however long it takes.
const PASSES: u32 = 3;

/// A smaller sample after a pass that took too long.
pub(super) fn after_pass(
    run: &Context<'_>,
    step: &PlannedStep,
    choice: Choice,
    evidence: &Evidence,
    elapsed: Duration,
) -> Result<Choice, RunError> {
    let half = run.plan.budget.map_or(elapsed, |budget| budget.duration() / 2);
    let expected = evidence.expected_ms(elapsed.as_millis() as u64) / threads();
    let fitting = share_for(expected, half.as_millis() as u64);
    let share = next_smaller(choice.share()).min(fitting.unwrap_or(Percent::WHOLE));
    History::keep_share(run.output, &key(run, step), share)?;
    let passes = choice.passes + 1;
    let mut next = Choice { stop_after: (passes < PASSES).then_some(half), passes, ..choice };
    let insisted_on = std::mem::take(&mut next.selection.always);
    sample(run, &mut next.selection, share);
    // What failed in a pass that was too long has failed, in whatever sample.
    next.selection.always.extend(insisted_on);
    next.selection.always.extend(evidence.bad(run.contract.run.leaks).cloned());
    Ok(next)
}

/// A share that was chosen before stays as long as it is about right, so that the same tree keeps its sample.
fn chosen_before(run: &Context<'_>, step: &PlannedStep, history: &History, total_ms: u64) -> Option<Percent> {
    let share = history.share(&key(run, step))?;
    let budget = run.plan.budget?.duration().as_millis() as f64;
    let expected = share.fraction() * (total_ms / threads()) as f64;
    (budget * 0.2..budget * 1.2).contains(&expected).then_some(share)
}

fn key(run: &Context<'_>, step: &PlannedStep) -> String {
    let budget = run.plan.budget.map_or(String::new(), |budget| budget.to_string());
    format!("{} {} {budget}", step.name, run.plan.seed)
}

/// Narrows a selection to a share; what failed last time and what a change touches stays in.
fn sample(run: &Context<'_>, selection: &mut Selection, share: Percent) {
    if share == Percent::WHOLE {
        return;
    }
    run.footing.rest_on_base();
    selection.sample = Some(SampleOrder { seed: run.plan.seed, share });
    selection.always = run.output.failures().unwrap_or_default().into_iter().filter_map(|r| r.failure.test).collect();
    selection.always_under = affected::affected(run.workspace);
}

fn threads() -> u64 {
    env::parallelism() as u64
}

fn digest(run: &Context<'_>, step: &PlannedStep, timed: &[(TestName, Option<u64>)]) -> Digest {
    let seed = run.plan.seed.to_string();
    let tests = serde_json::to_string(timed).unwrap_or_default();
    Digest::of_fields([step.name.as_bytes(), seed.as_bytes(), tests.as_bytes()])
}
