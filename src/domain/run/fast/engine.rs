//! Follows the build, starts binaries as cargo names them, and takes in what their tests tell.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::Scope;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;

use super::green::{Green, Lookup};
use super::launch::Launch;
use super::queue::{Queue, Waiting};
use super::{Binary, Go, Means};
use crate::domain::run::context::{Call, RunError};
use crate::domain::run::diagnostics::{Findings, Messages};
use crate::domain::run::judge::Evidence;
use crate::domain::run::selecting::Choice;
use crate::domain::run::shim::{self, Caller, OneProcess};
use crate::domain::run::test_event::{Tail, TestEvent};
use crate::domain::run::tests_step::TestJob;
use crate::domain::run::{affected, ahead, dep_info, runner_config, unharnessed};
use crate::ports::process::Wish;
use crate::ports::supervisor::{Ended, Report};
use crate::ports::{clock, env, fs};

/// How often the messages of the build and the events of the tests are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What all threads of a go have at hand.
pub(super) struct Engine<'a> {
    job: &'a TestJob<'a>,
    choice: &'a Choice,
    means: &'a Means<'a>,
    apart: &'a BTreeMap<String, BTreeSet<String>>,
    chain: Vec<String>,
    unharnessed: BTreeSet<String>,
    stop: AtomicBool,
}

/// What the threads tell.
enum Told {
    Built(Result<Report, RunError>),
    /// What tests have done, and how many lines of it nobody but the tests can have written.
    Events(Vec<TestEvent>, u64),
    /// It must wait until nothing else opens files.
    Held(Waiting),
    Ended(Result<Binary, RunError>),
}

/// A binary on its way, with what cargo has said that matters to it.
struct Started {
    waiting: Waiting,
    launch: Launch,
    /// Programs that its tests may start, and libraries that they may load.
    programs: Vec<Utf8PathBuf>,
    number: usize,
    /// Whether the build goes on beside it.
    building: bool,
}

/// How far a go has come; the main thread's own.
struct State {
    queue: Queue,
    /// How many of the executables that cargo has named are in the queue or past it.
    seen: usize,
    running: usize,
    number: usize,
    built: Option<Ended>,
    first_test: Option<Instant>,
    go: Go,
}

