//! The folder `target/harness`: the runs, the failures that are still open, the recorded times.

use std::collections::BTreeSet;
use std::fs::File;

use camino::{Utf8Path, Utf8PathBuf};

use crate::base::{ExitCode, Explain, FailureId};
use crate::domain::record::{Failure, FailureRecord, Ground, RunId, RunRecord, TestRecord};
use crate::ports::{clock, fs};

/// No record of a run is larger: that of 1,000,000 tests is smaller.
const LARGEST: u64 = 256 << 20;

/// What may go wrong with the harness's own files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    #[error(transparent)]
    Fs(#[from] fs::FsError),
}

impl Explain for OutputError {
    fn exit_code(&self) -> ExitCode {
        match self {
            OutputError::Fs(error) => error.exit_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            OutputError::Fs(error) => error.hint(),
        }
    }
}

/// Somebody has stopped all runs until further notice.
#[derive(Debug, thiserror::Error)]
#[error("no run may begin: {stop} is there")]
pub(crate) struct Held {
    stop: Utf8PathBuf,
}

impl Explain for Held {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Environment
    }

    fn hint(&self) -> Option<String> {
        Some("`cargo harness kill --release` removes it".to_owned())
    }
}

/// The folder of all runs.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    root: Utf8PathBuf,
}

/// One run's folder. Others leave it alone as long as this lives.
#[derive(Debug)]
pub(crate) struct RunDir {
    pub(crate) id: RunId,
    pub(crate) path: Utf8PathBuf,
    _lock: File,
}

impl Output {
    /// Below the workspace's target folder.
    pub(crate) fn new(root: Utf8PathBuf) -> Output {
        Output { root }
    }

    /// The lock of a run's folder, held as long as the run goes on.
    pub(super) const LOCK: &str = ".lock";
    /// Verbs that start runs of their own, and hold a lock while they do.
    pub(super) const HOLDERS: [&str; 2] = ["watch", "gate"];

    /// While this file is there, no run begins, and those under way end.
    pub(crate) fn stop_file(&self) -> Utf8PathBuf {
        self.root.join("STOP")
    }

    /// Whether runs may begin.
    ///
    /// # Errors
    /// They may not.
    pub(crate) fn check_stop(&self) -> Result<(), Held> {
        let stop = self.stop_file();
        if fs::is_present(&stop) { Err(Held { stop }) } else { Ok(()) }
    }

