//! Which documentation examples `fast` need not run: those of packages in which nothing has changed, and where all of them take
//! long, those in files that haven't. Compiling them is what takes long, and nothing but cargo's own cache could save that.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Package, PackageId};
use serde::{Deserialize, Serialize};

use super::cache::{Cache, Kind};
use super::context::Context;
use super::known::Question;
use crate::base::Digest;
use crate::domain::provenance::settings_files;
use crate::domain::record::Counts;
use crate::ports::fs;

/// Examples that take longer than this altogether, in milliseconds, are run by changed file.
const LONG: u64 = 1_000;

/// What is known of a package's examples from the last time that none of those that ran failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    /// Of everything that they can depend on in the tree, when all of them ran.
    inputs: Digest,
    /// Of the package's own sources, when theirs ran.
    sources: BTreeMap<Utf8PathBuf, Digest>,
    whole: Whole,
}

/// What all examples of a package came to, and how many milliseconds they took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Whole {
    pub(super) counts: Counts,
    pub(super) ms: u64,
}

/// What is to be run of a package's examples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Need {
    All,
    /// Those of these files, relative to the package.
    Of(Vec<Utf8PathBuf>),
    /// None: nothing has changed.
    Nothing,
}

/// What one package is made of.
#[derive(Debug)]
pub(super) struct Examples {
    pub(super) package: PackageId,
    /// Its folder.
    pub(super) folder: Utf8PathBuf,
    key: Digest,
    inputs: Digest,
    sources: BTreeMap<Utf8PathBuf, Digest>,
    known: Option<Known>,
}

impl Examples {
    /// Looks at a package.
    pub(super) fn of(run: &Context<'_>, question: &Question, ground: &Digest, package: &Package) -> Examples {
        let folder = package.manifest_path.parent().map(Utf8Path::to_owned).unwrap_or_default();
        let key = Digest::of_fields([ground.as_bytes(), package.manifest_path.as_str().as_bytes()]);
        let sources = sources(question, &folder);
        let inputs = inputs(run, question, package);
        let known = question.reuses().then(|| question.cache().read(Kind::Examples, &key)).flatten();
        Examples { package: package.id.clone(), folder, key, inputs, sources, known }
    }

    /// What of them is to be run.
    pub(super) fn need(&self) -> Need {
        match &self.known {
            None => Need::All,
            Some(known) if known.inputs == self.inputs => Need::Nothing,
            Some(known) if known.whole.ms <= LONG => Need::All,
            Some(known) => {
                let changed = self.sources.iter().filter(|(path, digest)| known.sources.get(*path) != Some(*digest));
                Need::Of(changed.map(|(path, _)| path.clone()).collect())
            }
        }
    }

    /// What all of them came to the last time that all ran.
    pub(super) fn whole(&self) -> Option<Whole> {
        self.known.as_ref().map(|known| known.whole)
    }

    /// What is known now that what was to be run was good; `ran` where that was all of them.
    fn learnt(self, ran: Option<Whole>) -> Option<(Digest, Known)> {
        let Examples { key, inputs, sources, known, .. } = self;
        let known = match (ran, known) {
            (Some(whole), _) => Known { inputs, sources, whole },
            (None, Some(known)) => Known { sources, ..known },
            (None, None) => return None,
        };
        Some((key, known))
    }
}

/// Keeps what examples have shown.
///
/// # Errors
/// The cache can't be written.
pub(super) fn keep(cache: &Cache, shown: Vec<(Examples, Option<Whole>)>) -> fs::Result<()> {
    let learnt = shown.into_iter().filter_map(|(examples, ran)| examples.learnt(ran));
    for (key, known) in learnt {
        cache.write(Kind::Examples, &key, &known)?;
    }
    Ok(())
}

/// The files of a package that hold examples, or texts that are included as such.
fn sources(question: &Question, folder: &Utf8Path) -> BTreeMap<Utf8PathBuf, Digest> {
    let tree = question.tree();
    let own = tree.files().filter_map(|(path, digest)| {
        let path = tree.top().join(path);
        let relative = path.strip_prefix(folder).ok()?;
        let may_hold = matches!(relative.extension(), Some("rs" | "md")) && !is_of_other_targets(relative);
        may_hold.then(|| (relative.to_owned(), digest.clone()))
    });
    own.collect()
}

/// Sources that are compiled into nothing that an example could use.
fn is_of_other_targets(relative: &Utf8Path) -> bool {
    relative.extension() == Some("rs") && ["tests", "benches", "examples"].iter().any(|dir| relative.starts_with(dir))
}

/// The files of the package and of those that it depends on in this tree, settings, and what the compiler has included from elsewhere.
fn inputs(run: &Context<'_>, question: &Question, package: &Package) -> Digest {
    let tree = question.tree();
    let folders = run.workspace.folders_below(&package.id);
    let within = |path: &Utf8Path| {
        folders.iter().any(|folder| path.strip_prefix(folder).is_ok_and(|relative| !is_of_other_targets(relative)))
    };
    let of_folders =
        tree.files().map(|(path, digest)| (tree.top().join(path), digest)).filter(|(path, _)| within(path));
    let included = run.footing.outside().into_iter().filter(|path| path.extension() != Some("rs"));
    let others = settings_files(&run.workspace.root).into_iter().chain(included);
    let others = others.filter_map(|path| tree.file(&path).map(|digest| (path, digest)));
    let fields: BTreeMap<Utf8PathBuf, &Digest> = of_folders.chain(others).collect();
    Digest::of_fields(fields.iter().flat_map(|(path, digest)| [path.as_str().as_bytes(), digest.as_bytes()]))
}
