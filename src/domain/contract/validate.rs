//! What the shape alone doesn't show: names that must exist, keys that exclude each other, paths that lead astray.

use std::collections::BTreeMap;

use camino::{Utf8Component, Utf8Path};
use toml::Spanned;

use super::builtin;
use super::error::{Other, Problem};
use super::load::Document;
use super::places::{KeyPath, Place, Places};
use super::shape::Located;
use super::types::{Build, Contract, Diff, Network, Step, Uses};
use crate::base::{AllowedHost, Tier};

/// The gates that exist.
const GATES: [&str; 6] = ["commit", "push", "merge", "nightly", "release", "weekly"];

/// What is wrong with a contract of the right shape, in no particular order.
pub(super) fn problems(contract: &Contract, places: &Places, document: &Document) -> Vec<Located> {
    let mut check = Check { contract, places, document, problems: Vec::new() };
    check.ladder();
    for (name, step) in &contract.steps {
        check.step(name, step.get_ref());
    }
    check.builds();
    check.diffs();
    check.categories();
    check.quarantine();
    check.names();
    check.backend();
    check.hosts();
    check.done();
    check.ratchets();
    check.problems
}

struct Check<'a> {
    contract: &'a Contract,
    places: &'a Places,
    document: &'a Document,
    problems: Vec<Located>,
}

