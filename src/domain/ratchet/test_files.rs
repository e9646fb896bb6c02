//! Which files of a tree belong to tests.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::source;

/// Folders whose files belong to tests.
const FOLDERS: [&str; 12] = [
    "tests",
    "testdata",
    "test-data",
    "test_data",
    "fixtures",
    "golden",
    "goldens",
    "snapshots",
    "__snapshots__",
    "expected",
    "proptest-regressions",
    "testing",
];
const EXTENSIONS: [&str; 4] = ["snap", "golden", "expected", "proptest-regressions"];

/// The files that belong to tests: below folders of tests, golden files, and modules that only a test build has.
pub(crate) fn test_files<'a>(
    paths: impl IntoIterator<Item = &'a Utf8PathBuf>,
    texts: &BTreeMap<Utf8PathBuf, String>,
) -> BTreeSet<Utf8PathBuf> {
    let modules: Vec<Utf8PathBuf> = texts.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let belongs = |path: &&Utf8PathBuf| {
        is_test_path(path)
            || modules.iter().any(|module| path.starts_with(module) || path.with_extension("") == *module)
    };
    paths.into_iter().filter(belongs).cloned().collect()
}

/// Whether a file belongs to tests by where it lies.
fn is_test_path(path: &Utf8Path) -> bool {
    let in_folder =
        path.parent().is_some_and(|folder| folder.components().any(|part| FOLDERS.contains(&part.as_str())));
    in_folder || path.extension().is_some_and(|extension| EXTENSIONS.contains(&extension))
}

/// `#[cfg(test)] mod name;`: where the module's files lie, without an extension.
fn test_modules(path: &Utf8Path, text: &str) -> Vec<Utf8PathBuf> {
    if !text.contains("cfg") {
        return Vec::new();
    }
    let folder = match (path.file_stem(), path.parent()) {
        (Some("lib" | "main" | "mod"), Some(folder)) => folder.to_owned(),
        (Some(stem), Some(folder)) => folder.join(stem),
        _ => return Vec::new(),
    };
    let items = source::items(text).unwrap_or_default();
    items
        .iter()
        .filter(|item| item.is_for_tests() && item.is_outer_module())
        .map(|item| folder.join(&item.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_tests_are_told_by_their_folder_their_extension_or_their_module() {
        for (path, expected) in [
            ("tests/it.rs", true),
            ("crates/a/tests/golden/x.txt", true),
            ("src/snapshots/a.snap", true),
            ("src/tests.rs", false),
            ("src/lib.rs", false),
        ] {
            assert_eq!(is_test_path(path.into()), expected, "{path}");
        }
        let modules = test_modules("src/a.rs".into(), "#[cfg(test)]\nmod checks;\nmod b;");
        assert_eq!(modules, ["src/a/checks"]);
    }
}
