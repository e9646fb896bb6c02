//! The verdict on a test step: what the shims saw, held against the lists, nextest's own report and the exit status.
//!
//! Pure. A disagreement between two sources is a failure of its own (`TAMPER`); nothing is decided by what tests print.

use std::collections::{BTreeMap, BTreeSet};

use signal_hook::consts::{SIGKILL, SIGTERM};

use super::history::Rate;
use super::shim;
use super::test_event::{Ending, TestEnd, TestEvent};
use crate::domain::contract::Policy;
use crate::domain::record::{Counts, TestName, TestOutcome};

/// What nextest's own report says of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reported {
    Passed,
    /// With nextest's word for it, such as `test timeout`.
    Failed(String),
}

/// Everything that is known about a step's tests.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// By test: its endings in the order of the attempts.
    endings: BTreeMap<TestName, Vec<Ending>>,
    /// Started, and not ended as far as is known.
    open: BTreeSet<TestName>,
    /// The binaries that have listed their tests, be it none.
    answered: BTreeSet<String>,
    listed: BTreeSet<TestName>,
    ignored: BTreeSet<TestName>,
    left_out: BTreeSet<TestName>,
    /// Names that a binary lists more than once, and how often.
    repeated: BTreeMap<TestName, u32>,
    /// Without a verdict in the process that they shared with others: run again, or to be run again.
    unsettled: BTreeSet<TestName>,
    /// Those of them that failed there.
    failed_together: BTreeSet<TestName>,
    /// Nextest's report; absent where another runner ran the tests.
    pub(super) reported: Option<BTreeMap<TestName, Reported>>,
    /// Whether the runner's exit status says that all is well.
    pub(super) runner_content: bool,
    /// Whether the step ended before all tests had run, and why that is no news.
    pub(super) cut_short: bool,
    /// Whether the runner stops at the first failure, so that tests after one don't run.
    pub(super) fail_fast: bool,
    /// Whether nextest ended by itself and left no report that can be read.
    pub(super) report_lacking: bool,
    /// Whether the user ended the step: what was stopped then is neither good nor bad.
    pub(super) interrupted: bool,
    /// Lines in the file of events that no shim wrote.
    pub(super) foreign: u64,
}

impl Evidence {
    /// Takes in one event.
    pub(super) fn add(&mut self, event: TestEvent) {
        match event {
            TestEvent::List { binary, ignored, taken, left_out } => {
                self.answered.insert(binary.clone());
                let named = |name: String| TestName { binary: binary.clone(), name };
                let set = if ignored { &mut self.ignored } else { &mut self.listed };
                for test in taken.into_iter().map(named) {
                    if !set.insert(test.clone()) && !ignored {
                        *self.repeated.entry(test).or_insert(1) += 1;
                    }
                }
                if !ignored {
                    self.left_out.extend(left_out.into_iter().map(named));
                }
            }
            TestEvent::Start { test, .. } => {
                self.open.insert(test);
            }
            TestEvent::End(ending) => {
                self.open.remove(&ending.test);
                self.endings.entry(ending.test.clone()).or_default().push(*ending);
            }
            TestEvent::Passed { binary, names, ms, log } => {
                for name in names {
                    let ending = Ending::good(TestName { binary: binary.clone(), name }, ms, log.clone());
                    self.endings.entry(ending.test.clone()).or_default().push(ending);
                }
            }
            TestEvent::Open { binary, failed, silent } => {
                let named = |name: String| TestName { binary: binary.clone(), name };
                let failed: BTreeSet<TestName> = failed.into_iter().map(named).collect();
                for test in silent.into_iter().map(named).chain(failed.iter().cloned()) {
                    self.endings.remove(&test);
                    self.unsettled.insert(test);
                }
                self.failed_together.extend(failed);
            }
        }
    }

    /// The tests that no process has given a verdict on, which another runner is to run: from now on they are no part of this.
    pub(super) fn hand_over(&mut self) -> BTreeSet<TestName> {
        let open: BTreeSet<TestName> =
            self.unsettled.iter().filter(|test| !self.endings.contains_key(*test)).cloned().collect();
        for test in &open {
            self.listed.remove(test);
            self.repeated.remove(test);
        }
        open
    }

    /// Whether a binary has listed its tests.
    pub(super) fn has_listed(&self, binary: &str) -> bool {
        self.answered.contains(binary)
    }

    /// Tests that the selection has left out.
    pub(super) fn left_out(&self) -> &BTreeSet<TestName> {
        &self.left_out
    }

    /// Tests that failed in the process that they shared with others.
    pub(super) fn failed_together(&self) -> &BTreeSet<TestName> {
        &self.failed_together
    }

