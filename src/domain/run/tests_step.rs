//! Steps that run tests: by nextest, or by `cargo test` where nextest is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use nextest_metadata::NextestExitCode;

use super::context::{Call, Context, Done, RunError, counted};
use super::diagnostics::Findings;
use super::judge::{self, Evidence, Fault, Judgement, Reported};
use super::selecting::{self, Choice};
use super::shim::{self, Caller, Order};
use super::source_index::{self, Function};
use super::static_checks;
use super::test_event::Tail;
use super::{ahead, by_binary, fast, flaky, nextest_files, runner_config, unharnessed};
use crate::base::Category;
use crate::domain::ladder::{PlannedStep, Selection};
use crate::domain::record::{Failure, Outcome, Place, TestName, TestRecord};
use crate::ports::process::Wish;
use crate::ports::supervisor::Ended;
use crate::ports::{clock, env, fs, tree};

/// What is to be run, and how.
pub(super) struct Suite {
    /// A nextest filterset of the contract.
    pub(super) filter: Option<String>,
    /// Property and fuzz steps run some functions only.
    pub(super) selection: Selection,
    /// Set for the tests.
    pub(super) env: Vec<(String, Option<String>)>,
    /// Whether budget and sample apply.
    pub(super) sampled: bool,
}

/// Runs a suite and judges it.
pub(super) fn run(run: &Context<'_>, step: &PlannedStep, suite: Suite) -> Result<Done, RunError> {
    let files = Files::prepare(run, step)?;
    let by_nextest = run.toolchain.nextest().is_some();
    let mut job = TestJob { run, step, files: &files, suite: &suite, by_nextest, binaries: BTreeMap::new() };
    if fast::applies(&job) {
        return by_binary::run(&job);
    }
    // The runner finds built what was begun ahead.
    if run.ahead.take(step, &|| Wish::GoOn).transpose()?.is_some() {
        fs::remove_file(&ahead::messages(run, step))?;
    }
    if !by_nextest {
        if let Some(done) = job.find_binaries()? {
            return Ok(done);
        }
        if suite.filter.is_some() {
            let log = run.log(step);
            let text =
                "its filter is nextest's, and cargo-nextest is not installed: cargo install cargo-nextest --locked";
            return Ok(Done::lacking(run.scene(step, &files.logs, &log).step_failure(Category::setup(), text)));
        }
    }
    let mut choice = selecting::choose(run, step, &suite, |selection| job.list(selection))?;
    let mut pass = job.pass(&choice)?;
    while pass.over_budget {
        choice = selecting::after_pass(run, step, choice, &pass.evidence, pass.elapsed)?;
        pass = job.pass(&choice)?;
    }
    let mut done = job.conclude(pass, &choice)?;
    done.notes.extend(job.without_nextest());
    Ok(done)
}

/// The step's files beside its log.
pub(super) struct Files {
    pub(super) logs: Utf8PathBuf,
    events: Utf8PathBuf,
    order: Utf8PathBuf,
    selection: Utf8PathBuf,
    junit: Utf8PathBuf,
    tool_config: Utf8PathBuf,
}

impl Files {
    fn prepare(run: &Context<'_>, step: &PlannedStep) -> Result<Files, RunError> {
        let logs = run.beside(step, "tests");
        fs::create_dir(&logs)?;
        Ok(Files {
            events: logs.join(".events.jsonl"),
            order: run.beside(step, "order.json"),
            selection: run.beside(step, "selection.json"),
            junit: logs.join(".nextest.xml"),
            logs,
            tool_config: run.beside(step, "nextest.toml"),
        })
    }
}

/// One test step under way.
pub(super) struct TestJob<'a> {
    pub(super) run: &'a Context<'a>,
    pub(super) step: &'a PlannedStep,
    pub(super) files: &'a Files,
    pub(super) suite: &'a Suite,
    pub(super) by_nextest: bool,
    /// Binary ids by executable, for `cargo test`.
    binaries: BTreeMap<String, String>,
}

/// What one invocation of the runner brought.
pub(super) struct Pass {
    pub(super) evidence: Evidence,
    pub(super) ended: Ended,
    over_budget: bool,
    /// Since the first test started.
    elapsed: Duration,
}

