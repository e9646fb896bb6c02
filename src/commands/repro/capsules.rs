//! `repro --export FILE` and `repro --from FILE`.

use camino::Utf8Path;
use serde::Serialize;

use super::super::{MessageFormat, Result, Settings};
use super::{ReproError, Subject};
use crate::base::text::one_line;
use crate::base::{ExitCode, FailureId, shell};
use crate::domain::provenance::snapshot::CHANGES;
use crate::domain::record::{Change, RecordedTree};
use crate::domain::report::json_line;
use crate::domain::repro::ExactError;
use crate::domain::repro::capsule::{self, Capsule, CapsuleError};
use crate::domain::run::ground::INPUTS;
use crate::ports::cargo::Workspace;
use crate::ports::fs;
use crate::ui;

/// So many paths are named, before the question and after an export.
const MOST_SHOWN: usize = 20;

/// Logs beyond this are kept by their beginning and end.
const LOG_BYTES: u64 = 1 << 20;

/// What the export has to say.
#[derive(Serialize)]
struct Exported<'a> {
    id: &'a FailureId,
    file: &'a Utf8Path,
    bytes: usize,
    commit: Option<&'a str>,
    changes: usize,
    files: Vec<&'a Utf8Path>,
}

/// Packs a failure into a file.
pub(super) fn export(subject: &Subject, file: &Utf8Path, settings: &Settings) -> Result {
    let Subject { record, tree, folder } = subject;
    let id = &record.failure.id;
    let (Some(ground), Some(tree)) = (&record.ground, tree) else { return Err(ExactError::NoTree(id.clone()).into()) };
    if ground.commit.is_none() {
        return Err(ExactError::NoGit(ground.root.clone()).into());
    }
    let mut files = contents(tree, folder)?;
    files.extend(subject.input().map(|bytes| (format!("{INPUTS}/{id}"), bytes)));
    if let Some(name) = capsule::log_name(&record.failure.log)
        && let Ok((head, between, tail)) = fs::head_and_tail(&folder.join(&record.failure.log), LOG_BYTES)
    {
        let cut = if between > 0 { format!("\n… {between} bytes left out …\n") } else { String::new() };
        files.insert(name, (head + &cut + &tail).into_bytes());
    }
    let bytes = Capsule { record: record.clone(), tree: tree.clone(), files }.pack()?;
    fs::replace(file, &bytes)?;
    let (commit, changes) = (ground.commit.as_deref(), tree.changes.len());
    let files = tree.changes.keys().map(camino::Utf8PathBuf::as_path).collect();
    let facts = Exported { id, file, bytes: bytes.len(), commit, changes, files };
    ui::print(&match settings.output.format {
        MessageFormat::Json => json_line("export", &facts),
        MessageFormat::Human | MessageFormat::Github => {
            let at = commit.map(|commit| format!(" at commit {commit}")).unwrap_or_default();
            let head = format!("EXPORTED: {id}{at} with {} to {file}, {} bytes", counted(changes), bytes.len());
            [vec![head], listed(tree)].concat().join("\n") + "\n"
        }
    });
    Ok(ExitCode::Green)
}

fn contents(tree: &RecordedTree, folder: &Utf8Path) -> Result<std::collections::BTreeMap<String, Vec<u8>>> {
    let kept = tree.changes.values().filter_map(|change| match change {
        Change::File { content, .. } => Some(format!("{CHANGES}/{content}")),
        Change::Deleted | Change::Link(_) => None,
    });
    let read = |name: String| Ok((name.clone(), fs::read_from(&folder.join(&name), 0, capsule::MOST_BYTES)?));
    kept.map(read).collect()
}

/// A capsule whose files lie in a folder of their own, which goes when this does.
pub(super) struct Held {
    capsule: Capsule,
    folder: tempfile::TempDir,
}

