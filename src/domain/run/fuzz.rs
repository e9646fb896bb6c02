//! Fuzz targets: the corpora of cargo-fuzz and bolero are replayed, and in deep runs cargo-fuzz looks further.
//!
//! A cargo-fuzz target without instrumentation is an ordinary program that runs the files it is given, so replaying needs
//! neither cargo-fuzz nor a nightly toolchain. Bolero's targets are tests and replay their corpus themselves.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::classify::Scene;
use super::context::{Call, Context, Done, RunError, counted};
use super::diagnostics;
use super::fetching;
use super::ground;
use super::source_index::Role;
use super::tests_step::{self, Suite};
use crate::base::{Category, FailureId, FailureKind, TimeLimit, panic_text};
use crate::domain::ladder::{PlannedStep, Selection};
use crate::domain::record::{Failure, KeptInput, Place, Replay};
use crate::ports::process::Wish;
use crate::ports::supervisor::Ended;
use crate::ports::{env, fs};

/// File names on one command line stay well below the system's limit.
const LONGEST_ARGUMENTS: usize = 64 << 10;

/// Replays, and fuzzes for `time` a target where that is asked for.
pub(super) fn run(
    run: &Context<'_>,
    step: &PlannedStep,
    dir: Option<&Utf8Path>,
    time: Option<TimeLimit>,
) -> Result<Done, RunError> {
    let dir = run.workspace.root.join(dir.unwrap_or(Utf8Path::new("fuzz")));
    let mut done = match fs::size(&dir.join("Cargo.toml")) {
        Some(_) => cargo_fuzz(run, step, &dir, time)?,
        None => Done::none("no fuzz targets"),
    };
    if let Some(functions) = super::functions(run, Role::Fuzz).filter(|_| done.failures.is_empty()) {
        let seed = ("BOLERO_RANDOM_SEED".to_owned(), Some(run.plan.seed.to_string()));
        let selection = Selection { functions: Some(functions), ..Selection::default() };
        let bolero = tests_step::run(run, step, Suite { filter: None, selection, env: vec![seed], sampled: false })?;
        let detail =
            [done.detail, bolero.detail].into_iter().filter(|text| !text.is_empty() && text != "no fuzz targets");
        let detail = detail.collect::<Vec<_>>().join(", ");
        done = Done { detail, notes: [done.notes, bolero.notes].concat(), ..bolero };
    }
    Ok(done)
}

/// The fuzz targets' programs by name, or why there are none.
struct Built {
    ended: Ended,
    programs: BTreeMap<String, String>,
    failures: Vec<Failure>,
}

/// One target of a cargo-fuzz folder.
struct Target {
    name: String,
    program: String,
    inputs: Vec<Utf8PathBuf>,
}

fn cargo_fuzz(
    run: &Context<'_>,
    step: &PlannedStep,
    dir: &Utf8Path,
    time: Option<TimeLimit>,
) -> Result<Done, RunError> {
    if let Some(why) = fetching::bring_in(run, &dir.join("Cargo.toml"))? {
        run.footing.lack(why);
    }
    let Built { ended, programs, mut failures } = build(run, step, dir)?;
    if let Some(done) = run.cut_short(step, &ended) {
        return Ok(done);
    }
    if ended != Ended::Exited(0) {
        return Ok(Done { detail: "does not build".to_owned(), failures, ..Done::default() });
    }
    let targets: Vec<Target> = programs
        .into_iter()
        .map(|(name, program)| {
            let all = || ["corpus", "artifacts"].iter().flat_map(|folder| inputs(&dir.join(folder).join(&name)));
            let inputs = match &run.plan.input {
                None => all().collect(),
                Some((target, input)) => (*target == name).then(|| input.clone()).into_iter().collect(),
            };
            Target { name, program, inputs }
        })
        .collect();
    let mut done = Done::default();
    let mut replayed = 0;
    for target in &targets {
        replayed += target.inputs.len();
        failures.extend(replay(run, step, target)?);
    }
    if let Some(time) = time.filter(|_| run.plan.input.is_none()) {
        done.notes.extend(fuzz(run, step, dir, &targets, time, &mut failures)?);
    }
    if replayed == 0 && failures.is_empty() && time.is_none() {
        return Ok(Done::none("no corpus"));
    }
    done.detail = format!("{} of {}", counted(replayed, "input"), counted(targets.len(), "target"));
    done.failures = failures;
    Ok(done)
}

/// Where fuzz targets are built, with and without instrumentation.
fn build_dir(run: &Context<'_>) -> Utf8PathBuf {
    run.sandbox.build_dir(run.workspace, "fuzz-build")
}

