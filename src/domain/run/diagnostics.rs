//! Compiler and clippy messages as failures.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use camino::Utf8Path;
use cargo_metadata::diagnostic::{Diagnostic, DiagnosticLevel, DiagnosticSpan};
use cargo_metadata::{CompilerMessage, Message, Package, PackageId, TargetKind};

use super::classify::Scene;
use crate::base::{Category, FailureId, FailureKind};
use crate::domain::record::{Failure, Place, Replay};
use crate::ports::fs;

/// One line of cargo's JSON is never longer, unless somebody wants to fill our memory.
const LONGEST_LINE: u64 = 64 << 20;

/// What cargo said of a build.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Each once, in the order of file and line.
    pub(super) errors: Vec<Failure>,
    pub(super) warnings: Vec<Failure>,
    /// Test executables by nextest's binary id.
    pub(super) executables: BTreeMap<String, String>,
    /// Other programs by their target's name.
    pub(super) programs: BTreeMap<String, String>,
    /// Whether cargo said anything at all.
    pub(super) spoke: bool,
}

/// Reads cargo's JSON messages from a file and appends their rendered form to the step's log.
///
/// # Errors
/// Where the files can't be read or written.
pub(super) fn read(scene: &Scene<'_>, json: &Utf8Path, members: &[Package]) -> fs::Result<Findings> {
    let mut reader = BufReader::new(fs::open(json)?);
    let mut findings = Findings::default();
    let mut found: BTreeMap<_, (Failure, bool)> = BTreeMap::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = Read::by_ref(&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line);
        if !read.is_ok_and(|n| n > 0) {
            break;
        }
        let Ok(message) = serde_json::from_slice::<Message>(&line) else { continue };
        findings.spoke = true;
        match message {
            Message::CompilerMessage(message) => {
                if let Some(text) = &message.message.rendered {
                    fs::append_bytes(scene.step_log, text.as_bytes())?;
                }
                let Some((failure, is_error)) = finding(scene, &message, members) else { continue };
                let (file, line, column) = failure
                    .place
                    .as_ref()
                    .map_or_else(Default::default, |p| (p.file.clone(), p.line, p.column.unwrap_or(0)));
                let key = (file, line, column, failure.category.to_string(), failure.message.clone());
                found.entry(key).or_insert((failure, is_error));
            }
            Message::CompilerArtifact(artifact) => {
                let Some(path) = &artifact.executable else { continue };
                if !artifact.profile.test {
                    findings.programs.insert(artifact.target.name.clone(), path.to_string());
                } else {
                    let package = members.iter().find(|package| package.id == artifact.package_id);
                    let name = package.map_or_else(|| artifact.target.name.clone(), |package| package.name.to_string());
                    findings
                        .executables
                        .insert(path.to_string(), binary_id(&name, &artifact.target.kind, &artifact.target.name));
                }
            }
            _ => {}
        }
    }
    let (errors, warnings): (Vec<_>, Vec<_>) = found.into_values().partition(|(_, is_error)| *is_error);
    let failures = |found: Vec<(Failure, bool)>| with_ids(found.into_iter().map(|(failure, _)| failure).collect());
    findings.errors = failures(errors);
    findings.warnings = failures(warnings);
    Ok(findings)
}

/// How nextest names a test binary.
pub(super) fn binary_id(package: &str, kinds: &[TargetKind], target: &str) -> String {
    match kinds.first() {
        Some(TargetKind::Test) => format!("{package}::{target}"),
        Some(TargetKind::Bin) => format!("{package}::bin/{target}"),
        Some(TargetKind::Example) => format!("{package}::example/{target}"),
        Some(TargetKind::Bench) => format!("{package}::bench/{target}"),
        _ => package.to_owned(),
    }
}

/// The first line in which cargo itself says what went wrong, for builds that fail without a compiler message.
pub(super) fn cargo_error(log: &Utf8Path) -> Option<String> {
    let (head, _, tail) = fs::head_and_tail(log, 64 << 10).ok()?;
    let lines = || head.lines().chain(tail.lines());
    let error = lines().find_map(|line| line.strip_prefix("error: ").or_else(|| line.strip_prefix("error[")))?;
    let mut causes =
        lines().skip_while(|line| *line != "Caused by:").skip(1).map(str::trim).filter(|line| !line.is_empty());
    Some(causes.next().map_or_else(|| error.to_owned(), |cause| format!("{error}: {cause}")))
}

fn finding(scene: &Scene<'_>, message: &CompilerMessage, members: &[Package]) -> Option<(Failure, bool)> {
    let diagnostic = &message.message;
    let is_error = match diagnostic.level {
        DiagnosticLevel::Error | DiagnosticLevel::Ice => true,
        DiagnosticLevel::Warning => false,
        _ => return None,
    };
    let is_summary = diagnostic.spans.is_empty() && diagnostic.code.is_none() && summarises(&diagnostic.message);
    let is_foreign = !is_error && !is_member(&message.package_id, members);
    if is_summary || is_foreign {
        return None;
    }
    let category = match &diagnostic.code {
        Some(code) => Category::named(&code.code),
        None => Category::rustc(),
    };
    Some((failure(scene, category, diagnostic), is_error))
}

/// Rustc's closing remarks, which are no findings of their own.
fn summarises(message: &str) -> bool {
    message.starts_with("aborting due to ") || message.ends_with(" emitted") || message.starts_with("could not compile")
}

fn is_member(id: &PackageId, members: &[Package]) -> bool {
    members.iter().any(|package| package.id == *id)
}

fn failure(scene: &Scene<'_>, category: Category, diagnostic: &Diagnostic) -> Failure {
    let span = diagnostic.spans.iter().find(|span| span.is_primary).or(diagnostic.spans.first());
    let rendered = diagnostic.rendered.clone().unwrap_or_default();
    Failure {
        id: FailureId::new(FailureKind::Compile, &[]),
        category,
        tier: scene.tier,
        step: scene.step.to_owned(),
        subject: None,
        message: diagnostic.message.lines().next().unwrap_or_default().to_owned(),
        place: span.map(|span| place(scene, span)),
        test: None,
        excerpt: rendered.chars().take(4096).collect(),
        log: scene.in_run(scene.step_log),
        replay: Replay::default(),
    }
}

/// Within a macro of another crate the place is where this workspace calls it.
fn place(scene: &Scene<'_>, span: &DiagnosticSpan) -> Place {
    let mut span = span;
    while let (true, Some(expansion)) = (Utf8Path::new(&span.file_name).is_absolute(), &span.expansion) {
        span = &expansion.span;
    }
    let path = Utf8Path::new(&span.file_name);
    Place {
        file: path.strip_prefix(scene.root).unwrap_or(path).to_owned(),
        line: u32::try_from(span.line_start).unwrap_or(0),
        column: u32::try_from(span.column_start).ok(),
    }
}

/// Names findings by category, file and message, and the n-th of the same by n, so that lines may move.
pub(super) fn with_ids(mut failures: Vec<Failure>) -> Vec<Failure> {
    let mut seen: BTreeMap<(Category, String, String), usize> = BTreeMap::new();
    for failure in &mut failures {
        let file = failure.place.as_ref().map_or(String::new(), |place| place.file.to_string());
        let count = seen.entry((failure.category.clone(), file.clone(), failure.message.clone())).or_default();
        let identity = [failure.category.as_str(), &file, &failure.message, &count.to_string()];
        failure.id = FailureId::new(FailureKind::Compile, &identity);
        *count += 1;
    }
    failures
}
