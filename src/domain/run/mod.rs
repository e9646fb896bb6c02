//! Carries out a plan: climbs the ladder, tells what happens, and writes `target/harness`.

mod affected;
mod ahead;
mod by_binary;
mod cache;
mod classify;
pub(crate) mod containers;
pub(crate) mod containing;
mod context;
mod dep_info;
mod diagnostics;
mod diff;
mod doctests;
pub(crate) mod environment;
mod external;
mod fast;
mod fetching;
mod flaky;
mod footing;
mod freshness;
mod fuzz;
pub(crate) mod ground;
mod history;
mod image_tools;
mod judge;
mod kill;
mod known;
mod known_examples;
mod limits;
pub(crate) mod locked;
pub(crate) mod measure;
mod merge;
mod mutants;
mod network;
mod nextest_files;
mod output;
mod place;
mod runner_config;
mod rustdoc_report;
mod selecting;
pub(crate) mod shim;
mod source_index;
mod static_checks;
mod test_event;
mod tests_step;
mod toolchain;
mod unharnessed;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

pub(crate) use ahead::Ahead;
pub(crate) use context::{CargoFlags, Context, RunError};
pub(crate) use footing::Footing;
pub(crate) use history::History;
pub(crate) use kill::{Ended as EndedRun, Killed, kill};
pub(crate) use known::{Question, Wording};
pub(crate) use limits::StepLimits;
pub(crate) use merge::{Part, merge};
pub(crate) use output::{Output, RunDir};
pub(crate) use place::Place;
pub(crate) use toolchain::{Toolchain, version};

use crate::base::{Digest, FailureId, Percent, Tier};
use crate::domain::ladder::{Kind, PlannedStep, Selection};
use crate::domain::provenance::AuditLog;
use crate::domain::record::{
    Event, Failure, FailureRecord, Locked, Outcome, RunRecord, StepRecord, SuiteFacts, TestName, TestOutcome,
    TestRecord, Verdict,
};
use crate::ports::stamp::Stamp;
use crate::ports::{clock, fs, git};
use context::Done;
use known::{Grounds, Recalled, Settled, Unsettled};
use source_index::Role;
use tests_step::Suite;

/// What a run leaves.
pub(crate) struct Finished {
    pub(crate) record: RunRecord,
    pub(crate) tests: Vec<TestRecord>,
}

/// Climbs until a tier is red, everything has run, or the run is stopped; then writes what it came to.
///
/// # Errors
/// Where the harness can't do its own work: its files can't be written, a step can't be supervised.
pub(crate) fn carry_out(
    run: Context<'_>,
    question: Option<Question>,
    asked: String,
    contract: Digest,
) -> Result<Finished, RunError> {
    preflight()?;
    let started = clock::now();
    let mut notes = Vec::new();
    let question = question.map(|question| prepare(&run, question)).transpose()?;
    let run = &Context { question: question.as_ref(), ..run };
    let tools = run.question.map(|question| (question.cache(), run.tools_ground()));
    if let Some((cache, ground)) = tools.as_ref().filter(|_| run.question.is_some_and(Question::reuses)) {
        run.toolchain.recall(cache, ground);
    }
    if let Some(why) = fetching::bring_in(run, &run.workspace.root.join("Cargo.toml"))? {
        run.footing.lack(why);
    }
    let mut climb = Climb::default();
    let with_nextest = run
        .plan
        .rungs
        .iter()
        .flat_map(|(_, steps)| steps)
        .any(|step| matches!(step.kind, Kind::Nextest { .. } | Kind::Proptest { .. } | Kind::Fuzz { .. }));
    let (climbed, unused) = std::thread::scope(|scope| {
        scope.spawn(|| run.toolchain.warm_up(with_nextest));
        run.ahead.begin(scope, run);
        let climbed = run.plan.rungs.iter().try_for_each(|(tier, steps)| climb.rung(run, *tier, steps));
        (climbed, run.ahead.give_up())
    });
    unused.iter().try_for_each(|file| fs::remove_file(file))?;
    run.sandbox.clear()?;
    climbed?;
    let verdict = climb.verdict(run);
    let keeps = matches!(verdict, Verdict::Green | Verdict::Red);
    notes.extend(run.sandbox.notes());
    let lock = locked::state(run.workspace, run.contract, &contract, run.toolchain);
    notes.extend(lock.as_ref().and_then(Locked::note));
    let asks = run.question.filter(|_| keeps && !run.aside);
    let settled = asks.and_then(|question| match settle(run, question, climb.lock) {
        Ok(settled) => Some((question, settled)),
        Err(why) => {
            // Of a red run little is kept anyway, and a lock file that cargo has brought up to date stays so.
            if verdict == Verdict::Green && !why.is_lock() {
                notes.push(format!("the next run starts anew: {why}"));
            }
            None
        }
    });
    let record = RunRecord {
        version: RunRecord::VERSION,
        id: run.dir.id.clone(),
        latest: run.output.latest(&run.workspace.root),
        asked,
        mode: run.plan.mode,
        tiers: run.plan.tiers.clone(),
        seed: run.plan.seed,
        verdict,
        stopped_at: climb.stopped_at,
        ms: started.elapsed().as_millis() as u64,
        cached: false,
        sample: climb.sample,
        shard: run.plan.shard,
        plan: shared_plan(run, &contract),
        suites: climb.suites,
        contract,
        lock,
        tools: run.toolchain.tools(with_nextest),
        audit: AuditLog::of(run.output.root()).head()?,
        steps: climb.steps,
        notes,
        sandbox: Some(run.sandbox.record.clone()),
    };
    if run.aside {
        run.output.write(run.dir, &record, &climb.tests)?;
    } else {
        let open = run.output.failures().unwrap_or_default();
        let partial =
            run.plan.shard.is_some() || run.plan.only.is_some() || record.sample.is_some() || run.plan.fail_fast;
        let closed = closed(open, &record, &climb.tests, run.flags.packages.is_empty(), partial);
        let failed: BTreeSet<FailureId> = record.failures().map(|failure| failure.id.clone()).collect();
        let ground = (!failed.is_empty()).then(|| ground::keep(run, &record.contract, failed)).transpose()?;
        run.output.finish(run.dir, &record, &climb.tests, &closed, ground.as_ref())?;
        if let Some((question, settled)) = settled {
            question.keep(run.output, (&record, &climb.tests), run.plan, settled)?;
            fast::keep(&question.cache(), run.footing.take_greens())?;
            known_examples::keep(&question.cache(), run.footing.take_examples())?;
        }
        // A shard leaves the times alone: by them the other shards divide the tests. `merge` records them.
        if run.plan.shard.is_none() {
            History::record(run.output, &climb.tests, &climb.sizes)?;
        }
    }
    if let Some((cache, ground)) = tools {
        run.toolchain.keep(&cache, &ground)?;
    }
    if let Some(question) = run.question {
        freshness::ended(&question.cache(), &run.dir.id, question.tree(), run.footing.outside())?;
        Place::keep(run.workspace)?;
        question.cache().prune()?;
    }
    Ok(Finished { record, tests: climb.tests })
}

