//! What every step of a run has at hand, and how it starts a command.

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::Package;

use super::ahead::Ahead;
use super::classify::Scene;
use super::containing;
use super::environment;
use super::footing::Footing;
use super::known::Question;
use super::limits::StepLimits;
use super::network;
use super::output::{Output, OutputError, RunDir};
use super::toolchain::Toolchain;
use crate::base::{Category, Digest, ExitCode, Explain, Image, Percent};
use crate::domain::contract::Contract;
use crate::domain::ladder::{Kind, Plan, PlannedStep};
use crate::domain::provenance::Surroundings;
use crate::domain::record::{Counts, Event, Failure, Mode, Outcome, StepRecord, SuiteFacts, TestRecord};
use crate::domain::sandbox::{Sandbox, SandboxError};
use crate::ports::cargo::Workspace;
use crate::ports::process::{Job, Runner, Wish};
use crate::ports::sandbox::Access;
use crate::ports::supervisor::{Ended, Report};
use crate::ports::{clock, env, fs};

/// What is wrong with a run as a whole: it ends without a verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("the step {step} could not be supervised: {why}")]
    Supervision { step: String, why: String },
    #[error("{path} is not a character device")]
    NullDevice { path: Utf8PathBuf },
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("cargo's configuration cannot be read: {0}")]
    CargoConfig(String),
}

impl From<fs::FsError> for RunError {
    fn from(error: fs::FsError) -> RunError {
        RunError::Output(OutputError::Fs(error))
    }
}

impl Explain for RunError {
    fn exit_code(&self) -> ExitCode {
        match self {
            RunError::Output(error) => error.exit_code(),
            RunError::Sandbox(error) => error.exit_code(),
            RunError::Supervision { .. } | RunError::NullDevice { .. } => ExitCode::Environment,
            RunError::CargoConfig(_) => ExitCode::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            RunError::Output(error) => error.hint(),
            RunError::Sandbox(error) => error.hint(),
            RunError::NullDevice { path } => {
                Some(format!("recreate it as root: rm {path} && mknod -m 666 {path} c 1 3"))
            }
            RunError::Supervision { .. } | RunError::CargoConfig(_) => None,
        }
    }
}

/// How cargo is to build, beyond what the contract says.
#[derive(Clone, Debug, Default)]
pub(crate) struct CargoFlags {
    /// Only these members; all where none is named.
    pub(crate) packages: Vec<String>,
    pub(crate) locked: bool,
    pub(crate) offline: bool,
}

/// One run under way.
pub(crate) struct Context<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) contract: &'a Contract,
    pub(crate) plan: &'a Plan,
    pub(crate) flags: &'a CargoFlags,
    pub(crate) output: &'a Output,
    pub(crate) dir: &'a RunDir,
    pub(crate) runner: &'a dyn Runner,
    pub(crate) toolchain: &'a Toolchain,
    pub(crate) tell: &'a (dyn Fn(Event) + Sync),
    /// A run beside the others: it neither becomes the latest nor opens or closes failures.
    pub(crate) aside: bool,
    /// What earlier runs know of this one; none where the tree can't be digested or nothing may be taken over or kept.
    pub(crate) question: Option<&'a Question>,
    pub(crate) footing: Footing,
    pub(crate) ahead: Ahead,
    pub(crate) limits: StepLimits,
    /// When the run's own time is up.
    pub(crate) deadline: std::time::Instant,
    pub(crate) sandbox: &'a Sandbox,
}

/// What a step came to, before its time is known.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) outcome: Option<Outcome>,
    /// Whether an earlier run's result stands for all of it.
    pub(super) cached: bool,
    pub(super) counts: Option<Counts>,
    pub(super) detail: String,
    pub(super) notes: Vec<String>,
    pub(super) failures: Vec<Failure>,
    pub(super) tests: Vec<TestRecord>,
    /// The whole suite, where a shard of it ran.
    pub(super) suite: Option<SuiteFacts>,
    /// How many tests the suite has, those left out included.
    pub(super) suite_size: Option<u64>,
    /// The share that ran, where it was a sample.
    pub(super) sample: Option<Percent>,
}

impl Done {
    /// There was nothing to run.
    pub(super) fn none(detail: &str) -> Done {
        Done { outcome: Some(Outcome::None), detail: detail.to_owned(), ..Done::default() }
    }

    /// The environment lacks something.
    pub(super) fn lacking(failure: Failure) -> Done {
        Done { outcome: Some(Outcome::Lacking), failures: vec![failure], ..Done::default() }
    }
}