    /// Marks this process as one of `HOLDERS` as long as the answer lives, so that `kill` ends it with all that it has started.
    ///
    /// # Errors
    /// The lock's file can't be written.
    pub(crate) fn hold(&self, verb: &'static str) -> Result<File, OutputError> {
        fs::create_dir(&self.root)?;
        let lock = fs::append(&self.root.join(format!("{verb}.lock")))?;
        // As with the lock of a run: without it only `kill` doesn't see this process.
        let _ = lock.lock_shared();
        Ok(lock)
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// The link to the last run's folder, relative to `root` if it lies within.
    pub(crate) fn latest(&self, root: &Utf8Path) -> Utf8PathBuf {
        let link = self.root.join("latest");
        link.strip_prefix(root).map(Utf8Path::to_owned).unwrap_or(link)
    }

    /// Makes the folder of a new run, and removes the oldest ones that are neither under way nor named by an open failure.
    pub(crate) fn begin(&self, keep: u32) -> Result<RunDir, OutputError> {
        let id = RunId(format!("{}-{}", clock::timestamp(), std::process::id()));
        let path = self.root.join("runs").join(&id.0);
        fs::create_dir(&path)?;
        fs::create_dir(&self.root.join("failures"))?;
        fs::create_dir(&self.root.join("history"))?;
        self.ignore()?;
        let lock = fs::create(&path.join(Self::LOCK))?;
        // A lock that can't be had (some network file systems) only means that rotation may not see this run.
        let _ = lock.lock();
        self.rotate(keep)?;
        Ok(RunDir { id, path, _lock: lock })
    }

    /// Keeps the whole folder out of version control where `target` isn't ignored.
    fn ignore(&self) -> Result<(), OutputError> {
        let path = self.root.join(".gitignore");
        if fs::size(&path).is_none() {
            fs::replace(&path, b"*\n")?;
        }
        Ok(())
    }

    fn rotate(&self, keep: u32) -> Result<(), OutputError> {
        let runs = fs::names(&self.root.join("runs"))?;
        let open: BTreeSet<String> = self.failures()?.into_iter().map(|record| record.run.0).collect();
        let surplus = runs.len().saturating_sub(keep.max(1) as usize);
        for run in runs.iter().take(surplus).filter(|run| !open.contains(*run)) {
            let folder = self.root.join("runs").join(run);
            let idle = match fs::open(&folder.join(Self::LOCK)) {
                Ok(lock) => lock.try_lock().is_ok(),
                Err(_) => true,
            };
            if idle {
                fs::remove_dir(&folder)?;
            }
        }
        Ok(())
    }

    /// The failures that are still open. A file that isn't whole or isn't ours is passed over.
    pub(crate) fn failures(&self) -> Result<Vec<FailureRecord>, OutputError> {
        let folder = self.root.join("failures");
        let mut records = Vec::new();
        for name in fs::names(&folder)?.into_iter().filter(|name| name.ends_with(".json")) {
            if let Ok(Some(text)) = fs::read_text_if_present(&folder.join(name))
                && let Ok(record) = serde_json::from_str(&text)
            {
                records.push(record);
            }
        }
        Ok(records)
    }

    /// Writes a finished run: its tests, its failures, what it has closed, `run.json`, and last the link to it.
    pub(crate) fn finish(
        &self,
        dir: &RunDir,
        run: &RunRecord,
        tests: &[TestRecord],
        closed: &BTreeSet<FailureId>,
        ground: Option<&Ground>,
    ) -> Result<(), OutputError> {
        for failure in run.failures() {
            self.open(run, failure, ground)?;
        }
        for id in closed {
            fs::remove_file(&self.failure_path(id))?;
        }
        self.write(dir, run, tests)?;
        fs::replace_symlink(&self.root.join("latest"), &Utf8Path::new("runs").join(&run.id.0))?;
        Ok(())
    }

    /// The texts of a run's `run.json` and `tests.jsonl`, where both are still there.
    pub(super) fn texts(&self, run: &RunId) -> Option<(String, String)> {
        let read = |name: &str| fs::read_text_up_to(&self.run_folder(run).join(name), LARGEST).ok();
        Some((read("run.json")?, read("tests.jsonl")?))
    }

    /// Where a run's files are.
    pub(crate) fn run_folder(&self, run: &RunId) -> Utf8PathBuf {
        self.root.join("runs").join(&run.0)
    }

    /// Makes an earlier run the latest again, and closes what it has shown to be gone.
    pub(crate) fn take_up(&self, run: &RunId, closed: &BTreeSet<FailureId>) -> Result<(), OutputError> {
        for id in closed {
            fs::remove_file(&self.failure_path(id))?;
        }
        let (link, target) = (self.root.join("latest"), Utf8Path::new("runs").join(&run.0));
        if fs::link_target(&link).as_deref() != Some(target.as_str()) {
            fs::replace_symlink(&link, &target)?;
        }
        Ok(())
    }

    /// Writes `tests.jsonl` and `run.json`, and leaves everything else as it is.
    pub(crate) fn write(&self, dir: &RunDir, run: &RunRecord, tests: &[TestRecord]) -> Result<(), OutputError> {
        let lines: String = tests.iter().map(|test| json(test) + "\n").collect();
        fs::replace(&dir.path.join("tests.jsonl"), lines.as_bytes())?;
        let text = serde_json::to_string_pretty(run).unwrap_or_default();
        Ok(fs::replace(&dir.path.join("run.json"), text.as_bytes())?)
    }

    fn open(&self, run: &RunRecord, failure: &Failure, ground: Option<&Ground>) -> Result<(), OutputError> {
        let record = FailureRecord::new(run.id.clone(), run.seed, failure.clone(), ground.cloned());
        let text = serde_json::to_string_pretty(&record).unwrap_or_default();
        Ok(fs::replace(&self.failure_path(&failure.id), text.as_bytes())?)
    }

    fn failure_path(&self, id: &FailureId) -> Utf8PathBuf {
        self.root.join("failures").join(format!("{id}.json"))
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
