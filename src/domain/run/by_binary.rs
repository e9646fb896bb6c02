//! Unit tests in `fast`: binary by binary, each in one process, and what isn't green there by nextest, whose result counts.

use std::collections::{BTreeMap, BTreeSet};

use super::context::{Context, Done, RunError};
use super::fast::{self, Go, Means};
use super::flaky;
use super::history::History;
use super::judge::{self, Evidence, Judgement};
use super::selecting::{self, Choice};
use super::tests_step::{Pass, TestJob};
use crate::base::Category;
use crate::domain::ladder::Selection;
use crate::domain::record::{TestName, TestOutcome};
use crate::ports::supervisor::Ended;

/// Tests by binary.
type Tests = BTreeMap<String, BTreeSet<String>>;

/// Runs the suite and judges it.
pub(super) fn run(job: &TestJob<'_>) -> Result<Done, RunError> {
    let run = job.run;
    let apart = if reuses(run) { History::load(run.output).apart().clone() } else { Tests::new() };
    let means = Means::new(run);
    let mut choice = selecting::choose(run, job.step, job.suite, |_| Ok(BTreeSet::new()))?;
    let mut go = fast::go(job, &choice, &means, &apart)?;
    while go.over_budget {
        choice = selecting::after_pass(run, job.step, choice, &go.evidence, go.elapsed)?;
        go = fast::go(job, &choice, &means, &apart)?;
    }
    if go.built != Ended::Exited(0) {
        let done = run.cut_short(job.step, &go.built).or_else(|| job.does_not_build(&go.built, go.findings));
        return Ok(done.unwrap_or_default());
    }
    conclude(job, go, &choice, &means, &apart)
}

/// Has run again what isn't green, and puts both together.
fn conclude(job: &TestJob<'_>, go: Go, choice: &Choice, means: &Means<'_>, apart: &Tests) -> Result<Done, RunError> {
    let (run, leaks) = (job.run, job.run.contract.run.leaks);
    let Go { mut evidence, binaries, .. } = go;
    evidence.runner_content = true;
    evidence.fail_fast = run.plan.fail_fast;
    let passed = run.limits.passed(job.step);
    evidence.interrupted = run.runner.interrupted().is_some() || passed.is_some();
    let (all, reused) = (binaries.len(), binaries.iter().filter(|binary| binary.reused).count());
    let unlisted: BTreeSet<String> =
        binaries.iter().map(|binary| binary.id.clone()).filter(|id| !evidence.has_listed(id)).collect();
    let isolation = match job.by_nextest && !evidence.interrupted {
        true => Isolation { tests: evidence.hand_over(), binaries: unlisted.clone() },
        false => Isolation::default(),
    };
    let mut judgement = judge::judge(&evidence, leaks, false);
    let since = means.mark();
    let pass = if isolation.is_empty() {
        Pass::over(match passed {
            Some(resource) => Ended::OverLimit(resource),
            None if evidence.interrupted => Ended::Stopped,
            None => Ended::Exited(0),
        })
    } else {
        let pass = job.pass(&isolation.choice())?;
        judgement.add(judge::judge(&pass.evidence, leaks, job.hides()));
        pass
    };
    run.footing.add_greens(means.greens(binaries, &judgement, &evidence, (&isolation.touched(), since)));
    let disagreement = Disagreement::of(&evidence, &judgement, apart);
    let flaky = flaky::settle(job, &pass, &mut judgement)?;
    let suite_size = (evidence.suite().len() + isolation.tests.len()) as u64;
    let mut done = job.report(judgement, &pass, choice, suite_size);
    if !job.by_nextest && !evidence.interrupted && done.failures.is_empty() {
        let log = run.log(job.step);
        let scene = run.scene(job.step, &job.files.logs, &log);
        let mute = unlisted.first().map(|id| format!("the test binary {id} could not list its tests"));
        done.failures.extend(mute.map(|text| scene.step_failure(Category::exit(), &text)));
        done.outcome = done.outcome.filter(|_| done.failures.is_empty());
    }
    if reused > 0 && done.failures.is_empty() {
        done.detail = format!("{}, {reused} of {all} binaries cached", done.detail);
    }
    done.notes.extend(flaky.into_iter().chain(disagreement.note()));
    History::keep_apart(run.output, disagreement.tests, !reuses(run))?;
    done.notes.extend(job.without_nextest());
    Ok(done)
}

fn reuses(run: &Context<'_>) -> bool {
    run.question.is_some_and(super::known::Question::reuses)
}

/// What is run by nextest, each test in a process of its own.
#[derive(Default)]
struct Isolation {
    tests: BTreeSet<TestName>,
    /// As a whole.
    binaries: BTreeSet<String>,
}

impl Isolation {
    fn is_empty(&self) -> bool {
        self.tests.is_empty() && self.binaries.is_empty()
    }

    fn touched(&self) -> BTreeSet<String> {
        self.tests.iter().map(|test| test.binary.clone()).chain(self.binaries.iter().cloned()).collect()
    }

    fn choice(&self) -> Choice {
        let selection =
            Selection { only: Some(self.tests.clone()), binaries: self.binaries.clone(), ..Selection::default() };
        Choice::of(selection)
    }
}

/// Tests that aren't green beside others and pass in a process of their own.
struct Disagreement {
    tests: Tests,
}

impl Disagreement {
    /// Those that aren't known yet. A test that was silent because another one ended the process is none, as long as that one is
    /// found to be bad.
    fn of(evidence: &Evidence, judgement: &Judgement, known: &Tests) -> Disagreement {
        let passed: BTreeSet<&TestName> = judgement
            .outcomes
            .iter()
            .filter(|(_, outcome, _)| *outcome == TestOutcome::Passed)
            .map(|(test, ..)| test)
            .collect();
        let bad: BTreeSet<&String> = judgement.faults.iter().map(|(test, _)| &test.binary).collect();
        let mut tests = Tests::new();
        for test in evidence.unsettled().iter().filter(|test| passed.contains(test)) {
            let is_known = known.get(&test.binary).is_some_and(|names| names.contains(&test.name));
            let is_explained = !evidence.failed_together().contains(test) && bad.contains(&test.binary);
            if !is_known && !is_explained {
                tests.entry(test.binary.clone()).or_default().insert(test.name.clone());
            }
        }
        Disagreement { tests }
    }

    fn note(&self) -> Option<String> {
        let names: Vec<&String> = self.tests.values().flatten().collect();
        let shown = names.iter().take(3).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let more = if names.len() > 3 { format!(" and {} more", names.len() - 3) } else { String::new() };
        let verb = if names.len() == 1 { "passes alone and not" } else { "pass alone and not" };
        (!names.is_empty())
            .then(|| format!("{shown}{more} {verb} beside other tests in one process; from now on run alone"))
    }
}
