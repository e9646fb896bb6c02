//! Ratchets of a change: the numbers of its sources, those of the base, and what both locks hold.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::finding::Check;
use super::phases::{self, Answer, Order, Part};
use super::policy::Globs;
use super::snapshot::Snapshot;
use super::{Case, GateError, environment};
use crate::base::Tier;
use crate::domain::contract::{Contract, Level, RatchetKind};
use crate::domain::provenance::{Counts, FILE, Lock, Ratchets};
use crate::domain::ratchet::{self, Sides, source};
use crate::domain::record::Mode;
use crate::domain::run::measure::{Measured, Wanted};
use crate::ports::cargo::Workspace;
use crate::ports::fs;
use crate::ports::inventory;
use crate::ports::process::Supervised;

/// How the names of numbers begin that aren't of a file.
const BINARY: &str = "bin:";
const COMMAND: &str = "command:";

/// What the ratchets came to.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) check: Check,
    pub(super) notes: Vec<String>,
    /// The numbers of the change.
    pub(super) counts: Counts,
}

/// The lock of a tree, where it has one that can be read.
#[derive(Debug)]
struct TreeLock {
    lock: Option<Lock>,
    is_broken: bool,
}

impl Case<'_> {
    /// Whether no number is worse than it may be. What is measured by running something is so only where the ladder is `green`.
    pub(super) fn ratchets(&self, green: bool) -> Result<Held, GateError> {
        let (base, head) = (self.lock_of(&self.before)?, self.lock_of(&self.after)?);
        let of = |lock: &TreeLock| lock.lock.as_ref().and_then(|lock| lock.ratchets.clone());
        let (mut base_lock, head_lock) = (of(&base), of(&head));
        let kinds = self.kinds(base_lock.as_ref(), head_lock.as_ref());
        let level = self.contract.integrity.ratchets;
        if kinds.is_empty() && self.contract.ratchets.commands.is_empty() {
            let check = Check::none("ratchets", &format!("{FILE} has none"));
            return Ok(Held { check, notes: Vec::new(), counts: Counts::new() });
        }
        let renames = self.objects.renames(&self.objects.tree_of(self.base)?, &self.subject)?;
        let mut before = renamed(self.counted(&self.before, &kinds), &self.relative(&renames));
        let mut counts = self.counted(&self.after, &kinds);
        let unread = self.unread();
        let unmeasured =
            if green { self.measured(&kinds, &mut base_lock, (&mut before, &mut counts))? } else { Vec::new() };
        let of_sources = kinds.iter().filter(|kind| **kind != RatchetKind::Size);
        let names: BTreeSet<String> = of_sources.map(|kind| kind.key().to_owned()).collect();
        let sides = Sides {
            kinds: &names,
            base_lock: base_lock.as_ref(),
            head_lock: head_lock.as_ref(),
            base: &before,
            now: &counts,
        };
        let found = ratchet::compare(&sides);
        let mut findings: Vec<(Level, String, String)> =
            found.worse.into_iter().map(|(subject, message)| (level, subject, message)).collect();
        findings.extend(unmeasured.into_iter().map(|(subject, message)| (level, subject, message)));
        let approval = level.min(Level::Approve);
        findings.extend(unread.into_iter().map(|path| (approval, path, "cannot be counted".to_owned())));
        findings.extend(found.loosened.into_iter().map(|(subject, message)| (approval, subject, message)));
        let ok = match found.better.len() {
            0 => format!("{} no worse", crate::base::text::counted(found.compared as u64, "number")),
            n => format!("{n} of {} better", crate::base::text::counted(found.compared as u64, "number")),
        };
        let write = format!("write it down: cargo harness gate {} --tighten", self.question.name.key());
        let mut notes: Vec<String> = found.better.iter().map(|better| format!("{better}; {write}")).collect();
        notes.extend(found.moved);
        if base.is_broken {
            notes.push(format!("the base's {FILE} cannot be read, so the base's own sources are the limit"));
        }
        Ok(Held { check: Check::mixed("ratchets", findings, &ok), notes, counts })
    }

    /// Takes the numbers of programs and binaries, and says which can't be had. The base's are taken where its lock has none, and where
    /// a binary is larger than recorded: it may be so by another compiler, and then the base's is, too.
    fn measured(
        &self,
        kinds: &BTreeSet<RatchetKind>,
        lock: &mut Option<Ratchets>,
        (before, now): (&mut Counts, &mut Counts),
    ) -> Result<Vec<(String, String)>, GateError> {
        let commands = &self.contract.ratchets.commands;
        let sizes = kinds.contains(&RatchetKind::Size) && self.question.name.is_whole();
        if commands.is_empty() && !sizes {
            return Ok(Vec::new());
        }
        let wanted = Wanted { numbers: commands.clone(), sizes, ..Wanted::default() };
        let (taken, failed) = numbers(&self.measure("tree", wanted, None)?);
        let recorded = |of: &str| lock.as_ref().and_then(|lock| lock.counts.get(of)?.values().next().copied());
        let is_needed = |of: &str, number: u64| recorded(of).is_none_or(|held| of.starts_with(BINARY) && held < number);
        let needed: BTreeSet<&String> = taken
            .iter()
            .filter(|(of, all)| all.values().any(|number| is_needed(of, *number)))
            .map(|(of, _)| of)
            .collect();
        let wanted = Wanted {
            numbers: commands
                .iter()
                .filter(|one| needed.contains(&format!("{COMMAND}{}", one.name)))
                .cloned()
                .collect(),
            sizes: needed.iter().any(|of| of.starts_with(BINARY)),
            ..Wanted::default()
        };
        if wanted != Wanted::default() {
            for (of, numbers) in numbers(&self.measure("base", wanted, None)?).0 {
                if let Some(held) =
                    lock.as_mut().and_then(|lock| lock.counts.get_mut(&of)).filter(|_| of.starts_with(BINARY))
                {
                    for (kind, number) in &numbers {
                        held.entry(kind.clone()).and_modify(|held| *held = (*held).max(*number));
                    }
                }
                before.insert(of, numbers);
            }
        }
        now.extend(taken);
        Ok(failed)
    }

    /// Changed files of Rust whose tokens can't be read: what is in them counts for nothing.
    fn unread(&self) -> Vec<String> {
        let changed = self.before.changed(&self.after);
        let is_file = |path: &&&Utf8PathBuf| self.after.listing.get(**path).is_some_and(|entry| entry.mode != "120000");
        let rust = changed.iter().filter(|path| path.extension() == Some("rs")).filter(is_file);
        let unread = rust.filter(|path| self.after.texts.get(**path).is_none_or(|text| source::items(text).is_none()));
        unread.map(|path| path.to_string()).collect()
    }

    /// What is judged: as the contract says, or else what the base's lock counts; and what the change's own lock begins to count.
    fn kinds(&self, base: Option<&Ratchets>, head: Option<&Ratchets>) -> BTreeSet<RatchetKind> {
        let in_lock = |lock: Option<&Ratchets>| -> BTreeSet<RatchetKind> {
            let has = |kind: &RatchetKind| lock.is_some_and(|lock| lock.kinds.contains(kind.key()));
            RatchetKind::ALL.into_iter().filter(has).collect()
        };
        match &self.contract.ratchets.kinds {
            Some(kinds) => kinds.iter().copied().collect(),
            None => in_lock(base).into_iter().chain(in_lock(head)).collect(),
        }
    }

    /// Whether the two locks differ in nothing but their numbers, whose loosening is found by itself.
    pub(super) fn only_ratchets_differ(&self) -> Result<bool, GateError> {
        let pins = |snapshot: &Snapshot| -> Result<Option<Lock>, GateError> {
            let mut lock = self.lock_of(snapshot)?.lock;
            lock.iter_mut().for_each(|lock| lock.ratchets = None);
            Ok(lock)
        };
        let (base, head) = (pins(&self.before)?, pins(&self.after)?);
        Ok(base.is_some() && base == head)
    }

    /// Where the lock lies in a tree.
    pub(super) fn lock_path(&self) -> Utf8PathBuf {
        self.root.join(FILE)
    }

    fn lock_of(&self, snapshot: &Snapshot) -> Result<TreeLock, GateError> {
        let path = self.lock_path();
        let Some(entry) = snapshot.listing.get(&path) else { return Ok(TreeLock { lock: None, is_broken: false }) };
        let texts = self.objects.texts([entry.id.as_str()])?;
        let lock = texts.get(&entry.id).and_then(|text| Lock::parse(&path, text).ok());
        Ok(TreeLock { is_broken: lock.is_none(), lock })
    }

    fn counted(&self, snapshot: &Snapshot, kinds: &BTreeSet<RatchetKind>) -> Counts {
        let files = snapshot.rust().filter_map(|(path, text)| {
            let within = path.strip_prefix(&self.root).ok()?;
            Some((within, text.as_str(), snapshot.test_files.contains(path)))
        });
        counts(files, &self.contract, kinds)
    }

    /// Names as a lock has them.
    fn relative(&self, renames: &BTreeMap<Utf8PathBuf, Utf8PathBuf>) -> BTreeMap<String, String> {
        let within = |path: &Utf8PathBuf| Some(path.strip_prefix(&self.root).ok()?.to_string());
        renames.iter().filter_map(|(old, new)| Some((within(old)?, within(new)?))).collect()
    }
}

