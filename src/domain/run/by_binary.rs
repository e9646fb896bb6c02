//! Unit tests in `fast`: binary by binary, each in one process, and what isn't green there by nextest, whose result counts.

use std::collections::{BTreeMap, BTreeSet};

use super::context::{Context, Done, RunError};
use super::fast::{self, Means};
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
    let (run, leaks) = (job.run, job.run.contract.run.leaks);
    let apart = if reuses(run) { History::load(run.output).apart().clone() } else { Tests::new() };
    let means = Means::new(run);
    let mut choice = selecting::choose(run, job.step, job.suite, |_| Ok(BTreeSet::new()))?;
    let mut go = fast::go(job, &choice, &means, &apart)?;
    while go.over_budget {
        choice = selecting::after_pass(run, job.step, choice, &go.evidence, go.elapsed)?;
        go = fast::go(job, &choice, &means, &apart)?;
    }
    let mut evidence = go.evidence;
    evidence.runner_content = true;
    evidence.fail_fast = run.plan.fail_fast;
    evidence.interrupted = run.runner.interrupted().is_some();
    if go.built != Ended::Exited(0) {
        let done = run.cut_short(job.step, &go.built).or_else(|| job.does_not_build(&go.built, go.findings));
        return Ok(done.unwrap_or_default());
    }
    let ids: BTreeSet<String> = go.binaries.iter().map(|binary| binary.id.clone()).collect();
    let reused = go.binaries.iter().filter(|binary| binary.reused).count();
    let reused_ids: BTreeSet<&String> =
        go.binaries.iter().filter(|binary| binary.reused).map(|binary| &binary.id).collect();
    let unlisted = ids.iter().filter(|id| job.by_nextest && !evidence.has_listed(id) && !reused_ids.contains(id));
    let binaries = unlisted.cloned().collect();
    let tests = if job.by_nextest { evidence.hand_over() } else { BTreeSet::new() };
    let mut isolation = Isolation { tests, binaries };
    if evidence.interrupted {
        isolation = Isolation::default();
    }
    let mut judgement = judge::judge(&evidence, leaks, false);
    let since = means.mark();
    let pass = match isolation.is_empty() {
        true => Pass::over(if evidence.interrupted { Ended::Stopped } else { Ended::Exited(0) }),
        false => {
            let pass = job.pass(&isolation.choice())?;
            judgement.add(judge::judge(&pass.evidence, leaks, job.hides()));
            pass
        }
    };
    let isolated = isolation.touched();
    let greens = means.greens(go.binaries, &judgement, &evidence, (&isolated, since));
    run.footing.add_greens(greens);
    let new_apart = Disagreement::of(&evidence, &judgement, &apart);
    let suite_size = (evidence.suite().len() + isolation.tests.len()) as u64;
    let listless = ids.iter().find(|id| !job.by_nextest && !evidence.has_listed(id)).cloned();
    let mut done = job.report(judgement, &pass, &choice, suite_size);
    if let Some(id) = listless.filter(|_| done.failures.is_empty() && !evidence.interrupted) {
        let log = run.log(job.step);
        let scene = run.scene(job.step, &job.files.logs, &log);
        done.failures.push(scene.step_failure(Category::exit(), &format!("{id} could not list its tests")));
        done.outcome = None;
    }
    if reused > 0 && done.counts.is_some_and(|counts| counts.failed == 0) {
        done.detail = format!("{}, {reused} of {} binaries cached", done.detail, ids.len());
    }
    done.notes.extend(new_apart.note());
    History::keep_apart(run.output, new_apart.tests, !reuses(run))?;
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
