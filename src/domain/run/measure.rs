//! Numbers that are measured by running something: what programs print, how large binaries are, whether targets build, and how long
//! and in how much memory a command runs, one tree in turn with another.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Message, TargetKind};
use serde::{Deserialize, Serialize};

use super::context::{Call, Context, RunError, humane};
use super::diagnostics::cargo_error;
use super::external::{ending, with_root};
use crate::base::{Tier, TimeLimit};
use crate::domain::contract::{DoneBudget, RatchetCommand, Step, Uses};
use crate::domain::ladder::{Kind, PlannedStep};
use crate::ports::process::Wish;
use crate::ports::supervisor::{Ended, Report};
use crate::ports::{clock, fs};

/// What is to be measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// Programs whose last integer counts.
    pub(crate) numbers: Vec<RatchetCommand>,
    /// Whether the sizes of binaries are.
    pub(crate) sizes: bool,
    /// Target triples that must build.
    pub(crate) targets: Vec<String>,
    /// Commands whose time and memory are measured.
    pub(crate) budgets: Vec<DoneBudget>,
    /// Programs that are asked about packages, by their names, with what they need to read besides.
    pub(crate) asked: BTreeMap<String, Vec<String>>,
    pub(crate) reads: Vec<Utf8PathBuf>,
}

/// What was measured, or one line that says why it can't be.
pub(crate) type Told<T> = Result<T, String>;

/// What a tree came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) numbers: BTreeMap<String, Told<u64>>,
    /// The bytes of each binary.
    pub(crate) sizes: Option<Told<BTreeMap<String, u64>>>,
    pub(crate) targets: BTreeMap<String, Told<()>>,
    pub(crate) budgets: Vec<Told<Runs>>,
    /// What the programs said, and with what they ended.
    pub(crate) asked: BTreeMap<String, Told<(i32, String)>>,
}

/// One run of a command.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) us: u64,
    pub(crate) kib: u64,
}

/// The runs of a command, in pairs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Runs {
    pub(crate) own: Vec<Sample>,
    /// Those of the other tree; none where it lacks the command.
    pub(crate) other: Vec<Sample>,
    /// What a run costs that does nothing: the time is that of the way into the cage, and less memory can't be seen.
    pub(crate) nothing: Option<Sample>,
}

/// So many pairs; fewer where they take too long.
const PAIRS: usize = 15;
const LEAST_PAIRS: usize = 6;
const PAIRS_TIME: std::time::Duration = std::time::Duration::from_secs(60);
/// So many runs that do nothing.
const IDLE: usize = 5;
/// More of a program's output is not read.
const READ: u64 = 1 << 20;

/// Measures a tree, and the commands of budgets in turn with another tree.
///
/// # Errors
/// A command can't be supervised.
pub(crate) fn measure(run: &Context<'_>, other: Option<&Context<'_>>, wanted: &Wanted) -> Result<Measured, RunError> {
    let mut measured = Measured::default();
    if let Some(why) = super::fetching::bring_in(run, &run.workspace.root.join("Cargo.toml"))? {
        run.footing.lack(why);
    }
    for command in &wanted.numbers {
        measured.numbers.insert(command.name.clone(), number(run, command)?);
    }
    if wanted.sizes {
        measured.sizes = Some(sizes(run)?);
    }
    for triple in &wanted.targets {
        measured.targets.insert(triple.clone(), target(run, triple)?);
    }
    for (name, argv) in &wanted.asked {
        measured.asked.insert(name.clone(), ask(run, name, argv, &wanted.reads)?);
    }
    if !wanted.budgets.is_empty() {
        measured.budgets = budgets(run, other, &wanted.budgets)?;
    }
    Ok(measured)
}

/// A command of its own step, whose limits and log it has.
fn step(run: &Context<'_>, name: &str, limit: Option<TimeLimit>) -> PlannedStep {
    let kind = Kind::Command { step: Box::new(Step::plain(Uses::Command)) };
    let limit = limit.unwrap_or(run.contract.run.step_timeout).duration();
    PlannedStep { tier: Tier::GROUND, name: name.to_owned(), kind, limit }
}