impl Pass {
    /// One in which nothing was left to run.
    pub(super) fn over(ended: Ended) -> Pass {
        Pass { evidence: Evidence::default(), ended, over_budget: false, elapsed: Duration::ZERO }
    }
}

impl TestJob<'_> {
    /// Builds the test binaries and learns their names; the step's end where that fails.
    fn find_binaries(&mut self) -> Result<Option<Done>, RunError> {
        let (ended, findings) = static_checks::build(self.run, self.step, &["test", "--no-run"])?;
        if let Some(done) = self.run.cut_short(self.step, &ended) {
            return Ok(Some(done));
        }
        self.binaries = findings.executables();
        Ok(self.does_not_build(&ended, findings))
    }

    /// Every test that the binaries list, whatever the selection.
    fn list(&self, selection: &Selection) -> Result<BTreeSet<TestName>, RunError> {
        self.give_order(selection, &self.files.logs)?;
        let mut argv = if self.by_nextest { self.nextest("list", None)? } else { self.cargo_test()? };
        if !self.by_nextest {
            argv.extend(["--", "--list"].map(str::to_owned));
        }
        let sink = self.run.beside(self.step, "list.txt");
        let call = Call { argv, env: self.variables(), stdout: Some(sink.clone()), ..Call::default() };
        self.run.call(self.step, &call, &mut || Wish::GoOn)?;
        fs::remove_file(&sink)?;
        let evidence = self.read_events(&mut Tail::new(self.files.events.clone()), Evidence::default())?;
        Ok(evidence.suite())
    }

    /// What the reader must know where nextest is missing.
    pub(super) fn without_nextest(&self) -> Option<String> {
        let text = "cargo-nextest is not installed, so cargo test ran the tests: cargo install cargo-nextest --locked";
        (!self.by_nextest).then(|| text.to_owned())
    }

    /// Runs the chosen tests once; past the choice's limit from the first test on, the runner is stopped.
    pub(super) fn pass(&self, choice: &Choice) -> Result<Pass, RunError> {
        let logs = if choice.again { self.files.logs.join("again") } else { self.files.logs.clone() };
        fs::create_dir(&logs)?;
        self.give_order(&choice.selection, &logs)?;
        let mut argv =
            if self.by_nextest { self.nextest("run", choice.selection.binaries_filter())? } else { self.cargo_test()? };
        argv.extend((choice.again && self.by_nextest).then(|| "--test-threads=1".to_owned()));
        let call = Call { argv, env: self.variables(), ..Call::default() };
        let mut tail = Tail::new(self.files.events.clone());
        let mut evidence = Evidence::default();
        let mut first_test: Option<Instant> = None;
        let mut over_budget = false;
        let report = self.run.call(self.step, &call, &mut || {
            for event in tail.read().unwrap_or_default() {
                evidence.add(event);
            }
            self.run.tell_tests(self.step, evidence.progress(self.run.contract.run.leaks), evidence.expected());
            if evidence.has_started() {
                first_test.get_or_insert_with(clock::now);
            }
            over_budget =
                over_budget || choice.stop_after.zip(first_test).is_some_and(|(limit, since)| since.elapsed() >= limit);
            if over_budget { Wish::Stop } else { Wish::GoOn }
        })?;
        let mut evidence = self.read_events(&mut tail, evidence)?;
        evidence.foreign = tail.foreign;
        evidence.runner_content = report.ended == Ended::Exited(0);
        evidence.cut_short = over_budget || !matches!(report.ended, Ended::Exited(_));
        evidence.fail_fast = self.run.plan.fail_fast;
        let is_over = matches!(report.ended, Ended::OverLimit(_));
        evidence.interrupted = is_over || self.run.runner.interrupted().is_some();
        evidence.reported = self.by_nextest.then(|| nextest_files::read_junit(&self.files.junit)).flatten();
        let by_itself = matches!(report.ended, Ended::Exited(0 | NextestExitCode::TEST_RUN_FAILED));
        evidence.report_lacking = self.by_nextest && by_itself && evidence.has_started() && evidence.reported.is_none();
        let over_budget = over_budget && report.ended == Ended::Stopped;
        let elapsed = first_test.map_or(Duration::ZERO, |since| since.elapsed());
        Ok(Pass { evidence, ended: report.ended, over_budget, elapsed })
    }

    fn read_events(&self, tail: &mut Tail, mut evidence: Evidence) -> Result<Evidence, RunError> {
        for event in tail.read()? {
            evidence.add(event);
        }
        Ok(evidence)
    }

    /// Writes what the shims are to do, and clears what an earlier pass left.
    fn give_order(&self, selection: &Selection, logs: &Utf8Path) -> Result<(), RunError> {
        fs::remove_file(&self.files.events)?;
        fs::remove_file(&self.files.junit)?;
        let caller = if self.by_nextest { Caller::Nextest } else { Caller::CargoTest };
        let chain = runner_config::read(self.run)?.chain;
        let mut order = self.order(caller, self.files.events.clone(), selection, chain)?;
        order.binaries.clone_from(&self.binaries);
        order.logs = logs.to_owned();
        Ok(fs::replace(&self.files.order, serde_json::to_string(&order).unwrap_or_default().as_bytes())?)
    }

    /// What a shim is to do, with the selection in a file.
    pub(super) fn order(
        &self,
        caller: Caller,
        events: Utf8PathBuf,
        selection: &Selection,
        chain: Vec<String>,
    ) -> Result<Order, RunError> {
        let path = (!selection.is_whole()).then(|| self.files.selection.clone());
        let text = serde_json::to_string(selection).unwrap_or_default();
        if path.is_some() {
            fs::replace(&self.files.selection, text.as_bytes())?;
        }
        Ok(Order {
            caller,
            events,
            logs: self.files.logs.clone(),
            step_log: self.run.log(self.step),
            test_timeout_ms: self.run.contract.run.test_timeout.duration().as_millis() as u64,
            leaks: self.run.contract.run.leaks,
            chain,
            unharnessed: unharnessed::binaries(&self.run.workspace.packages),
            binaries: BTreeMap::new(),
            selection: path.map(|path| (path, shim::seal(&text))),
            oom_kills: tree::oom_kills(),
        })
    }

    fn nextest(&self, verb: &str, binaries: Option<String>) -> Result<Vec<String>, RunError> {
        let mut argv = self.run.cargo(&["nextest", verb]);
        let profile = nextest_files::write_tool_config(self.run, &self.files.tool_config, &self.files.junit)?;
        argv.extend(self.runner_flag()?);
        argv.extend(["--profile".to_owned(), profile]);
        argv.extend(["--tool-config-file".to_owned(), format!("cargo-harness:{}", self.files.tool_config)]);
        argv.extend(["--user-config-file=none", "--color=never"].map(str::to_owned));
        argv.extend(self.suite.filter.iter().map(|filter| format!("--filterset={filter}")));
        argv.extend(binaries.map(|binaries| format!("--filterset={binaries}")));
        if verb == "run" {
            let fail_fast = if self.run.plan.fail_fast { "--fail-fast" } else { "--no-fail-fast" };
            let quiet = ["--show-progress=none", "--success-output=never", "--failure-output=never", "--no-tests=pass"];
            argv.extend(quiet.iter().chain([&fail_fast, &"--no-input-handler"]).map(|flag| (*flag).to_owned()));
        }
        Ok(argv)
    }

    fn cargo_test(&self) -> Result<Vec<String>, RunError> {
        let mut argv = self.run.cargo(&["test", "--tests", "--no-fail-fast"]);
        argv.retain(|word| !(self.run.plan.fail_fast && word == "--no-fail-fast"));
        argv.extend(self.runner_flag()?);
        Ok(argv)
    }

    fn runner_flag(&self) -> Result<[String; 2], RunError> {
        runner_config::flag(self.run, &self.files.order)
    }

    pub(super) fn variables(&self) -> Vec<(String, Option<String>)> {
        // Nextest starts each test by way of itself to close a race with terminal stops; without a terminal there is none.
        let single = ("NEXTEST_DOUBLE_SPAWN".to_owned(), Some("0".to_owned()));
        let seed = ("PROPTEST_RNG_SEED".to_owned(), Some(self.run.plan.seed.to_string()));
        [single, seed].into_iter().chain(self.suite.env.iter().cloned()).collect()
    }

    fn conclude(&self, pass: Pass, choice: &Choice) -> Result<Done, RunError> {
        if let Some(done) = self.build_failed(&pass)? {
            return Ok(done);
        }
        let mut judgement = judge::judge(&pass.evidence, self.run.contract.run.leaks, self.hides());
        let suite_size = pass.evidence.suite().len() as u64;
        let notes = flaky::settle(self, &pass, &mut judgement)?;
        let mut done = self.report(judgement, &pass, choice, suite_size);
        done.notes.extend(notes);
        Ok(done)
    }

    /// Whether something hides tests of this suite.
    pub(super) fn hides(&self) -> bool {
        self.by_nextest && (self.suite.filter.is_some() || nextest_files::default_filters(&self.run.workspace.root))
    }

    /// What a judgement comes to; `pass` is the last one, whose runner has its own word.
    pub(super) fn report(&self, mut judgement: Judgement, pass: &Pass, choice: &Choice, suite_size: u64) -> Done {
        let log = self.run.log(self.step);
        let scene = self.run.scene(self.step, &self.files.logs, &log);
        let mut failures = self.failures(&scene, std::mem::take(&mut judgement.faults));
        let unexplained = failures.is_empty() && judgement.quarantined == 0;
        failures.extend(self.runner_failure(pass, unexplained, &scene));
        if failures.is_empty() && matches!(pass.ended, Ended::Exited(_)) {
            failures.extend(judgement.step_faults.iter().map(|text| scene.step_failure(Category::tamper(), text)));
        }
        let cut = self.run.cut_short(self.step, &pass.ended);
        let outcome = cut.as_ref().and_then(|done| done.outcome);
        failures.extend(cut.into_iter().flat_map(|done| done.failures));
        let counts = judgement.counts;
        let detail = match (counts.failed, counts.ran()) {
            (0, 0) if !failures.is_empty() => String::new(),
            (0, 0) => "no tests".to_owned(),
            (0, ran) => counted(ran as usize, "test"),
            (failed, ran) => format!("{failed} of {} failed", counted(ran as usize, "test")),
        };
        let nothing = counts.ran() == 0 && failures.is_empty() && outcome.is_none();
        let tests = judgement.outcomes.iter().map(|(test, outcome, ms)| TestRecord {
            step: self.step.name.clone(),
            test: test.clone(),
            outcome: *outcome,
            ms: *ms,
        });
        Done {
            outcome: outcome.or(nothing.then_some(Outcome::None)),
            counts: Some(counts),
            detail,
            notes: self.notes(&judgement, choice),
            failures,
            tests: tests.collect(),
            suite: choice.suite.clone(),
            suite_size: Some(suite_size),
            sample: choice.share().filter(|_| judgement.left_out > 0),
            cached: false,
        }
    }

    fn notes(&self, judgement: &Judgement, choice: &Choice) -> Vec<String> {
        let mut notes = Vec::new();
        let hidden_by_filter = self.by_nextest && nextest_files::default_filters(&self.run.workspace.root);
        if !judgement.unrun.is_empty() && hidden_by_filter {
            let count = counted(judgement.unrun.len(), "test");
            notes.push(format!("{count} not run: hidden by the filters of .config/nextest.toml"));
        } else if !judgement.unrun.is_empty() && self.suite.filter.is_some() {
            notes.push(format!(
                "{} not run: left out by the filter of step {}",
                counted(judgement.unrun.len(), "test"),
                self.step.name
            ));
        }
        if judgement.excused > 0 {
            let count = counted(judgement.excused as usize, "failure");
            notes.push(format!("{count} would be excused by nextest's configuration or is not seen by it"));
        }
        notes.extend(choice.note(judgement));
        notes
    }

    /// Where the test binaries don't build: the compiler's findings.
    fn build_failed(&self, pass: &Pass) -> Result<Option<Done>, RunError> {
        let failed = Ended::Exited(if self.by_nextest { NextestExitCode::BUILD_FAILED } else { 101 });
        if pass.ended != failed || pass.evidence.expected() > 0 || pass.evidence.has_started() {
            return Ok(None);
        }
        let (ended, findings) = static_checks::build(self.run, self.step, &["test", "--no-run"])?;
        Ok(self.does_not_build(&ended, findings))
    }

    /// The step's end where cargo has said why it builds nothing.
    pub(super) fn does_not_build(&self, ended: &Ended, findings: Findings) -> Option<Done> {
        let mut failures = static_checks::or_cargo_error(self.run, self.step, ended, &findings);
        failures.extend(findings.errors);
        (!failures.is_empty()).then(|| Done { detail: "does not build".to_owned(), failures, ..Done::default() })
    }

    /// Nextest itself could not do its work.
    fn runner_failure(&self, pass: &Pass, unexplained: bool, scene: &super::classify::Scene<'_>) -> Option<Failure> {
        let Ended::Exited(code) = pass.ended else {
            let Ended::Signalled(signal) = pass.ended else { return None };
            return Some(
                scene.step_failure(Category::setup(), &format!("the test runner was ended by signal {signal}")),
            );
        };
        let spoken = || super::diagnostics::cargo_error(scene.step_log).unwrap_or_default();
        match code {
            0 => None,
            _ if !self.by_nextest => unexplained
                .then(|| scene.step_failure(Category::setup(), &format!("cargo test ended with {code}: {}", spoken()))),
            NextestExitCode::TEST_RUN_FAILED | NextestExitCode::NO_TESTS_RUN => None,
            NextestExitCode::SETUP_SCRIPT_FAILED => {
                Some(scene.step_failure(Category::setup(), "a set-up script of .config/nextest.toml failed"))
            }
            NextestExitCode::TEST_LIST_CREATION_FAILED => {
                Some(scene.step_failure(Category::exit(), "a test binary could not list its tests"))
            }
            code => Some(scene.step_failure(Category::setup(), &format!("nextest ended with {code}: {}", spoken()))),
        }
    }

    fn failures(&self, scene: &super::classify::Scene<'_>, faults: Vec<(TestName, Fault)>) -> Vec<Failure> {
        let mut indexes: BTreeMap<Utf8PathBuf, Vec<Function>> = BTreeMap::new();
        let mut failures = Vec::new();
        for (test, fault) in faults {
            let dir = self.package_dir(&test);
            let functions = indexes.entry(dir.clone()).or_insert_with(|| source_index::functions(&dir));
            let locate = |test: &TestName| {
                let function = source_index::find(functions, &test.name)?;
                let file = function.file.strip_prefix(&self.run.workspace.root).unwrap_or(&function.file).to_owned();
                Some(Place { file, line: function.line, column: None })
            };
            let mut failure = scene.test_failure(&test, &fault, &dir, locate);
            failure.replay.argv = self.replay(&test);
            failures.push(failure);
        }
        failures
    }

    fn package_dir(&self, test: &TestName) -> Utf8PathBuf {
        let name = test.binary.split("::").next().unwrap_or_default();
        let package = self.run.workspace.packages.iter().find(|package| package.name.as_str() == name);
        let dir = package.and_then(|package| package.manifest_path.parent()).unwrap_or(&self.run.workspace.root);
        Utf8Path::new(dir).to_owned()
    }

    /// The command that runs this test alone, for `repro` and for people.
    fn replay(&self, test: &TestName) -> Vec<String> {
        let package = test.binary.split("::").next().unwrap_or_default();
        let mut argv = vec![env::cargo(), "test".to_owned(), "-p".to_owned(), package.to_owned()];
        match test.binary.split_once("::").map(|(_, target)| target.split_once('/').unwrap_or(("test", target))) {
            None => argv.push("--lib".to_owned()),
            Some((kind, target)) => argv.extend([format!("--{kind}"), target.to_owned()]),
        }
        argv.extend(["--", "--exact", &test.name, "--nocapture"].map(str::to_owned));
        argv
    }
}

/// Reads a report for the judge.
pub(super) fn reported(status: &quick_junit::TestCaseStatus) -> Option<Reported> {
    match status {
        quick_junit::TestCaseStatus::Success { .. } => Some(Reported::Passed),
        quick_junit::TestCaseStatus::NonSuccess { ty, .. } => {
            Some(Reported::Failed(ty.as_ref().map_or("failure", |ty| ty.as_str()).to_owned()))
        }
        quick_junit::TestCaseStatus::Skipped { .. } => None,
    }
}

impl Suite {
    /// All tests, as the runner finds them.
    pub(super) fn whole(filter: Option<String>) -> Suite {
        Suite { filter, selection: Selection::default(), env: Vec::new(), sampled: true }
    }
}
