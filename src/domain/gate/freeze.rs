//! Interfaces that may not change without approval, compared by a tool that knows Rust's.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use super::finding::Check;
use super::{Case, GateError};
use crate::domain::contract::{FreezeTool, Level};
use crate::domain::run::measure::{Told, Wanted, on_path};

/// So many items are named of each crate.
const NAMED: usize = 10;

/// The programs, each with what it compares by; the more exact one first.
const TOOLS: [(FreezeTool, &str); 2] =
    [(FreezeTool::PublicApi, "cargo-public-api"), (FreezeTool::SemverChecks, "cargo-semver-checks")];

/// The programs' files, for the key of a receipt.
pub(super) fn programs() -> Vec<Utf8PathBuf> {
    TOOLS.iter().filter_map(|(_, name)| on_path(name)).collect()
}

impl Case<'_> {
    /// Whether the frozen interfaces are as they were; nothing where none is frozen.
    pub(super) fn freeze(&self) -> Result<Option<Check>, GateError> {
        let freeze = &self.contract.freeze;
        if freeze.crates.is_empty() {
            return Ok(None);
        }
        let wanted = TOOLS.iter().filter(|(tool, _)| freeze.by.is_none_or(|by| by == *tool));
        let names: Vec<&str> = wanted.clone().map(|(_, name)| *name).collect();
        let Some((tool, program)) = wanted.clone().find_map(|(tool, name)| Some((*tool, on_path(name)?))) else {
            let first = names.first().copied().unwrap_or_default();
            let message = format!("{} is missing: cargo install --locked {first}", names.join(" or "));
            let found = freeze.crates.iter().map(|name| (name.clone(), message.clone())).collect();
            return Ok(Some(Check::of("freeze", Level::Deny, found, "")));
        };
        let findings = match tool {
            FreezeTool::PublicApi => self.listings(&program)?,
            FreezeTool::SemverChecks => self.breaches(&program)?,
        };
        let by = program.file_name().unwrap_or_default();
        let ok = format!("{} as in the base, by {by}", crate::base::text::counted(freeze.crates.len() as u64, "crate"));
        Ok(Some(Check::mixed("freeze", findings, &ok)))
    }

    /// One listing of each tree; any line that only one of them has is a change.
    fn listings(&self, program: &Utf8PathBuf) -> Result<Vec<(Level, String, String)>, GateError> {
        let argv = |name: &String| {
            let words = [
                program.as_str(),
                "public-api",
                "--manifest-path",
                "{root}/Cargo.toml",
                "--color",
                "never",
                "-p",
                name,
            ];
            (name.clone(), words.map(str::to_owned).to_vec())
        };
        let wanted = Wanted {
            asked: self.contract.freeze.crates.iter().map(argv).collect(),
            reads: vec![program.clone()],
            ..Wanted::default()
        };
        let before = self.measure("base", wanted.clone(), None)?.asked;
        let now = self.measure("tree", wanted, None)?.asked;
        let mut findings = Vec::new();
        for name in &self.contract.freeze.crates {
            let (before, now) = (listing(&before, name), listing(&now, name));
            match (before, now) {
                (Ok(before), Ok(now)) => {
                    let level = self.contract.integrity.freeze;
                    findings.extend(differing(&before, &now).into_iter().map(|message| (level, name.clone(), message)));
                }
                (Err(why), _) => {
                    findings.push((Level::Deny, name.clone(), format!("cannot be read in the base: {why}")))
                }
                (_, Err(why)) => findings.push((Level::Deny, name.clone(), format!("cannot be read: {why}"))),
            }
        }
        Ok(findings)
    }

    /// What cargo-semver-checks finds of one tree against the other.
    fn breaches(&self, program: &Utf8PathBuf) -> Result<Vec<(Level, String, String)>, GateError> {
        let base = self.area.tree("base").join(&self.root);
        let argv = |name: &String| {
            let words = [program.as_str(), "semver-checks", "check-release", "--manifest-path", "{root}/Cargo.toml"];
            let more = ["--baseline-root", base.as_str(), "--release-type", "minor", "--color", "never", "-p", name];
            (name.clone(), words.iter().chain(&more).map(|word| (*word).to_owned()).collect())
        };
        let wanted = Wanted {
            asked: self.contract.freeze.crates.iter().map(argv).collect(),
            reads: vec![program.clone(), self.area.tree("base")],
            ..Wanted::default()
        };
        let asked = self.measure("tree", wanted, None)?.asked;
        let findings = asked.into_iter().flat_map(|(name, told)| {
            let found: Vec<(Level, String)> = match told {
                Err(why) => vec![(Level::Deny, format!("cannot be compared: {why}"))],
                Ok((0, _)) => Vec::new(),
                Ok((_, text)) => violations(&text, self.contract.integrity.freeze),
            };
            found.into_iter().map(move |(level, message)| (level, name.clone(), message))
        });
        Ok(findings.collect())
    }
}

/// The items of a crate, one a line.
fn listing(asked: &BTreeMap<String, Told<(i32, String)>>, name: &str) -> Told<BTreeSet<String>> {
    match asked.get(name) {
        Some(Ok((0, text))) => {
            Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
        }
        Some(Ok((code, _))) => Err(format!("it ended with {code}")),
        Some(Err(why)) => Err(why.clone()),
        None => Err("it was not asked".to_owned()),
    }
}

fn differing(before: &BTreeSet<String>, now: &BTreeSet<String>) -> Vec<String> {
    let gone = before.difference(now).map(|item| format!("removed: {item}"));
    let new = now.difference(before).map(|item| format!("added: {item}"));
    let mut all: Vec<String> = gone.chain(new).collect();
    if all.len() > NAMED {
        let more = all.len() - NAMED;
        all.truncate(NAMED);
        all.push(format!("{more} more items differ"));
    }
    all
}

/// `--- failure function_missing: pub fn removed or renamed ---`; an end with neither that nor green is no comparison.
fn violations(text: &str, level: Level) -> Vec<(Level, String)> {
    let lints = text.lines().filter_map(|line| line.trim().strip_prefix("--- failure ")?.strip_suffix(" ---"));
    let found: Vec<(Level, String)> = lints.take(NAMED).map(|lint| (level, lint.to_owned())).collect();
    if found.is_empty() { vec![(Level::Deny, "cannot be compared: it names no violation".to_owned())] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_that_one_side_lacks_is_a_change() {
        let set = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<BTreeSet<_>>();
        let found = differing(&set(&["pub fn a()", "pub fn b()"]), &set(&["pub fn b()", "pub fn c()"]));
        assert_eq!(found, ["removed: pub fn a()", "added: pub fn c()"]);
        let many: Vec<String> = (0..30).map(|n| format!("pub fn f{n}()")).collect();
        assert_eq!(differing(&BTreeSet::new(), &many.into_iter().collect()).last().unwrap(), "20 more items differ");
    }

    #[test]
    fn a_failure_of_the_tool_is_never_taken_for_green() {
        let text =
            "     Checking a v0.1.0\n--- failure function_missing: pub fn removed or renamed ---\n\nDescription:\n";
        assert_eq!(
            violations(text, Level::Approve),
            [(Level::Approve, "function_missing: pub fn removed or renamed".to_owned())]
        );
        assert_eq!(violations("error: no rustdoc", Level::Approve)[0].0, Level::Deny);
        assert!(listing(&BTreeMap::new(), "a").is_err());
    }
}
