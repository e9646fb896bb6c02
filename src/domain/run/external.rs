//! Programs that aren't cargo's: the external projects of `[[builds]]`, and steps that call any program.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::classify::Scene;
use super::context::{Call, Context, Done, RunError, counted, humane};
use crate::base::{ByteSize, Category, FailureId, FailureKind};
use crate::domain::contract::{Build, Pattern, Step};
use crate::domain::ladder::PlannedStep;
use crate::domain::record::{Failure, Outcome, Place, Replay};
use crate::ports::fs;
use crate::ports::process::Wish;
use crate::ports::supervisor::Ended;

/// In the arguments of a build or a command this stands for the workspace's root.
const ROOT: &str = "{root}";

/// More failures than this from one log say nothing new.
const MOST_FINDINGS: usize = 1000;

/// Builds all projects, as many at a time as there are processors.
pub(super) fn builds(run: &Context<'_>, step: &PlannedStep, builds: &[Build]) -> Result<Done, RunError> {
    if builds.is_empty() {
        return Ok(Done::none(""));
    }
    let width = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut results = Vec::new();
        while let Some(build) = builds.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            results.push(build_one(run, step, build));
        }
        results
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..width.min(builds.len())).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    let mut failures = Vec::new();
    let mut stopped = false;
    for result in results {
        match result? {
            Some(found) => failures.extend(found),
            None => stopped = true,
        }
    }
    failures.sort_by(|a, b| a.subject.cmp(&b.subject));
    let failed: BTreeSet<_> = failures.iter().filter_map(|failure| failure.subject.clone()).collect();
    let detail = match failed.len() {
        0 => counted(builds.len(), "build"),
        n => format!("{n} of {} failed", counted(builds.len(), "build")),
    };
    Ok(Done { outcome: stopped.then_some(Outcome::Interrupted), detail, failures, ..Done::default() })
}

/// The failures of one project; nothing where it was stopped by the user.
fn build_one(run: &Context<'_>, step: &PlannedStep, build: &Build) -> Result<Option<Vec<Failure>>, RunError> {
    let log = run.beside(step, &format!("{}.log", build.name));
    let scene = run.scene(step, &run.dir.path, &log);
    let dir = run.workspace.root.join(&build.dir);
    let argv = with_root(&build.run, &run.workspace.root);
    let fail = |category: Category, what: &str, message: String| {
        let mut failure = scene.step_failure(category, &message);
        failure.id = FailureId::new(FailureKind::Build, &[&step.name, &build.name, what]);
        failure.subject = Some(build.name.clone());
        failure.replay = Replay { argv: argv.clone(), dir: build.dir.clone(), env: build.env.clone(), input: None };
        failure
    };
    if !dir.is_dir() {
        return Ok(Some(vec![fail(Category::setup(), "dir", format!("there is no folder {}", build.dir))]));
    }
    let limited = PlannedStep { limit: build.timeout.duration(), ..step.clone() };
    let call = Call {
        argv: argv.clone(),
        dir: Some(dir.clone()),
        env: build.env.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect(),
        log: Some(log.clone()),
        writes: outputs(run, &dir, build)?,
        ..Call::default()
    };
    let report = run.call(&limited, &call, &mut || Wish::GoOn)?;
    let failures = match report.ended {
        Ended::Exited(0) => build
            .expect
            .iter()
            .filter_map(|expected| {
                let name = expected.path.as_str();
                match (fs::size(&dir.join(&expected.path)), expected.max_size) {
                    (None, _) => Some(fail(Category::build(), name, format!("it did not leave the file {name}"))),
                    (Some(size), Some(limit)) if size > limit.bytes() => {
                        let size = ByteSize::of_bytes(size);
                        Some(fail(Category::budget(), name, format!("{name} has {size}, over its limit of {limit}")))
                    }
                    _ => None,
                }
            })
            .collect(),
        Ended::Stopped => return Ok(None),
        // It is the step's limit, and the step says so.
        Ended::OverLimit(_) => Vec::new(),
        Ended::TimedOut => {
            vec![fail(
                Category::timeout(),
                "time",
                format!("stopped at its time limit of {}", humane(build.timeout.duration())),
            )]
        }
        ended => vec![fail(Category::build(), "run", ending(&ended, &log))],
    };
    Ok(Some(failures))
}

/// The folders of what a project is to leave: in them it builds.
fn outputs(run: &Context<'_>, dir: &Utf8Path, build: &Build) -> Result<Vec<Utf8PathBuf>, RunError> {
    let root = &run.workspace.root;
    let folders: BTreeSet<Utf8PathBuf> = build
        .expect
        .iter()
        .filter_map(|expected| Some(dir.join(&expected.path).parent()?.to_owned()))
        // The workspace as a whole is more than an output.
        .filter(|folder| folder != root && folder.starts_with(root))
        .collect();
    let mut writes = Vec::new();
    for folder in &folders {
        writes.extend(run.sandbox.folder_to_write(root, folder)?);
    }
    Ok(writes)
}

