//! Judges a change from trusted inputs: object ids, never the work tree, by the base's contract, tests and settings.

mod area;
mod checks;
mod declared;
mod done;
mod environment;
pub(crate) mod fallbacks;
mod finding;
mod freeze;
mod inventory;
mod manifest;
mod phases;
mod policy;
mod ratchets;
mod receipt;
mod snapshot;
mod suppress;
mod text;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

pub(crate) use finding::{Check, GateVerdict, State};
pub(crate) use phases::{Answer, Order, Part, Phase, VERB};
pub(crate) use ratchets::work_tree as work_tree_ratchets;
pub(crate) use text::{gate_json, gate_text};

use area::{Area, RunArea};
use declared::Declared;
use inventory::Sources;
use receipt::Receipts;
use snapshot::Snapshot;

use crate::base::{ExitCode, Explain, Tier, Tiers};
use crate::domain::contract::{self, Contract, ContractError};
use crate::domain::provenance::Counts;
use crate::domain::ratchet::source;
use crate::domain::record::{Mode, RunRecord, Verdict};
use crate::domain::roles::{NoSuchRole, Roles};
use crate::domain::run::measure::{Measured, Wanted};
use crate::ports::cargo::{CargoError, Workspace};
use crate::ports::inventory::InventoryError;
use crate::ports::objects::{self, Objects, ObjectsError};
use crate::ports::process::{Runner, Supervised};
use crate::ports::source::Source;
use crate::ports::{clock, fs};

/// Which gate: how far it climbs, and whether it compares with the base by running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GateName {
    /// What is staged, onto the last commit: tiers 0-1
    Commit,
    /// Tiers 0-1
    Push,
    /// Tiers 0-3, and the base's tests on the new source
    Merge,
    /// Tiers 0-4
    Nightly,
    /// Tiers 0-5
    Release,
    /// Tiers 0-5
    Weekly,
}

/// Why a text isn't a gate.
#[derive(Debug, thiserror::Error)]
#[error("no gate is called `{0}`: commit, push, merge, nightly, release or weekly")]
pub(crate) struct GateNameError(String);

impl std::str::FromStr for GateName {
    type Err = GateNameError;
    fn from_str(text: &str) -> Result<Self, GateNameError> {
        use GateName::{Commit, Merge, Nightly, Push, Release, Weekly};
        let found = [Commit, Push, Merge, Nightly, Release, Weekly].into_iter().find(|gate| gate.key() == text);
        found.ok_or_else(|| GateNameError(text.to_owned()))
    }
}

impl GateName {
    /// The key in the contract.
    pub(crate) fn key(self) -> &'static str {
        match self {
            GateName::Commit => "commit",
            GateName::Push => "push",
            GateName::Merge => "merge",
            GateName::Nightly => "nightly",
            GateName::Release => "release",
            GateName::Weekly => "weekly",
        }
    }

    fn tiers(self, contract: &Contract) -> Tiers {
        let own = contract.gates.get(self.key()).and_then(|gate| gate.tiers.clone());
        let highest = match self {
            GateName::Commit | GateName::Push => 1,
            GateName::Merge => 3,
            GateName::Nightly => 4,
            GateName::Release | GateName::Weekly => 5,
        };
        let own = own.unwrap_or_else(|| Tier::all().filter(|tier| tier.number() <= highest).collect());
        match (self, &contract.done.tiers) {
            (GateName::Release | GateName::Weekly, Some(done)) => own.iter().chain(done.iter()).collect(),
            _ => own,
        }
    }

    fn mode(self) -> Mode {
        match self {
            GateName::Commit | GateName::Push | GateName::Merge => Mode::Full,
            GateName::Nightly | GateName::Release | GateName::Weekly => Mode::Deep,
        }
    }

    /// Whether the base's tests are run, too.
    fn is_whole(self) -> bool {
        !matches!(self, GateName::Commit | GateName::Push)
    }
}

