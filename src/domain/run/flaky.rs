//! A failed test runs once more, alone and with the same seed. One that passes then is flaky: a verdict of its own, and red unless the
//! contract holds the test in quarantine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::context::RunError;
use super::history::{History, Rate};
use super::judge::{self, Fault, Judgement};
use super::selecting::Choice;
use super::test_event::TestEnd;
use super::tests_step::{Pass, TestJob};
use crate::base::Day;
use crate::domain::contract::Quarantine;
use crate::domain::record::{TestName, TestOutcome};
use crate::ports::clock;
use crate::ports::supervisor::Ended;

/// Where more have failed it is hardly by chance, and the first of them will do.
const MOST_TESTS: usize = 16;

/// Nobody waits longer than that for tests that have failed already. One that hung is not run again.
const MOST_TIME: Duration = Duration::from_secs(20);

/// Tells flaky tests from failed ones. What the reader must know of those that are held in quarantine.
///
/// # Errors
/// The harness can't do its own work.
pub(super) fn settle(job: &TestJob<'_>, pass: &Pass, judgement: &mut Judgement) -> Result<Vec<String>, RunError> {
    let run = job.run;
    let is_whole = matches!(pass.ended, Ended::Exited(_)) && run.runner.interrupted().is_none();
    if is_whole && run.plan.only.is_none() && !run.plan.fail_fast {
        run_again(job, judgement)?;
    }
    let flaky: BTreeSet<TestName> = judgement
        .faults
        .iter()
        .filter(|(_, fault)| matches!(fault, Fault::Flaky(..)))
        .map(|(test, _)| test.clone())
        .collect();
    if !run.aside {
        let ran = judgement.outcomes.iter().filter(|(_, outcome, _)| *outcome != TestOutcome::Ignored);
        let rates = History::count_flaky(run.output, ran.map(|(test, ..)| test), &flaky)?;
        tell_rates(judgement, &rates);
    }
    let notes = hold(judgement, &run.contract.quarantine, clock::today());
    if judgement.quarantined > 0 {
        run.footing.rest_on_luck();
    }
    Ok(notes)
}

fn run_again(job: &TestJob<'_>, judgement: &mut Judgement) -> Result<(), RunError> {
    let tests = worth_another_go(judgement);
    if tests.is_empty() {
        return Ok(());
    }
    let pass = job.pass(&Choice::again(tests, MOST_TIME))?;
    let second = judge::judge(&pass.evidence, job.run.contract.run.leaks, job.hides());
    let passed: BTreeSet<&TestName> = second
        .outcomes
        .iter()
        .filter(|(_, outcome, _)| *outcome == TestOutcome::Passed)
        .map(|(test, ..)| test)
        .collect();
    for (test, fault) in &mut judgement.faults {
        if let Fault::Ended(first) = fault
            && passed.contains(test)
        {
            *fault = Fault::Flaky(first.clone(), None);
        }
    }
    Ok(())
}

/// Failed tests that are few and short enough to run once more.
fn worth_another_go(judgement: &Judgement) -> BTreeSet<TestName> {
    let mut left = MOST_TIME / 2;
    let mut tests = BTreeSet::new();
    for (test, fault) in &judgement.faults {
        let Fault::Ended(ending) = fault else { continue };
        let took = Duration::from_millis(ending.ms);
        if tests.len() < MOST_TESTS && took <= left && !matches!(ending.end, TestEnd::TimedOut | TestEnd::Stopped) {
            left -= took;
            tests.insert(test.clone());
        }
    }
    tests
}

fn tell_rates(judgement: &mut Judgement, rates: &BTreeMap<TestName, Rate>) {
    for (test, fault) in &mut judgement.faults {
        if let Fault::Flaky(_, rate) = fault {
            *rate = rates.get(test).copied();
        }
    }
}