/// How a command of a step ended, and where what it printed lies.
fn call(
    run: &Context<'_>,
    step: &PlannedStep,
    argv: Vec<String>,
    reads: &[Utf8PathBuf],
) -> Result<(Report, Utf8PathBuf), RunError> {
    let stdout = run.beside(step, "out");
    fs::remove_file(&stdout)?;
    let call = Call { argv, stdout: Some(stdout.clone()), reads: reads.to_vec(), ..Call::default() };
    Ok((run.call(step, &call, &mut || Wish::GoOn)?, stdout))
}

/// Why a command came to nothing.
fn why(run: &Context<'_>, step: &PlannedStep, ended: &Ended) -> String {
    let log = run.log(step);
    match ended {
        Ended::TimedOut => format!("stopped at its time limit of {}", humane(step.limit)),
        ended => cargo_error(&log).unwrap_or_else(|| ending(ended, &log)),
    }
}

fn number(run: &Context<'_>, command: &RatchetCommand) -> Result<Told<u64>, RunError> {
    let step = step(run, &format!("ratchet-{}", command.name), Some(command.timeout));
    let (report, stdout) = call(run, &step, with_root(&command.run, &run.workspace.root), &[])?;
    if report.ended != Ended::Exited(0) {
        return Ok(Err(why(run, &step, &report.ended)));
    }
    let (head, _, tail) = fs::head_and_tail(&stdout, READ / 2)?;
    Ok(last_integer(&(head + &tail)).ok_or_else(|| "printed no integer".to_owned()))
}

/// The last word of a text that is an integer, whatever punctuation follows it.
fn last_integer(text: &str) -> Option<u64> {
    let word = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '-').parse::<u64>().ok();
    text.split(|c: char| c.is_whitespace() || matches!(c, '=' | ',' | ';' | '/' | '(' | ')')).rev().find_map(word)
}

fn sizes(run: &Context<'_>) -> Result<Told<BTreeMap<String, u64>>, RunError> {
    let step = step(run, "release", None);
    let argv = run.cargo(&["build", "--release", "--bins", "--message-format", "json-render-diagnostics"]);
    let (report, stdout) = call(run, &step, argv, &[])?;
    if report.ended != Ended::Exited(0) {
        return Ok(Err(why(run, &step, &report.ended)));
    }
    let mut sizes = BTreeMap::new();
    fs::each_line(&stdout, |line| {
        if let Ok(Message::CompilerArtifact(artifact)) = serde_json::from_str::<Message>(line)
            && artifact.target.kind.contains(&TargetKind::Bin)
            && let Some(size) = artifact.executable.as_deref().and_then(fs::size)
        {
            sizes.insert(artifact.target.name, size);
        }
    })?;
    Ok(Ok(sizes))
}

fn target(run: &Context<'_>, triple: &str) -> Result<Told<()>, RunError> {
    let step = step(run, &format!("target-{triple}"), None);
    let (report, _) = call(run, &step, run.cargo(&["build", "--target", triple]), &[])?;
    Ok(if report.ended == Ended::Exited(0) { Ok(()) } else { Err(why(run, &step, &report.ended)) })
}

fn ask(run: &Context<'_>, name: &str, argv: &[String], reads: &[Utf8PathBuf]) -> Result<Told<(i32, String)>, RunError> {
    let step = step(run, &format!("api-{name}"), None);
    let (report, stdout) = call(run, &step, with_root(argv, &run.workspace.root), reads)?;
    let Ended::Exited(code) = report.ended else { return Ok(Err(why(run, &step, &report.ended))) };
    let Ok(text) = fs::read_text_up_to(&stdout, READ * 16) else { return Ok(Err("its output is too long".to_owned())) };
    if code != 0 && text.is_empty() {
        return Ok(Err(why(run, &step, &report.ended)));
    }
    Ok(Ok((code, text)))
}