/// The numbers of files by their paths from the workspace's root, those that the contract leaves out excepted.
pub(super) fn counts<'a>(
    files: impl Iterator<Item = (&'a Utf8Path, &'a str, bool)>,
    contract: &Contract,
    kinds: &BTreeSet<RatchetKind>,
) -> Counts {
    let excluded = Globs::new("".into(), contract.ratchets.exclude.iter().map(String::as_str));
    let mut all = Counts::new();
    for (path, text, for_tests) in files.filter(|(path, ..)| !excluded.contain(path)) {
        let counted = ratchet::counts(text, for_tests).into_iter().filter(|(kind, _)| kinds.contains(kind));
        let numbers = counted.map(|(kind, count)| (kind.key().to_owned(), count)).collect();
        all.insert(path.to_string(), numbers);
    }
    ratchet::without_nothing(all)
}

/// The same numbers by the names that files have now.
fn renamed(counts: Counts, renames: &BTreeMap<String, String>) -> Counts {
    let mut all = Counts::new();
    for (path, numbers) in counts {
        let of: &mut BTreeMap<String, u64> = all.entry(renames.get(&path).cloned().unwrap_or(path)).or_default();
        for (kind, number) in numbers {
            *of.entry(kind).or_default() += number;
        }
    }
    all
}