    /// Tests that had no verdict after they had shared a process.
    pub(super) fn unsettled(&self) -> &BTreeSet<TestName> {
        &self.unsettled
    }

    /// Tests that have ended, and those of them whose last attempt was bad.
    pub(super) fn progress(&self, leaks: Policy) -> (u64, u64) {
        let bad = |endings: &&Vec<Ending>| endings.last().is_some_and(|ending| !shim::passed(ending, leaks));
        (self.endings.len() as u64, self.endings.values().filter(bad).count() as u64)
    }

    /// The tests whose last attempt was bad, other than by being stopped.
    pub(super) fn bad(&self, leaks: Policy) -> impl Iterator<Item = &TestName> {
        let is_bad = move |endings: &Vec<Ending>| endings.last().is_some_and(|ending| !shim::passed(ending, leaks));
        self.endings
            .iter()
            .filter(move |(test, endings)| is_bad(endings) && !self.was_stopped(test))
            .map(|(test, _)| test)
    }

    /// How many tests will run, as far as the lists tell.
    pub(super) fn expected(&self) -> u64 {
        self.listed.difference(&self.ignored).count() as u64
    }

    /// Whether a test was under way when the step was stopped.
    fn was_stopped(&self, test: &TestName) -> bool {
        let stopped = |end: &TestEnd| matches!(end, TestEnd::Stopped | TestEnd::Signalled(SIGTERM | SIGKILL));
        let last = self.endings.get(test).and_then(|endings| endings.last());
        last.map_or_else(|| self.open.contains(test), |ending| stopped(&ending.end))
    }

    /// Whether a test has started.
    pub(super) fn has_started(&self) -> bool {
        !self.open.is_empty() || !self.endings.is_empty()
    }

    /// What the whole suite would take one test after the other, in milliseconds, from the tests so far; one that has not
    /// ended counts as having run all the time.
    pub(super) fn expected_ms(&self, elapsed_ms: u64) -> u64 {
        let ended: u64 = self.endings.values().flatten().map(|ending| ending.ms.max(1)).sum();
        let seen = (self.endings.len() + self.open.len()).max(1) as u64;
        let so_far = ended + self.open.len() as u64 * elapsed_ms;
        (u128::from(so_far) * self.suite().len() as u128 / u128::from(seen)) as u64
    }

    /// Every test that the binaries list, ignored ones included, whether the selection takes it or not.
    pub(super) fn suite(&self) -> BTreeSet<TestName> {
        self.listed.union(&self.left_out).cloned().collect()
    }
}

/// Why a test is bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its last attempt ended so.
    Ended(Box<Ending>),
    /// An earlier attempt failed so, a later one passed; how often that has happened, where it is known.
    Flaky(Box<Ending>, Option<Rate>),
    /// It was stopped together with its shim; nextest's word for it, where it has one.
    Killed(Option<String>),
    /// Two sources disagree.
    Mismatch(String),
}

/// What the evidence comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) counts: Counts,
    pub(super) faults: Vec<(TestName, Fault)>,
    /// Faults of the step as a whole.
    pub(super) step_faults: Vec<String>,
    pub(super) outcomes: Vec<(TestName, TestOutcome, u64)>,
    /// Listed, taken and not ignored, yet never started: the runner's filters hide them, or it was stopped.
    pub(super) unrun: BTreeSet<TestName>,
    /// Left out by the harness's own selection.
    pub(super) left_out: u64,
    /// Bad by the shim, yet passed by nextest's own report.
    pub(super) excused: u64,
    /// Flaky tests that are held in quarantine, which count as passed.
    pub(super) quarantined: u64,
}

impl Judgement {
    /// Adds what another runner's evidence of other tests came to.
    pub(super) fn add(&mut self, other: Judgement) {
        self.counts = self.counts + other.counts;
        self.faults.extend(other.faults);
        self.step_faults.extend(other.step_faults);
        self.outcomes.extend(other.outcomes);
        self.unrun.extend(other.unrun);
        self.excused += other.excused;
    }
}

