//! How far a part still leans on something else: counted in a tree, held against the base, and followed through the history.

use camino::Utf8Path;
use serde::Serialize;

use super::GateError;
use super::area::Area;
use super::finding::Check;
use super::policy::Globs;
use crate::domain::contract::{Contract, Fallback};
use crate::ports::objects::{Listing, Objects, ObjectsError};
use crate::ports::source::Source;

/// So far back a trend reaches, in commits of the main line.
const COMMITS: usize = 200;

/// At so many of them it is counted.
const POINTS: usize = 10;

/// The extent of a fallback in one tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Scope {
    /// The files within which it is allowed.
    pub(crate) files: usize,
    /// The uses in them; none where the contract doesn't say what a use is.
    pub(crate) uses: usize,
}

/// A fallback as of a commit, and before.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Standing {
    pub(crate) name: String,
    pub(crate) to: String,
    pub(crate) tracking: Option<String>,
    /// Whether uses are counted, and not only files.
    pub(crate) counts_uses: bool,
    pub(crate) now: Scope,
    /// At earlier commits, the newest first.
    pub(crate) before: Vec<Before>,
}

/// The extent at an earlier commit.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Before {
    pub(crate) commit: String,
    #[serde(flatten)]
    pub(crate) scope: Scope,
}

/// No fallback spreads: by the files in its scope, and by its uses.
///
/// # Errors
/// Git can't read a file.
pub(super) fn check(
    contract: &Contract,
    (before, after): (&Listing, &Listing),
    objects: &Objects,
    root: &Utf8Path,
) -> Result<Option<Check>, ObjectsError> {
    if contract.fallbacks.is_empty() {
        return Ok(None);
    }
    let mut found = Vec::new();
    for one in &contract.fallbacks {
        let (was, now) = (scope(one, before, objects, root)?, scope(one, after, objects, root)?);
        for (what, was, now) in [("files", was.files, now.files), ("uses", was.uses, now.uses)] {
            if now > was {
                found.push((one.name.clone(), format!("{what} of {}: {was} before, {now} now", one.to)));
            }
        }
    }
    Ok(Some(Check::of("fallbacks", contract.integrity.fallbacks, found, "none has grown")))
}

fn scope(one: &Fallback, listing: &Listing, objects: &Objects, root: &Utf8Path) -> Result<Scope, ObjectsError> {
    let within = Globs::new(root, one.files.iter().map(String::as_str));
    let files = || listing.iter().filter(|(path, _)| within.contain(path));
    let Some(pattern) = &one.uses else { return Ok(Scope { files: files().count(), uses: 0 }) };
    let texts = objects.texts(files().map(|(_, entry)| entry.id.as_str()))?;
    let in_text = |text: &String| pattern.0.find_iter(text).count();
    let uses = files().filter_map(|(_, entry)| texts.get(&entry.id)).map(in_text).sum();
    Ok(Scope { files: files().count(), uses })
}

/// All fallbacks of a contract as the last commit has them, with their extents before; `dir` is the workspace's root.
///
/// # Errors
/// There is no commit, or git can't read it.
pub(crate) fn standings(dir: &Utf8Path, contract: &Contract) -> Result<(String, Vec<Standing>), GateError> {
    let source = Source::at(dir)?;
    let area = Area::of(&source.common_dir()?)?;
    let _held = area.lock()?;
    let objects = Objects::borrow(&source, area.root())?;
    let root = dir.strip_prefix(source.root()).map(Utf8Path::to_owned).unwrap_or_default();
    let head = source.commit("HEAD")?;
    let line = objects.main_line(&head, COMMITS)?;
    let step = line.len().div_ceil(POINTS).max(1);
    let mut points = Vec::new();
    for commit in line.iter().step_by(step) {
        points.push((commit, objects.listing(&objects.tree_of(commit)?)?));
    }
    let mut standings = Vec::new();
    for one in &contract.fallbacks {
        let mut scopes = Vec::new();
        for (commit, listing) in &points {
            let scope = scope(one, listing, &objects, &root)?;
            scopes.push(Before { commit: (*commit).clone(), scope });
        }
        let Some(now) = scopes.first().map(|first| first.scope) else { continue };
        standings.push(Standing {
            name: one.name.clone(),
            to: one.to.clone(),
            tracking: one.tracking.clone(),
            counts_uses: one.uses.is_some(),
            now,
            before: scopes.split_off(1),
        });
    }
    Ok((head, standings))
}

impl Standing {
    /// What is left to replace: uses, or files where uses aren't counted.
    pub(crate) fn distance(&self, scope: Scope) -> usize {
        if self.counts_uses { scope.uses } else { scope.files }
    }

    /// The distances from the oldest to now, each change once, and in a word where they lead.
    pub(crate) fn trend(&self) -> (Vec<usize>, &'static str) {
        let old = self.before.iter().rev().map(|before| before.scope);
        let mut values: Vec<usize> = old.chain([self.now]).map(|scope| self.distance(scope)).collect();
        values.dedup();
        let word = match (values.first(), values.last()) {
            (_, Some(0)) => "replaced",
            (Some(first), Some(last)) if last < first => "shrinking",
            (Some(first), Some(last)) if last > first => "growing",
            _ => "standing still",
        };
        (values, word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(now: usize, before: &[usize]) -> Standing {
        let scope = |uses| Scope { files: 1, uses };
        let before = before.iter().map(|uses| Before { commit: String::new(), scope: scope(*uses) }).collect();
        let (name, to) = ("linker".to_owned(), "ld".to_owned());
        Standing { name, to, tracking: None, counts_uses: true, now: scope(now), before }
    }

    #[test]
    fn a_trend_tells_each_change_once_and_where_it_leads() {
        for (now, before, values, word) in [
            (3, vec![3, 5, 5, 9], vec![9, 5, 3], "shrinking"),
            (9, vec![3], vec![3, 9], "growing"),
            (3, vec![3, 3], vec![3], "standing still"),
            (0, vec![3], vec![3, 0], "replaced"),
            (3, vec![], vec![3], "standing still"),
        ] {
            assert_eq!(standing(now, &before).trend(), (values, word));
        }
    }
}