/// The numbers of binaries and programs as a lock has them, and which can't be had.
fn numbers(measured: &Measured) -> (Counts, Vec<(String, String)>) {
    let mut counts = Counts::new();
    let mut failed = Vec::new();
    for (name, told) in &measured.numbers {
        match told {
            Ok(number) => {
                counts.insert(format!("{COMMAND}{name}"), [("number".to_owned(), *number)].into());
            }
            Err(why) => failed.push((name.clone(), format!("its number cannot be had: {why}"))),
        }
    }
    match &measured.sizes {
        Some(Ok(sizes)) => {
            let lines = sizes.iter();
            let lines = lines.map(|(name, size)| (format!("{BINARY}{name}"), [("size".to_owned(), *size)].into()));
            counts.extend(lines);
        }
        Some(Err(why)) => failed.push(("the binaries".to_owned(), format!("cannot be built: {why}"))),
        None => {}
    }
    (counts, failed)
}

/// The numbers of a work tree as it lies there, and of which kinds; what a new lock holds.
///
/// # Errors
/// A file can't be listed or read, or a program has no number.
pub(crate) fn work_tree(
    workspace: &Workspace,
    contract: &Contract,
    caller: &Supervised,
) -> Result<Ratchets, GateError> {
    let default = || ratchet::BY_DEFAULT.to_vec();
    let kinds: BTreeSet<RatchetKind> = contract.ratchets.kinds.clone().unwrap_or_else(default).into_iter().collect();
    let top = inventory::top(&workspace.root);
    let prefix = workspace.root.strip_prefix(top).unwrap_or(Utf8Path::new(""));
    let listed = inventory::list(top, std::slice::from_ref(&workspace.target_dir), &[])?;
    let mut texts = BTreeMap::new();
    for path in listed.files.keys().filter(|path| path.extension() == Some("rs")) {
        // A link is no file of its own, and what is no text is no Rust.
        let file = top.join(path);
        if fs::link_target(&file).is_none()
            && let Ok(text) = fs::read_text(&file)
        {
            texts.insert(path.clone(), text);
        }
    }
    let for_tests = ratchet::test_files(listed.files.keys(), &texts);
    let files = texts.iter().filter_map(|(path, text)| {
        let within = path.strip_prefix(prefix).ok()?;
        Some((within, text.as_str(), for_tests.contains(path)))
    });
    let mut counts = counts(files, contract, &kinds);
    let sizes = kinds.contains(&RatchetKind::Size);
    let wanted = Wanted { numbers: contract.ratchets.commands.clone(), sizes, ..Wanted::default() };
    if wanted != Wanted::default() {
        let (taken, failed) = numbers(&measured_here(workspace, contract, wanted, caller)?);
        if let Some((name, why)) = failed.into_iter().next() {
            return Err(GateError::Phase { message: format!("the ratchet {name}: {why}") });
        }
        counts.extend(taken);
    }
    Ok(Ratchets { kinds: kinds.iter().map(|kind| kind.key().to_owned()).collect(), counts })
}

/// Measures in a work tree.
fn measured_here(
    workspace: &Workspace,
    contract: &Contract,
    wanted: Wanted,
    caller: &Supervised,
) -> Result<Measured, GateError> {
    let order = Order {
        manifest: workspace.root.join("Cargo.toml"),
        mode: Mode::Full,
        tiers: [Tier::GROUND].into_iter().collect(),
        part: Part::Measure,
        seed: None,
        asked: "lock".to_owned(),
        wanted,
        other: None,
    };
    let mut more = contract.sandbox.env.clone();
    more.extend(["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC"].map(str::to_owned));
    match phases::run(&order, &workspace.root, &environment::passed(&more), caller)? {
        Answer::Measured(measured) => Ok(*measured),
        Answer::Error { message, .. } => Err(GateError::Phase { message }),
        Answer::Ran(_) => Err(GateError::Lost { why: "it answered another question".to_owned() }),
    }
}
