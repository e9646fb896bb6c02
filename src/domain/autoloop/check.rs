//! A task's own check: the command and the tiers that prove it done, run on a clean checkout by the branch's contract.

use camino::{Utf8Path, Utf8PathBuf};

use crate::base::text::{capped, one_line};
use crate::domain::contract::{self, Contract};
use crate::domain::queue::Task;
use crate::domain::run::{Output, containing};
use crate::ports::cargo::Workspace;
use crate::ports::process::{Job, Runner, Supervised, Wish};
use crate::ports::repository::{Oid, Repository};
use crate::ports::supervisor::Ended;
use crate::ports::{env, fs};

/// Runs checks.
pub(crate) struct Checker<'a> {
    pub(crate) repository: &'a Repository,
    /// The workspace's root.
    pub(crate) root: &'a Utf8Path,
    pub(crate) caller: &'a Supervised,
    /// For the checkouts.
    pub(crate) folder: &'a Utf8Path,
}

impl Checker<'_> {
    /// Why a commit on top of `base` does not do what a task asks, if it doesn't.
    ///
    /// # Errors
    /// The check can't be carried out.
    pub(super) fn check(&self, base: &Oid, head: &Oid, task: &Task) -> Result<Option<String>, String> {
        let tiers = task.tier.as_ref().map(|tiers| {
            ["harness", "run", "--tier"].map(str::to_owned).into_iter().chain([tiers.to_string()]).collect::<Vec<_>>()
        });
        if task.check.is_none() && tiers.is_none() {
            return Ok(None);
        }
        let policy = self.checkout(base, "policy")?;
        let policy = self.workspace(&policy)?;
        let contract = contract::load(&policy).map_err(|error| error.to_string())?.contract;
        let workspace = self.workspace(&self.checkout(head, "tree")?)?;
        for (argv, is_contained) in task.check.clone().map(|argv| (argv, true)).into_iter().chain(tiers.map(own)) {
            if let Some(why) = self.run(&argv, is_contained, &workspace, &contract)? {
                return Ok(Some(capped(&one_line(&format!("the task's check fails: {why}")), 300)));
            }
        }
        Ok(None)
    }

    fn run(
        &self,
        argv: &[String],
        is_contained: bool,
        workspace: &Workspace,
        contract: &Contract,
    ) -> Result<Option<String>, String> {
        let output = Output::new(workspace.harness_dir());
        let dir = output.begin(contract.run.keep_runs).map_err(|error| error.to_string())?;
        let asked = if is_contained { contract.sandbox.asked() } else { contract::Containment::Off };
        let sandbox =
            containing::prepare(asked, contract, workspace, &dir, self.caller).map_err(|error| error.to_string())?;
        let log = dir.path.join("check.log");
        let cage = sandbox.cage(std::slice::from_ref(&log), &[], None);
        let job = Job {
            argv,
            dir: &workspace.root,
            env: &[],
            stdout: &log,
            stderr: &log,
            limit: contract.run.timeout.duration(),
            watchdog: None,
            cage: cage.as_ref(),
        };
        let report = self.caller.run(&job, &mut || Wish::GoOn);
        let last = fs::head_and_tail(&log, 4 << 10).map(|(head, _, tail)| head + &tail).unwrap_or_default();
        let last = last.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
        match report.ended {
            Ended::Exited(0) => Ok(None),
            Ended::Exited(code) => Ok(Some(format!("exit code {code}: {last}"))),
            Ended::Signalled(signal) => Ok(Some(format!("signal {signal}: {last}"))),
            Ended::TimedOut => Ok(Some("its time was up".to_owned())),
            Ended::NotStarted(why) => Ok(Some(why)),
            Ended::OverLimit(_) | Ended::Stopped | Ended::Lost(_) => {
                Err(format!("the check ended with {:?}", report.ended))
            }
        }
    }

    /// A clean checkout of a commit.
    fn checkout(&self, commit: &Oid, name: &str) -> Result<Utf8PathBuf, String> {
        let dir = self.folder.join(name);
        fs::create_dir(self.folder).map_err(|error| error.to_string())?;
        fs::remove_dir(&dir).map_err(|error| error.to_string())?;
        self.repository.clone_at(commit, &dir).map_err(|error| error.to_string())?;
        Ok(dir)
    }

    /// The workspace in a checkout of the whole repository.
    fn workspace(&self, checkout: &Utf8Path) -> Result<Workspace, String> {
        let below = self.root.strip_prefix(self.repository.top()).unwrap_or("".into());
        let dir = checkout.join(below);
        Workspace::load_in(&dir, &dir.join("Cargo.toml")).map_err(|error| error.to_string())
    }
}

/// This program contains what it runs by itself.
fn own(mut argv: Vec<String>) -> (Vec<String>, bool) {
    argv.insert(0, env::own_program());
    (argv, false)
}