impl Check<'_> {
    fn at_key(&mut self, path: &KeyPath, problem: Problem) {
        self.at(self.places.key(path), problem);
    }

    fn at_value(&mut self, path: &KeyPath, problem: Problem) {
        self.at(self.places.value(path), problem);
    }

    fn at(&mut self, offset: usize, problem: Problem) {
        self.problems.push((offset..offset, problem));
    }

    fn ladder(&mut self) {
        let built_in = builtin::STEPS.iter().map(|(name, _)| (*name).to_owned());
        let known: Vec<String> = self.contract.steps.keys().cloned().chain(built_in).collect();
        let mut seen: BTreeMap<&str, Other> = BTreeMap::new();
        for tier in Tier::all().filter(|tier| !self.contract.tiers.contains_key(tier.to_string().as_str())) {
            seen.extend(builtin::tier_steps(tier).iter().map(|step| (*step, Other::BuiltIn(tier))));
        }
        for (tier, steps) in &self.contract.tiers {
            let text = tier.get_ref();
            if let Some(reason) = not_a_tier(text) {
                self.at(tier.span().start, Problem::Value { path: KeyPath::of(&["tiers", text]), reason });
            }
            for step in steps {
                let (at, name) = (step.span().start, step.get_ref());
                if !known.contains(name) {
                    let (tier, step) = (text.clone(), name.clone());
                    self.at(at, Problem::NoSuchStep { tier, step, known: known.clone() });
                }
                match seen.get(name.as_str()) {
                    Some(other) => {
                        let problem = Problem::StepTwice { step: name.clone(), other: other.clone() };
                        self.at(at, problem);
                    }
                    None => {
                        seen.insert(name, Other::At(self.document.place(at)));
                    }
                }
            }
        }
    }

    fn step(&mut self, name: &str, step: &Step) {
        let path = KeyPath::of(&["steps", name]);
        if !is_step_name(name) {
            self.at_key(&path, Problem::StepName { name: name.to_owned() });
        }
        for (key, for_uses) in keys_set(step) {
            if !for_uses.contains(&step.uses) {
                self.at_key(&path.key(key), Problem::UselessKey { step: name.to_owned(), key, for_uses });
            }
        }
        match (&step.run, step.uses) {
            (None, Uses::Command) => {
                self.at_value(&path.key("uses"), Problem::CommandWithoutRun { step: name.to_owned() });
            }
            (Some(argv), Uses::Command) => self.command(&path.key("run"), argv),
            (Some(arguments), _) => self.no_nul(&path.key("run"), arguments),
            (None, _) => {}
        }
        if step.filter.as_ref().is_some_and(|filter| filter.trim().is_empty()) {
            self.at_value(&path.key("filter"), Problem::Empty { path: path.key("filter") });
        }
        if let Some(dir) = &step.dir {
            self.inside(&path.key("dir"), dir);
        }
        self.variables(&path.key("env"), step.env.iter().flatten());
        for (n, pattern) in step.patterns.iter().flatten().enumerate() {
            self.category(&path.key("patterns").item(n).key("category"), &pattern.category);
        }
    }

    fn builds(&mut self) {
        let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
        for (n, build) in self.contract.builds.iter().map(Spanned::get_ref).enumerate() {
            let path = KeyPath::of(&["builds"]).item(n);
            let Build { name, dir, run, tier, timeout: _, env, expect } = build;
            if !is_file_name(name) {
                self.at_value(&path.key("name"), Problem::BuildName { name: name.clone() });
            }
            let here = self.document.place(self.places.value(&path.key("name")));
            if let Some(first) = seen.insert(name, here) {
                self.at_value(&path.key("name"), Problem::BuildTwice { name: name.clone(), first });
            }
            if !self.runs_builds(*tier) {
                self.at_value(&path.key("name"), Problem::BuildWithoutStep { name: name.clone(), tier: *tier });
            }
            self.inside(&path.key("dir"), dir);
            self.command(&path.key("run"), run);
            self.variables(&path.key("env"), env);
            for (n, file) in expect.iter().enumerate() {
                self.inside(&path.key("expect").item(n).key("path"), &file.path);
            }
        }
    }

    fn diffs(&mut self) {
        let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
        for (n, diff) in self.contract.diffs.iter().map(Spanned::get_ref).enumerate() {
            let path = KeyPath::of(&["diffs"]).item(n);
            if !is_file_name(&diff.name) {
                self.at_value(&path.key("name"), Problem::DiffName { name: diff.name.clone() });
            }
            let here = self.document.place(self.places.value(&path.key("name")));
            if let Some(first) = seen.insert(&diff.name, here) {
                self.at_value(&path.key("name"), Problem::DiffTwice { name: diff.name.clone(), first });
            }
            let lacks = match (&diff.oracle, &diff.golden, &diff.generate) {
                _ if diff.cases.is_empty() && diff.generate.is_none() => Some("it has no `cases` and no `generate`"),
                (None, None, _) => Some("it has neither an `oracle` nor `golden` files"),
                (Some(_), Some(_), _) => Some("it has both an `oracle` and `golden` files"),
                (None, Some(_), Some(_)) => Some("what is generated has no `golden` files"),
                _ => None,
            };
            if let Some(reason) = lacks {
                self.at_value(&path.key("name"), Problem::Value { path: path.clone(), reason: reason.to_owned() });
            }
            self.sides(&path, diff);
            for (n, file) in diff.files.iter().enumerate() {
                self.inside(&path.key("files").item(n), file);
            }
            for (n, expected) in diff.expected.iter().enumerate() {
                for (key, text) in [("reason", &expected.reason), ("tracking", &expected.tracking)] {
                    let path = path.key("expected").item(n).key(key);
                    if text.trim().is_empty() {
                        self.at_value(&path, Problem::Empty { path: path.clone() });
                    }
                }
            }
            self.variables(&path.key("env"), &diff.env);
        }
    }

    /// The commands of a differential test, which must be told their case.
    fn sides(&mut self, path: &KeyPath, diff: &Diff) {
        let sides = [("oracle", diff.oracle.as_ref()), ("subject", Some(&diff.subject))];
        let sides = sides.into_iter().filter_map(|(key, argv)| Some((key, argv?, "{case}")));
        let generate = diff.generate.as_ref().map(|argv| ("generate", argv, "{seed}"));
        for (key, argv, wanted) in sides.chain(generate) {
            let path = path.key(key);
            self.command(&path, argv);
            if !argv.iter().any(|word| word.contains(wanted)) {
                let reason = format!("no argument of it holds {wanted}");
                self.at_value(&path, Problem::Value { path: path.clone(), reason });
            }
        }
        if let Some(folder) = &diff.golden {
            self.inside(&path.key("golden"), folder);
        }
    }

    fn runs_builds(&self, tier: u8) -> bool {
        let steps = Tier::try_from(tier).map(|tier| builtin::steps_of(self.contract, tier)).unwrap_or_default();
        steps.into_iter().any(|step| builtin::uses_of(self.contract, step) == Some(Uses::Build))
    }

    fn categories(&mut self) {
        for (n, rule) in self.contract.categories.iter().enumerate() {
            self.category(&KeyPath::of(&["categories"]).item(n).key("name"), &rule.name);
        }
    }

    fn names(&mut self) {
        for name in self.contract.gates.keys().filter(|name| !GATES.contains(&name.as_str())) {
            let known = GATES.map(str::to_owned).to_vec();
            self.at_key(&KeyPath::of(&["gates", name]), Problem::NoSuchGate { name: name.clone(), known });
        }
        let all = self.contract.all_roles();
        let roles = self.contract.protect.iter().flat_map(|protect| &protect.roles).enumerate();
        for (n, name) in roles.filter(|(_, name)| !all.contains_key(*name)) {
            let known = all.keys().cloned().collect();
            let path = KeyPath::of(&["protect", "roles"]).item(n);
            self.at_value(&path, Problem::NoSuchRole { name: name.clone(), known });
        }
        let features = KeyPath::of(&["run", "features"]);
        for (n, _) in self.contract.run.features.iter().enumerate().filter(|(_, name)| name.trim().is_empty()) {
            self.at_value(&features.item(n), Problem::Empty { path: features.item(n) });
        }
        let env = KeyPath::of(&["sandbox", "env"]);
        let variables = self.contract.sandbox.env.iter().enumerate();
        for (n, name) in variables.filter(|(_, name)| !is_variable(name)) {
            self.at_value(&env.item(n), Problem::VariableName { name: name.clone() });
        }
    }

    /// Containers are made of an image, and of nothing else.
    fn backend(&mut self) {
        let sandbox = KeyPath::of(&["sandbox"]);
        match (self.contract.sandbox.backend, &self.contract.sandbox.image) {
            (Some(_), None) => self.at_key(&sandbox.key("backend"), Problem::BackendWithoutImage),
            (None, Some(_)) => self.at_key(&sandbox.key("image"), Problem::ImageWithoutBackend),
            _ => {}
        }
    }

    fn hosts(&mut self) {
        let Network::Allow(hosts) = &self.contract.sandbox.network else { return };
        let path = KeyPath::of(&["sandbox", "network"]);
        for (n, host) in hosts.iter().enumerate() {
            if let Err(error) = host.parse::<AllowedHost>() {
                let reason = format!("`{host}`: {error}");
                self.at_value(&path.item(n), Problem::Value { path: path.item(n), reason });
            }
        }
    }

    fn done(&mut self) {
        let done = KeyPath::of(&["done"]);
        for (n, binary) in self.contract.done.binaries.iter().enumerate() {
            if binary.name.trim().is_empty() {
                let path = done.key("binaries").item(n).key("name");
                self.at_value(&path, Problem::Empty { path: path.clone() });
            }
        }
        for (n, budget) in self.contract.done.budgets.iter().enumerate() {
            self.command(&done.key("budgets").item(n).key("run"), &budget.run);
        }
    }

    fn ratchets(&mut self) {
        let commands = KeyPath::of(&["ratchets", "commands"]);
        let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
        for (n, command) in self.contract.ratchets.commands.iter().enumerate() {
            let name = commands.item(n).key("name");
            if !is_file_name(&command.name) {
                self.at_value(&name, Problem::RatchetName { name: command.name.clone() });
            }
            let here = self.document.place(self.places.value(&name));
            if let Some(first) = seen.insert(&command.name, here) {
                self.at_value(&name, Problem::RatchetTwice { name: command.name.clone(), first });
            }
            self.command(&commands.item(n).key("run"), &command.run);
        }
        let crates = KeyPath::of(&["freeze", "crates"]);
        for (n, name) in self.contract.freeze.crates.iter().enumerate().filter(|(_, name)| !is_file_name(name)) {
            let reason = format!("`{name}` cannot name a package");
            self.at_value(&crates.item(n), Problem::Value { path: crates.item(n), reason });
        }
    }

    /// A program with its arguments. An argument may be empty, the program may not.
    fn command(&mut self, path: &KeyPath, argv: &[String]) {
        match argv.first() {
            None => self.at_value(path, Problem::Empty { path: path.clone() }),
            Some(program) if program.trim().is_empty() => {
                self.at_value(&path.item(0), Problem::Empty { path: path.item(0) });
            }
            Some(_) => {}
        }
        self.no_nul(path, argv);
    }

    fn quarantine(&mut self) {
        for (n, held) in self.contract.quarantine.iter().enumerate() {
            let path = KeyPath::of(&["quarantine"]).item(n);
            for (key, text) in [("test", &held.test), ("owner", &held.owner)] {
                if text.trim().is_empty() {
                    self.at_value(&path.key(key), Problem::Empty { path: path.key(key) });
                }
            }
        }
    }

    fn no_nul(&mut self, path: &KeyPath, texts: &[String]) {
        for (n, _) in texts.iter().enumerate().filter(|(_, text)| text.contains('\0')) {
            self.at_value(&path.item(n), Problem::Nul { path: path.item(n) });
        }
    }

    fn variables<'v>(&mut self, path: &KeyPath, env: impl IntoIterator<Item = (&'v String, &'v String)>) {
        for (name, value) in env {
            if !is_variable(name) {
                self.at_key(&path.key(name), Problem::VariableName { name: name.clone() });
            }
            if value.contains('\0') {
                self.at_value(&path.key(name), Problem::Nul { path: path.key(name) });
            }
        }
    }

    fn inside(&mut self, path: &KeyPath, dir: &Utf8Path) {
        let plain = |part| matches!(part, Utf8Component::Normal(_) | Utf8Component::CurDir);
        if dir.as_str().is_empty() {
            self.at_value(path, Problem::Empty { path: path.clone() });
        } else if dir.as_str().contains('\0') {
            self.at_value(path, Problem::Nul { path: path.clone() });
        } else if !dir.components().all(plain) {
            self.at_value(path, Problem::OutsideDir { path: path.clone(), dir: dir.to_owned() });
        }
    }

    fn category(&mut self, path: &KeyPath, name: &str) {
        let spoils_a_report = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '(' | ')' | ',');
        if name.is_empty() || name.chars().count() > 64 || name.contains(spoils_a_report) {
            self.at_value(path, Problem::CategoryName { name: name.to_owned() });
        }
    }
}

