//! `cargo harness repro ID`: replay a failure, here or in its own tree, and say whether it is the same.

mod capsules;
mod go;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::{MessageFormat, Settings};
use crate::base::text::one_line;
use crate::base::{ExitCode, Explain, FailureId};
use crate::domain::contract;
use crate::domain::provenance::snapshot::CHANGES;
use crate::domain::record::{Failure, FailureRecord, RecordedTree, RunId};
use crate::domain::report::json_line;
use crate::domain::repro::{Answer, Changed, Exact, ExactError, Order, Tally, changed};
use crate::domain::run::{Output, containers, environment, ground};
use crate::ports::cargo::Workspace;
use crate::ports::process::Supervised;
use crate::ports::worktree::Repository;
use crate::ports::{env, fs};
use crate::ui;

pub(crate) use go::{VERB, main as go};

/// Which failure, how often, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The failure's id, as it stands in brackets at the end of its ERROR line
    #[arg(value_name = "ID", required_unless_present = "from")]
    id: Option<FailureId>,
    /// Replay it so many times, and say how often it failed
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// Replay it until it fails, so many times at most
    #[arg(long, value_name = "N", conflicts_with = "count", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    until_fail: Option<u32>,
    /// In the tree as it was: the commit with its uncommitted changes, in a work tree of its own
    #[arg(long)]
    exact: bool,
    /// Write everything that a replay needs into one file, and replay nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["exact", "count", "until_fail", "from"])]
    export: Option<Utf8PathBuf>,
    /// Replay what such a file holds, in a tree rebuilt from this repository; shows what would run and asks first
    #[arg(long, value_name = "FILE")]
    from: Option<Utf8PathBuf>,
    /// Don't ask
    #[arg(long, requires = "from")]
    yes: bool,
}

/// There is nothing to replay.
#[derive(Debug, thiserror::Error)]
enum ReproError {
    #[error("no open failure has the id {0}")]
    Unknown(FailureId),
    #[error("the replay was lost: {0}")]
    Lost(String),
    #[error("the capsule holds {held}, not {asked}")]
    Another { held: FailureId, asked: FailureId },
    #[error("nothing was run: nobody said yes")]
    NotAgreed,
}

impl Explain for ReproError {
    fn exit_code(&self) -> ExitCode {
        match self {
            ReproError::Unknown(_) | ReproError::Another { .. } | ReproError::NotAgreed => ExitCode::Usage,
            ReproError::Lost(_) => ExitCode::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            ReproError::Unknown(_) => Some("`cargo harness show` lists the failures of the last run".to_owned()),
            ReproError::Another { .. } => Some("leave the id out".to_owned()),
            ReproError::NotAgreed => Some("if you trust where it comes from, say --yes".to_owned()),
            ReproError::Lost(_) => None,
        }
    }
}

/// What is replayed: a record, and the folder that holds what belongs to it.
struct Subject {
    record: FailureRecord,
    tree: Option<RecordedTree>,
    /// Contents of changed files and inputs of fuzz targets, as in a run's folder.
    folder: Utf8PathBuf,
}

impl Subject {
    fn find(id: &FailureId, output: &Output) -> Result<Subject, super::Error> {
        let found = output.failures()?.into_iter().find(|record| record.failure.id == *id);
        let record = found.ok_or_else(|| ReproError::Unknown(id.clone()))?;
        let folder = output.run_folder(&record.run);
        Ok(Subject { tree: ground::read(&folder), record, folder })
    }

    /// The bytes that a fuzz target failed on.
    fn input(&self) -> Option<Vec<u8>> {
        let kept = &self.record.failure.replay.input.as_ref()?.kept;
        let is_ours = kept.as_str() == format!("{}/{}", ground::INPUTS, self.record.failure.id);
        fs::read_from(&self.folder.join(kept), 0, 64 << 20).ok().filter(|_| is_ours)
    }
}