/// One command of a step.
#[derive(Debug, Default)]
pub(super) struct Call {
    pub(super) argv: Vec<String>,
    pub(super) dir: Option<Utf8PathBuf>,
    pub(super) env: Vec<(String, Option<String>)>,
    /// Where standard output goes, if not into the step's log.
    pub(super) stdout: Option<Utf8PathBuf>,
    /// A log of its own instead of the step's.
    pub(super) log: Option<Utf8PathBuf>,
    /// What it may write in the workspace.
    pub(super) writes: Vec<Utf8PathBuf>,
    /// What it may read beyond the workspace.
    pub(super) reads: Vec<Utf8PathBuf>,
}

impl<'a> Context<'a> {
    /// The members that the run judges.
    pub(super) fn packages(&self) -> Vec<&'a Package> {
        let named = |package: &&Package| {
            self.flags.packages.is_empty() || self.flags.packages.iter().any(|name| *name == package.name.as_str())
        };
        self.workspace.packages.iter().filter(named).collect()
    }

    /// `cargo VERB` with the manifest, the packages and the features of this run.
    pub(super) fn cargo(&self, verb: &[&str]) -> Vec<String> {
        let mut argv = vec![env::cargo()];
        argv.extend(verb.iter().map(|word| (*word).to_owned()));
        argv.extend(["--manifest-path".to_owned(), self.workspace.root.join("Cargo.toml").to_string()]);
        match self.flags.packages.as_slice() {
            [] => argv.push("--workspace".to_owned()),
            _ => argv.extend(self.packages().iter().flat_map(|package| Context::named(package))),
        }
        let run = &self.contract.run;
        if !run.features.is_empty() {
            argv.extend(["--features".to_owned(), run.features.join(",")]);
        }
        let switches = [
            (run.all_features, "--all-features"),
            (run.no_default_features, "--no-default-features"),
            (self.flags.locked, "--locked"),
            (self.flags.offline, "--offline"),
        ];
        argv.extend(switches.iter().filter(|(on, _)| *on).map(|(_, flag)| (*flag).to_owned()));
        argv
    }

    /// What the tools' own words rest on: which programs there are, and everything that chooses among them.
    pub(super) fn tools_ground(&self) -> Digest {
        let surroundings = Surroundings::look(&self.workspace.root, &[], None);
        let image = self.sandbox.image().map(Image::as_str).unwrap_or_default();
        Digest::of_fields([surroundings.digest().as_bytes(), environment::digest().as_bytes(), image.as_bytes()])
    }

    /// What every part of a run rests on wherever it lies in the tree: request, environment, machine, harness, and the tools and
    /// settings outside of the tree.
    pub(super) fn outer_ground(&self, question: &Question) -> Digest {
        let folders: Vec<&Utf8Path> = self.workspace.packages.iter().filter_map(|p| p.manifest_path.parent()).collect();
        // What an image has is in its digest.
        let sysroot = self.toolchain.sysroot().filter(|_| self.sandbox.image().is_none());
        let image = self.sandbox.image().map(Image::as_str).unwrap_or_default();
        let mut surroundings = Surroundings::look(&self.workspace.root, &folders, sysroot.as_deref());
        surroundings.leave_to(question.tree());
        // Which versions were built is in what was built.
        surroundings.leave_out(&self.workspace.root.join("Cargo.lock"));
        Digest::of_fields([question.ground().as_bytes(), surroundings.digest().as_bytes(), image.as_bytes()])
    }

    /// `-p` with the package's whole id: a dependency may have the same name.
    pub(super) fn named(package: &Package) -> [String; 2] {
        ["-p".to_owned(), package.id.repr.clone()]
    }

    /// The step's own log: everything that its commands print.
    pub(super) fn log(&self, step: &PlannedStep) -> Utf8PathBuf {
        self.dir.path.join(format!("{}-{}.log", step.tier, step.name))
    }

    /// A file or folder of the step's beside its log.
    pub(super) fn beside(&self, step: &PlannedStep, suffix: &str) -> Utf8PathBuf {
        self.dir.path.join(format!("{}-{}.{suffix}", step.tier, step.name))
    }

    /// Calls a step's command under the step's limits, with `tick` several times a second.
    pub(super) fn call(
        &self,
        step: &PlannedStep,
        call: &Call,
        tick: &mut dyn FnMut() -> Wish,
    ) -> Result<Report, RunError> {
        let log = call.log.clone().unwrap_or_else(|| self.log(step));
        let header = format!("$ {}\n", crate::base::shell::quote(&call.argv));
        fs::append_bytes(&log, header.as_bytes())?;
        let mut variables: Vec<(String, Option<String>)> = environment::kept_out().map(|name| (name, None)).collect();
        variables.push(("RUST_BACKTRACE".to_owned(), Some("0".to_owned())));
        variables.extend(call.env.iter().cloned());
        let left = self.deadline.saturating_duration_since(clock::now());
        let dir = call.dir.as_deref().unwrap_or(&self.workspace.root);
        let watchdog = self.limits.of(self, step);
        let own = format!("{}-{}", step.tier, step.name);
        let mut writes = containing::writes(&self.dir.path, &own, &self.log(step));
        writes.extend(call.writes.iter().cloned());
        let mut cage = self.sandbox.cage(&writes, &variables, Some(network::log(self, step)));
        if let Some(cage) = &mut cage {
            call.reads.iter().for_each(|path| cage.add(path, Access::Read));
        }
        let job = Job {
            cage: cage.as_ref(),
            argv: &call.argv,
            dir,
            env: &variables,
            stdout: call.stdout.as_deref().unwrap_or(&log),
            stderr: &log,
            limit: step.limit.min(left),
            watchdog: Some(&watchdog),
        };
        let report = self.runner.run(&job, &mut || {
            let wish = tick();
            (self.tell)(Event::StillRunning { tier: step.tier, step: step.name.clone() });
            wish
        });
        match report.ended {
            Ended::Lost(why) => Err(RunError::Supervision { step: step.name.clone(), why }),
            _ => Ok(report),
        }
    }

    /// Whether steps that earlier runs have taken stand: those of the other modes are all taken anew.
    pub(super) fn takes_over(&self) -> bool {
        self.plan.mode == Mode::Fast
    }

    /// What failures of this step have in common; `logs` is the folder of its tests' logs.
    pub(super) fn scene<'s>(&'s self, step: &'s PlannedStep, logs: &'s Utf8Path, step_log: &'s Utf8Path) -> Scene<'s> {
        Scene {
            tier: step.tier,
            step: &step.name,
            rules: &self.contract.categories,
            root: &self.workspace.root,
            run_dir: &self.dir.path,
            logs,
            step_log,
        }
    }

    /// Where a command ended early by no fault of the code: what the step came to.
    pub(super) fn cut_short(&self, step: &PlannedStep, ended: &Ended) -> Option<Done> {
        let log = self.log(step);
        let scene = self.scene(step, &self.dir.path, &log);
        match ended {
            Ended::TimedOut => {
                let limit = humane(step.limit);
                let failure =
                    scene.step_failure(Category::timeout(), &format!("stopped at the step's time limit of {limit}"));
                Some(Done { outcome: Some(Outcome::TimedOut), failures: vec![failure], ..Done::default() })
            }
            Ended::Stopped => Some(Done { outcome: Some(Outcome::Interrupted), ..Done::default() }),
            // Which one, and the failure, stand for the step as a whole.
            Ended::OverLimit(_) => Some(Done { outcome: Some(Outcome::Failed), ..Done::default() }),
            Ended::NotStarted(why) => Some(Done::lacking(
                scene.step_failure(Category::setup(), &format!("its command cannot be started: {why}")),
            )),
            Ended::Exited(_) | Ended::Signalled(_) | Ended::Lost(_) => None,
        }
    }

    /// Tells that so many tests have ended.
    pub(super) fn tell_tests(&self, step: &PlannedStep, (ended, failed): (u64, u64), of: u64) {
        let of = (of > 0).then_some(of);
        (self.tell)(Event::TestsEnded { tier: step.tier, step: step.name.clone(), ended, failed, of });
    }

    /// Whether another shard runs this step as a whole: those that can't be split go round the shards.
    pub(super) fn is_elsewhere(&self, step: &PlannedStep) -> bool {
        let splits = matches!(step.kind, Kind::Nextest { .. } | Kind::Proptest { .. });
        let Some(shard) = self.plan.shard.filter(|_| !splits) else { return false };
        let all = self.plan.rungs.iter().flat_map(|(_, steps)| steps);
        let position = all.take_while(|other| other.name != step.name).count();
        position % shard.count() != shard.position()
    }

    /// The step's record.
    pub(super) fn record(&self, step: &PlannedStep, done: Done, ms: u64) -> StepRecord {
        let outcome = done.outcome.unwrap_or(if done.failures.is_empty() { Outcome::Ok } else { Outcome::Failed });
        StepRecord {
            tier: step.tier,
            name: step.name.clone(),
            outcome,
            ms,
            cached: done.cached,
            counts: done.counts,
            detail: done.detail,
            notes: done.notes,
            failures: done.failures,
            limits: self.limits.records(step),
            log: Utf8PathBuf::from(format!("{}-{}.log", step.tier, step.name)),
        }
    }
}

/// A length of time as the contract would have it.
pub(super) fn humane(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 60.0 { format!("{seconds:.0}s") } else { format!("{:.0}m", seconds / 60.0) }
}

/// `1 error`, `2 errors`.
pub(super) fn counted(count: usize, thing: &str) -> String {
    crate::base::text::counted(count as u64, thing)
}
