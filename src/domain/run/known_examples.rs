//! Which documentation examples `fast` runs: all of a package's the first time, then those of files whose documentation has changed,
//! and none where nothing has. Each is compiled anew, which takes longer than all else that `fast` does; `full` runs all of them.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Package, PackageId};
use proc_macro2::{TokenStream, TokenTree};
use serde::{Deserialize, Serialize};

use super::cache::{Cache, Kind};
use super::context::Context;
use super::known::Question;
use crate::base::Digest;
use crate::domain::provenance::settings_files;
use crate::domain::record::Counts;
use crate::ports::fs;

/// What is known of a package's examples from the last time that none of those that ran failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    /// Of everything that they can depend on in the tree, when all of them ran.
    inputs: Digest,
    /// The package's own sources, when theirs ran.
    sources: BTreeMap<Utf8PathBuf, Source>,
    /// What all of them came to.
    whole: Counts,
}

/// A file that may hold examples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    content: Digest,
    /// Of its documentation alone.
    documentation: Digest,
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
    sources: BTreeMap<Utf8PathBuf, Source>,
    known: Option<Known>,
}

impl Examples {
    /// Looks at a package.
    pub(super) fn of(run: &Context<'_>, question: &Question, ground: &Digest, package: &Package) -> Examples {
        let folder = package.manifest_path.parent().map(Utf8Path::to_owned).unwrap_or_default();
        let key = Digest::of_fields([ground.as_bytes(), package.manifest_path.as_str().as_bytes()]);
        let inputs = inputs(run, question, package);
        let known: Option<Known> = question.reuses().then(|| question.cache().read(Kind::Examples, &key)).flatten();
        let sources = sources(question, &folder, known.as_ref());
        Examples { package: package.id.clone(), folder, key, inputs, sources, known }
    }

    /// What of them is to be run.
    pub(super) fn need(&self) -> Need {
        match &self.known {
            None => Need::All,
            Some(known) if known.inputs == self.inputs => Need::Nothing,
            Some(known) => {
                let before = |path: &Utf8PathBuf| known.sources.get(path).map(|source| &source.documentation);
                let changed = self.sources.iter().filter(|(path, source)| before(path) != Some(&source.documentation));
                Need::Of(changed.map(|(path, _)| path.clone()).collect())
            }
        }
    }

    /// What all of them came to the last time that all ran.
    pub(super) fn whole(&self) -> Option<Counts> {
        self.known.as_ref().map(|known| known.whole)
    }

    /// What is known now that what was to be run was good; `ran` where that was all of them.
    fn learnt(self, ran: Option<Counts>) -> Option<(Digest, Known)> {
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
pub(super) fn keep(cache: &Cache, shown: Vec<(Examples, Option<Counts>)>) -> fs::Result<()> {
    let learnt = shown.into_iter().filter_map(|(examples, ran)| examples.learnt(ran));
    for (key, known) in learnt {
        cache.write(Kind::Examples, &key, &known)?;
    }
    Ok(())
}

/// The files of a package that hold examples, or texts that are included as such.
fn sources(question: &Question, folder: &Utf8Path, known: Option<&Known>) -> BTreeMap<Utf8PathBuf, Source> {
    let tree = question.tree();
    let own = tree.files().filter_map(|(path, content)| {
        let path = tree.top().join(path);
        let relative = path.strip_prefix(folder).ok()?;
        let may_hold = matches!(relative.extension(), Some("rs" | "md")) && !is_of_other_targets(relative);
        let before = known.and_then(|known| known.sources.get(relative)).filter(|source| source.content == *content);
        let read = || Source { content: content.clone(), documentation: documentation(&path, content) };
        may_hold.then(|| (relative.to_owned(), before.cloned().unwrap_or_else(read)))
    });
    own.collect()
}

/// Of a source's documentation: the text of its `doc` attributes, which is what comments become for the compiler. What isn't Rust, or
/// includes its documentation from elsewhere, counts whole.
fn documentation(path: &Utf8Path, content: &Digest) -> Digest {
    let whole = || content.clone();
    let Ok(text) = fs::read_text(path) else { return whole() };
    if path.extension() != Some("rs") {
        return whole();
    }
    let Ok(tokens) = text.parse::<TokenStream>() else { return whole() };
    let mut texts = Vec::new();
    attributes(tokens, &mut texts);
    Digest::of_fields(texts.iter().map(String::as_bytes))
}

/// `doc = TEXT` within attributes, at any depth.
fn attributes(tokens: TokenStream, texts: &mut Vec<String>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Group(group) => attributes(group.stream(), texts),
            TokenTree::Ident(word) if word == "doc" => texts.extend(trees[at..].iter().map(ToString::to_string)),
            _ => {}
        }
    }
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test writes its own files")]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_of_documentation_changes_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("lib.rs")).unwrap();
        let of = |text: &str| {
            std::fs::write(&path, text).unwrap();
            documentation(&path, &Digest::of_fields([text.as_bytes()]))
        };
        let before = of("//! A crate.\n\n/// One.\npub fn one() -> u32 {\n    1\n}\n");
        assert_eq!(before, of("//! A crate.\n// Aside.\n\n/// One.\npub fn one() -> u32 {\n    2\n}\n"));
        assert_ne!(before, of("//! A crate.\n\n/// Two.\npub fn one() -> u32 {\n    1\n}\n"));
        assert_ne!(before, of("//! A crate.\n\n#[doc = include_str!(\"x.md\")]\npub fn one() -> u32 {\n    1\n}\n"));
        assert_ne!(of("not ( Rust"), of("not ( either"));
    }
}
