//! `cargo harness repro ID`: run what showed a failure once more, alone and with its seed.

use super::{Settings, ladder};
use crate::base::{ExitCode, Explain, FailureId};
use crate::domain::ladder::Request;
use crate::domain::record::{Failure, Mode, Verdict};
use crate::domain::run::Output;
use crate::ports::cargo::Workspace;
use crate::ui;

/// Which failure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The failure's id, as it stands in brackets at the end of its ERROR line
    #[arg(value_name = "ID")]
    id: FailureId,
}

/// There is nothing to replay.
#[derive(Debug, thiserror::Error)]
#[error("no open failure has the id {0}")]
struct Unknown(FailureId);

impl Explain for Unknown {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("`cargo harness show` lists the failures of the last run".to_owned())
    }
}

/// Runs the failure's step, of a test step that test alone, and compares.
pub(crate) fn run(args: &Args, settings: &Settings) -> super::Result {
    let workspace = Workspace::load(settings.manifest_path.as_deref())?;
    let open = Output::new(workspace.harness_dir()).failures()?;
    let record =
        open.into_iter().find(|record| record.failure.id == args.id).ok_or_else(|| Unknown(args.id.clone()))?;
    let request = Request {
        mode: Mode::Full,
        tiers: None,
        steps: vec![record.failure.step.clone()],
        seed: Some(record.seed),
        sample: None,
        shard: None,
        only: record.failure.test.clone(),
        keep_going: true,
        fail_fast: false,
    };
    let finished = ladder::carry_out(request, &ladder::Args::default(), "repro".to_owned(), true, settings)?;
    let again = finished.record.failures().find(|failure| failure.id == args.id);
    let (word, code) = match (again, finished.record.verdict) {
        (Some(again), _) if same(again, &record.failure) => ("REPRODUCED", ExitCode::Red),
        (Some(_), _) => ("DIFFERENT", ExitCode::Different),
        (None, Verdict::Green | Verdict::Red) => ("NOT REPRODUCED", ExitCode::Green),
        (None, verdict) => (verdict.word(), verdict.exit_code()),
    };
    let now = again.map_or(String::new(), |failure| format!(": {} - {}", failure.category, failure.message));
    ui::print(&format!("{word}: {}{now}\n", args.id));
    Ok(code)
}

fn same(again: &Failure, before: &Failure) -> bool {
    again.category == before.category && again.message == before.message
}
