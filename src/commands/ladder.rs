//! `cargo harness fast`, `full`, `deep` and `run`: climb the ladder and say what it came to.

use std::sync::Mutex;

use camino::Utf8Path;

use super::{Detail, MessageFormat, Settings, audit};
use crate::base::{Digest, Percent, Seed, Shard, Tier, Tiers};
use crate::domain::contract::{self, Containment, Sample};
use crate::domain::ladder::{self, Request};
use crate::domain::record::{Mode, RunRecord};
use crate::domain::report;
use crate::domain::run::{
    self, Ahead, CargoFlags, Context, Finished, Footing, Output, Place, Question, RunDir, StepLimits, Toolchain,
    Wording, containing,
};
use crate::ports::cargo::Workspace;
use crate::ports::process::Supervised;
use crate::ports::{clock, env, fs};
use crate::ui::{self, Progress};

/// What every climb takes.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Judge only these members of the workspace
    #[arg(short, long = "package", value_name = "NAME")]
    packages: Vec<String>,
    /// Seed every source of randomness with this number
    #[arg(long, value_name = "N")]
    seed: Option<Seed>,
    /// Run this share of the unit tests, such as 10%: the same ones for the same seed, and those that failed or changed
    #[arg(long, value_name = "P%")]
    sample: Option<Percent>,
    /// Run one part of a run that is spread over machines, such as 1/4
    #[arg(long, value_name = "I/N", conflicts_with = "sample")]
    shard: Option<Shard>,
    /// Climb on past a red tier
    #[arg(long, conflicts_with = "fail_fast")]
    keep_going: bool,
    /// Stop at the first failure
    #[arg(long)]
    fail_fast: bool,
    /// Require that Cargo.lock is up to date
    #[arg(long)]
    locked: bool,
    /// Build without the network
    #[arg(long)]
    offline: bool,
    /// Contain what is run: by the best that is to be had here, not at all, or wholly or the run ends
    #[arg(long, value_name = "WHEN")]
    sandbox: Option<Containing>,
    /// Run everything, whatever earlier runs have shown
    #[arg(long)]
    no_cache: bool,
}

impl Args {
    /// The flags that say the same.
    pub(super) fn flags(&self) -> Vec<String> {
        // Taken apart, so that a new flag isn't forgotten here.
        let Args { packages, seed, sample, shard, keep_going, fail_fast, locked, offline, sandbox, no_cache } = self;
        let mut flags: Vec<String> = packages.iter().map(|name| format!("--package={name}")).collect();
        flags.extend(seed.map(|seed| format!("--seed={seed}")));
        flags.extend(sample.map(|share| format!("--sample={share}")));
        flags.extend(sandbox.map(|sandbox| format!("--sandbox={}", sandbox.word())));
        flags.extend(shard.map(|shard| format!("--shard={shard}")));
        let switches = [
            (keep_going, "--keep-going"),
            (fail_fast, "--fail-fast"),
            (locked, "--locked"),
            (offline, "--offline"),
            (no_cache, "--no-cache"),
        ];
        flags.extend(switches.into_iter().filter(|(on, _)| **on).map(|(_, flag)| flag.to_owned()));
        flags
    }

    /// Those of a run that is replayed; what was contained is so again.
    pub(super) fn as_before(packages: Vec<String>, locked: bool, offline: bool, contained: bool) -> Args {
        let sandbox = contained.then_some(Containing::Auto);
        Args { packages, locked, offline, sandbox, ..Args::default() }
    }

    /// The members to judge; all where none is named.
    pub(super) fn packages(&self) -> &[String] {
        &self.packages
    }
}

/// When to contain what is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Containing {
    /// By the best that is to be had here
    Auto,
    /// Not at all
    Off,
    /// Wholly, or the run ends
    Required,
}

impl Containing {
    fn word(self) -> &'static str {
        match self {
            Containing::Auto => "auto",
            Containing::Off => "off",
            Containing::Required => "required",
        }
    }
}