/// How the names of tags begin that approve of a head.
const APPROVING: &str = "harness-approve";

/// What is asked of a gate.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) name: GateName,
    /// What the change is merged onto; found by itself where nothing is said.
    pub(crate) base: Option<String>,
    pub(crate) head: Option<String>,
    pub(crate) role: Option<String>,
    /// Where the question is asked: a folder of the repository.
    pub(crate) dir: Utf8PathBuf,
    pub(crate) source: Source,
    /// The index whose content a commit would have, where it isn't the work tree's own.
    pub(crate) index: Option<Utf8PathBuf>,
    /// Tags that a push brings along, by their names, with the ids of what they are.
    pub(crate) pushed_tags: Vec<(String, String)>,
    /// Whether an earlier answer to the same question is given again.
    pub(crate) reuse: bool,
}

/// Why a gate has no verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GateError {
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    #[error(transparent)]
    Fs(#[from] fs::FsError),
    #[error("the base's manifests: {0}")]
    Cargo(#[from] CargoError),
    #[error("the base's contract: {0}")]
    Contract(#[from] ContractError),
    #[error("neither the branch's upstream nor main nor master is there to be the base")]
    NoBase,
    #[error("the base {0} has no Cargo.toml here")]
    NoManifest(String),
    #[error("the base's contract: {0}")]
    NoSuchRole(#[from] NoSuchRole),
    #[error("neither XDG_CACHE_HOME nor HOME says where a gate can work")]
    NoArea,
    #[error("a phase of the gate was lost: {why}")]
    Lost { why: String },
    #[error("{message}")]
    Phase { message: String },
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error("interrupted")]
    Interrupted,
}

impl Explain for GateError {
    fn exit_code(&self) -> ExitCode {
        match self {
            GateError::Objects(error) => error.exit_code(),
            GateError::Fs(error) => error.exit_code(),
            GateError::Cargo(error) => error.exit_code(),
            GateError::Contract(error) => error.exit_code(),
            GateError::NoBase | GateError::NoManifest(_) => ExitCode::Usage,
            GateError::NoSuchRole(error) => error.exit_code(),
            GateError::Inventory(error) => error.exit_code(),
            GateError::NoArea | GateError::Lost { .. } | GateError::Phase { .. } => ExitCode::Environment,
            GateError::Interrupted => ExitCode::Interrupted,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            GateError::Objects(error) => error.hint(),
            GateError::Fs(error) => error.hint(),
            GateError::Cargo(error) => error.hint(),
            GateError::Contract(error) => error.hint(),
            GateError::NoBase => Some("name it: --base origin/main".to_owned()),
            GateError::NoSuchRole(error) => error.hint(),
            GateError::NoArea => Some("set XDG_CACHE_HOME to a folder outside of the repository".to_owned()),
            _ => None,
        }
    }
}

/// What a gate answered, and by what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GateRecord {
    pub(crate) version: u32,
    pub(crate) gate: GateName,
    pub(crate) verdict: GateVerdict,
    /// Commits.
    pub(crate) base: String,
    pub(crate) head: String,
    /// The tree that the head gives when it is merged onto the base.
    pub(crate) subject: String,
    pub(crate) role: Option<String>,
    pub(crate) tiers: Tiers,
    pub(crate) ladder: Option<RunRecord>,
    pub(crate) checks: Vec<Check>,
    /// What the ratchets counted in the change.
    #[serde(default)]
    pub(crate) numbers: Counts,
    pub(crate) notes: Vec<String>,
    pub(crate) ms: u64,
    pub(crate) cached: bool,
    /// The folder of the ladder's logs.
    pub(crate) log: Utf8PathBuf,
}

impl GateRecord {
    const VERSION: u32 = 1;
}

/// What is judged, and by what: the trees and the base's contract.
struct Case<'a> {
    question: &'a Question,
    objects: &'a Objects,
    area: &'a RunArea,
    caller: &'a Supervised,
    base: &'a str,
    head: &'a str,
    contract: Contract,
    /// The workspace's root relative to the top of the tree, and the manifest in it.
    root: Utf8PathBuf,
    variables: Vec<(String, String)>,
    /// The tags that may approve of the head.
    approvals: BTreeMap<String, String>,
    tiers: Tiers,
    /// The tree of the head merged onto the base.
    subject: String,
    before: Snapshot,
    after: Snapshot,
    declared: Declared,
}