/// Where a replay takes place.
struct Scene {
    root: Utf8PathBuf,
    /// Where cargo builds, if not where it always does.
    target_dir: Option<Utf8PathBuf>,
    input: Option<Utf8PathBuf>,
}

/// What the verb has to say.
#[derive(Serialize)]
struct Facts<'a> {
    id: &'a FailureId,
    answer: &'static str,
    goes: u32,
    reproduced: u32,
    different: u32,
    exact: bool,
    changed: Vec<Changed>,
    failure: Option<Failure>,
    log: Utf8PathBuf,
}

/// Replays, exports, or both sides of a capsule.
pub(crate) fn run(args: &Args, settings: &Settings) -> super::Result {
    let workspace = Workspace::load(settings.manifest_path.as_deref())?;
    let output = Output::new(workspace.harness_dir());
    match (&args.from, &args.id) {
        (Some(file), id) => {
            let held = capsules::open(file, id.as_ref(), &workspace, args.yes)?;
            replay(&held.subject(), true, args, &workspace, settings)
        }
        (None, Some(id)) => {
            let subject = Subject::find(id, &output)?;
            match &args.export {
                Some(file) => capsules::export(&subject, file, settings),
                None => replay(&subject, args.exact, args, &workspace, settings),
            }
        }
        (None, None) => Ok(ExitCode::Usage),
    }
}

/// Goes at it as often as asked, and says what came of it.
fn replay(subject: &Subject, exact: bool, args: &Args, workspace: &Workspace, settings: &Settings) -> super::Result {
    let Subject { record, tree, folder } = subject;
    let id = &record.failure.id;
    let harness_dir = workspace.harness_dir();
    let exact = exact.then(|| rebuild(subject, workspace)).transpose()?;
    let scene = scene(subject, exact.as_ref(), folder, workspace)?;
    let here = Workspace::load(Some(&scene.root.join("Cargo.toml")))?;
    let loaded = contract::load(&here)?;
    let here = Workspace { target_dir: scene.target_dir.clone().unwrap_or(here.target_dir), ..here };
    let mut changed = match &record.ground {
        Some(ground) => {
            let toolchain = containers::toolchain(&here, &loaded.contract)?;
            changed(ground, tree.as_ref(), (&here, &toolchain), &loaded)
        }
        None => Vec::new(),
    };
    let variables = variables(record, loaded.contract.variables(), scene.target_dir.as_deref());
    let order = Order::of(record, &scene.root, scene.input.clone());
    let beside = tree.as_ref().map(|tree| tree.failed.clone()).unwrap_or_default();
    let supervised = Supervised::new().map_err(super::Unsupervised)?;
    let mut tally = Tally::default();
    let mut seen: Option<Failure> = None;
    let mut last = RunId(String::new());
    let most = args.until_fail.unwrap_or(args.count);
    while tally.goes < most && tally.ended.is_none() {
        let go = go::start(&supervised, &order, &scene.root, &variables)?;
        if tally.goes == 0 {
            changed.extend(record.ground.as_ref().and_then(|ground| Changed::sandbox(ground.sandbox, go.sandbox)));
        }
        let (answer, failure) = go.answer(record, &scene.root, &beside);
        // Of several forms the one that was asked for is shown.
        if answer == Answer::Reproduced || seen.is_none() {
            seen = failure.cloned().or(seen);
        }
        tally.add(answer);
        let runs = harness_dir.join("runs");
        exact.as_ref().map(|exact| exact.take_run(&go.run, &runs)).transpose()?;
        last = go.run.clone();
        if args.until_fail.is_some() && matches!(answer, Answer::Reproduced | Answer::Different) {
            break;
        }
    }
    let log = harness_dir.join("runs").join(&last.0);
    let log = log.strip_prefix(&workspace.root).map(Utf8Path::to_owned).unwrap_or(log);
    let answer = tally.answer();
    let Tally { goes, reproduced, different, .. } = tally;
    let (word, exact) = (answer.word(), exact.is_some());
    let facts = Facts { id, answer: word, goes, reproduced, different, exact, changed, failure: seen, log };
    ui::print(&match settings.output.format {
        MessageFormat::Json => json_line("repro", &facts),
        MessageFormat::Human | MessageFormat::Github => text(&facts, tree.as_ref(), most),
    });
    Ok(answer.exit_code())
}

