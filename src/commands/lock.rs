//! `cargo harness lock`: pins with what verdicts are given, or says what has drifted since.

use serde::Serialize;

use super::{MessageFormat, Settings, Unsupervised, audit};
use crate::base::ExitCode;
use crate::domain::contract;
use crate::domain::gate;
use crate::domain::provenance::{Drift, FILE, Lock};
use crate::domain::report::json_line;
use crate::domain::run::{Output, containers, locked};
use crate::ports::cargo::Workspace;
use crate::ports::process::Supervised;
use crate::ui;

/// Whether to write.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing, and end with 1 where something is other than Harness.lock says
    #[arg(long)]
    check: bool,
}

/// What the verb has to say.
#[derive(Serialize)]
struct Facts {
    /// How many things are pinned.
    pinned: usize,
    written: bool,
    drift: Vec<Drift>,
}

/// Writes `Harness.lock`, or compares it with what is here.
pub(crate) fn run(args: &Args, settings: &Settings) -> super::Result {
    let workspace = Workspace::load(settings.manifest_path.as_deref())?;
    let loaded = contract::load(&workspace)?;
    let toolchain = containers::toolchain(&workspace, &loaded.contract)?;
    let mut now = locked::now(&workspace, &loaded.contract, &loaded.digest, &toolchain);
    let facts = if args.check {
        let lock = Lock::read(&workspace.root)?;
        Facts { pinned: lock.len(), written: false, drift: lock.drift(&now) }
    } else {
        let caller = Supervised::new().map_err(Unsupervised)?;
        now.ratchets = Some(gate::work_tree_ratchets(&workspace, &loaded.contract, &caller)?);
        Facts { pinned: now.len(), written: now.write(&workspace.root)?, drift: Vec::new() }
    };
    let code = if facts.drift.is_empty() { ExitCode::Green } else { ExitCode::Red };
    let outcome = match (args.check, facts.written) {
        (true, _) => "lock checked",
        (false, true) => "locked",
        (false, false) => "lock up to date",
    };
    let output = Output::new(workspace.harness_dir());
    audit::record(&output, &workspace.root, None, None, (outcome, code))?;
    ui::print(&match settings.output.format {
        MessageFormat::Json => json_line("lock", &facts),
        MessageFormat::Human | MessageFormat::Github => text(&facts, args.check),
    });
    Ok(code)
}

fn text(facts: &Facts, check: bool) -> String {
    let Facts { pinned, written, drift } = facts;
    let mut text: String = drift.iter().map(|drift| format!("DRIFT: {drift}\n")).collect();
    text.push_str(&match (check, written) {
        (true, _) if drift.is_empty() => format!("LOCK: all of {pinned} as in {FILE}\n"),
        (true, _) => format!("LOCK: {} other than in {FILE}, which pins {pinned}\n", drift.len()),
        (false, true) => format!("LOCK: {FILE} written, which pins {pinned}\n"),
        (false, false) => format!("LOCK: {FILE} is up to date, and pins {pinned}\n"),
    });
    text
}