impl<'a> Engine<'a> {
    /// Before anything has begun.
    ///
    /// # Errors
    /// Cargo's configuration can't be read.
    pub(super) fn new(
        job: &'a TestJob<'a>,
        choice: &'a Choice,
        means: &'a Means<'a>,
        apart: &'a BTreeMap<String, BTreeSet<String>>,
    ) -> Result<Engine<'a>, RunError> {
        let chain = runner_config::read(job.run)?.chain;
        let unharnessed = unharnessed::binaries(&job.run.workspace.packages);
        Ok(Engine { job, choice, means, apart, chain, unharnessed, stop: AtomicBool::new(false) })
    }

    /// Builds, and runs what is built, until nothing is left or the time is up.
    ///
    /// # Errors
    /// The harness can't do its own work.
    pub(super) fn drive(&self) -> Result<Go, RunError> {
        let (run, step) = (self.job.run, self.job.step);
        let json = ahead::messages(run, step);
        let log = run.log(step);
        let scene = run.scene(step, &run.dir.path, &log);
        let mut messages = Messages::new(json.clone());
        let mut state = State::new();
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let teller = sender.clone();
            scope.spawn(move || drop(teller.send(Told::Built(self.build()))));
            let failed = self.failed_last_time();
            // Git is asked only where there is an order to choose.
            let affected = LazyCell::new(|| affected::affected(run.workspace).into_iter().map(|(id, _)| id).collect());
            while !state.is_done() {
                let told = receiver.recv_timeout(LOOK_EVERY);
                for told in told.into_iter().chain(receiver.try_iter()) {
                    state.take(told).inspect_err(|_| self.stop.store(true, Ordering::Relaxed))?;
                }
                messages.follow(&scene, &run.workspace.packages)?;
                self.queue_up(&mut state, &messages.so_far, &failed, &affected);
                self.start(scope, &sender, &mut state, &messages.so_far)?;
                self.look(&mut state);
            }
            Ok::<(), RunError>(())
        })?;
        fs::remove_file(&json)?;
        let findings = messages.findings();
        run.footing.add(dep_info::inputs(run.workspace, &findings));
        let elapsed = state.first_test.map_or(Duration::ZERO, |since| since.elapsed());
        let built = state.built.unwrap_or(Ended::Stopped);
        Ok(Go { findings, built, elapsed, ..state.go })
    }

    fn build(&self) -> Result<Report, RunError> {
        let (run, step) = (self.job.run, self.job.step);
        let begun = run.ahead.take(step, &|| self.wish());
        begun.unwrap_or_else(|| ahead::build(run, step, &mut || self.wish()))
    }

    fn wish(&self) -> Wish {
        if self.stop.load(Ordering::Relaxed) { Wish::Stop } else { Wish::GoOn }
    }

    /// By binary: the tests that are open failures.
    fn failed_last_time(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut failed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let open = self.job.run.output.failures().unwrap_or_default();
        for test in open.into_iter().filter_map(|record| record.failure.test) {
            failed.entry(test.binary).or_default().insert(test.name);
        }
        failed
    }

    /// Queues what cargo has built since the last look.
    fn queue_up(
        &self,
        state: &mut State,
        built: &Findings,
        failed: &BTreeMap<String, BTreeSet<String>>,
        affected: &LazyCell<BTreeSet<String>, impl FnOnce() -> BTreeSet<String>>,
    ) {
        let fresh = built.tests.get(state.seen..).unwrap_or_default();
        state.seen = built.tests.len();
        let has_order = fresh.len() + state.queue.len() > 1;
        for test in fresh {
            // Examples are built in no order that tests could rely on.
            let has_examples = |package: &&cargo_metadata::Package| {
                package.id == test.package && package.targets.iter().any(cargo_metadata::Target::is_example)
            };
            let held = test.is_integration && self.job.run.workspace.packages.iter().any(|p| has_examples(&p));
            state.queue.push(Waiting {
                failed: failed.get(&test.id).cloned().unwrap_or_default(),
                affected: has_order && affected.contains(&test.id),
                held,
                test: test.clone(),
            });
        }
    }

    /// Starts what there is room for: one beside a build, which needs the processors itself.
    fn start<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        sender: &Sender<Told>,
        state: &mut State,
        built: &Findings,
    ) -> Result<(), RunError> {
        let building = state.built.is_none();
        let room = if building { 1 } else { env::parallelism() };
        while state.running < room && self.wish() == Wish::GoOn {
            let Some(waiting) = state.queue.next(!building) else { return Ok(()) };
            let launch = Launch::of(self.job.run, &waiting.test, built, &self.job.variables())?;
            let own = built.programs.iter().filter(|program| program.package == waiting.test.package);
            let programs = own.filter(|_| waiting.test.is_integration).map(|program| program.path.clone());
            let programs = programs.chain(built.libraries.iter().cloned()).collect();
            (state.running, state.number) = (state.running + 1, state.number + 1);
            let started = Started { waiting, launch, programs, number: state.number, building };
            let sender = sender.clone();
            scope.spawn(move || {
                let told = self.attend(started, &sender);
                let _ = sender.send(told);
            });
        }
        Ok(())
    }

    /// Looks a binary up, and runs it where it isn't known.
    fn attend(&self, started: Started, sender: &Sender<Told>) -> Told {
        let Started { waiting, launch, programs, .. } = &started;
        let id = waiting.test.id.clone();
        let unharnessed = self.unharnessed.contains(&id);
        let mut slot = None;
        if let Some(greens) = &self.means.greens {
            let found = greens.slot(&waiting.test, launch, &self.chain, programs);
            let known = found.as_ref().map_or(Lookup::Unknown, |found| greens.look_up(found));
            match known {
                Lookup::Green(green) => {
                    let _ = sender.send(Told::Events(recalled(&id, green), 0));
                    return Told::Ended(Ok(Binary { id, slot: None, reused: true, opened: None }));
                }
                // What the compiler opens meanwhile would be taken for read by this binary, again and again.
                Lookup::OtherData if started.building => return Told::Held(Waiting { held: true, ..started.waiting }),
                Lookup::OtherData | Lookup::Unknown => slot = found,
            }
        }
        if unharnessed && self.job.by_nextest {
            return Told::Ended(Ok(Binary { id, slot, reused: false, opened: Some(BTreeSet::new()) }));
        }
        let mark = self.means.mark();
        let ran = self.run(&started, sender);
        let opened = self.means.since(mark);
        Told::Ended(ran.map(|()| Binary { id, slot, reused: false, opened }))
    }

    /// Runs a binary's tests in one process, telling what happens.
    fn run(&self, started: &Started, sender: &Sender<Told>) -> Result<(), RunError> {
        let Started { waiting, launch, number, .. } = started;
        let id = &waiting.test.id;
        let file = |name: &str| self.job.files.logs.join(format!(".{name}-{number}.json"));
        let (events, path) = (file("events"), file("order"));
        let caller = match self.unharnessed.contains(id) {
            true => Caller::CargoTest,
            false => Caller::OneProcess(OneProcess {
                first: waiting.failed.clone(),
                apart: self.apart.get(id).cloned().unwrap_or_default(),
                again: !self.job.by_nextest,
            }),
        };
        let selection = &self.choice.selection;
        let mut order = self.job.order(caller, events.clone(), selection, self.chain.clone())?;
        order.binaries = BTreeMap::from([(waiting.test.path.to_string(), id.clone())]);
        let text = serde_json::to_string(&order).unwrap_or_default();
        fs::replace(&path, text.as_bytes())?;
        let argv = [
            &self.job.run.sandbox.program(),
            shim::VERB,
            path.as_str(),
            &shim::seal(&text),
            waiting.test.path.as_str(),
        ];
        let call = Call {
            argv: argv.map(str::to_owned).to_vec(),
            dir: Some(launch.dir.clone()),
            env: launch.variables(),
            ..Call::default()
        };
        let mut tail = Tail::new(events.clone());
        self.job.run.call(self.job.step, &call, &mut || {
            let _ = sender.send(Told::Events(tail.read().unwrap_or_default(), 0));
            self.wish()
        })?;
        let rest = tail.read()?;
        let _ = sender.send(Told::Events(rest, tail.foreign));
        fs::remove_file(&events)?;
        fs::remove_file(&path)?;
        Ok(())
    }

    /// Tells how far it has come, and ends what takes too long or has failed.
    fn look(&self, state: &mut State) {
        let run = self.job.run;
        let evidence = &state.go.evidence;
        let progress = evidence.progress(run.contract.run.leaks);
        run.tell_tests(self.job.step, progress, evidence.expected());
        if let Some(reads) = &self.means.reads {
            reads.drain();
        }
        // While the build goes on it is the build that takes the time.
        if state.built.is_some() && evidence.expected() > 0 {
            state.first_test.get_or_insert_with(clock::now);
        }
        let limit = self.choice.stop_after.zip(state.first_test);
        if limit.is_some_and(|(limit, since)| since.elapsed() >= limit) {
            state.go.over_budget = true;
        }
        let build_failed = state.built.as_ref().is_some_and(|built| *built != Ended::Exited(0));
        let failed_fast = run.plan.fail_fast && progress.1 > 0;
        if state.go.over_budget || build_failed || failed_fast {
            self.stop.store(true, Ordering::Relaxed);
        }
        if self.wish() == Wish::Stop || run.runner.interrupted().is_some() {
            state.queue = Queue::default();
        }
    }
}

