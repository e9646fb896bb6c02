//! Tier 0: rustfmt, `cargo check`, clippy.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::Package;

use super::context::{Call, Context, Done, RunError, counted};
use super::dep_info;
use super::diagnostics::{self, Findings};
use crate::base::{Category, FailureId, FailureKind};
use crate::domain::contract::Warnings;
use crate::domain::contract::needs::Tool;
use crate::domain::ladder::PlannedStep;
use crate::domain::record::{Failure, Place, Replay};
use crate::ports::process::Wish;
use crate::ports::supervisor::Ended;
use crate::ports::{env, fs, git};

/// `cargo clippy`, or `cargo check` with one notice where clippy isn't installed.
pub(super) fn clippy(run: &Context<'_>, step: &PlannedStep, warnings: Warnings) -> Result<Done, RunError> {
    let done = compile(run, step, &["clippy", "--all-targets"], warnings)?;
    if !done.failures.iter().any(|failure| failure.category == Category::setup())
        || run.toolchain.version(Tool::Clippy).is_some()
    {
        return Ok(done);
    }
    let mut done = compile(run, step, &["check", "--all-targets"], warnings)?;
    done.notes.push("clippy is not installed, so cargo check ran instead: rustup component add clippy".to_owned());
    Ok(done)
}

/// `cargo check`.
pub(super) fn check(run: &Context<'_>, step: &PlannedStep, warnings: Warnings) -> Result<Done, RunError> {
    compile(run, step, &["check", "--all-targets"], warnings)
}

/// Builds with JSON messages and turns them into failures.
fn compile(run: &Context<'_>, step: &PlannedStep, verb: &[&str], warnings: Warnings) -> Result<Done, RunError> {
    // Apart, so that it never waits for a build or for somebody's editor.
    let target = run.sandbox.build_dir(run.workspace, "check");
    let verb: Vec<&str> = verb.iter().copied().chain(["--target-dir", target.as_str()]).collect();
    let (ended, findings) = build(run, step, &verb)?;
    if let Some(done) = run.cut_short(step, &ended) {
        return Ok(done);
    }
    let failures = or_cargo_error(run, step, &ended, &findings);
    if !failures.is_empty() {
        return Ok(Done { failures, ..Done::default() });
    }
    // Errors bring warnings about in their wake, which go with them.
    if !findings.errors.is_empty() {
        return Ok(Done {
            detail: counted(findings.errors.len(), "error"),
            failures: findings.errors,
            ..Done::default()
        });
    }
    let (denied, tolerated) = judge_warnings(run, warnings, findings.warnings);
    if tolerated > 0 && warnings == Warnings::New {
        run.footing.rest_on_base();
    }
    let mut parts = Vec::new();
    if !denied.is_empty() {
        parts.push(counted(denied.len(), "warning"));
    }
    if tolerated > 0 {
        let place = if warnings == Warnings::New { " in unchanged lines" } else { ", reported only" };
        parts.push(counted(tolerated, "warning") + place);
    }
    Ok(Done { detail: parts.join(", "), failures: denied, ..Done::default() })
}

/// The warnings that are failures, and how many others there are.
fn judge_warnings(run: &Context<'_>, policy: Warnings, warnings: Vec<Failure>) -> (Vec<Failure>, usize) {
    let all = warnings.len();
    let denied: Vec<Failure> = match policy {
        Warnings::Deny => warnings,
        Warnings::Report => Vec::new(),
        Warnings::New if warnings.is_empty() => warnings,
        Warnings::New => match git::changed_lines(&run.workspace.root) {
            None => warnings,
            Some(changed) => {
                let is_new =
                    |failure: &Failure| failure.place.as_ref().is_none_or(|at| changed.contain(&at.file, at.line));
                warnings.into_iter().filter(is_new).collect()
            }
        },
    };
    let tolerated = all - denied.len();
    (denied, tolerated)
}

/// Runs a building cargo command; its compiler messages are read, its own words go to the step's log.
pub(super) fn build(run: &Context<'_>, step: &PlannedStep, verb: &[&str]) -> Result<(Ended, Findings), RunError> {
    let mut argv = run.cargo(verb);
    argv.push("--message-format=json".to_owned());
    let json = run.beside(step, "json");
    let call = Call { argv, stdout: Some(json.clone()), ..Call::default() };
    let report = run.call(step, &call, &mut || Wish::GoOn)?;
    let log = run.log(step);
    let scene = run.scene(step, &run.dir.path, &log);
    let findings = match fs::size(&json) {
        Some(_) => diagnostics::read(&scene, &json, &run.workspace.packages)?,
        None => Findings::default(),
    };
    fs::remove_file(&json)?;
    run.footing.add(dep_info::inputs(run.workspace, &findings));
    Ok((report.ended, findings))
}

/// Cargo failed without a compiler message: a build script, a dependency, the network, a missing subcommand.
pub(super) fn or_cargo_error(
    run: &Context<'_>,
    step: &PlannedStep,
    ended: &Ended,
    findings: &Findings,
) -> Vec<Failure> {
    if *ended == Ended::Exited(0) || !findings.errors.is_empty() {
        return Vec::new();
    }
    let log = run.log(step);
    // A cargo that may not write its lock file would only say that.
    let said = run.footing.lacking().filter(|_| !findings.spoke).or_else(|| diagnostics::cargo_error(&log));
    let text = said.unwrap_or_else(|| format!("cargo ended with {ended:?}"));
    let category = if findings.spoke { Category::build() } else { Category::setup() };
    vec![run.scene(step, &run.dir.path, &log).step_failure(category, &text)]
}