/// Makes cargo see every change, and looks at the tree again where that has changed a file's time.
fn prepare(run: &Context<'_>, question: Question) -> Result<Question, RunError> {
    let touched = freshness::ensure(&question.cache(), &run.dir.id, question.tree(), run.workspace)?;
    Ok(if touched { question.put_again() } else { question })
}

/// What the run rests on, as far as it was the same all along.
fn settle(run: &Context<'_>, question: &Question, lock: Option<Stamp>) -> Result<Settled, Unsettled> {
    if run.footing.rests_on_luck() {
        return Err(Unsettled::Luck);
    }
    if run.footing.rests_on_network() {
        return Err(Unsettled::Network);
    }
    let members: Vec<_> = run.workspace.packages.iter().filter_map(|package| package.manifest_path.parent()).collect();
    let steps = run.plan.rungs.iter().flat_map(|(_, steps)| steps);
    let builds = steps.filter_map(|step| if let Kind::Build { builds } = &step.kind { Some(builds) } else { None });
    question.settle(Grounds {
        members,
        lock,
        builds: builds.flatten().map(|build| build.dir.clone()).collect(),
        sysroot: run.toolchain.sysroot().filter(|_| run.sandbox.image().is_none()),
        outside: run.footing.outside(),
        rests_on_base: run.footing.rests_on_base(),
    })
}

/// A file in the place of `/dev/null` makes cargo, git and compilers fail in ways that nobody would understand.
fn preflight() -> Result<(), RunError> {
    let path = camino::Utf8Path::new("/dev/null");
    let is_device = |meta: std::fs::Metadata| std::os::unix::fs::FileTypeExt::is_char_device(&meta.file_type());
    if path.metadata().is_ok_and(is_device) { Ok(()) } else { Err(RunError::NullDevice { path: path.to_owned() }) }
}

/// How far the climb has come.
#[derive(Default)]
struct Climb {
    steps: Vec<StepRecord>,
    tests: Vec<TestRecord>,
    suites: BTreeMap<String, SuiteFacts>,
    sizes: BTreeMap<String, u64>,
    sample: Option<Percent>,
    stopped_at: Option<Tier>,
    /// The lock file after the first tier.
    lock: Option<Stamp>,
}

