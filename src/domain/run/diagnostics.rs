//! Compiler and clippy messages as failures.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::diagnostic::{Diagnostic, DiagnosticLevel, DiagnosticSpan};
use cargo_metadata::{Artifact, BuildScript, CompilerMessage, Message, Package, PackageId, TargetKind};

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
    pub(super) tests: Vec<TestExecutable>,
    /// Programs that are no tests.
    pub(super) programs: Vec<Program>,
    /// What build scripts have set for their packages.
    pub(super) scripts: Vec<BuildScript>,
    /// What was built of packages that aren't of a registry: the compiler lists beside it what it has read.
    pub(super) units: Vec<Utf8PathBuf>,
    /// The manifests of those packages, of which some may lie outside of the tree.
    pub(super) manifests: BTreeSet<Utf8PathBuf>,
    /// Libraries among it that programs load when they run.
    pub(super) libraries: Vec<Utf8PathBuf>,
    /// What build scripts of such packages have printed, each with its package's folder.
    pub(super) printed: Vec<(Utf8PathBuf, Utf8PathBuf)>,
    /// Whether cargo said anything at all.
    pub(super) spoke: bool,
}

/// A test binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TestExecutable {
    pub(super) path: Utf8PathBuf,
    /// As nextest names it.
    pub(super) id: String,
    pub(super) package: PackageId,
    /// Whether it is a test of its own and not that of a library or program.
    pub(super) is_integration: bool,
}

/// A program or example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) path: Utf8PathBuf,
    pub(super) name: String,
    pub(super) package: PackageId,
    /// Whether the package's tests are told where it is.
    pub(super) is_binary: bool,
}

impl Findings {
    /// Test executables with nextest's names for them.
    pub(super) fn executables(&self) -> BTreeMap<String, String> {
        self.tests.iter().map(|test| (test.path.to_string(), test.id.clone())).collect()
    }
}

/// Reads cargo's JSON messages from a file and appends their rendered form to the step's log.
///
/// # Errors
/// Where the files can't be read or written.
pub(super) fn read(scene: &Scene<'_>, json: &Utf8Path, members: &[Package]) -> fs::Result<Findings> {
    let mut messages = Messages::new(json.to_owned());
    messages.follow(scene, members)?;
    Ok(messages.findings())
}

/// Where what was found: file, line, column, category, message.
type Spot = (Utf8PathBuf, u32, u32, String, String);

/// Follows cargo's messages while it builds.
pub(super) struct Messages {
    json: Utf8PathBuf,
    offset: u64,
    /// Each once, and whether it is an error.
    found: BTreeMap<Spot, (Failure, bool)>,
    /// What was said so far, but for the errors and warnings.
    pub(super) so_far: Findings,
}

impl Messages {
    /// Begins at the start of a file, which need not be there yet.
    pub(super) fn new(json: Utf8PathBuf) -> Messages {
        Messages { json, offset: 0, found: BTreeMap::new(), so_far: Findings::default() }
    }

    /// Reads what was added since the last call. An unfinished last line is left for the next one.
    ///
    /// # Errors
    /// Where the files can't be read or written.
    pub(super) fn follow(&mut self, scene: &Scene<'_>, members: &[Package]) -> fs::Result<()> {
        if fs::size(&self.json).unwrap_or(0) <= self.offset {
            return Ok(());
        }
        let mut file = fs::open(&self.json)?;
        if file.seek(SeekFrom::Start(self.offset)).is_err() {
            return Ok(());
        }
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = Read::by_ref(&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line);
            if !read.is_ok_and(|n| n > 0) || (!line.ends_with(b"\n") && (line.len() as u64) < LONGEST_LINE) {
                return Ok(());
            }
            self.offset += line.len() as u64;
            if let Ok(message) = serde_json::from_slice::<Message>(&line) {
                self.take(scene, message, members)?;
            }
        }
    }

    fn take(&mut self, scene: &Scene<'_>, message: Message, members: &[Package]) -> fs::Result<()> {
        self.so_far.spoke = true;
        match message {
            Message::CompilerMessage(message) => {
                if let Some(text) = &message.message.rendered {
                    fs::append_bytes(scene.step_log, text.as_bytes())?;
                }
                let Some((failure, is_error)) = finding(scene, &message, members) else { return Ok(()) };
                let (file, line, column) = failure
                    .place
                    .as_ref()
                    .map_or_else(Default::default, |p| (p.file.clone(), p.line, p.column.unwrap_or(0)));
                let key = (file, line, column, failure.category.to_string(), failure.message.clone());
                self.found.entry(key).or_insert((failure, is_error));
            }
            Message::CompilerArtifact(artifact) => self.so_far.add(artifact, members),
            Message::BuildScriptExecuted(script) => {
                if !is_of_registry(&script.package_id) {
                    let member = members.iter().find(|member| member.id == script.package_id);
                    let folder = member.and_then(|member| member.manifest_path.parent()).unwrap_or(scene.root);
                    self.so_far.printed.push((script.out_dir.with_file_name("output"), folder.to_owned()));
                }
                self.so_far.scripts.push(script);
            }
            _ => {}
        }
        Ok(())
    }

    /// Everything that was said.
    pub(super) fn findings(self) -> Findings {
        let (errors, warnings): (Vec<_>, Vec<_>) = self.found.into_values().partition(|(_, is_error)| *is_error);
        let failures = |found: Vec<(Failure, bool)>| with_ids(found.into_iter().map(|(failure, _)| failure).collect());
        Findings { errors: failures(errors), warnings: failures(warnings), ..self.so_far }
    }
}

impl Findings {
    fn add(&mut self, artifact: Artifact, members: &[Package]) {
        if !is_of_registry(&artifact.package_id) {
            self.units.extend(artifact.filenames.iter().cloned());
            self.manifests.insert(artifact.manifest_path);
            let is_loaded = |kind: &TargetKind| matches!(kind, TargetKind::CDyLib | TargetKind::DyLib);
            if artifact.target.kind.iter().any(is_loaded) {
                let shared = artifact.filenames.iter().filter(|path| path.extension() == Some("so"));
                self.libraries.extend(shared.cloned());
            }
        }
        let Some(path) = artifact.executable else { return };
        let (target, package) = (artifact.target, artifact.package_id);
        if artifact.profile.test {
            let member = members.iter().find(|member| member.id == package);
            let name = member.map_or_else(|| target.name.clone(), |member| member.name.to_string());
            let id = binary_id(&name, &target.kind, &target.name);
            let is_integration = matches!(target.kind.first(), Some(TargetKind::Test | TargetKind::Bench));
            self.tests.push(TestExecutable { path, id, package, is_integration });
        } else {
            let is_binary = target.kind.contains(&TargetKind::Bin);
            self.programs.push(Program { path, name: target.name, package, is_binary });
        }
    }
}

/// Whether a package's files never change: its version names them.
fn is_of_registry(id: &PackageId) -> bool {
    !id.repr.starts_with("path+")
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
    let with_code = |line: &str| line.strip_prefix("error[").map(|rest| rest.replacen("]: ", ": ", 1));
    let error = lines().find_map(|line| line.strip_prefix("error: ").map(str::to_owned).or_else(|| with_code(line)))?;
    let mut causes =
        lines().skip_while(|line| *line != "Caused by:").skip(1).map(str::trim).filter(|line| !line.is_empty());
    Some(causes.next().map_or_else(|| error.clone(), |cause| format!("{error}: {cause}")))
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
