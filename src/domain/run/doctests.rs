//! Documentation examples, by `cargo test --doc` under the shim.
//!
//! Each example is a process of rustdoc's, whose own report is read; the exit status must agree.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Package, PackageId};

use super::classify::Scene;
use super::context::{Call, Context, Done, RunError, counted};
use super::diagnostics::cargo_error;
use super::known::Question;
use super::known_examples::{Examples, Need};
use super::runner_config;
use super::rustdoc_report::{self, Rustdoc};
use super::shim::{Caller, Order};
use crate::base::{Category, FailureId, FailureKind, TimeLimit, panic_text};
use crate::domain::ladder::PlannedStep;
use crate::domain::record::{Counts, Failure, Mode, Outcome, Place, Replay, TestName, TestOutcome, TestRecord};
use crate::ports::cargo::Workspace;
use crate::ports::process::Wish;
use crate::ports::supervisor::Ended;
use crate::ports::{clock, env, fs};

/// The binary that the records name for examples.
const BINARY: &str = "doc";

/// Runs the examples of the libraries; in `fast` those that need it.
pub(super) fn run(run: &Context<'_>, step: &PlannedStep) -> Result<Done, RunError> {
    let packages: Vec<&Package> =
        run.packages().into_iter().filter(|package| Workspace::has_doctests(package)).collect();
    if packages.is_empty() {
        return Ok(Done::none("no library"));
    }
    match run.question.filter(|_| run.plan.mode == Mode::Fast && run.plan.only.is_none()) {
        Some(question) => run_needed(run, step, question, &packages),
        None => {
            let called = call(run, step, packages.iter().map(|package| &package.id), &[], None)?;
            Ok(Done { detail: detail(&called, 0, None), ..called })
        }
    }
}

/// Runs what is needed of each package.
fn run_needed(
    run: &Context<'_>,
    step: &PlannedStep,
    question: &Question,
    packages: &[&Package],
) -> Result<Done, RunError> {
    let ground = run.outer_ground(question);
    let (mut all, mut some, mut filters) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut kept = Counts::default();
    for examples in packages.iter().map(|package| Examples::of(run, question, &ground, package)) {
        match examples.need() {
            Need::All => all.push(examples),
            Need::Nothing => kept = kept + examples.whole().unwrap_or_default(),
            Need::Of(files) => {
                // An example's name begins with its file; rustdoc splits what it is given at blanks.
                filters.extend(files.iter().filter_map(|file| file.as_str().split(' ').next_back()).map(str::to_owned));
                some.push(examples);
            }
        }
    }
    let cached = all.is_empty() && some.is_empty() && kept.ran() > 0;
    let known = |examples: &Examples| examples.whole().map_or(0, Counts::ran);
    let of_files = (!some.is_empty()).then(|| some.iter().map(known).sum::<u64>());
    let mut done = Done { cached, counts: Some(Counts::default()), ..Done::default() };
    if !all.is_empty() {
        let called = call(run, step, all.iter().map(|examples| &examples.package), &[], run.plan.budget)?;
        for examples in all.into_iter().filter(|_| called.is_good()) {
            let counts = counts_of(&called, run, &examples);
            run.footing.add_examples(examples, Some(counts));
        }
        done = called;
    }
    if !filters.is_empty() && done.is_good() {
        let filters: Vec<String> = filters.into_iter().collect();
        let called = call(run, step, some.iter().map(|examples| &examples.package), &filters, None)?;
        let good = called.is_good();
        some.drain(..).filter(|_| good).for_each(|examples| run.footing.add_examples(examples, None));
        done = done.and(called);
    }
    done.detail = detail(&done, kept.ran(), of_files);
    let left = of_files.map_or(0, |all| all.saturating_sub(done.counts.unwrap_or_default().ran()));
    if left > 0 {
        let count = counted(left as usize, "documentation example");
        done.notes.push(format!("{count} not run, as the documentation in their files has not changed; full runs all"));
    }
    done.counts = done.counts.map(|counts| counts + kept);
    if done.is_good() {
        let nothing = done.counts.is_some_and(|counts| counts.ran() == 0) && of_files.is_none();
        done.outcome = nothing.then_some(Outcome::None);
    }
    Ok(done)
}

impl Done {
    /// Whether nothing failed, be it that there was nothing.
    fn is_good(&self) -> bool {
        self.failures.is_empty() && self.outcome.is_none_or(|outcome| outcome == Outcome::None)
    }

    /// Both together; what ended the later one counts.
    fn and(mut self, later: Done) -> Done {
        let none = Counts::default();
        self.counts = Some(self.counts.unwrap_or(none) + later.counts.unwrap_or(none));
        self.outcome = later.outcome;
        self.failures.extend(later.failures);
        self.tests.extend(later.tests);
        self.notes.extend(later.notes);
        self
    }
}