/// `cargo fmt --check`, one failure a file.
pub(super) fn rustfmt(run: &Context<'_>, step: &PlannedStep) -> Result<Done, RunError> {
    let mut argv = vec![env::cargo(), "fmt".to_owned()];
    argv.extend(["--manifest-path".to_owned(), run.workspace.root.join("Cargo.toml").to_string()]);
    let sources = |package: &&&Package| !package.targets.is_empty();
    argv.extend(run.packages().iter().filter(sources).flat_map(|package| ["-p".to_owned(), package.name.to_string()]));
    argv.extend(["--", "--check", "--color=never"].map(str::to_owned));
    let report = run.call(step, &Call { argv, ..Call::default() }, &mut || Wish::GoOn)?;
    if let Some(done) = run.cut_short(step, &report.ended) {
        return Ok(done);
    }
    if report.ended == Ended::Exited(0) {
        return Ok(Done::default());
    }
    let log = run.log(step);
    let scene = run.scene(step, &run.dir.path, &log);
    let files = unformatted(&log, &run.workspace.root)?;
    let mut failures: Vec<Failure> = files
        .into_iter()
        .map(|(file, (line, places))| Failure {
            id: FailureId::new(FailureKind::Compile, &["FMT", file.as_str()]),
            category: Category::fmt(),
            tier: step.tier,
            step: step.name.clone(),
            subject: None,
            message: format!("rustfmt would change {}", counted(places, "place")),
            place: Some(Place { file, line, column: None }),
            test: None,
            excerpt: String::new(),
            log: scene.in_run(&log),
            replay: Replay::default(),
        })
        .collect();
    let count = failures.len();
    failures.extend(unparsed(&scene, &log)?);
    if failures.is_empty() {
        let missing = run.toolchain.version(Tool::Rustfmt).is_none();
        let text = if missing {
            "rustfmt is not installed: rustup component add rustfmt".to_owned()
        } else {
            diagnostics::cargo_error(&log).unwrap_or_else(|| format!("cargo fmt ended with {:?}", report.ended))
        };
        return Ok(Done::lacking(scene.step_failure(Category::setup(), &text)));
    }
    Ok(Done { detail: counted(count, "file"), failures, ..Done::default() })
}

/// `Diff in FILE:LINE:` for each place, then its lines behind a blank, `-` or `+`; by file: the first line that would change
/// and the number of places.
fn unformatted(log: &Utf8Path, root: &Utf8Path) -> fs::Result<BTreeMap<Utf8PathBuf, (u32, usize)>> {
    let mut files: BTreeMap<Utf8PathBuf, (u32, usize)> = BTreeMap::new();
    // The file whose first place is being read: unchanged lines come before the changed ones.
    let mut first: Option<Utf8PathBuf> = None;
    fs::each_line(log, |text| {
        if let Some((file, line)) = text.strip_prefix("Diff in ").and_then(diff_header) {
            let path = Utf8Path::new(file);
            let relative = path.strip_prefix(root).unwrap_or(path).to_owned();
            let entry = files.entry(relative.clone()).or_insert((line, 0));
            entry.1 += 1;
            first = (entry.1 == 1).then_some(relative);
        } else if !text.starts_with(' ') {
            first = None;
        } else if let Some(entry) = first.as_ref().and_then(|file| files.get_mut(file)) {
            entry.0 += 1;
        }
    })?;
    Ok(files)
}

/// `FILE:LINE:`, or `FILE at line LINE:` of older versions.
fn diff_header(text: &str) -> Option<(&str, u32)> {
    let text = text.strip_suffix(':')?;
    let (file, line) = text.rsplit_once(" at line ").or_else(|| text.rsplit_once(':'))?;
    Some((file, line.parse().ok()?))
}

/// What rustfmt can't parse it reports as the compiler does: `error: MESSAGE`, then ` --> FILE:LINE:COLUMN`.
fn unparsed(scene: &super::classify::Scene<'_>, log: &Utf8Path) -> fs::Result<Vec<Failure>> {
    let mut failures = Vec::new();
    let mut message = None;
    fs::each_line(log, |text| {
        if let Some(error) = text.strip_prefix("error: ") {
            message = Some(error.to_owned());
        } else if let Some(at) = text.trim_start().strip_prefix("--> ")
            && let Some(error) = message.take()
        {
            let mut parts = at.rsplitn(3, ':');
            let column = parts.next().and_then(|n| n.parse().ok());
            let line = parts.next().and_then(|n| n.parse().ok()).unwrap_or(0);
            let path = Utf8Path::new(parts.next().unwrap_or(at));
            let file = path.strip_prefix(scene.root).unwrap_or(path).to_owned();
            failures.push(Failure {
                id: FailureId::new(FailureKind::Compile, &[]),
                category: Category::rustc(),
                tier: scene.tier,
                step: scene.step.to_owned(),
                subject: None,
                message: error,
                place: Some(Place { file, line, column }),
                test: None,
                excerpt: String::new(),
                log: scene.in_run(log),
                replay: Replay::default(),
            });
        }
    })?;
    Ok(diagnostics::with_ids(failures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_diff_header_are_read() {
        assert_eq!(diff_header("/w/src/lib.rs:12:"), Some(("/w/src/lib.rs", 12)));
        assert_eq!(diff_header("/w/src/lib.rs at line 12:"), Some(("/w/src/lib.rs", 12)));
        assert_eq!(diff_header("the middle of a sentence"), None);
    }
}