/// Judges a change.
///
/// # Errors
/// Where there is no verdict: the objects, the base or the environment lack something.
pub(crate) fn judge(question: &Question, caller: &Supervised) -> Result<GateRecord, GateError> {
    let started = clock::now();
    let source = &question.source;
    let top = source.root();
    let area = Area::of(&source.common_dir()?)?;
    let _lock = area.lock()?;
    let objects = Objects::borrow(source, area.root())?;
    let (base, head) = commits(question, &objects)?;
    let subject = objects.merged(&base, &head)?;
    let approvals = approvals(question, &head)?;
    let receipts = Receipts::of(&area, question, [&base, &head, &subject], &approvals, top);
    if let Some(mut record) = receipts.find().filter(|_| question.reuse) {
        (record.cached, record.ms) = (true, started.elapsed().as_millis() as u64);
        return Ok(record);
    }
    let run = area.begin()?;
    let (contract, root) = policy_of(&objects, &base, &question.dir, top, &run)?;
    if let Some(role) = &question.role {
        Roles::of(&contract).find(role)?;
    }
    let before = Snapshot::read(&objects, &objects.tree_of(&base)?)?;
    let after = Snapshot::read(&objects, &subject)?;
    let case = Case {
        question,
        objects: &objects,
        area: &run,
        caller,
        base: &base,
        head: &head,
        tiers: question.name.tiers(&contract),
        variables: variables(&contract, &before, top),
        approvals,
        declared: Declared::read(&objects.messages(&base, &head)?),
        contract,
        root,
        subject,
        before,
        after,
    };
    let mut record = case.judge()?;
    record.ms = started.elapsed().as_millis() as u64;
    if record.verdict.keeps() {
        receipts.keep(&record)?;
    }
    Ok(record)
}

/// What is merged onto what.
fn commits(question: &Question, objects: &Objects) -> Result<(String, String), GateError> {
    let source = &question.source;
    if question.name == GateName::Commit {
        let base = source.commit(question.base.as_deref().unwrap_or("HEAD"))?;
        let head = match &question.head {
            Some(name) => source.commit(name)?,
            None => objects.staged(question.index.as_deref(), &source.commit("HEAD")?)?,
        };
        return Ok((base, head));
    }
    let head = source.commit(question.head.as_deref().unwrap_or("HEAD"))?;
    if let Some(name) = &question.base {
        return Ok((source.commit(name)?, head));
    }
    let known = ["@{upstream}", "origin/HEAD", "origin/main", "origin/master", "main", "master"];
    let base = known.iter().find_map(|name| source.commit(name).ok()).ok_or(GateError::NoBase)?;
    Ok((base, head))
}

/// The tags that may approve of a head: those that are there, and those that come with it.
fn approvals(question: &Question, head: &str) -> Result<BTreeMap<String, String>, GateError> {
    let mut tags: BTreeMap<String, String> = question.source.tags(head, APPROVING)?.into_iter().collect();
    for (name, id) in question.pushed_tags.iter().filter(|(name, _)| name.starts_with(APPROVING)) {
        if question.source.commit_in(id)?.as_deref() == Some(head) {
            tags.insert(name.clone(), id.clone());
        }
    }
    Ok(tags)
}

