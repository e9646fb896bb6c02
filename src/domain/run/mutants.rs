//! cargo-mutants, where a contract asks for it: a mutant that no test notices is a failure.

use camino::Utf8Path;

use super::classify::Scene;
use super::context::{Call, Context, Done, RunError, counted};
use super::diagnostics::cargo_error;
use crate::base::{Category, FailureId, FailureKind};
use crate::domain::contract::needs::Tool;
use crate::domain::ladder::PlannedStep;
use crate::domain::record::{Failure, Place, Replay};
use crate::ports::process::Wish;
use crate::ports::supervisor::Ended;
use crate::ports::{env, fs};

/// Runs `cargo mutants` with the contract's further arguments and reads the lists that it leaves.
pub(super) fn run(run: &Context<'_>, step: &PlannedStep, args: &[String]) -> Result<Done, RunError> {
    let log = run.log(step);
    let scene = run.scene(step, &run.dir.path, &log);
    if run.toolchain.version(Tool::Mutants).is_none() {
        let text = "cargo-mutants is not installed: cargo install cargo-mutants --locked";
        fs::append_bytes(&log, format!("{text}\n").as_bytes())?;
        return Ok(Done::lacking(scene.step_failure(Category::setup(), text)));
    }
    let folder = run.beside(step, "mutants");
    fs::create_dir(&folder)?;
    let mut argv = vec![env::cargo(), "mutants".to_owned(), "--dir".to_owned(), run.workspace.root.to_string()];
    argv.extend(["--output".to_owned(), folder.to_string(), "--no-shuffle".to_owned(), "--colors=never".to_owned()]);
    argv.extend(run.flags.packages.iter().flat_map(|name| ["--package".to_owned(), name.clone()]));
    argv.extend(args.iter().cloned());
    let report = run.call(step, &Call { argv, ..Call::default() }, &mut || Wish::GoOn)?;
    if let Some(done) = run.cut_short(step, &report.ended) {
        return Ok(done);
    }
    let lists = folder.join("mutants.out");
    let mut failures = survivors(&scene, &lists.join("missed.txt"), Category::mutant(), "no test notices")?;
    failures.extend(survivors(&scene, &lists.join("timeout.txt"), Category::timeout(), "the tests never end with")?);
    let caught = fs::read_text_if_present(&lists.join("caught.txt"))?.unwrap_or_default().lines().count();
    let agrees = match report.ended {
        Ended::Exited(0) => failures.is_empty(),
        Ended::Exited(2 | 3) => !failures.is_empty(),
        _ => false,
    };
    if !agrees {
        let said = cargo_error(&log).unwrap_or_else(|| "its lists and its exit status disagree".to_owned());
        failures.push(
            scene.step_failure(Category::build(), &format!("cargo mutants ended with {:?}: {said}", report.ended)),
        );
    }
    if caught == 0 && failures.is_empty() {
        return Ok(Done::none("no mutants"));
    }
    Ok(Done {
        detail: format!("{} of {} noticed", caught, counted(caught + failures.len(), "mutant")),
        failures,
        ..Done::default()
    })
}

/// One line a mutant: `src/lib.rs:12:5: replace f -> bool with true in module`.
fn survivors(scene: &Scene<'_>, list: &Utf8Path, category: Category, verb: &str) -> fs::Result<Vec<Failure>> {
    let text = fs::read_text_if_present(list)?.unwrap_or_default();
    Ok(text.lines().filter_map(|line| survivor(scene, line, &category, verb)).collect())
}

fn survivor(scene: &Scene<'_>, line: &str, category: &Category, verb: &str) -> Option<Failure> {
    let (place, what) = line.split_once(": ")?;
    let mut parts = place.rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    let file = parts.next()?;
    Some(Failure {
        id: FailureId::new(FailureKind::Test, &["MUTANT", file, what]),
        category: category.clone(),
        tier: scene.tier,
        step: scene.step.to_owned(),
        subject: None,
        message: format!("{verb}: {what}"),
        place: Some(Place { file: file.into(), line, column: Some(column) }),
        test: None,
        excerpt: String::new(),
        log: scene.in_run(scene.step_log),
        replay: Replay::default(),
    })
}
