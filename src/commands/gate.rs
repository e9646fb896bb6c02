//! `cargo harness gate`: judges a change against its base from git's objects, by the base's contract, tests and settings.

use std::fs::File;

use camino::{Utf8Path, Utf8PathBuf};

use serde::Serialize;

use super::{MessageFormat, Settings, Unsupervised, audit};
use crate::base::ExitCode;
use crate::domain::gate::{self, GateName, GateRecord, Question, gate_json, gate_text};
use crate::domain::provenance::{FILE, Lock};
use crate::domain::ratchet::{self, Lowered};
use crate::domain::report::{disarmed, json_line};
use crate::domain::run::Output;
use crate::ports::env;
use crate::ports::fs;
use crate::ports::process::Supervised;
use crate::ports::source::Source;
use crate::ui;

/// What to judge, and against what.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = DECLARATIONS)]
pub(crate) struct Args {
    /// commit, push (tiers 0-1), merge (0-3), nightly (0-4), release or weekly (0-5)
    #[arg(value_name = "NAME")]
    name: GateName,
    /// What the change is merged onto: a branch, a tag or a commit
    ///
    /// By default the branch's upstream, or else main or master, of origin before those here; for `commit` the last commit.
    #[arg(long, value_name = "REF")]
    base: Option<String>,
    /// What is merged: HEAD by default, and for `commit` what is staged
    #[arg(long, value_name = "REF")]
    head: Option<String>,
    /// Hold the change to the limits of this role; one that `protect.roles` names approves by that
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// Judge anew what was judged before
    #[arg(long)]
    no_cache: bool,
    /// Lower the ratchets in the work tree's Harness.lock to what the change has, unless it is red
    #[arg(long)]
    tighten: bool,
}

const DECLARATIONS: &str = "\
A commit's message may declare, at the start of a line of its own:
  Harness-Renames: old_name -> new_name   a test, or an item that tests name
  Harness-Removes: test_name              a test whose subject is gone
A declaration counts as far as the sources bear it out.";

/// Judges and says what it came to.
pub(crate) fn run(args: &Args, settings: &Settings) -> super::Result {
    let here = env::current_dir().map_err(super::NoFolder)?;
    let manifest = settings.manifest_path.as_ref().and_then(|path| path.parent()).map(|folder| here.join(folder));
    let dir = manifest.unwrap_or(here);
    let source = Source::at(&dir)?;
    let bench = Bench::take(&source, settings)?;
    let record = bench.judge(&Question {
        name: args.name,
        base: args.base.clone(),
        head: args.head.clone(),
        role: args.role.clone(),
        dir,
        source,
        index: None,
        pushed_tags: Vec::new(),
        reuse: !args.no_cache,
    })?;
    let code = record.verdict.exit_code();
    ui::print(&match settings.output.format {
        MessageFormat::Json => gate_json(&record),
        MessageFormat::Human => gate_text(&record, settings.output.detail),
        MessageFormat::Github => disarmed(&gate_text(&record, settings.output.detail)),
    });
    if args.tighten {
        let facts = tighten(&record, code, &bench.root)?;
        ui::print(&match settings.output.format {
            MessageFormat::Json => json_line("tighten", &facts),
            MessageFormat::Human | MessageFormat::Github => facts.text(),
        });
    }
    Ok(code)
}

/// What `--tighten` came to.
#[derive(Serialize)]
struct Tightened {
    lowered: Vec<Lowered>,
    /// Why nothing was looked at.
    why_not: Option<String>,
}

impl Tightened {
    fn text(&self) -> String {
        let line = |line: &Lowered| format!("TIGHTENED: {} {} {} -> {}\n", line.of, line.kind, line.was, line.now);
        let lines: String = self.lowered.iter().map(line).collect();
        match &self.why_not {
            Some(why) => format!("TIGHTENED: nothing: {why}\n"),
            None if lines.is_empty() => "TIGHTENED: nothing is better than recorded\n".to_owned(),
            None => lines,
        }
    }
}

/// Writes down what has become better.
fn tighten(record: &GateRecord, code: ExitCode, root: &Utf8Path) -> super::Result<Tightened> {
    let nothing = |why: &str| Tightened { lowered: Vec::new(), why_not: Some(why.to_owned()) };
    if !matches!(code, ExitCode::Green | ExitCode::NeedsApproval) {
        return Ok(nothing("the change is not green"));
    }
    let path = root.join(FILE);
    let Some(text) = fs::read_text_if_present(&path)? else {
        return Ok(nothing("there is no Harness.lock; write it: cargo harness lock"));
    };
    let Some(held) = Lock::parse(&path, &text)?.ratchets else {
        return Ok(nothing("Harness.lock has no ratchets; write it anew: cargo harness lock"));
    };
    let (tightened, lowered) = ratchet::tighten(&text, &held, &record.numbers);
    if !lowered.is_empty() {
        fs::replace(&path, tightened.as_bytes())?;
    }
    Ok(Tightened { lowered, why_not: None })
}

/// Where gates are held: known to `kill`, and in the audit log.
pub(super) struct Bench {
    root: Utf8PathBuf,
    output: Output,
    caller: Supervised,
    _held: File,
}

impl Bench {
    /// Takes it for a repository, unless nothing may begin there.
    pub(super) fn take(source: &Source, settings: &Settings) -> super::Result<Bench> {
        let (root, output) = home(source, settings);
        output.check_stop()?;
        let caller = Supervised::new().map_err(Unsupervised)?.heeding(output.stop_file());
        let held = output.hold("gate")?;
        Ok(Bench { root, output, caller, _held: held })
    }

    /// Judges, and writes down that it did.
    pub(super) fn judge(&self, question: &Question) -> super::Result<GateRecord> {
        let record = gate::judge(question, &self.caller)?;
        let outcome = record.verdict.word().to_lowercase();
        audit::record(&self.output, &self.root, None, None, (&outcome, record.verdict.exit_code()))?;
        Ok(record)
    }
}

/// Where the harness keeps its files: in cargo's target folder, or where that usually is if the manifests as they happen to be there
/// don't say; in a bare repository beside git's own.
fn home(source: &Source, settings: &Settings) -> (Utf8PathBuf, Output) {
    let root = source.root().to_owned();
    if source.is_bare() {
        return (root.clone(), Output::new(root.join("harness")));
    }
    match audit::place(settings.manifest_path.as_deref()) {
        Ok(place) => (place.root.clone(), Output::new(place.harness_dir())),
        Err(_) => (root.clone(), Output::new(root.join("target/harness"))),
    }
}