/// The base's contract, and where its workspace lies in the tree.
fn policy_of(
    objects: &Objects,
    base: &str,
    dir: &Utf8Path,
    top: &Utf8Path,
    run: &RunArea,
) -> Result<(Contract, Utf8PathBuf), GateError> {
    let tree = run.tree("base");
    objects.check_out(base, base, &tree)?;
    let dir = dir.canonicalize_utf8().unwrap_or_else(|_| dir.to_owned());
    let within = dir.strip_prefix(top).map(Utf8Path::to_owned).unwrap_or_default();
    let manifest =
        within.ancestors().map(|folder| tree.join(folder).join("Cargo.toml")).find(|path| fs::is_present(path));
    let manifest = manifest.ok_or_else(|| GateError::NoManifest(objects::short(base).to_owned()))?;
    let workspace = Workspace::load_in(&tree, &manifest)?;
    let root = workspace.root.strip_prefix(&tree).map(Utf8Path::to_owned).unwrap_or_default();
    Ok((contract::load(&workspace)?.contract, root))
}

/// The environment of every phase. The toolchain that rustup has chosen for the caller may be the head's.
fn variables(contract: &Contract, base: &Snapshot, top: &Utf8Path) -> Vec<(String, String)> {
    let files = ["rust-toolchain", "rust-toolchain.toml"];
    let chosen_by_file =
        files.iter().any(|file| base.listing.contains_key(Utf8Path::new(file)) || fs::is_present(&top.join(file)));
    let mut more: Vec<String> = contract.sandbox.env.clone();
    if !chosen_by_file {
        more.extend(["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC"].map(str::to_owned));
    }
    environment::passed(&more)
}