impl Climb {
    /// The steps of one tier: on the ground side by side, since none of them waits for another; above, one after the other.
    fn rung(&mut self, run: &Context<'_>, tier: Tier, steps: &[PlannedStep]) -> Result<(), RunError> {
        if self.stopped_at.is_some() && (!run.plan.keep_going || self.was_cut_short()) {
            return Ok(());
        }
        let side_by_side = tier.number() == 0;
        let results: Vec<Result<(StepRecord, Done), RunError>> = if side_by_side {
            std::thread::scope(|scope| {
                let started: Vec<_> = steps.iter().map(|step| scope.spawn(move || carry_out_step(run, step))).collect();
                started.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect()
            })
        } else {
            let mut results = Vec::new();
            for step in steps {
                let result = carry_out_step(run, step);
                let ends = match &result {
                    Ok((record, _)) => ends_run(record) || (run.plan.fail_fast && record.outcome == Outcome::Failed),
                    Err(_) => true,
                };
                results.push(result);
                if ends {
                    break;
                }
            }
            results
        };
        for result in results {
            let (record, done) = result?;
            if !matches!(record.outcome, Outcome::Ok | Outcome::None | Outcome::Elsewhere) {
                self.stopped_at.get_or_insert(tier);
            }
            self.tests.extend(done.tests);
            self.suites.extend(done.suite.map(|suite| (record.name.clone(), suite)));
            self.sizes.extend(done.suite_size.map(|size| (record.name.clone(), size)));
            self.sample = self.sample.or(done.sample);
            self.steps.push(record);
        }
        dedupe(&mut self.steps);
        self.lock = self.lock.or_else(|| run.question.and_then(Question::lock));
        Ok(())
    }

    fn was_cut_short(&self) -> bool {
        self.steps.iter().any(ends_run)
    }

    fn verdict(&self, run: &Context<'_>) -> Verdict {
        match run.runner.interrupted() {
            Some(signal_hook::consts::SIGTERM) => Verdict::Terminated,
            Some(_) => Verdict::Interrupted,
            None => Verdict::of(&self.steps),
        }
    }
}

/// What the parts of a sharded run must agree on.
fn shared_plan(run: &Context<'_>, contract: &Digest) -> Option<Digest> {
    let shard = run.plan.shard?;
    let tree = git::tree(&run.workspace.root).unwrap_or_default();
    let fields = [
        tree,
        contract.to_string(),
        run.plan.tiers.to_string(),
        run.plan.seed.to_string(),
        run.plan.mode.to_string(),
        shard.count().to_string(),
        run.flags.packages.join(","),
    ];
    Some(Digest::of_fields(fields.iter().map(|field| field.as_bytes())))
}

fn ends_run(record: &StepRecord) -> bool {
    matches!(record.outcome, Outcome::TimedOut | Outcome::Interrupted)
}

fn panicked() -> RunError {
    RunError::Supervision { step: "?".to_owned(), why: "its thread panicked".to_owned() }
}

/// Rustfmt and the compiler report the same syntax error: the first step that has it keeps it.
fn dedupe(steps: &mut [StepRecord]) {
    let mut seen: BTreeSet<FailureId> = BTreeSet::new();
    for step in steps {
        step.failures.retain(|failure| seen.insert(failure.id.clone()));
    }
}

fn carry_out_step(run: &Context<'_>, step: &PlannedStep) -> Result<(StepRecord, Done), RunError> {
    (run.tell)(Event::StepStarted { tier: step.tier, step: step.name.clone() });
    if let Some((record, tests)) = taken_before(run, step)? {
        (run.tell)(Event::StepEnded(Box::new(record.clone())));
        return Ok((record, Done { tests, ..Done::default() }));
    }
    let started = clock::now();
    let mut done = dispatch(run, step)?;
    limits::conclude(run, step, &mut done);
    network::conclude(run, step, &mut done)?;
    let seed = run.plan.seed.to_string();
    for failure in &mut done.failures {
        if failure.replay.argv.is_empty() {
            let again = ["cargo", "harness", "run", "--step", &step.name, "--seed", &seed];
            failure.replay.argv = again.map(str::to_owned).to_vec();
        } else {
            failure.replay.env.insert("PROPTEST_RNG_SEED".to_owned(), seed.clone());
        }
    }
    let rest = Done {
        tests: std::mem::take(&mut done.tests),
        suite: done.suite.take(),
        suite_size: done.suite_size.take(),
        sample: done.sample.take(),
        ..Done::default()
    };
    let record = run.record(step, done, started.elapsed().as_millis() as u64);
    (run.tell)(Event::StepEnded(Box::new(record.clone())));
    Ok((record, rest))
}

