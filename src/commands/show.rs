//! `cargo harness show [ID]`: the last verdict, or one failure in detail.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{MessageFormat, Output};
use crate::base::{ExitCode, Explain, FailureId};
use crate::domain::record::{FailureRecord, Place, RunRecord};
use crate::domain::report::{Surroundings, brief, disarmed, failure_json, failure_text, github, json_lines};
use crate::ports::cargo::Workspace;
use crate::ports::fs;
use crate::ui;

/// What to show.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A failure's id, or its first four digits or more; without it the last verdict is shown
    #[arg(value_name = "ID")]
    id: Option<String>,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
enum ShowError {
    #[error("there has been no run in {root} yet")]
    NoRun { root: Utf8PathBuf },
    #[error("`{0}` is not a failure id: they look like `t-9ab20c1d`; four digits are enough")]
    NotAnId(String),
    #[error("no failure `{wanted}` is known")]
    Unknown { wanted: String, nearest: Vec<FailureId> },
    #[error("`{wanted}` is short for several failures: {}", listed(found))]
    Ambiguous { wanted: String, found: Vec<FailureId> },
    #[error("{path} is not what cargo-harness wrote: {source}")]
    Foreign { path: Utf8PathBuf, source: serde_json::Error },
    #[error("{path} was written by a newer cargo-harness, in form {version}")]
    Newer { path: Utf8PathBuf, version: u32 },
}

impl Explain for ShowError {
    fn exit_code(&self) -> ExitCode {
        match self {
            ShowError::Foreign { .. } | ShowError::Newer { .. } => ExitCode::Environment,
            ShowError::NoRun { .. }
            | ShowError::NotAnId(_)
            | ShowError::Unknown { .. }
            | ShowError::Ambiguous { .. } => ExitCode::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            ShowError::NoRun { .. } => "run `cargo harness fast` first".to_owned(),
            ShowError::NotAnId(_) => "ids stand in brackets at the end of `ERROR:` lines".to_owned(),
            ShowError::Unknown { nearest, .. } if nearest.is_empty() => {
                "no failure is recorded; `cargo harness show` shows the last verdict".to_owned()
            }
            ShowError::Unknown { nearest, .. } => format!("the nearest known ids are {}", listed(nearest)),
            ShowError::Ambiguous { .. } => "write more digits".to_owned(),
            ShowError::Foreign { .. } => "run `cargo harness fast` to write it anew".to_owned(),
            ShowError::Newer { .. } => "update cargo-harness".to_owned(),
        })
    }
}

/// Prints the last verdict and answers with its code, or prints a failure.
pub(crate) fn run(args: &Args, manifest_path: Option<&Utf8Path>, output: Output) -> super::Result {
    let workspace = Workspace::load(manifest_path)?;
    match &args.id {
        None => show_run(&workspace, output),
        Some(id) => show_failure(&workspace, id, output),
    }
}

fn show_run(workspace: &Workspace, output: Output) -> super::Result {
    let path = workspace.harness_dir().join("latest/run.json");
    let text = fs::read_text_if_present(&path)?;
    let text = text.ok_or_else(|| ShowError::NoRun { root: workspace.root.clone() })?;
    let run: RunRecord = parsed(&path, &text, RunRecord::VERSION)?;
    ui::print(&match output.format {
        MessageFormat::Human => brief(&run, output.detail),
        MessageFormat::Json => json_lines(&run),
        MessageFormat::Github => github(&run, output.detail),
    });
    Ok(run.verdict.exit_code())
}

fn show_failure(workspace: &Workspace, wanted: &str, output: Output) -> super::Result {
    let folder = workspace.harness_dir().join("failures");
    let id = only_match(wanted, known_ids(&folder)?)?;
    let path = folder.join(format!("{id}.json"));
    let record: FailureRecord = parsed(&path, &fs::read_text(&path)?, FailureRecord::VERSION)?;
    let log = workspace.harness_dir().join("runs").join(&record.run.0).join(&record.failure.log);
    let source = record.failure.place.as_ref().and_then(|place| source(workspace, place));
    let around = Surroundings {
        source: source.as_deref(),
        log: log.strip_prefix(&workspace.root).unwrap_or(&log).as_str(),
        log_is_kept: fs::size(&log).is_some(),
    };
    ui::print(&match output.format {
        MessageFormat::Human => failure_text(&record, around),
        MessageFormat::Json => failure_json(&record, around),
        MessageFormat::Github => disarmed(&failure_text(&record, around)),
    });
    Ok(ExitCode::Green)
}

