//! The build of the test binaries goes on while the ground is judged. Neither waits for the other, since what is only checked has a
//! target folder of its own.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::Scope;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::context::{Call, Context, RunError};
use super::known::Question;
use crate::domain::ladder::{Kind, PlannedStep};
use crate::ports::process::Wish;
use crate::ports::supervisor::Report;

/// How often it is asked whether the build is still wanted.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A build that was begun before its step.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    begun: Mutex<Option<Begun>>,
    stop: AtomicBool,
}

#[derive(Debug)]
struct Begun {
    step: String,
    /// What it leaves in the run's folder.
    files: [Utf8PathBuf; 2],
    ended: Receiver<Result<Report, RunError>>,
}

impl Ahead {
    /// Begins the build that the first step above the ground needs.
    pub(super) fn begin<'s>(&self, scope: &'s Scope<'s, '_>, run: &'s Context<'_>) {
        let Some(step) = first_tests(run) else { return };
        let (sender, ended) = mpsc::channel();
        if let Ok(mut begun) = self.begun.lock() {
            let files = [messages(run, step), run.log(step)];
            *begun = Some(Begun { step: step.name.clone(), files, ended });
        }
        scope.spawn(move || sender.send(build(run, step, &mut || run.ahead.wish())));
    }

    /// How the step's build has ended, where it was begun ahead; stops it as soon as that is wished.
    pub(super) fn take(&self, step: &PlannedStep, wish: &dyn Fn() -> Wish) -> Option<Result<Report, RunError>> {
        let begun = self.begun.lock().ok()?.take_if(|begun| begun.step == step.name)?;
        loop {
            match begun.ended.recv_timeout(ASK_EVERY) {
                Ok(report) => return Some(report),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if wish() == Wish::Stop => self.stop.store(true, Ordering::Relaxed),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Stops a build that no step has taken. Its files, which tell of a step that did not run.
    pub(super) fn give_up(&self) -> Vec<Utf8PathBuf> {
        let begun = self.begun.lock().ok().and_then(|mut begun| begun.take());
        self.stop.store(true, Ordering::Relaxed);
        begun.into_iter().flat_map(|begun| begun.files).collect()
    }

    fn wish(&self) -> Wish {
        if self.stop.load(Ordering::Relaxed) { Wish::Stop } else { Wish::GoOn }
    }
}

/// Builds the test binaries as `cargo test` does; the messages go to a file.
pub(super) fn build(run: &Context<'_>, step: &PlannedStep, tick: &mut dyn FnMut() -> Wish) -> Result<Report, RunError> {
    let mut argv = run.cargo(&["test", "--no-run"]);
    argv.push("--message-format=json".to_owned());
    run.call(step, &Call { argv, stdout: Some(messages(run, step)), ..Call::default() }, tick)
}

/// Cargo's messages of a step.
pub(super) fn messages(run: &Context<'_>, step: &PlannedStep) -> Utf8PathBuf {
    run.beside(step, "json")
}

/// The step that follows the ground at once, where it needs the test binaries and has to run.
fn first_tests<'a>(run: &Context<'a>) -> Option<&'a PlannedStep> {
    let [(ground, _), (_, steps), ..] = run.plan.rungs.as_slice() else { return None };
    let step = steps.first().filter(|step| ground.number() == 0 && matches!(step.kind, Kind::Nextest { .. }))?;
    let is_known =
        run.question.is_some_and(|question: &Question| run.takes_over() && question.recall_step(step).is_some());
    (!is_known && !run.is_elsewhere(step)).then_some(step)
}