/// All budgets, the binaries of both trees built first.
fn budgets(run: &Context<'_>, other: Option<&Context<'_>>, all: &[DoneBudget]) -> Result<Vec<Told<Runs>>, RunError> {
    if let Err(why) = sizes(run)? {
        return Ok(all.iter().map(|_| Err(why.clone())).collect());
    }
    let mut comparable = other;
    if let Some(other) = other
        && sizes(other)?.is_err()
    {
        comparable = None;
    }
    all.iter().enumerate().map(|(n, budget)| pairs(run, comparable, n, budget)).collect()
}

/// Runs a command in pairs: one tree first, then the other first, so that what drifts strikes both alike.
fn pairs(
    run: &Context<'_>,
    other: Option<&Context<'_>>,
    n: usize,
    budget: &DoneBudget,
) -> Result<Told<Runs>, RunError> {
    let limit = budget.max_time.map(|most| TimeLimit::seconds(most.duration().as_secs() * 10 + 10));
    let step = step(run, &format!("budget-{n}"), limit);
    let once = |run: &Context<'_>, argv: &[String]| -> Result<Told<Sample>, RunError> {
        let (report, _) = call(run, &step, with_root(argv, &run.workspace.root), &[])?;
        let sample = Sample { us: report.wall_us, kib: report.peak_kib };
        Ok(if report.ended == Ended::Exited(0) { Ok(sample) } else { Err(why(run, &step, &report.ended)) })
    };
    // The first run finds no file in memory, and whether there is such a command.
    if let Err(why) = once(run, &budget.run)? {
        return Ok(Err(why));
    }
    let other = match other {
        Some(other) if once(other, &budget.run)?.is_ok() => Some(other),
        _ => None,
    };
    let mut runs = Runs { nothing: nothing(&once, run)?, ..Runs::default() };
    let started = clock::now();
    for pair in 0..PAIRS {
        if pair >= LEAST_PAIRS && started.elapsed() > PAIRS_TIME {
            break;
        }
        let own = (run, true);
        let order = match other {
            None => vec![own],
            Some(other) if pair % 2 == 0 => vec![(other, false), own],
            Some(other) => vec![own, (other, false)],
        };
        for (tree, is_own) in order {
            match once(tree, &budget.run)? {
                Ok(sample) if is_own => runs.own.push(sample),
                Ok(sample) => runs.other.push(sample),
                Err(why) if is_own => return Ok(Err(why)),
                Err(why) => return Ok(Err(format!("in the base: {why}"))),
            }
        }
    }
    Ok(Ok(runs))
}

/// Runs a command once in a tree.
type Once<'a> = dyn Fn(&Context<'_>, &[String]) -> Result<Told<Sample>, RunError> + 'a;

/// The least that a run costs which does nothing.
fn nothing(once: &Once<'_>, run: &Context<'_>) -> Result<Option<Sample>, RunError> {
    let mut least: Option<Sample> = None;
    for _ in 0..IDLE {
        let Ok(mut sample) = once(run, &["true".to_owned()])? else { return Ok(least) };
        if !run.sandbox.is_on() {
            sample.us = 0;
        }
        least =
            Some(least.map_or(sample, |least| Sample { us: least.us.min(sample.us), kib: least.kib.min(sample.kib) }));
    }
    Ok(least)
}

/// The path of a program that a gate may call, on the caller's own path and wherever links lead to.
pub(crate) fn on_path(name: &str) -> Option<Utf8PathBuf> {
    let path = crate::ports::env::var("PATH")?;
    let folders = path.split(':').map(Utf8Path::new).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(|program| fs::is_program(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_integer_counts_whatever_stands_around_it() {
        for (text, expected) in [
            ("12\n", Some(12)),
            ("3 of 4 files, 17 todos.\n", Some(17)),
            ("total=9", Some(9)),
            ("version 1.2 of x86_64", None),
            ("7\n-5", Some(7)),
            ("5 (as text: 99x)", Some(5)),
            ("", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(last_integer(text), expected, "{text}");
        }
    }
}