/// `12 examples`, `5 examples, 7 cached`, `2 of 470 examples`.
fn detail(done: &Done, kept: u64, of_files: Option<u64>) -> String {
    let counts = done.counts.unwrap_or_default();
    let ran = counted(counts.ran() as usize, "example");
    match (counts.failed, counts.ran(), of_files) {
        (0, 0, None) if kept > 0 => counted(kept as usize, "example"),
        (0, 0, None) if !done.is_good() => String::new(),
        (0, 0, None) => "no examples".to_owned(),
        (0, ran, Some(all)) if ran < all + kept => {
            format!("{ran} of {} examples", all.max(ran) + kept)
        }
        (0, _, None) if kept > 0 => format!("{ran}, {kept} cached"),
        (0, ..) => ran,
        (failed, ..) => format!("{failed} of {ran} failed"),
    }
}

/// What a package's part of it came to, by the files that its examples are named by.
fn counts_of(done: &Done, run: &Context<'_>, examples: &Examples) -> Counts {
    let mut counts = Counts::default();
    for test in &done.tests {
        let file = Item::of(&test.test.name).file;
        let within =
            |base: &Utf8Path| base.join(&file).starts_with(&examples.folder) && fs::is_present(&base.join(&file));
        if within(&run.workspace.root) || within(&examples.folder) {
            match test.outcome {
                TestOutcome::Passed => counts.passed += 1,
                TestOutcome::Failed => counts.failed += 1,
                TestOutcome::Ignored => counts.skipped += 1,
            }
        }
    }
    counts
}

/// Runs the examples of some packages, those whose names contain one of the filters, if there are filters. Past the budget they are
/// stopped, which is no failure.
fn call<'a>(
    run: &Context<'_>,
    step: &PlannedStep,
    packages: impl Iterator<Item = &'a PackageId>,
    filters: &[String],
    budget: Option<TimeLimit>,
) -> Result<Done, RunError> {
    let order = write_order(run, step)?;
    let mut argv = run.cargo(&["test", "--doc", "--no-fail-fast"]);
    argv.retain(|word| word != "--workspace");
    if run.flags.packages.is_empty() {
        argv.extend(packages.flat_map(|id| ["-p".to_owned(), id.repr.clone()]));
    }
    argv.extend(runner_config::flag(run, &order)?);
    if !filters.is_empty() {
        argv.push("--".to_owned());
        argv.extend(filters.iter().cloned());
    }
    let stdout = run.beside(step, "stdout");
    let started = clock::now();
    let mut over_budget = false;
    let report = run.call(step, &Call { argv, stdout: Some(stdout.clone()), ..Call::default() }, &mut || {
        over_budget |= budget.is_some_and(|budget| started.elapsed() > budget.duration());
        if over_budget { Wish::Stop } else { Wish::GoOn }
    })?;
    let log = run.log(step);
    let rustdoc = rustdoc_report::read(&stdout)?;
    fs::append_file(&stdout, &log)?;
    fs::remove_file(&stdout)?;
    let over_budget = over_budget && report.ended == Ended::Stopped && run.runner.interrupted().is_none();
    if let Some(done) = run.cut_short(step, &report.ended).filter(|_| !over_budget) {
        return Ok(done);
    }
    let scene = run.scene(step, &run.dir.path, &log);
    let mut done = judge(&scene, run, rustdoc, (!over_budget).then_some(&report.ended));
    if let Some(budget) = budget.filter(|_| over_budget) {
        let ran = done.counts.unwrap_or_default().ran();
        done.notes.push(format!(
            "the documentation examples were stopped at the budget of {budget} after {ran}; full runs all"
        ));
    }
    Ok(done)
}

fn write_order(run: &Context<'_>, step: &PlannedStep) -> Result<Utf8PathBuf, RunError> {
    let path = run.beside(step, "order.json");
    let order = Order {
        caller: Caller::Doctest,
        events: run.beside(step, "events.jsonl"),
        logs: run.dir.path.clone(),
        step_log: run.log(step),
        test_timeout_ms: run.contract.run.test_timeout.duration().as_millis() as u64,
        leaks: run.contract.run.leaks,
        chain: runner_config::read(run)?.chain,
        unharnessed: BTreeSet::new(),
        binaries: BTreeMap::new(),
        selection: None,
        oom_kills: 0,
    };
    fs::replace(&path, serde_json::to_string(&order).unwrap_or_default().as_bytes())?;
    Ok(path)
}