/// Judges. `hiding` says whether filters exist that may hide tests: without one, a test that never ran is a fault.
pub(super) fn judge(evidence: &Evidence, leaks: Policy, hiding: bool) -> Judgement {
    let mut judgement = Judgement { left_out: evidence.left_out.len() as u64, ..Judgement::default() };
    let every: BTreeSet<&TestName> =
        evidence.listed.iter().chain(evidence.endings.keys()).chain(&evidence.open).collect();
    for test in every {
        let report = evidence.reported.as_ref().map(|reported| reported.get(test));
        let (outcome, fault) = match evidence.endings.get(test) {
            _ if evidence.interrupted && evidence.was_stopped(test) => (None, None),
            Some(endings) => judge_endings(endings, leaks, report, evidence.repeated.get(test)),
            None if evidence.open.contains(test) => {
                let word =
                    report.flatten().and_then(|r| if let Reported::Failed(w) = r { Some(w.clone()) } else { None });
                (Some(TestOutcome::Failed), Some(Fault::Killed(word)))
            }
            None if evidence.ignored.contains(test) => (Some(TestOutcome::Ignored), None),
            None => match report.flatten() {
                Some(_) => {
                    let text = "nextest reports a result, but no process of the test was seen".to_owned();
                    (Some(TestOutcome::Failed), Some(Fault::Mismatch(text)))
                }
                None => (None, None),
            },
        };
        let ms = evidence.endings.get(test).map_or(0, |endings| endings.iter().map(|e| e.ms).max().unwrap_or(0));
        match outcome {
            Some(TestOutcome::Passed) => judgement.counts.passed += 1,
            Some(TestOutcome::Failed) => judgement.counts.failed += 1,
            Some(TestOutcome::Ignored) => judgement.counts.skipped += 1,
            None => {
                judgement.unrun.insert(test.clone());
            }
        }
        judgement.outcomes.extend(outcome.map(|outcome| (test.clone(), outcome, ms)));
        if fault.is_some() && matches!(report, Some(Some(Reported::Passed))) {
            judgement.excused += 1;
        }
        judgement.faults.extend(fault.map(|fault| (test.clone(), fault)));
    }
    judge_step(evidence, hiding, &mut judgement);
    judgement
}

fn judge_endings(
    endings: &[Ending],
    leaks: Policy,
    report: Option<Option<&Reported>>,
    repeated: Option<&u32>,
) -> (Option<TestOutcome>, Option<Fault>) {
    let bad = |ending: &&Ending| !shim::passed(ending, leaks);
    let doubled =
        endings.iter().enumerate().any(|(i, one)| endings[..i].iter().any(|other| other.attempt == one.attempt));
    let fault = match endings.last() {
        _ if doubled => Some(Fault::Mismatch("two results for one attempt at the test".to_owned())),
        Some(last) if bad(&last) => Some(Fault::Ended(Box::new(last.clone()))),
        _ => endings.iter().find(bad).map(|first| Fault::Flaky(Box::new(first.clone()), None)),
    };
    let lacking = endings.last().filter(|last| repeated.is_some_and(|count| last.verdicts < *count));
    let fault = fault.or_else(|| {
        let text = "its binary has several tests of this name, and not all of them gave a verdict";
        lacking.map(|_| Fault::Mismatch(text.to_owned()))
    });
    let fault = fault.or_else(|| match report {
        Some(Some(Reported::Failed(word))) => {
            Some(Fault::Mismatch(format!("its process ended well, but nextest reports `{word}`")))
        }
        Some(None) => Some(Fault::Mismatch("its process ended well, but nextest's report lacks it".to_owned())),
        _ => None,
    });
    let ignored = endings.last().is_some_and(|ending| ending.said == super::test_event::Said::Ignored);
    match fault {
        Some(fault) => (Some(TestOutcome::Failed), Some(fault)),
        None if ignored => (Some(TestOutcome::Ignored), None),
        None => (Some(TestOutcome::Passed), None),
    }
}