fn text(facts: &Facts<'_>, tree: Option<&RecordedTree>, most: u32) -> String {
    let mut text = String::new();
    for (path, why) in tree.iter().filter(|_| facts.exact).flat_map(|tree| &tree.omitted) {
        text.push_str(&format!("NOTE: not rebuilt: {} ({})\n", one_line(path.as_str()), one_line(why)));
    }
    for changed in &facts.changed {
        text.push_str(&format!("CHANGED: {changed}\n"));
    }
    let often = match (facts.answer, most) {
        (_, 1) => String::new(),
        ("DIFFERENT", _) => format!(" ({} of {})", facts.different, facts.goes),
        _ => format!(" ({} of {})", facts.reproduced, facts.goes),
    };
    let told =
        |failure: &Failure| format!(": {} - {}", one_line(failure.category.as_str()), one_line(&failure.message));
    let seen = facts.failure.as_ref().map(told).unwrap_or_default();
    text + &format!("{}{often}: {}{seen}, log {}\n", facts.answer, facts.id, facts.log)
}

/// The failure's own tree in a work tree beside the user's.
fn rebuild(subject: &Subject, workspace: &Workspace) -> Result<Exact, super::Error> {
    let record = &subject.record;
    let id = &record.failure.id;
    let repository = Repository::find(&workspace.root).ok_or_else(|| ExactError::NoGit(workspace.root.clone()))?;
    let (Some(ground), Some(tree)) = (&record.ground, &subject.tree) else {
        return Err(ExactError::NoTree(id.clone()).into());
    };
    let store = subject.folder.join(CHANGES);
    Ok(Exact::build(&workspace.harness_dir(), repository, id, ground, tree, &store)?)
}

fn scene(
    subject: &Subject,
    exact: Option<&Exact>,
    folder: &Utf8Path,
    workspace: &Workspace,
) -> Result<Scene, super::Error> {
    let root = exact.map_or_else(|| workspace.root.clone(), Exact::root);
    let target_dir = exact.map(Exact::target_dir);
    let kept = subject.record.failure.replay.input.as_ref().zip(subject.input());
    let input = match (kept, exact) {
        (None, _) => None,
        (Some((input, bytes)), Some(exact)) => {
            let at = input.at.as_ref().map(|at| exact.place_input(at, &bytes)).transpose()?.flatten();
            Some(at.unwrap_or_else(|| folder.join(&input.kept)))
        }
        (Some((input, _)), None) => Some(folder.join(&input.kept)),
    };
    Ok(Scene { root, target_dir, input })
}

/// The environment as it was, as far as it is recorded; `None` stands for a variable that was not set.
fn variables(record: &FailureRecord, named: &[String], target_dir: Option<&Utf8Path>) -> Vec<(String, Option<String>)> {
    let Some(ground) = &record.ground else { return Vec::new() };
    let now = environment::recorded(named).into_keys().filter(|name| !ground.environment.contains_key(name));
    let then = ground.environment.iter().filter(|(name, _)| environment::is_recorded(name, named));
    let mut variables: Vec<(String, Option<String>)> = now.map(|name| (name, None)).collect();
    variables.extend(then.map(|(name, value)| (name.clone(), Some(value.clone()))));
    if let Some(dir) = target_dir {
        variables.push(("CARGO_TARGET_DIR".to_owned(), Some(dir.to_string())));
        variables.push(("CARGO_BUILD_TARGET_DIR".to_owned(), None));
    }
    // Whether the toolchain is here is for rustup to say, and `CHANGED` names another one.
    variables.retain(|(name, _)| name != "RUSTUP_TOOLCHAIN" || env::var(name).is_none());
    variables
}