/// Judges what rustdoc reports; `ended` where it came to its end.
fn judge(scene: &Scene<'_>, run: &Context<'_>, rustdoc: Rustdoc, ended: Option<&Ended>) -> Done {
    let count = |wanted: TestOutcome| rustdoc.results.iter().filter(|(_, outcome)| *outcome == wanted).count() as u64;
    let counts = Counts {
        passed: count(TestOutcome::Passed),
        failed: count(TestOutcome::Failed),
        skipped: count(TestOutcome::Ignored),
    };
    let mut failures: Vec<Failure> = Vec::new();
    let mut ordinals: BTreeMap<String, usize> = BTreeMap::new();
    // Examples end in any order; the n-th of an item is so by its line.
    let mut in_order: Vec<(Item, &String, TestOutcome)> =
        rustdoc.results.iter().map(|(name, outcome)| (Item::of(name), name, *outcome)).collect();
    in_order.sort_by(|(a, ..), (b, ..)| (&a.file, a.line).cmp(&(&b.file, b.line)));
    for (item, name, outcome) in in_order {
        let ordinal = ordinals.entry(item.stable.clone()).or_default();
        if outcome == TestOutcome::Failed {
            let output = rustdoc.output.get(name).map_or("", String::as_str);
            failures.push(failure(scene, run, name, &item, *ordinal, output));
        }
        *ordinal += 1;
    }
    let complete = rustdoc.announced == rustdoc.results.len() as u64;
    if failures.is_empty() && ended.is_some_and(|ended| *ended != Ended::Exited(0) || !complete) {
        let (category, text) = match cargo_error(scene.step_log) {
            Some(error) if rustdoc.announced == 0 => (Category::build(), error),
            _ => (Category::tamper(), "rustdoc's report and its exit status disagree".to_owned()),
        };
        failures.push(scene.step_failure(category, &text));
    }
    let nothing = counts.ran() == 0 && failures.is_empty();
    let tests = rustdoc.results.into_iter().map(|(name, outcome)| TestRecord {
        step: scene.step.to_owned(),
        test: TestName { binary: BINARY.to_owned(), name },
        outcome,
        ms: 0,
    });
    Done {
        outcome: nothing.then_some(Outcome::None),
        counts: Some(counts),
        failures,
        tests: tests.collect(),
        ..Done::default()
    }
}

/// `src/lib.rs - path::item (line 6) - compile fail`, taken apart.
struct Item {
    file: Utf8PathBuf,
    line: u32,
    /// The name without its line, which moves.
    stable: String,
}

impl Item {
    fn of(name: &str) -> Item {
        let (file, rest) = name.split_once(" - ").unwrap_or((name, ""));
        let (item, after) = rest.split_once("(line ").unwrap_or((rest, ""));
        let line = after.split(')').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        Item { file: Utf8PathBuf::from(file), line, stable: format!("{file} - {}", item.trim_end()) }
    }
}

fn failure(scene: &Scene<'_>, run: &Context<'_>, name: &str, item: &Item, ordinal: usize, output: &str) -> Failure {
    let id = FailureId::new(FailureKind::Test, &[BINARY, &item.stable, &ordinal.to_string()]);
    let panics = panic_text::panics(output);
    let message = if let Some(panic) = panics.last() {
        panic_text::headline(&panic.message)
    } else if let Some(error) = output.lines().find(|line| line.starts_with("error")) {
        let error = error.trim_start_matches("error").trim_start_matches(": ").replacen("]: ", " ", 1);
        format!("does not compile: {}", error.trim_start_matches('['))
    } else if output.contains("(exit status: 124)") {
        "stopped at the time limit of a test".to_owned()
    } else {
        output.lines().find(|line| !line.trim().is_empty()).unwrap_or("failed").to_owned()
    };
    let mut argv = vec![env::cargo(), "test".to_owned(), "--doc".to_owned()];
    let holds = |package: &&cargo_metadata::Package| {
        package.manifest_path.parent().is_some_and(|dir| run.workspace.root.join(&item.file).starts_with(dir))
    };
    let owner = run.packages().into_iter().filter(holds).max_by_key(|p| p.manifest_path.as_str().len());
    argv.extend(owner.iter().flat_map(|package| ["-p".to_owned(), package.name.to_string()]));
    argv.extend(["--", "--exact", name].map(str::to_owned));
    Failure {
        id,
        category: Category::doctest(),
        tier: scene.tier,
        step: scene.step.to_owned(),
        subject: Some(name.to_owned()),
        message,
        place: (item.line > 0).then(|| Place { file: item.file.clone(), line: item.line, column: None }),
        test: Some(TestName { binary: BINARY.to_owned(), name: name.to_owned() }),
        excerpt: output.chars().take(4096).collect(),
        log: scene.in_run(scene.step_log),
        replay: Replay { argv, ..Replay::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_items_name_is_stable_when_its_line_moves() {
        let item = Item::of("crates/a/src/lib.rs - m::f (line 12) - compile fail");
        assert_eq!(
            (item.file.as_str(), item.line, item.stable.as_str()),
            ("crates/a/src/lib.rs", 12, "crates/a/src/lib.rs - m::f")
        );
    }
}
