//! `cargo harness audit log`: what has been judged and changed here, by whom; and whether that record is whole.

use camino::Utf8Path;

use super::{MessageFormat, Settings};
use crate::base::{Digest, ExitCode, Explain};
use crate::domain::provenance::{AuditLog, Broken, Deed, Sound, verify_audit};
use crate::domain::record::RunId;
use crate::domain::report;
use crate::domain::run::{Output, Place};
use crate::ports::cargo::Workspace;
use crate::ports::{fs, journal};
use crate::ui;

/// What to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Print the audit log: who ran what, when, with which outcome
    Log(LogArgs),
}

#[derive(Debug, clap::Args)]
struct LogArgs {
    /// Say whether it is as it was written: exit code 1 for an edit, a deletion, another order or a cut tail
    #[arg(long)]
    verify: bool,
}

/// Nothing was asked for that there is.
#[derive(Debug, thiserror::Error)]
#[error("`audit` by itself checks nothing in this version")]
struct OnlyTheLog;

impl Explain for OnlyTheLog {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("`cargo harness audit log` prints the audit log, and `--verify` checks it".to_owned())
    }
}

/// Prints or checks the log.
pub(crate) fn run(args: &Args, settings: &Settings) -> super::Result {
    let Some(What::Log(args)) = &args.what else { return Err(OnlyTheLog.into()) };
    let place = place(settings.manifest_path.as_deref())?;
    let log = AuditLog::of(&place.harness_dir());
    if args.verify {
        return Ok(tell(verify_audit(&log)?, &log, settings.output.format));
    }
    let (lines, _) = journal::lines(&log.path)?.unwrap_or_default();
    let text: String = match settings.output.format {
        MessageFormat::Json => lines.iter().map(|line| format!("{line}\n")).collect(),
        _ => lines.iter().map(|line| in_brief(line)).collect(),
    };
    ui::print(&text);
    Ok(ExitCode::Green)
}

/// Where the workspace lies; cargo is asked only where no earlier run has.
pub(super) fn place(manifest_path: Option<&Utf8Path>) -> super::Result<Place> {
    match Place::find(manifest_path) {
        Some(place) => Ok(place),
        None => Ok(Place::of(&Workspace::load(manifest_path)?)),
    }
}

fn in_brief(line: &str) -> String {
    let Some(entry) = AuditLog::entry(line) else { return "a line that cannot be read\n".to_owned() };
    let commit = entry.commit.as_deref().map_or("-", |commit| commit.get(..12).unwrap_or(commit));
    let run = entry.run.map_or("-".to_owned(), |run| run.to_string());
    let cached = if entry.cached { " cached" } else { "" };
    let argv = crate::base::shell::quote(&entry.argv);
    format!(
        "{} {} {}@{} {}{cached} {} {commit} {run}: {}\n",
        entry.line,
        entry.at,
        entry.user,
        entry.host,
        entry.outcome,
        entry.code,
        crate::base::text::one_line(&argv)
    )
}

fn tell(found: Result<Sound, Broken>, log: &AuditLog, format: MessageFormat) -> ExitCode {
    let code = if found.is_ok() { ExitCode::Green } else { ExitCode::Red };
    if format == MessageFormat::Json {
        let problem = found.as_ref().err().map(ToString::to_string);
        let lines = found.as_ref().ok().map(|sound| sound.lines);
        let facts = serde_json::json!({ "ok": found.is_ok(), "lines": lines, "problem": problem, "code": code.code() });
        ui::print(&report::json_line("audit", &facts));
        return code;
    }
    let apart = log.apart.as_deref().filter(|path| fs::is_present(path));
    match found {
        Ok(sound) => {
            if sound.unfinished > 0 {
                ui::print("NOTE: the last line was not finished, as its writer was ended; the next command drops it\n");
            }
            if !sound.is_kept {
                ui::print("NOTE: the head of the log is not kept apart, so that a cut tail would not be seen\n");
            }
            let lines = crate::base::text::counted(sound.lines, "line");
            let head = if sound.lines == 0 { String::new() } else { format!(", head {}", sound.head.prefix(16)) };
            ui::print(&format!("AUDIT: ok, {lines}{head}\n"));
        }
        Err(broken) => {
            ui::print(&format!("ERROR: TAMPER - {}: {broken}\n", log.path));
            let kept = apart.map(|path| format!(" and {path}")).unwrap_or_default();
            ui::print(&format!("NOTE: if it was you (`cargo clean`), remove {}{kept} to begin a new log\n", log.path));
        }
    }
    code
}

/// Writes a line about what this command came to. Nothing that judges is answered without it.
///
/// # Errors
/// The log can't be written.
pub(crate) fn record(
    output: &Output,
    root: &Utf8Path,
    tree: Option<&Digest>,
    run: Option<(&RunId, bool)>,
    (outcome, code): (&str, ExitCode),
) -> super::Result<()> {
    let text = run.and_then(|(run, _)| fs::read_text(&output.run_folder(run).join("run.json")).ok());
    AuditLog::of(output.root()).append(Deed {
        root: root.as_str(),
        tree,
        outcome: outcome.to_owned(),
        code: code.code(),
        cached: run.is_some_and(|(_, cached)| cached),
        run: run.map(|(run, _)| run),
        record: text.map(|text| Digest::of_fields([text.as_bytes()])),
    })?;
    Ok(())
}
