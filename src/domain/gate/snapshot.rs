//! A tree as the checks read it: its files, its texts, its tests.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::source::{self, Test};
use crate::domain::ratchet::test_files;
use crate::ports::objects::{Entry, Listing, Objects, ObjectsError};

/// One tree.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) listing: Listing,
    /// Of Rust files and manifests.
    pub(super) texts: BTreeMap<Utf8PathBuf, String>,
    /// Files that belong to tests: below folders of tests, golden files, and modules that only a test build has.
    pub(super) test_files: BTreeSet<Utf8PathBuf>,
}

impl Snapshot {
    /// Reads a tree.
    ///
    /// # Errors
    /// Git can't read it.
    pub(super) fn read(objects: &Objects, tree: &str) -> Result<Snapshot, ObjectsError> {
        let listing = objects.listing(tree)?;
        let is_read = |path: &Utf8Path| path.extension() == Some("rs") || path.file_name() == Some("Cargo.toml");
        let wanted = || listing.iter().filter(|(path, entry)| is_read(path) && entry.mode != "120000");
        let by_id = objects.texts(wanted().map(|(_, entry)| entry.id.as_str()))?;
        let texts: BTreeMap<Utf8PathBuf, String> =
            wanted().filter_map(|(path, entry)| Some((path.clone(), by_id.get(&entry.id)?.clone()))).collect();
        let test_files = test_files(listing.keys(), &texts);
        Ok(Snapshot { listing, texts, test_files })
    }

    /// The Rust files with their texts.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&Utf8PathBuf, &String)> {
        self.texts.iter().filter(|(path, _)| path.extension() == Some("rs"))
    }

    /// Every test function by its file.
    pub(super) fn tests(&self) -> BTreeMap<Utf8PathBuf, Vec<Test>> {
        self.rust().map(|(path, text)| (path.clone(), source::tests(text))).collect()
    }

    /// The names of everything that is defined outside of tests.
    pub(super) fn definitions(&self) -> BTreeSet<String> {
        let code = self.rust().filter(|(path, _)| !self.test_files.contains(*path));
        code.flat_map(|(_, text)| source::definitions(text)).collect()
    }

    /// The paths at which two trees differ.
    pub(super) fn changed<'a>(&'a self, other: &'a Snapshot) -> BTreeSet<&'a Utf8PathBuf> {
        let paths = self.listing.keys().chain(other.listing.keys());
        paths.filter(|path| self.listing.get(*path) != other.listing.get(*path)).collect()
    }
}

/// What was put in a tree's place of its tests.
#[derive(Debug, Default)]
pub(super) struct Graft {
    /// Files that belong to tests.
    pub(super) files: BTreeSet<Utf8PathBuf>,
    /// Source files whose tests were put in.
    pub(super) inline: BTreeSet<Utf8PathBuf>,
}

impl Graft {
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.inline.is_empty()
    }
}

/// One tree's source with another one's tests; each of their texts goes through `adapt` first.
///
/// # Errors
/// Git can't keep a text.
pub(super) fn graft(
    objects: &Objects,
    source: &Snapshot,
    tests: &Snapshot,
    adapt: &dyn Fn(&Utf8Path, &str) -> String,
) -> Result<(Listing, Graft), ObjectsError> {
    let mut listing = source.listing.clone();
    let mut graft = Graft::default();
    let named = |path: &Utf8Path| {
        let name = path.file_name().unwrap_or_default();
        source.texts.iter().any(|(file, text)| file.file_name() == Some("Cargo.toml") && text.contains(name))
    };
    for path in &source.test_files {
        let is_code = path.extension() == Some("rs");
        if is_code && !tests.listing.contains_key(path) && !named(path) {
            listing.remove(path);
        }
    }
    for path in &tests.test_files {
        let Some(entry) = tests.listing.get(path) else { continue };
        let adapted = tests.texts.get(path).map(|text| (text, adapt(path, text)));
        let id = match adapted.filter(|(text, adapted)| *text != adapted) {
            Some((_, adapted)) => objects.keep(&adapted)?,
            None => entry.id.clone(),
        };
        let entry = Entry { mode: entry.mode.clone(), id };
        if source.listing.get(path) != Some(&entry) {
            graft.files.insert(path.clone());
        }
        listing.insert(path.clone(), entry);
    }
    for (path, text) in source.rust().filter(|(path, _)| !source.test_files.contains(*path)) {
        let Some(other) = tests.texts.get(path) else { continue };
        if let Some(spliced) = splice(text, &adapt(path, other)).filter(|spliced| spliced != text) {
            let mode = source.listing.get(path).map_or("100644", |entry| &entry.mode).to_owned();
            listing.insert(path.clone(), Entry { mode, id: objects.keep(&spliced)? });
            graft.inline.insert(path.clone());
        }
    }
    Ok((listing, graft))
}

/// A file's code with another file's tests, where these differ; nothing where a file can't be read.
fn splice(code: &str, tests: &str) -> Option<String> {
    let for_tests = |text: &str| -> Option<Vec<source::Item>> {
        let is_of_tests = |item: &source::Item| item.is_for_tests() && !item.is_outer_module();
        Some(source::items(text)?.into_iter().filter(is_of_tests).collect())
    };
    let (own, others) = (for_tests(code)?, for_tests(tests)?);
    let key = |items: &[source::Item]| -> Vec<(Vec<String>, String)> {
        items.iter().map(|item| (item.attributes.clone(), item.text.clone())).collect()
    };
    if key(&own) == key(&others) {
        return None;
    }
    let mut text = code.to_owned();
    // A module in a file of its own gives way to the one in braces that it was.
    let all = source::items(code)?;
    let gives_way = |item: &&source::Item| item.is_outer_module() && others.iter().any(|one| one.name == item.name);
    let mut cut: Vec<&source::Item> = own.iter().chain(all.iter().filter(gives_way)).collect();
    cut.sort_by_key(|item| item.range.start);
    for item in cut.into_iter().rev() {
        text.replace_range(item.range.clone(), "");
    }
    for item in &others {
        text.push('\n');
        text.push_str(&tests[item.range.clone()]);
        text.push('\n');
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_of_one_file_take_the_place_of_those_of_another() {
        let code =
            "pub fn f() -> u8 { 2 }\n#[cfg(test)]\nmod tests { #[test] fn t() { assert!(true); } }\npub fn g() {}\n";
        let tests =
            "pub fn f() -> u8 { 1 }\n#[cfg(test)]\nmod tests { #[test] fn t() { assert_eq!(super::f(), 1); } }\n";
        let spliced = splice(code, tests).unwrap();
        assert!(spliced.contains("{ 2 }") && spliced.contains("fn g()"), "{spliced}");
        assert!(spliced.contains("assert_eq!(super::f(), 1)") && !spliced.contains("assert!(true)"), "{spliced}");
        assert_eq!(splice(code, &code.replace("{ assert", "{\n// why\n assert")), None);
        assert_eq!(splice("fn (", tests), None);
        let outer = "pub fn f() -> u8 { 1 }\n#[cfg(test)]\nmod tests;\n";
        assert_eq!(splice(outer, tests).unwrap().matches("mod tests").count(), 1);
    }
}
