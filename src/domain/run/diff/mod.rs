//! Differential tests: a program is held against an oracle, or against golden files, case by case.

mod answer;
mod case;
mod compare;
mod golden;
mod judge;
mod normalise;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use judge::{Judged, Question};

use super::context::{Context, Done, RunError, counted};
use crate::base::{Category, FailureId, FailureKind, text};
use crate::domain::contract::Diff;
use crate::domain::ladder::PlannedStep;
use crate::domain::record::{Failure, Outcome};
use crate::ports::supervisor::Ended;
use crate::ports::{clock, env, fs};

/// So many files, or cases, are named in a note.
const MOST_NAMED: usize = 10;

/// Holds all of the contract's programs against their oracles, as many cases at a time as there are processors.
pub(super) fn run(run: &Context<'_>, step: &PlannedStep, diffs: &[Diff]) -> Result<Done, RunError> {
    if diffs.is_empty() {
        return Ok(Done::none(""));
    }
    let mut failures = Vec::new();
    let mut questions = Vec::new();
    for diff in diffs {
        let cases = case::all(run, diff);
        if cases.is_empty() && run.plan.input.is_none() {
            failures.push(without_cases(run, step, diff));
        }
        questions.extend(cases.into_iter().map(|case| (diff, case)));
    }
    let all: Vec<Question<'_>> =
        questions.into_iter().enumerate().map(|(n, (diff, case))| Question { run, step, diff, case, n }).collect();
    let climb = Climb { until: clock::now() + step.limit, ended: AtomicBool::new(false) };
    let judged = climb.judge(&all)?;
    fs::remove_dir(&judge::work(run, step))?;
    let mut done = summary(&all, judged, failures);
    if done.outcome.is_none() && climb.is_late() {
        let late = run.cut_short(step, &Ended::TimedOut).unwrap_or_default();
        done.failures.extend(late.failures);
        done.outcome = late.outcome;
    }
    Ok(done)
}

/// The way through all cases.
struct Climb {
    until: Instant,
    /// No further case is begun.
    ended: AtomicBool,
}

impl Climb {
    fn is_late(&self) -> bool {
        clock::now() >= self.until
    }

    /// What each case came to, in their order; nothing of those that were not begun.
    fn judge(&self, all: &[Question<'_>]) -> Result<Vec<(usize, Judged)>, RunError> {
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<(usize, Judged)>, RunError> {
            let mut results = Vec::new();
            while !self.ended.load(Ordering::Relaxed) && !self.is_late() {
                let Some(question) = all.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let judged = question.judge()?;
                let ends = match &judged {
                    Judged::Stopped => true,
                    Judged::Differs(_) => question.run.plan.fail_fast,
                    Judged::Same | Judged::Expected | Judged::NoLonger | Judged::Blessed(_) => false,
                };
                if ends {
                    self.ended.store(true, Ordering::Relaxed);
                }
                results.push((question.n, judged));
            }
            Ok(results)
        };
        let workers = env::parallelism().min(all.len());
        let results: Vec<Result<Vec<(usize, Judged)>, RunError>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err(super::panicked()))).collect()
        });
        let mut judged = Vec::new();
        for result in results {
            judged.extend(result?);
        }
        judged.sort_by_key(|(n, _)| *n);
        Ok(judged)
    }
}

fn summary(all: &[Question<'_>], judged: Vec<(usize, Judged)>, mut failures: Vec<Failure>) -> Done {
    let (mut expected, mut gone, mut written, mut stopped) = (0, Vec::new(), Vec::new(), false);
    let (begun, mut differ) = (judged.len(), 0);
    for (n, judged) in judged {
        match judged {
            Judged::Same => {}
            Judged::Expected => expected += 1,
            Judged::NoLonger => gone.push(all[n].case.name()),
            Judged::Blessed(files) => written.extend(files.into_iter().map(|file| file.to_string())),
            Judged::Differs(failure) => {
                differ += 1;
                failures.push(*failure);
            }
            Judged::Stopped => stopped = true,
        }
    }
    let mut detail = match differ {
        0 => counted(begun, "case"),
        n => format!("{n} of {} differ", counted(begun, "case")),
    };
    if expected > 0 {
        detail.push_str(&format!(", {expected} as expected"));
    }
    let note = |what: &str, names: Vec<String>| {
        let more = names.len().saturating_sub(MOST_NAMED);
        let named = names.iter().take(MOST_NAMED).map(|name| text::one_line(name)).collect::<Vec<_>>().join(", ");
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!names.is_empty()).then(|| format!("{what}: {named}{rest}"))
    };
    let notes = [
        note("a difference that was expected is gone, and its entry with it can go", gone),
        note("golden files were written", written),
    ];
    Done {
        outcome: stopped.then_some(Outcome::Interrupted),
        detail,
        notes: notes.into_iter().flatten().collect(),
        failures,
        ..Done::default()
    }
}

/// Of nothing nothing can be said.
fn without_cases(run: &Context<'_>, step: &PlannedStep, diff: &Diff) -> Failure {
    let log = run.log(step);
    let globs: Vec<&str> = diff.cases.iter().map(|glob| glob.0.as_str()).collect();
    let message = format!("no file matches its cases: {}", globs.join(", "));
    let mut failure = run.scene(step, &run.dir.path, &log).step_failure(Category::setup(), &message);
    failure.id = FailureId::new(FailureKind::Differential, &[&diff.name, "cases"]);
    failure.subject = Some(diff.name.clone());
    failure
}