fn inputs(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let names = fs::names(folder).unwrap_or_default();
    names.into_iter().map(|name| folder.join(name)).filter(|path| fs::size(path).is_some()).collect()
}

fn build(run: &Context<'_>, step: &PlannedStep, dir: &Utf8Path) -> Result<Built, RunError> {
    let json = run.beside(step, "json");
    let target_dir = build_dir(run);
    let words = ["build", "--bins", "--message-format=json", "--manifest-path"].map(str::to_owned);
    let mut argv: Vec<String> = [env::cargo()].into_iter().chain(words).collect();
    argv.extend([dir.join("Cargo.toml").to_string(), "--target-dir".to_owned(), target_dir.to_string()]);
    argv.extend(run.flags.offline.then(|| "--offline".to_owned()));
    let call = Call { argv, dir: Some(dir.to_owned()), stdout: Some(json.clone()), ..Call::default() };
    let report = run.call(step, &call, &mut || Wish::GoOn)?;
    let log = run.log(step);
    let scene = run.scene(step, &run.dir.path, &log);
    let findings = diagnostics::read(&scene, &json, &[])?;
    fs::remove_file(&json)?;
    let mut failures = super::static_checks::or_cargo_error(run, step, &report.ended, &findings);
    failures.extend(findings.errors);
    Ok(Built {
        ended: report.ended,
        programs: findings.programs.into_iter().map(|program| (program.name, program.path.into_string())).collect(),
        failures,
    })
}

/// Runs a target on its inputs; after one that fails, it goes on with the next.
fn replay(run: &Context<'_>, step: &PlannedStep, target: &Target) -> Result<Vec<Failure>, RunError> {
    let mut failures = Vec::new();
    let artifacts = run.beside(step, &format!("{}.replayed", target.name));
    fs::create_dir(&artifacts)?;
    let mut rest: &[Utf8PathBuf] = &target.inputs;
    let mut round = 0;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|path| {
            bytes += path.as_str().len() + 1;
            bytes <= LONGEST_ARGUMENTS
        });
        let (chunk, after) = rest.split_at(fits.count().max(1));
        let log = run.beside(step, &format!("{}.{round}.log", target.name));
        round += 1;
        let mut argv = vec![target.program.clone()];
        argv.extend(limits(run, &artifacts));
        argv.extend(chunk.iter().map(Utf8PathBuf::to_string));
        let report = run.call(step, &call(run, argv, &log), &mut || Wish::GoOn)?;
        if report.ended == Ended::Exited(0) {
            rest = after;
            continue;
        }
        if matches!(report.ended, Ended::OverLimit(_)) {
            break;
        }
        let culprit = last_running(&log)?.and_then(|path| chunk.iter().position(|input| *input == path));
        let scene = run.scene(step, &run.dir.path, &log);
        let Some(at) = culprit else {
            let text = format!("the fuzz target {} cannot replay its corpus: {:?}", target.name, report.ended);
            failures.push(scene.step_failure(Category::fuzz(), &text));
            break;
        };
        failures.push(failure(run, &scene, target, &chunk[at], &log)?);
        rest = &rest[at + 1..];
    }
    Ok(failures)
}

fn limits(run: &Context<'_>, artifacts: &Utf8Path) -> [String; 3] {
    let seconds = run.contract.run.test_timeout.duration().as_secs().max(1);
    [format!("-timeout={seconds}"), "-rss_limit_mb=2048".to_owned(), format!("-artifact_prefix={artifacts}/")]
}

fn call(run: &Context<'_>, argv: Vec<String>, log: &Utf8Path) -> Call {
    Call { argv, dir: Some(run.dir.path.clone()), log: Some(log.to_owned()), ..Call::default() }
}

/// The input that was being run when the target ended.
fn last_running(log: &Utf8Path) -> fs::Result<Option<Utf8PathBuf>> {
    let mut last = None;
    fs::each_line(log, |line| {
        if let Some(path) = line.strip_prefix("Running: ") {
            last = Some(Utf8PathBuf::from(path));
        }
    })?;
    Ok(last)
}