/// Lets pass what is held in quarantine today.
fn hold(judgement: &mut Judgement, quarantine: &[Quarantine], today: Day) -> Vec<String> {
    let (mut held, mut over) = (Vec::new(), Vec::new());
    let faults = std::mem::take(&mut judgement.faults);
    for (test, fault) in faults {
        let entries = quarantine.iter().filter(|entry| covers(entry, &test));
        let entry = entries.max_by_key(|entry| entry.until).filter(|_| matches!(fault, Fault::Flaky(..)));
        match entry {
            Some(entry) if entry.until >= today => {
                let place = judgement.outcomes.iter_mut().find(|(name, ..)| *name == test);
                if let Some((_, outcome, _)) = place {
                    *outcome = TestOutcome::Passed;
                }
                judgement.counts.failed -= 1;
                judgement.counts.passed += 1;
                judgement.quarantined += 1;
                held.push(format!("{} ({}, until {})", test.name, entry.owner, entry.until));
                continue;
            }
            Some(entry) => over.push(format!("{} ({}, until {})", test.name, entry.owner, entry.until)),
            None => {}
        }
        judgement.faults.push((test, fault));
    }
    let note = |what: &str, tests: Vec<String>| {
        let shown = tests.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if tests.len() > 3 { format!(" and {} more", tests.len() - 3) } else { String::new() };
        (!tests.is_empty()).then(|| format!("{what}: {shown}{more}"))
    };
    note("flaky, and in quarantine", held).into_iter().chain(note("no longer in quarantine", over)).collect()
}

fn covers(entry: &Quarantine, test: &TestName) -> bool {
    let package = test.binary.split("::").next().unwrap_or_default();
    entry.test == test.name && entry.package.as_ref().is_none_or(|name| name == package)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::Counts;
    use crate::domain::run::test_event::{Ending, Said};

    fn named(name: &str) -> TestName {
        TestName { binary: "p::it".to_owned(), name: name.to_owned() }
    }

    fn ending(name: &str, end: TestEnd, ms: u64) -> Box<Ending> {
        let said = Said::Failed(String::new());
        let (log, argv, leaked) = ("x.log".into(), Vec::new(), Vec::new());
        Box::new(Ending { test: named(name), attempt: 1, end, said, verdicts: 1, ms, leaked, log, argv })
    }

    fn failed(faults: Vec<(TestName, Fault)>) -> Judgement {
        let outcomes = faults.iter().map(|(test, _)| (test.clone(), TestOutcome::Failed, 1)).collect();
        let counts = Counts { passed: 0, failed: faults.len() as u64, skipped: 0 };
        Judgement { faults, outcomes, counts, ..Judgement::default() }
    }

    fn entry(test: &str, until: &str) -> Quarantine {
        let (owner, until) = ("ada".to_owned(), until.parse().unwrap());
        Quarantine { test: test.to_owned(), package: None, owner, until, tracking: None }
    }

    #[test]
    fn what_hung_or_takes_too_long_or_is_one_of_many_is_not_run_again() {
        let fault = |name: &str, end, ms| (named(name), Fault::Ended(ending(name, end, ms)));
        let mut faults = vec![
            fault("hung", TestEnd::TimedOut, 5),
            fault("long", TestEnd::Exited(101), 60_000),
            fault("quick", TestEnd::Exited(101), 5),
            (named("odd"), Fault::Mismatch("odd".to_owned())),
        ];
        assert_eq!(worth_another_go(&failed(faults.clone())), BTreeSet::from([named("quick")]));
        faults.extend((0..40).map(|n| fault(&format!("t{n}"), TestEnd::Exited(101), 5)));
        assert_eq!(worth_another_go(&failed(faults)).len(), MOST_TESTS);
    }

    #[test]
    fn quarantine_holds_flaky_tests_until_its_day_and_no_failed_ones() {
        let today = "2026-06-15".parse().unwrap();
        let flaky = |name: &str| (named(name), Fault::Flaky(ending(name, TestEnd::Exited(101), 1), None));
        let red = (named("red"), Fault::Ended(ending("red", TestEnd::Exited(101), 1)));
        let mut judgement = failed(vec![flaky("held"), flaky("over"), flaky("other"), red]);
        let mut elsewhere = entry("other", "2027-01-01");
        elsewhere.package = Some("q".to_owned());
        let quarantine =
            [entry("held", "2026-06-15"), entry("over", "2026-06-14"), entry("red", "2027-01-01"), elsewhere];
        let notes = hold(&mut judgement, &quarantine, today);
        let left: Vec<&str> = judgement.faults.iter().map(|(test, _)| test.name.as_str()).collect();
        assert_eq!(left, ["over", "other", "red"]);
        assert_eq!((judgement.counts.passed, judgement.counts.failed, judgement.quarantined), (1, 3, 1));
        assert_eq!(notes[0], "flaky, and in quarantine: held (ada, until 2026-06-15)");
        assert_eq!(notes[1], "no longer in quarantine: over (ada, until 2026-06-14)");
    }
}