/// Runs a program and reads its log by the contract's patterns.
pub(super) fn command(run: &Context<'_>, step: &PlannedStep, command: &Step) -> Result<Done, RunError> {
    let argv = with_root(command.run.as_deref().unwrap_or_default(), &run.workspace.root);
    let dir = command.dir.clone().unwrap_or_default();
    let env: BTreeMap<String, String> = command.env.clone().unwrap_or_default();
    let call = Call {
        argv: argv.clone(),
        dir: Some(run.workspace.root.join(&dir)),
        env: env.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect(),
        ..Call::default()
    };
    let report = run.call(step, &call, &mut || Wish::GoOn)?;
    if let Some(done) = run.cut_short(step, &report.ended) {
        return Ok(done);
    }
    let log = run.log(step);
    let scene = run.scene(step, &run.dir.path, &log);
    let mut failures = found(&scene, &log, command.patterns.as_deref().unwrap_or_default())?;
    let count = failures.len();
    if failures.is_empty() && report.ended != Ended::Exited(0) {
        let mut failure = scene.step_failure(Category::build(), &ending(&report.ended, &log));
        failure.id = FailureId::new(FailureKind::Build, &[&step.name]);
        failures.push(failure);
    }
    for failure in &mut failures {
        failure.replay = Replay { argv: argv.clone(), dir: dir.clone(), env: env.clone(), input: None };
    }
    let detail = if count > 0 { counted(count, "finding") } else { String::new() };
    Ok(Done { detail, failures, ..Done::default() })
}

/// One failure for each line that a pattern matches and that says something new.
fn found(scene: &Scene<'_>, log: &Utf8Path, patterns: &[Pattern]) -> fs::Result<Vec<Failure>> {
    let mut failures: Vec<Failure> = Vec::new();
    let mut seen = BTreeSet::new();
    if patterns.is_empty() {
        return Ok(failures);
    }
    fs::each_line(log, |line| {
        let is_ours = line.starts_with("$ ");
        let matching = patterns.iter().find_map(|p| p.pattern.0.captures(line).map(|captures| (p, captures)));
        let Some((pattern, captures)) = matching.filter(|_| !is_ours && failures.len() < MOST_FINDINGS) else { return };
        let group = |name: &str| captures.name(name).map(|m| m.as_str().to_owned());
        let number = |name: &str| group(name).and_then(|text| text.parse().ok());
        let file = group("file").unwrap_or_default();
        let message = group("message").unwrap_or_else(|| line.trim().to_owned());
        let subject = group("subject");
        let identity = [scene.step, &pattern.category, subject.as_deref().unwrap_or_default(), &file, &message];
        let id = FailureId::new(FailureKind::Build, &identity);
        if !seen.insert(id.clone()) {
            return;
        }
        let path = Utf8Path::new(&file);
        let relative = path.strip_prefix(scene.root).unwrap_or(path).to_owned();
        failures.push(Failure {
            id,
            category: Category::named(&pattern.category),
            tier: scene.tier,
            step: scene.step.to_owned(),
            subject,
            message,
            place: number("line").filter(|_| !file.is_empty()).map(|line| Place {
                file: relative,
                line,
                column: number("column"),
            }),
            test: None,
            excerpt: line.to_owned(),
            log: scene.in_run(log),
            replay: Replay::default(),
        });
    })?;
    Ok(failures)
}

/// Arguments as a command gets them.
pub(super) fn with_root(argv: &[String], root: &Utf8Path) -> Vec<String> {
    argv.iter().map(|word| word.replace(ROOT, root.as_str())).collect()
}

/// How a program ended, and the last thing that it said.
pub(super) fn ending(ended: &Ended, log: &Utf8PathBuf) -> String {
    let how = match ended {
        Ended::Exited(code) => format!("ended with {code}"),
        Ended::Signalled(number) => format!("ended by {}", super::classify::signal_name(*number)),
        Ended::NotStarted(why) => format!("cannot be started: {why}"),
        Ended::TimedOut | Ended::OverLimit(_) | Ended::Stopped | Ended::Lost(_) => "did not end by itself".to_owned(),
    };
    let tail = fs::head_and_tail(log, 4 << 10).map(|(head, _, tail)| head + &tail).unwrap_or_default();
    let last = tail.lines().rfind(|line| !line.trim().is_empty() && !line.starts_with("$ "));
    last.map_or_else(|| how.clone(), |line| format!("{how}: {}", line.trim()))
}