fn failure(
    run: &Context<'_>,
    scene: &Scene<'_>,
    target: &Target,
    input: &Utf8Path,
    log: &Utf8Path,
) -> fs::Result<Failure> {
    let (head, _, tail) = fs::head_and_tail(log, 64 << 10).unwrap_or_default();
    let output = head + &tail;
    let panics = panic_text::panics(&output);
    let panic = panics.last();
    let relative = input.strip_prefix(&run.workspace.root).unwrap_or(input);
    let own = run.output.root().strip_prefix(&run.workspace.root).unwrap_or(run.output.root());
    let at = relative.strip_prefix(own).is_err().then(|| relative.to_owned());
    let name = match &at {
        None => format!("a new input of {} bytes", fs::size(input).unwrap_or(0)),
        Some(path) => path.to_string(),
    };
    let content = fs::digest(input).unwrap_or_default();
    let error =
        || output.lines().find(|line| line.contains("ERROR: libFuzzer: ")).and_then(|l| l.split("libFuzzer: ").nth(1));
    let cause = panic.map(|panic| panic_text::headline(&panic.message)).or_else(|| error().map(str::to_owned));
    let argv = vec![target.program.clone(), input.to_string()];
    let id = FailureId::new(FailureKind::Fuzz, &[&target.name, &content]);
    let kept = ground::keep_input(run, &id, input)?;
    Ok(Failure {
        id,
        category: Category::fuzz(),
        tier: scene.tier,
        step: scene.step.to_owned(),
        subject: Some(target.name.clone()),
        message: format!("{} on {name}", cause.unwrap_or_else(|| "it ends badly".to_owned())),
        place: panic.map(|panic| {
            let path = Utf8Path::new(&panic.file);
            let file = path.strip_prefix(&run.workspace.root).unwrap_or(path).to_owned();
            Place { file, line: panic.line, column: Some(panic.column) }
        }),
        test: None,
        excerpt: output.chars().take(4096).collect(),
        log: scene.in_run(log),
        replay: Replay {
            argv,
            input: Some(KeptInput { at: at.filter(|at| at.is_relative()), kept }),
            ..Replay::default()
        },
    })
}

/// Cargo of the nightly toolchain, which cargo-fuzz needs.
fn nightly(words: &[&str]) -> Vec<String> {
    ["rustup", "run", "nightly", "cargo"].iter().chain(words).map(|word| (*word).to_owned()).collect()
}

/// By which is known whether cargo-fuzz is there.
pub(super) fn question() -> Vec<String> {
    nightly(&["fuzz", "--version"])
}

/// Looks for new inputs with cargo-fuzz; what can't be done is a note.
fn fuzz(
    run: &Context<'_>,
    step: &PlannedStep,
    dir: &Utf8Path,
    targets: &[Target],
    time: TimeLimit,
    failures: &mut Vec<Failure>,
) -> Result<Vec<String>, RunError> {
    if !run.toolchain.succeeds(&question()) {
        let how = "cargo install cargo-fuzz --locked; rustup toolchain install nightly";
        return Ok(vec![format!("corpora were replayed, but nothing was fuzzed: {how}")]);
    }
    let known: BTreeSet<_> = failures.iter().filter_map(|failure| failure.subject.clone()).collect();
    for target in targets.iter().filter(|target| !known.contains(&target.name)) {
        let log = run.beside(step, &format!("{}.fuzz.log", target.name));
        let found = run.beside(step, &format!("{}.found", target.name));
        let artifacts = run.beside(step, &format!("{}.artifacts", target.name));
        fs::create_dir(&found)?;
        fs::create_dir(&artifacts)?;
        let built = build_dir(run);
        let mut argv = nightly(&["fuzz", "run", "--fuzz-dir", dir.as_str(), "--target-dir", built.as_str()]);
        argv.extend([target.name.clone(), found.to_string()]);
        let corpus = dir.join("corpus").join(&target.name);
        argv.extend(corpus.is_dir().then(|| corpus.to_string()));
        let seed = run.plan.seed.number() as u32;
        argv.extend(["--".to_owned(), format!("-seed={seed}")]);
        argv.extend(limits(run, &artifacts));
        argv.push(format!("-max_total_time={}", time.duration().as_secs().max(1)));
        let mut call = call(run, argv, &log);
        // Cargo-fuzz makes it whatever it is told of artifacts. What is found goes to the run's folder, and corpora are only read.
        let made = run.sandbox.folder_to_write(&run.workspace.root, &dir.join("artifacts").join(&target.name))?;
        call.writes = made.into_iter().collect();
        call.env = ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN"].map(|name| (name.to_owned(), None)).to_vec();
        let report = run.call(step, &call, &mut || Wish::GoOn)?;
        if report.ended == Ended::Exited(0) {
            continue;
        }
        if matches!(report.ended, Ended::OverLimit(_)) {
            break;
        }
        let scene = run.scene(step, &run.dir.path, &log);
        match inputs(&artifacts).first() {
            Some(input) => failures.push(failure(run, &scene, target, input, &log)?),
            None => {
                let text = format!("cargo fuzz ended with {:?} on {}", report.ended, target.name);
                failures.push(scene.step_failure(Category::fuzz(), &text));
            }
        }
    }
    Ok(Vec::new())
}
