//! `cargo harness merge DIR…`: join the parts of a sharded run into one verdict.

use camino::{Utf8Path, Utf8PathBuf};

use super::{Settings, ladder};
use crate::base::{ExitCode, Explain};
use crate::domain::contract;
use crate::domain::record::RunRecord;
use crate::domain::run::{self, Finished, History, Output, Part};
use crate::ports::cargo::Workspace;
use crate::ports::fs;

/// Which parts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run folder of each part, such as target/harness/latest of each machine
    #[arg(value_name = "DIR", required = true)]
    parts: Vec<Utf8PathBuf>,
}

/// Why a part can't be read.
#[derive(Debug, thiserror::Error)]
enum PartError {
    #[error("{dir} is no run folder: it has no run.json")]
    NoRun { dir: Utf8PathBuf },
    #[error("{path} is not what cargo-harness wrote: {source}")]
    Foreign { path: Utf8PathBuf, source: serde_json::Error },
    #[error("{path} is in form {found}, and this version reads form {}", RunRecord::VERSION)]
    Form { path: Utf8PathBuf, found: u32 },
}

impl Explain for PartError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }
}

/// Reads the parts, joins them, and writes the whole as a run of this workspace.
pub(crate) fn run(args: &Args, settings: &Settings) -> super::Result {
    let workspace = Workspace::load(settings.manifest_path.as_deref())?;
    let loaded = contract::load(&workspace)?;
    let parts = args.parts.iter().map(|dir| read(dir)).collect::<super::Result<Vec<Part>>>()?;
    let output = Output::new(workspace.harness_dir());
    let dir = output.begin(loaded.contract.run.keep_runs)?;
    let (record, tests) = run::merge(parts, dir.id.clone()).inspect_err(|_| {
        // The folder holds nothing yet; what can't be removed goes with the rotation.
        let _ = fs::remove_dir(&dir.path);
    })?;
    output.finish(&dir, &record, &tests, &Default::default(), None)?;
    let sizes = record.suites.iter().map(|(step, suite)| (step.clone(), suite.tests)).collect();
    History::record(&output, &tests, &sizes)?;
    let finished = Finished { record, tests };
    ladder::note_down(&finished, &output, &workspace.root, None)?;
    ladder::say(&finished, &dir, settings)?;
    Ok(finished.record.verdict.exit_code())
}

fn read(dir: &Utf8Path) -> super::Result<Part> {
    let path = dir.join("run.json");
    let text = fs::read_text_if_present(&path)?.ok_or_else(|| PartError::NoRun { dir: dir.to_owned() })?;
    let foreign = |path: &Utf8Path| {
        let path = path.to_owned();
        move |source| PartError::Foreign { path, source }
    };
    let record: RunRecord = serde_json::from_str(&text).map_err(foreign(&path))?;
    if record.version != RunRecord::VERSION {
        return Err(PartError::Form { path, found: record.version }.into());
    }
    let path = dir.join("tests.jsonl");
    let text = fs::read_text(&path)?;
    let tests = text.lines().map(serde_json::from_str).collect::<Result<_, _>>().map_err(foreign(&path))?;
    let dir = dir.canonicalize_utf8().unwrap_or_else(|_| dir.to_owned());
    Ok(Part { dir, record, tests })
}