/// In `fast`: a step that was green for the same tree in a run that wasn't. The other modes take every step anew.
fn taken_before(run: &Context<'_>, step: &PlannedStep) -> Result<Option<(StepRecord, Vec<TestRecord>)>, RunError> {
    let question = run.question.filter(|_| run.takes_over());
    let Some((mut record, tests)) = question.and_then(|question| question.recall_step(step)) else { return Ok(None) };
    (record.cached, record.ms) = (record.outcome == Outcome::Ok, 0);
    fs::append_bytes(&run.log(step), b"cached: an earlier run has taken this step with the same inputs\n")?;
    Ok(Some((record, tests)))
}

fn dispatch(run: &Context<'_>, step: &PlannedStep) -> Result<Done, RunError> {
    if run.is_elsewhere(step) {
        return Ok(Done { outcome: Some(Outcome::Elsewhere), ..Done::default() });
    }
    match &step.kind {
        Kind::Rustfmt => static_checks::rustfmt(run, step),
        Kind::Check { warnings } => static_checks::check(run, step, *warnings),
        Kind::Clippy { warnings } => static_checks::clippy(run, step, *warnings),
        Kind::Nextest { filter, .. } => tests_step::run(run, step, Suite::whole(filter.clone())),
        Kind::Doctest => doctests::run(run, step),
        Kind::Proptest { filter, cases } => proptest(run, step, filter.clone(), *cases),
        Kind::Fuzz { dir, time } => fuzz::run(run, step, dir.as_deref(), *time),
        Kind::Mutants { args } => mutants::run(run, step, args),
        Kind::Diff { diffs } => diff::run(run, step, diffs),
        Kind::Build { builds } => external::builds(run, step, builds),
        Kind::Command { step: command } => external::command(run, step, command),
    }
}

/// The property tests of all packages, with more cases than they ask for themselves.
fn proptest(
    run: &Context<'_>,
    step: &PlannedStep,
    filter: Option<String>,
    cases: Option<u32>,
) -> Result<Done, RunError> {
    let Some(functions) = functions(run, Role::Property) else { return Ok(Done::none("no property tests")) };
    let env = cases.map(|cases| ("PROPTEST_CASES".to_owned(), Some(cases.to_string()))).into_iter().collect();
    let selection = Selection { functions: Some(functions), ..Selection::default() };
    tests_step::run(run, step, Suite { filter, selection, env, sampled: false })
}

/// By package, the functions with this role; nothing where there is none.
fn functions(run: &Context<'_>, role: Role) -> Option<BTreeMap<String, BTreeSet<String>>> {
    let of = |package: &cargo_metadata::Package| {
        let dir = package.manifest_path.parent()?;
        let names = source_index::names_of(&source_index::functions(dir), role);
        (!names.is_empty()).then(|| (package.name.to_string(), names))
    };
    let found: BTreeMap<_, _> = run.packages().into_iter().filter_map(of).collect();
    (!found.is_empty()).then_some(found)
}

/// The open failures that a run has shown to be gone: their test passed, or their step ran to its end without them. `whole` says
/// that every package took part, `partial` that not every test of them was to run.
fn closed(
    open: Vec<FailureRecord>,
    record: &RunRecord,
    tests: &[TestRecord],
    whole: bool,
    partial: bool,
) -> BTreeSet<FailureId> {
    let seen: BTreeSet<&FailureId> = record.failures().map(|failure| &failure.id).collect();
    let passed: BTreeSet<_> =
        tests.iter().filter(|test| test.outcome == TestOutcome::Passed).map(|test| (&test.step, &test.test)).collect();
    let ended_well = |step: &str| {
        whole && record.steps.iter().any(|s| s.name == step && matches!(s.outcome, Outcome::Ok | Outcome::Failed))
    };
    // Its whole suite ran without it: the test itself is no more.
    let gone = |failure: &Failure, test: &TestName| {
        let known = tests.iter().any(|record| record.step == failure.step && record.test == *test);
        ended_well(&failure.step) && !partial && !known
    };
    let open = open.into_iter().map(|record| record.failure);
    open.filter(|failure| !seen.contains(&failure.id))
        .filter(|failure| match &failure.test {
            Some(test) => passed.contains(&(&failure.step, test)) || gone(failure, test),
            None => ended_well(&failure.step),
        })
        .map(|failure| failure.id)
        .collect()
}

/// Gives an earlier green run's verdict again, if one answers the question, and makes it the latest. `whole` says that every
/// package is asked about.
///
/// # Errors
/// The harness's own files can't be written.
pub(crate) fn recall(
    question: &Question,
    output: &Output,
    whole: bool,
    started: Instant,
) -> Result<Option<Finished>, RunError> {
    let Some(Recalled { record, tests }) = question.recall(output) else { return Ok(None) };
    let open = output.failures()?;
    let partial = record.shard.is_some() || record.sample.is_some();
    let closed = closed(open, &record, &tests, whole, partial);
    output.take_up(&record.id, &closed)?;
    let record = record.again(started.elapsed().as_millis() as u64);
    Ok(Some(Finished { record, tests }))
}
