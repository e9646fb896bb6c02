//! A run as JUnit XML, for the tools that show test reports.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::step_lines::word;
use crate::domain::record::{Failure, Outcome, RunRecord, StepRecord, TestOutcome, TestRecord};

/// A suite for each step. A failure that belongs to no test is a case of its own, named by its id, so that every reader of the
/// file counts as many failures as the verdict does.
///
/// # Errors
/// Where the XML writer refuses; no text makes it do so.
pub(crate) fn junit(run: &RunRecord, tests: &[TestRecord]) -> Result<String, SerializeError> {
    let mut by_step: BTreeMap<&str, Vec<&TestRecord>> = BTreeMap::new();
    for test in tests {
        by_step.entry(&test.step).or_default().push(test);
    }
    let mut report = Report::new("cargo-harness");
    report.set_time(Duration::from_millis(run.ms));
    for step in &run.steps {
        let tests = by_step.remove(step.name.as_str()).unwrap_or_default();
        report.add_test_suite(suite(step, &tests));
    }
    for (step, tests) in by_step {
        let mut suite = TestSuite::new(step);
        suite.add_test_cases(tests.into_iter().map(|test| case(test, None)));
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn suite(step: &StepRecord, tests: &[&TestRecord]) -> TestSuite {
    let mut suite = TestSuite::new(step.name.as_str());
    suite.set_time(Duration::from_millis(step.ms));
    let mut of_tests: BTreeMap<_, Vec<&Failure>> = BTreeMap::new();
    let mut of_none = Vec::new();
    for failure in &step.failures {
        match &failure.test {
            Some(name) => of_tests.entry(name).or_default().push(failure),
            None => of_none.push(failure),
        }
    }
    for test in tests {
        let mut failures = of_tests.remove(&test.test).unwrap_or_default().into_iter();
        suite.add_test_case(case(test, failures.next()));
        // What else is wrong with the same test.
        of_none.extend(failures);
    }
    of_none.extend(of_tests.into_values().flatten());
    suite.add_test_cases(of_none.iter().map(|failure| {
        let mut case = TestCase::new(failure.id.as_str(), failed(failure));
        case.set_classname(step.name.as_str());
        case
    }));
    let is_bad = !matches!(step.outcome, Outcome::Ok | Outcome::None | Outcome::Elsewhere);
    if is_bad && suite.failures + suite.errors == 0 {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type(word(step.outcome)).set_message(step.detail.as_str());
        suite.add_test_case(TestCase::new(step.name.as_str(), status));
    }
    suite
}

fn case(test: &TestRecord, failure: Option<&Failure>) -> TestCase {
    let status = match (failure, test.outcome) {
        (Some(failure), _) => failed(failure),
        (None, TestOutcome::Failed) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        (None, TestOutcome::Ignored) => TestCaseStatus::skipped(),
        (None, TestOutcome::Passed) => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(test.test.name.as_str(), status);
    case.set_classname(test.test.binary.as_str()).set_time(Duration::from_millis(test.ms));
    case
}

fn failed(failure: &Failure) -> TestCaseStatus {
    let place = failure.place.as_ref().map_or(String::new(), |place| format!(" at {place}"));
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status
        .set_type(failure.category.as_str())
        .set_message(format!("{}{place} [{}]", failure.message, failure.id))
        .set_description(failure.excerpt.as_str());
    status
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_red, failure, red, step};
    use super::junit;
    use crate::domain::record::{Outcome, TestName, TestOutcome, TestRecord};
    use proptest::prelude::*;
    use quick_junit::Report;

    fn test(name: &str, outcome: TestOutcome) -> TestRecord {
        let test = TestName { binary: "demo".to_owned(), name: name.to_owned() };
        TestRecord { step: "unit".to_owned(), test, outcome, ms: 12 }
    }

    #[test]
    fn every_test_and_every_other_failure_is_a_case() {
        let mut bad = failure("t-9ab20c1d", "ASSERT", "left == right");
        bad.excerpt = "left: \u{1}<1>".to_owned();
        let mut run = red(vec![bad]);
        let mut clippy = step(0, "clippy", Outcome::Failed, 10);
        clippy.failures = vec![failure("c-1f3a2b4c", "E0308", "mismatched types")];
        run.steps.push(clippy);
        run.steps.push(step(2, "prop", Outcome::TimedOut, 10));
        let tests = [
            test("parser::string_literal", TestOutcome::Failed),
            test("fine", TestOutcome::Passed),
            test("later", TestOutcome::Ignored),
        ];
        insta::assert_snapshot!(junit(&run, &tests).unwrap(), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="cargo-harness" tests="5" skipped="1" failures="2" errors="1" time="1.234">
            <testsuite name="fmt" tests="0" skipped="0" errors="0" failures="0" time="0.300"/>
            <testsuite name="unit" tests="3" skipped="1" errors="0" failures="1" time="0.800">
                <testcase name="parser::string_literal" classname="demo" time="0.012">
                    <failure message="left == right at src/lib.rs:47:9 [t-9ab20c1d]" type="ASSERT">left: &lt;1&gt;</failure>
                </testcase>
                <testcase name="fine" classname="demo" time="0.012"/>
                <testcase name="later" classname="demo" time="0.012">
                    <skipped/>
                </testcase>
            </testsuite>
            <testsuite name="clippy" tests="1" skipped="0" errors="0" failures="1" time="0.010">
                <testcase name="c-1f3a2b4c" classname="clippy">
                    <failure message="mismatched types at src/lib.rs:47:9 [c-1f3a2b4c]" type="E0308"></failure>
                </testcase>
            </testsuite>
            <testsuite name="prop" tests="1" skipped="0" errors="1" failures="0" time="0.010">
                <testcase name="prop">
                    <error message="" type="TIMEOUT"/>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn a_reader_counts_at_least_as_many_failures_as_the_record_holds(run in any_red()) {
            let xml = junit(&run, &[]).unwrap();
            let report = Report::deserialize_from_str(&xml).unwrap();
            prop_assert_eq!(report.failures, run.failures().count());
        }
    }
}
