//! Which tests a change touches, as far as files tell: those of a changed module, and those of a changed test file.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Package, TargetKind};

use super::diagnostics::binary_id;
use crate::ports::cargo::Workspace;
use crate::ports::git;

/// Binaries and the prefixes of test paths within them, for the files that differ from the last commit. Outside git: none.
pub(super) fn affected(workspace: &Workspace) -> BTreeSet<(String, String)> {
    git::changed_files(&workspace.root).iter().flat_map(|file| touched_by(workspace, file)).collect()
}

fn touched_by(workspace: &Workspace, file: &Utf8Path) -> Vec<(String, String)> {
    let path = workspace.root.join(file);
    let dir = |package: &&Package| package.manifest_path.parent().map(Utf8Path::to_owned).unwrap_or_default();
    let within = |package: &&Package| path.starts_with(dir(package));
    let owner = workspace.packages.iter().filter(within).max_by_key(|package| dir(package).as_str().len());
    let Some(package) = owner else { return Vec::new() };
    let Ok(relative) = path.strip_prefix(dir(&package)) else { return Vec::new() };
    if relative.starts_with("tests") {
        return test_file(package, relative);
    }
    let Some(module) = module_prefix(relative) else { return Vec::new() };
    let unit_tested = |kind: &TargetKind| !matches!(kind, TargetKind::Test | TargetKind::Bench | TargetKind::Example);
    let targets = package.targets.iter().filter(|target| target.kind.iter().all(unit_tested));
    targets.map(|target| (binary_id(package.name.as_str(), &target.kind, &target.name), module.clone())).collect()
}

fn test_file(package: &Package, relative: &Utf8Path) -> Vec<(String, String)> {
    let first = relative.components().nth(1).map(|c| Utf8PathBuf::from(c.as_str()).with_extension("").into_string());
    let is_it = |name: &str| first.as_deref() == Some(name);
    let tests = package.targets.iter().filter(|target| target.kind.contains(&TargetKind::Test) && is_it(&target.name));
    tests.map(|target| (binary_id(package.name.as_str(), &target.kind, &target.name), String::new())).collect()
}

/// `src/a/b.rs` holds the tests below `a::b::`; of a crate's root the tests in its own `tests` module are meant.
fn module_prefix(relative: &Utf8Path) -> Option<String> {
    let inner = relative.strip_prefix("src").ok()?.with_extension("");
    let mut parts: Vec<&str> = inner.components().map(|c| c.as_str()).collect();
    match parts.as_slice() {
        ["lib" | "main"] => return Some("tests::".to_owned()),
        [.., "mod"] => {
            parts.pop();
        }
        _ => {}
    }
    Some(parts.join("::") + "::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_name_the_modules_that_their_tests_are_in() {
        let prefix = |path: &str| module_prefix(Utf8Path::new(path));
        assert_eq!(prefix("src/a/b.rs").as_deref(), Some("a::b::"));
        assert_eq!(prefix("src/a/mod.rs").as_deref(), Some("a::"));
        assert_eq!(prefix("src/lib.rs").as_deref(), Some("tests::"));
        assert_eq!(prefix("build.rs"), None);
    }
}