impl Case<'_> {
    fn judge(&self) -> Result<GateRecord, GateError> {
        let mut judged = policy::judged(self.objects, &self.before, &self.after, &self.contract, &self.root)?;
        if self.only_ratchets_differ()? {
            let lock = self.lock_path();
            judged.protected.retain(|(path, _)| *path != lock);
        }
        let judged_tree = self.objects.make_tree(&judged.listing)?;
        let source = Snapshot::read(self.objects, &judged_tree)?;
        let sources = Sources::read(&self.before, &self.after, &self.declared);
        let levels = &self.contract.integrity;
        let mut weakened = sources.weakened();
        weakened.extend(suppress::helpers(&self.before, &self.after));
        let mut checks = vec![
            Check::of("protected", levels.protected, judged.protected, "as in the base"),
            Check::of("manifests", levels.manifests, judged.manifests, "nothing loosened"),
            Check::of("suppressions", levels.suppressions, suppress::gained(&self.before, &self.after), "none gained"),
            Check::of("assertions", levels.assertions, weakened, "none lost"),
        ];
        checks.extend(self.role()?);
        let listings = (&self.before.listing, &self.after.listing);
        checks.extend(fallbacks::check(&self.contract, listings, self.objects, &self.root)?);
        let mut notes = Vec::new();
        let mut before = None;
        if self.question.name.is_whole() {
            let known = self.base_tests(&mut notes)?;
            checks.push(self.replay(&source, &sources, known.as_ref())?);
            before = Some(known);
        }
        let commit = self.objects.make_commit(&judged_tree, &[self.base, self.head])?;
        let order = self.order(Part::Ladder, None);
        let (ladder, tests) = match self.phase("tree", Some(&commit), &order)? {
            Answer::Ran(phase) => (Some(phase.record), phase.tests),
            Answer::Error { message, .. } => {
                let found = vec![("ladder".to_owned(), message)];
                checks.push(Check::of("ladder", contract::Level::Deny, found, ""));
                (None, Vec::new())
            }
            Answer::Measured(_) => return Err(GateError::Lost { why: "it answered another question".to_owned() }),
        };
        let verdict = ladder.as_ref().map_or(Verdict::Red, |ladder| ladder.verdict);
        let green = verdict == Verdict::Green;
        checks.push(self.inventory(&sources, before.as_ref().and_then(Option::as_ref), &tests, green));
        let held = self.ratchets(green)?;
        checks.push(held.check);
        notes.extend(held.notes);
        if self.question.name.is_whole() {
            checks.extend(self.later(&source, &sources, ladder.as_ref())?);
            checks.extend(self.freeze()?);
        }
        checks.extend(self.done(ladder.as_ref(), &mut notes)?);
        if let Some(who) = self.approved()? {
            notes.push(format!("approved by {who}"));
            for check in checks.iter_mut().filter(|check| check.state == finding::State::Approve) {
                check.state = finding::State::Approved;
            }
        }
        notes.extend(self.contract.done.non_goals.iter().map(|goal| format!("no goal: {goal}")));
        notes.extend(self.contract.fallbacks.iter().map(|one| {
            let tracking = one.tracking.as_ref().map_or(String::new(), |at| format!(", tracked in {at}"));
            format!("a fallback: {} leans on {}{tracking}", one.name, one.to)
        }));
        let verdict = match (ladder.is_some(), GateVerdict::of(verdict, &checks)) {
            (false, _) => GateVerdict::Red,
            (true, verdict) => verdict,
        };
        Ok(GateRecord {
            version: GateRecord::VERSION,
            gate: self.question.name,
            verdict,
            base: self.base.to_owned(),
            head: self.head.to_owned(),
            subject: self.subject.clone(),
            role: self.question.role.clone(),
            tiers: self.tiers.clone(),
            log: self.area.tree("tree").join(&self.root).join("target/harness/latest"),
            ladder,
            checks,
            numbers: held.counts,
            notes,
            ms: 0,
            cached: false,
        })
    }

    fn order(&self, part: Part, seed: Option<crate::base::Seed>) -> Order {
        Order {
            manifest: self.root.join("Cargo.toml"),
            mode: self.question.name.mode(),
            tiers: self.tiers.clone(),
            part,
            seed,
            asked: self.question.name.key().to_owned(),
            wanted: Wanted::default(),
            other: None,
        }
    }

    /// Measures in the checkout of a name, and budgets in turn with another one.
    fn measure(&self, name: &str, wanted: Wanted, other: Option<&str>) -> Result<Measured, GateError> {
        let other = other.map(|other| self.area.tree(other).join(&self.root).join("Cargo.toml"));
        let order = Order { wanted, other, ..self.order(Part::Measure, None) };
        match self.phase(name, None, &order)? {
            Answer::Measured(measured) => Ok(*measured),
            Answer::Error { message, .. } => Err(GateError::Phase { message }),
            Answer::Ran(_) => Err(GateError::Lost { why: "it answered another question".to_owned() }),
        }
    }

    /// Runs a phase in the checkout of a name, made of a commit or there already.
    fn phase(&self, name: &str, commit: Option<&str>, order: &Order) -> Result<Answer, GateError> {
        let tree = self.area.tree(name);
        if let Some(commit) = commit {
            self.objects.check_out(commit, self.base, &tree)?;
        }
        let order = Order { manifest: tree.join(&order.manifest), ..order.clone() };
        let answer = phases::run(&order, &tree.join(&self.root), &self.variables, self.caller)?;
        if self.caller.interrupted().is_some() {
            return Err(GateError::Interrupted);
        }
        match answer {
            Answer::Error { message, code } if code == ExitCode::Environment.code() => {
                Err(GateError::Phase { message })
            }
            answer => Ok(answer),
        }
    }

    /// Who, outside of the change, approves of what it loosens.
    fn approved(&self) -> Result<Option<String>, GateError> {
        let Some(protect) = &self.contract.protect else { return Ok(None) };
        if let Some(role) = self.question.role.as_ref().filter(|role| protect.roles.contains(role)) {
            return Ok(Some(format!("the role {role}")));
        }
        let Some(signers) = &protect.signers else { return Ok(None) };
        let signers = self.area.tree("base").join(&self.root).join(signers);
        for (name, id) in &self.approvals {
            if self.objects.source().is_signed(id, &signers)? {
                return Ok(Some(format!("the signed tag {name}")));
            }
        }
        Ok(None)
    }
}