impl Held {
    /// What is replayed.
    pub(super) fn subject(&self) -> Subject {
        let folder = Utf8Path::from_path(self.folder.path()).map(Utf8Path::to_owned).unwrap_or_default();
        Subject { record: self.capsule.record.clone(), tree: Some(self.capsule.tree.clone()), folder }
    }
}

/// Reads a capsule, shows what it would have run, and asks. Nothing is written before that.
pub(super) fn open(file: &Utf8Path, asked: Option<&FailureId>, workspace: &Workspace, yes: bool) -> Result<Held> {
    if fs::size(file).is_some_and(|size| size > capsule::MOST_BYTES) {
        return Err(CapsuleError::TooLarge.into());
    }
    fs::open(file)?;
    let bytes = fs::read_from(file, 0, capsule::MOST_BYTES)?;
    let capsule = Capsule::unpack(&bytes)?;
    let held = &capsule.record.failure.id;
    if let Some(asked) = asked.filter(|asked| *asked != held) {
        return Err(ReproError::Another { held: held.clone(), asked: asked.clone() }.into());
    }
    ui::note(&shown(&capsule, workspace));
    if !yes && !ui::agrees("Run it?") {
        return Err(ReproError::NotAgreed.into());
    }
    let home = workspace.harness_dir().join("capsules");
    fs::create_dir(&home)?;
    let folder = fs::temporary_dir(&home)?;
    let top = Utf8Path::from_path(folder.path()).map(Utf8Path::to_owned).unwrap_or_default();
    for (name, bytes) in &capsule.files {
        let path = top.join(name);
        fs::create_dir(path.parent().unwrap_or(&top))?;
        fs::create_whole(&path, bytes)?;
    }
    Ok(Held { capsule, folder })
}

/// What would be run and written, in lines that can't deceive.
fn shown(capsule: &Capsule, workspace: &Workspace) -> String {
    let Capsule { record, tree, .. } = capsule;
    let failure = &record.failure;
    let mut lines = vec![format!(
        "CAPSULE: {} {} - {}",
        failure.id,
        one_line(failure.category.as_str()),
        one_line(&failure.message)
    )];
    let seed = record.seed.to_string();
    let again = ["cargo", "harness", "run", "--step", &failure.step, "--seed", &seed].map(str::to_owned);
    let alone = failure.test.as_ref().map(|test| format!(", of it only {} {}", test.binary, test.name));
    lines.push(format!("RUNS: {}{}", one_line(&shell::quote(&again)), one_line(&alone.unwrap_or_default())));
    if !failure.replay.argv.is_empty() {
        lines.push(format!("COMMAND: {}", one_line(&shell::quote(&failure.replay.argv))));
    }
    let folder = workspace.harness_dir().join("exact").join(failure.id.as_str());
    let commit = record.ground.as_ref().and_then(|ground| ground.commit.as_deref()).unwrap_or("no commit");
    lines.push(format!("WRITES: {folder}: {commit} with {}", counted(tree.changes.len())));
    lines.extend(listed(tree));
    let environment = record.ground.iter().flat_map(|ground| &ground.environment);
    lines.extend(environment.map(|(name, value)| format!("SETS: {}={}", one_line(name), one_line(value))));
    lines.join("\n")
}

/// The changed files, a line each, which nobody should hand on unseen.
fn listed(tree: &RecordedTree) -> Vec<String> {
    let changes = tree.changes.iter().take(MOST_SHOWN).map(|(path, change)| {
        let path = one_line(path.as_str());
        match change {
            Change::Deleted => format!("  deleted {path}"),
            Change::File { executable: true, .. } => format!("  program {path}"),
            Change::File { .. } => format!("  file {path}"),
            Change::Link(target) => format!("  link {path} -> {}", one_line(target)),
        }
    });
    let more = tree.changes.len().saturating_sub(MOST_SHOWN);
    changes.chain((more > 0).then(|| format!("  … and {more} more"))).collect()
}

fn counted(changes: usize) -> String {
    format!("{changes} changed file{}", if changes == 1 { "" } else { "s" })
}