impl From<Containing> for Containment {
    fn from(asked: Containing) -> Containment {
        match asked {
            Containing::Auto => Containment::Auto,
            Containing::Off => Containment::Off,
            Containing::Required => Containment::Required,
        }
    }
}

/// What `run` takes beyond that.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The tiers to run, such as 0-1 or 2
    #[arg(long, value_name = "T")]
    tier: Option<Tiers>,
    /// The steps to run, by name; in any tier, or in those of --tier
    #[arg(long, value_name = "S")]
    step: Vec<String>,
    /// Whose budget, sample and number of cases hold
    #[arg(long, value_name = "MODE", default_value = "full")]
    mode: Mode,
    #[command(flatten)]
    climb: Args,
}

/// Runs the tiers of a mode.
pub(crate) fn climb(mode: Mode, args: &Args, settings: &Settings) -> super::Result {
    judge(request(mode, args), args, mode.to_string(), settings)
}

/// Runs some tiers or steps.
pub(crate) fn part(args: &RunArgs, settings: &Settings) -> super::Result {
    let mut request = request(args.mode, &args.climb);
    request.tiers = args.tier.clone();
    request.steps.clone_from(&args.step);
    judge(request, &args.climb, "run".to_owned(), settings)
}

/// The tier of the differential tests.
const DIFFERENTIAL: u8 = 3;

/// Runs the differential tests, or writes their golden files.
pub(super) fn differential(bless: bool, args: &Args, settings: &Settings) -> super::Result {
    let mut request = request(Mode::Full, args);
    request.tiers = Some(Tier::all().filter(|tier| tier.number() == DIFFERENTIAL).collect());
    request.bless = bless;
    let args = Args { no_cache: args.no_cache || bless, ..args.clone() };
    judge(request, &args, "diff".to_owned(), settings)
}

fn request(mode: Mode, args: &Args) -> Request {
    Request {
        mode,
        tiers: None,
        steps: Vec::new(),
        seed: args.seed,
        sample: args.sample.map(Sample::Share).or(args.shard.map(|_| Sample::Off)),
        shard: args.shard,
        only: None,
        input: None,
        keep_going: args.keep_going,
        fail_fast: args.fail_fast,
        bless: false,
    }
}

fn judge(request: Request, args: &Args, asked: String, settings: &Settings) -> super::Result {
    let finished = carry_out(request, args, asked, false, settings)?;
    Ok(finished.record.verdict.exit_code())
}