/// The optional keys that a step sets, each with what has a use for it.
fn keys_set(step: &Step) -> impl Iterator<Item = (&'static str, &'static [Uses])> {
    let keys: [(bool, &'static str, &'static [Uses]); 8] = [
        (step.filter.is_some(), "filter", &[Uses::Nextest, Uses::Proptest]),
        (step.engine.is_some(), "engine", &[Uses::Nextest]),
        (step.warnings.is_some(), "warnings", &[Uses::Check, Uses::Clippy]),
        (step.cases.is_some(), "cases", &[Uses::Proptest]),
        (step.run.is_some(), "run", &[Uses::Command, Uses::Mutants]),
        (step.dir.is_some(), "dir", &[Uses::Command, Uses::Fuzz]),
        (step.env.is_some(), "env", &[Uses::Command]),
        (step.patterns.is_some(), "patterns", &[Uses::Command]),
    ];
    keys.into_iter().filter(|(set, ..)| *set).map(|(_, key, for_uses)| (key, for_uses))
}

fn not_a_tier(text: &str) -> Option<String> {
    match text.parse::<Tier>() {
        Ok(tier) if tier.to_string() == text => None,
        Ok(tier) => Some(format!("write it as {tier}")),
        Err(error) => Some(error.to_string()),
    }
}

fn is_step_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.bytes().next().is_some_and(letter)
        && name.len() <= 32
        && name.bytes().all(|byte| letter(byte) || matches!(byte, b'-' | b'_'))
}

fn is_file_name(name: &str) -> bool {
    name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}