fn judge_step(evidence: &Evidence, hiding: bool, judgement: &mut Judgement) {
    let faults = &mut judgement.step_faults;
    let failed_fast = evidence.fail_fast && !judgement.faults.is_empty();
    if !judgement.unrun.is_empty() && !hiding && !evidence.cut_short && !failed_fast {
        faults.push(format!("{} listed tests were never run, and no filter says so", judgement.unrun.len()));
    }
    if !evidence.runner_content && judgement.faults.is_empty() && !evidence.cut_short {
        faults.push("the runner reports a failure, but every test that was seen passed".to_owned());
    }
    if evidence.report_lacking {
        faults.push("nextest's report of the tests is missing or cannot be read".to_owned());
    }
    if evidence.foreign > 0 {
        faults.push(format!("{} lines in the file of test events were written by something else", evidence.foreign));
    }
    let unseen =
        |(test, _): &(&TestName, &Reported)| !evidence.endings.contains_key(*test) && !evidence.open.contains(*test);
    let unseen =
        evidence.reported.iter().flatten().filter(unseen).filter(|(test, _)| !evidence.listed.contains(*test)).count();
    if unseen > 0 {
        faults.push(format!("nextest reports {unseen} tests that no shim saw"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::test_event::Said;

    fn test(name: &str) -> TestName {
        TestName { binary: "p".into(), name: name.into() }
    }

    fn ending(name: &str, attempt: u32, code: i32, said: Said) -> TestEvent {
        let end = TestEnd::Exited(code);
        TestEvent::End(Box::new(Ending {
            test: test(name),
            attempt,
            end,
            said,
            verdicts: 1,
            ms: 1,
            leaked: Vec::new(),
            log: "x.log".into(),
            argv: Vec::new(),
        }))
    }

    fn listed(names: &[&str]) -> TestEvent {
        let taken = names.iter().map(|name| (*name).to_owned()).collect();
        TestEvent::List { binary: "p".into(), ignored: false, taken, left_out: Vec::new() }
    }

    fn evidence(events: Vec<TestEvent>, reported: &[(&str, Reported)]) -> Evidence {
        let reported = reported.iter().map(|(name, report)| (test(name), report.clone())).collect();
        let mut evidence = Evidence { runner_content: true, reported: Some(reported), ..Evidence::default() };
        events.into_iter().for_each(|event| evidence.add(event));
        evidence
    }

    fn faults(evidence: &Evidence) -> (usize, usize) {
        let judgement = judge(evidence, Policy::Deny, false);
        (judgement.faults.len(), judgement.step_faults.len())
    }

    #[test]
    fn agreeing_sources_are_green() {
        let good = evidence(vec![listed(&["a"]), ending("a", 1, 0, Said::Ok)], &[("a", Reported::Passed)]);
        assert_eq!(faults(&good), (0, 0));
    }

    #[test]
    fn a_process_that_ends_well_without_its_harness_saying_so_is_bad() {
        let exits = evidence(vec![listed(&["a"]), ending("a", 1, 0, Said::Nothing)], &[("a", Reported::Passed)]);
        let judgement = judge(&exits, Policy::Deny, false);
        assert!(matches!(judgement.faults[..], [(_, Fault::Ended(_))]));
        assert_eq!(judgement.excused, 1);
    }

    #[test]
    fn a_pass_after_a_failure_is_flaky() {
        let events = vec![listed(&["a"]), ending("a", 1, 101, Said::Failed("".into())), ending("a", 2, 0, Said::Ok)];
        let flaky = evidence(events, &[("a", Reported::Passed)]);
        assert!(matches!(judge(&flaky, Policy::Deny, false).faults[..], [(_, Fault::Flaky(..))]));
    }

    #[test]
    fn a_name_that_is_there_twice_owes_two_verdicts() {
        let once = evidence(vec![listed(&["a", "a"]), ending("a", 1, 0, Said::Ok)], &[("a", Reported::Passed)]);
        assert_eq!(faults(&once), (1, 0));
    }

    #[test]
    fn every_disagreement_is_red() {
        let ok = || ending("a", 1, 0, Said::Ok);
        let passed = [("a", Reported::Passed)];
        assert_eq!(faults(&evidence(vec![listed(&["a"])], &[])), (0, 1), "listed, never run");
        assert_eq!(faults(&evidence(vec![listed(&["a"])], &passed)), (1, 0), "reported, never run");
        assert_eq!(faults(&evidence(vec![listed(&["a"]), ok()], &[])), (1, 0), "run, not reported");
        assert_eq!(faults(&evidence(vec![listed(&["a"]), ok(), ok()], &passed)), (1, 0), "a forged second result");
        assert_eq!(faults(&evidence(vec![], &passed)), (0, 1), "reported, never listed");
        let failed = [("a", Reported::Failed("test timeout".into()))];
        assert_eq!(faults(&evidence(vec![listed(&["a"]), ok()], &failed)), (1, 0), "passed here, failed there");
        let mut discontent = evidence(vec![listed(&["a"]), ok()], &passed);
        discontent.runner_content = false;
        assert_eq!(faults(&discontent), (0, 1), "exit status");
        let mut fast = evidence(vec![listed(&["a", "b"]), ok()], &passed);
        fast.fail_fast = true;
        assert_eq!(faults(&fast), (0, 1), "nothing failed, and yet a test was not run");
        fast.runner_content = false;
        assert_eq!(faults(&fast), (0, 2), "the runner failed at something that nobody saw");
        let mut unreported = evidence(vec![listed(&["a"]), ok()], &passed);
        unreported.reported = None;
        unreported.report_lacking = true;
        assert_eq!(faults(&unreported), (0, 1), "no report");
        let mut foreign = evidence(vec![listed(&["a"]), ok()], &passed);
        foreign.foreign = 1;
        assert_eq!(faults(&foreign), (0, 1), "foreign line");
    }
}