fn known_ids(folder: &Utf8Path) -> fs::Result<Vec<FailureId>> {
    let names = fs::names(folder)?;
    Ok(names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect())
}

/// The one id that `wanted` is short for: `t-9ab2` or only `9ab2`.
fn only_match(wanted: &str, known: Vec<FailureId>) -> Result<FailureId, ShowError> {
    let digits = wanted.split_once('-').map_or(wanted, |(_, digits)| digits);
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !is_hex || !(4..=8).contains(&digits.len()) {
        return Err(ShowError::NotAnId(wanted.to_owned()));
    }
    let is_meant = |id: &&FailureId| id.as_str().starts_with(wanted) || id.as_str()[2..].starts_with(wanted);
    let mut found: Vec<FailureId> = known.iter().filter(is_meant).cloned().collect();
    match (found.pop(), found.is_empty()) {
        (Some(id), true) => Ok(id),
        (Some(id), false) => {
            found.push(id);
            Err(ShowError::Ambiguous { wanted: wanted.to_owned(), found })
        }
        (None, _) => Err(ShowError::Unknown { wanted: wanted.to_owned(), nearest: nearest(wanted, known) }),
    }
}

/// The ids that look most like `wanted`.
fn nearest(wanted: &str, mut known: Vec<FailureId>) -> Vec<FailureId> {
    const NAMED: usize = 5;
    known.sort_by(|a, b| strsim::jaro(b.as_str(), wanted).total_cmp(&strsim::jaro(a.as_str(), wanted)));
    known.truncate(NAMED);
    known
}

fn listed(ids: &[FailureId]) -> String {
    ids.iter().map(FailureId::as_str).collect::<Vec<_>>().join(", ")
}

/// Reads a record; its version first, because a newer form may lack what this one needs.
fn parsed<T: DeserializeOwned>(path: &Utf8Path, text: &str, version: u32) -> Result<T, ShowError> {
    #[derive(Deserialize)]
    #[serde(expecting = "an object with a version")]
    struct Versioned {
        version: u32,
    }
    let foreign = |source| ShowError::Foreign { path: path.to_owned(), source };
    let found: Versioned = serde_json::from_str(text).map_err(foreign)?;
    if found.version > version {
        return Err(ShowError::Newer { path: path.to_owned(), version: found.version });
    }
    serde_json::from_str(text).map_err(foreign)
}

/// The text of the file that a place names, unless it leads out of the workspace.
fn source(workspace: &Workspace, place: &Place) -> Option<String> {
    let leads_up = place.file.components().any(|part| part == Utf8Component::ParentDir);
    let path = workspace.root.join(&place.file).canonicalize_utf8().ok()?;
    let root = workspace.root.canonicalize_utf8().ok()?;
    let is_shown = !leads_up && path.starts_with(root) && fs::size(&path).is_some();
    if is_shown { fs::read_text(&path).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{ShowError, only_match};
    use crate::base::FailureId;

    fn known() -> Vec<FailureId> {
        ["t-9ab20c1d", "t-9ab2ffff", "c-00001111"].map(|id| id.parse().unwrap()).to_vec()
    }

    #[test]
    fn an_id_may_be_cut_short_as_long_as_it_is_the_only_one() {
        let found = |wanted: &str| only_match(wanted, known()).ok().map(|id| id.to_string());
        assert_eq!(found("t-9ab20").as_deref(), Some("t-9ab20c1d"));
        assert_eq!(found("0000").as_deref(), Some("c-00001111"));
        assert!(matches!(only_match("t-9ab2", known()), Err(ShowError::Ambiguous { found, .. }) if found.len() == 2));
        assert!(matches!(only_match("c-9ab2", known()), Err(ShowError::Unknown { .. })));
        for text in ["", "t-9ab", "t-../..", "T-9AB2", "é-éé"] {
            assert!(matches!(only_match(text, known()), Err(ShowError::NotAnId(_))), "{text}");
        }
    }
}
