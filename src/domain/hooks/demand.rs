//! What a push asks of the gate: for each reference what is judged, onto which base.
//!
//! The base is always part of the pushed history, so that what is judged is what the reference will name.

use camino::Utf8Path;

use super::updates::Update;
use crate::ports::objects::ObjectsError;
use crate::ports::source::Source;

/// What is to be done about one reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    Judge {
        commit: String,
        base: String,
    },
    /// There is nothing to judge.
    Pass(&'static str),
    Refuse(&'static str),
}

/// The branch that the others come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trunk {
    /// Its full name, where it is this repository that is pushed to.
    pub(crate) name: Option<String>,
    /// Its commit before the push, or the one that begins it.
    tip: Option<String>,
    /// Whether that is known to be there, or judged with this push.
    settled: bool,
}

impl Trunk {
    /// That of the repository that is pushed to.
    ///
    /// # Errors
    /// Git can't be asked.
    pub(crate) fn here(source: &Source, updates: &[Update]) -> Result<Trunk, ObjectsError> {
        let Some(name) = source.trunk()? else { return Ok(Trunk::default()) };
        let begun = || updates.iter().find(|update| update.name == name).and_then(|update| update.new.clone());
        let tip = source.commit(&name).ok().or_else(begun);
        Ok(Trunk { name: Some(name), tip, settled: true })
    }

    /// That of a remote, as far as this repository knows it.
    pub(crate) fn of_remote(source: &Source, remote: &str) -> Trunk {
        let find = |names: Vec<String>| names.iter().find_map(|name| source.commit(name).ok());
        let of = |remote: &str| ["HEAD", "main", "master"].map(|name| format!("refs/remotes/{remote}/{name}"));
        if let Some(tip) = find(of(remote).to_vec()) {
            return Trunk { name: None, tip: Some(tip), settled: true };
        }
        let near = of("origin").into_iter().chain(["main", "master"].map(|name| format!("refs/heads/{name}")));
        Trunk { name: None, tip: find(near.collect()), settled: false }
    }

    fn is(&self, update: &Update) -> bool {
        self.name.as_ref() == Some(&update.name)
    }
}

/// References that name no code.
const NO_CODE: [&str; 2] = ["refs/notes/", "refs/harness/"];

/// Says what is to be done about a reference; `manifest` is where a tree of this repository has its `Cargo.toml`.
///
/// # Errors
/// Git can't be asked, or hasn't got what is pushed.
pub(crate) fn demand(
    update: &Update,
    source: &Source,
    trunk: &Trunk,
    manifest: &Utf8Path,
) -> Result<Demand, ObjectsError> {
    let Some(new) = &update.new else {
        return Ok(if trunk.is(update) { Demand::Refuse("it is the default branch") } else { Demand::Pass("deleted") });
    };
    if NO_CODE.iter().any(|begin| update.name.starts_with(begin)) {
        return Ok(Demand::Pass("no code"));
    }
    let Some(commit) = source.commit_in(new)? else { return Ok(Demand::Pass("no commit")) };
    let old = update.old.as_ref().and_then(|old| source.commit(old).ok());
    let old = match old {
        Some(old) if source.is_ancestor(&commit, &old)? => Some(old),
        Some(_) if trunk.is(update) => return Ok(Demand::Refuse("it would take commits off the default branch")),
        _ => None,
    };
    let shared = match (&old, &trunk.tip) {
        (None, Some(tip)) => source.merge_base(tip, &commit)?,
        _ => None,
    };
    if trunk.settled && shared.as_ref() == Some(&commit) && !trunk.is(update) {
        return Ok(Demand::Pass("part of the default branch already"));
    }
    match old.or(shared) {
        Some(base) if source.has_file(&base, manifest)? => Ok(Demand::Judge { commit, base }),
        // Nothing before it says what is good: it is judged by its own contract.
        _ if source.has_file(&commit, manifest)? => Ok(Demand::Judge { base: commit.clone(), commit }),
        _ => Ok(Demand::Pass("no Cargo.toml")),
    }
}