impl State {
    fn new() -> State {
        let go = Go {
            evidence: Evidence::default(),
            findings: Findings::default(),
            built: Ended::Stopped,
            over_budget: false,
            elapsed: Duration::ZERO,
            binaries: Vec::new(),
        };
        State { queue: Queue::default(), seen: 0, running: 0, number: 0, built: None, first_test: None, go }
    }

    fn is_done(&self) -> bool {
        self.built.is_some() && self.queue.is_empty() && self.running == 0
    }

    fn take(&mut self, told: Told) -> Result<(), RunError> {
        match told {
            Told::Built(report) => self.built = Some(report?.ended),
            Told::Events(events, foreign) => {
                events.into_iter().for_each(|event| self.go.evidence.add(event));
                self.go.evidence.foreign += foreign;
            }
            Told::Held(waiting) => {
                self.running -= 1;
                self.queue.push(waiting);
            }
            Told::Ended(binary) => {
                self.running -= 1;
                self.go.binaries.push(binary?);
            }
        }
        Ok(())
    }
}

/// What a binary's tests would have told.
fn recalled(binary: &str, green: Green) -> Vec<TestEvent> {
    let Green { passed, ignored, .. } = green;
    let binary = binary.to_owned();
    let names = passed.iter().map(|(name, _)| name.clone()).chain(ignored.iter().cloned()).collect();
    let list = |taken, ignored| TestEvent::List { binary: binary.clone(), ignored, taken, left_out: Vec::new() };
    let mut events = vec![list(names, false), list(ignored, true)];
    events.extend(passed.into_iter().map(|(name, ms)| TestEvent::Passed {
        binary: binary.clone(),
        names: vec![name],
        ms,
        log: Utf8PathBuf::new(),
    }));
    events
}