/// Carries out a request. A run that isn't `aside` is reported and becomes the latest, and where an earlier one has answered the
/// same question, its verdict is given again.
pub(super) fn carry_out(
    request: Request,
    args: &Args,
    asked: String,
    aside: bool,
    settings: &Settings,
) -> super::Result<Finished> {
    let started = clock::now();
    let reuse = !aside && !args.no_cache;
    let words = words(&request, args, &asked);
    let wording = Wording { request: &words[0], ground: &words[1], reuse };
    let known = Place::find(settings.manifest_path.as_deref());
    let mut question = known.as_ref().and_then(|place| Question::put(place, wording, None).ok());
    if let (Some(place), Some(question)) = (&known, &question) {
        let output = Output::new(place.harness_dir());
        output.check_stop()?;
        if let Some(finished) = run::recall(question, &output, args.packages.is_empty(), started)? {
            note_down(&finished, &output, &place.root, Some(question.tree().digest()))?;
            report(&finished, settings)?;
            return Ok(finished);
        }
    }
    let workspace = match (&known, &question) {
        (Some(place), Some(question)) => place.workspace(question.tree())?,
        _ => Workspace::load(settings.manifest_path.as_deref())?,
    };
    workspace.select(&args.packages)?;
    let loaded = contract::load(&workspace)?;
    let plan = ladder::plan(&loaded.contract, &request)?;
    let patterns = loaded.contract.inputs();
    if question.as_ref().is_none_or(|question| question.tree().patterns() != patterns) {
        question = Question::put(&Place::of(&workspace), wording, Some(&patterns)).ok();
    }
    let output = Output::new(workspace.harness_dir());
    output.check_stop()?;
    let dir = output.begin(loaded.contract.run.keep_runs)?;
    let runner = Supervised::new().map_err(super::Unsupervised)?.heeding(output.stop_file());
    let flags = CargoFlags { packages: args.packages.clone(), locked: args.locked, offline: args.offline };
    let progress = Mutex::new(Progress::new(settings.output.detail == Detail::Quiet));
    let tell = |event| {
        if let Ok(mut progress) = progress.lock() {
            progress.show(&event);
        }
    };
    let by_contract = loaded.contract.sandbox.asked();
    let asked_for = match args.sandbox.map(Containment::from) {
        // A record is no word of the user's, who could loosen what the contract asks for.
        Some(asked) if aside => asked.max(by_contract),
        asked => asked.unwrap_or(by_contract),
    };
    let sandbox = containing::prepare(asked_for, &loaded.contract, &workspace, &dir, &runner)?;
    let context = Context {
        sandbox: &sandbox,
        workspace: &workspace,
        contract: &loaded.contract,
        plan: &plan,
        flags: &flags,
        output: &output,
        dir: &dir,
        runner: &runner,
        toolchain: &Toolchain::of_run(&workspace.root, &sandbox, &dir.path, &runner),
        tell: &tell,
        aside,
        question: None,
        footing: Footing::default(),
        ahead: Ahead::default(),
        limits: StepLimits::default(),
        deadline: clock::now() + loaded.contract.run.timeout.duration(),
    };
    let tree = question.as_ref().map(|question| question.tree().digest().clone());
    let result = run::carry_out(context, question, asked, loaded.digest.clone());
    if let Ok(progress) = progress.into_inner() {
        progress.finish();
    }
    let finished = result?;
    note_down(&finished, &output, &workspace.root, tree.as_ref())?;
    if !aside {
        say(&finished, &dir, settings)?;
    }
    Ok(finished)
}

/// Records in the audit log what a run came to, before anybody is told.
pub(super) fn note_down(
    finished: &Finished,
    output: &Output,
    root: &Utf8Path,
    tree: Option<&Digest>,
) -> super::Result<()> {
    let RunRecord { id, verdict, cached, .. } = &finished.record;
    audit::record(output, root, tree, Some((id, *cached)), (&verdict.word().to_lowercase(), verdict.exit_code()))
}

/// A request in words that tell it from every other, and what it has in common with those for other steps.
fn words(request: &Request, args: &Args, asked: &str) -> [String; 2] {
    let Args { packages, locked, offline, sandbox, .. } = args;
    let Request { mode, seed, sample, shard, only, .. } = request;
    let ground = format!(
        "{mode} {seed:?} {sample:?} {shard:?} {only:?} {packages:?} {locked} {offline} {sandbox:?} {}",
        containing::facts()
    );
    [format!("{asked} {request:?} {ground}"), ground]
}

/// Prints a run in the format that was asked for, and leaves it as JUnit beside its record.
pub(super) fn say(finished: &Finished, dir: &RunDir, settings: &Settings) -> super::Result<()> {
    let record = &finished.record;
    // The XML writer refuses no text that there can be; without the file the verdict stands all the same.
    if let Ok(xml) = report::junit(record, &finished.tests) {
        fs::replace(&dir.path.join("junit.xml"), xml.as_bytes())?;
    }
    report(finished, settings)
}

/// Prints a run in the format that was asked for.
fn report(finished: &Finished, settings: &Settings) -> super::Result<()> {
    let record = &finished.record;
    match settings.output.format {
        MessageFormat::Human => ui::print(&report::brief(record, settings.output.detail)),
        MessageFormat::Json => ui::print(&report::json_lines(record)),
        MessageFormat::Github => {
            ui::print(&report::github(record, settings.output.detail));
            if let Some(path) = env::var("GITHUB_STEP_SUMMARY") {
                fs::append_bytes(path.as_str().into(), report::job_summary(record).as_bytes())?;
            }
        }
    }
    Ok(())
}
