//! What the compiler and build scripts say they have read, which may lie anywhere.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::diagnostics::Findings;
use crate::ports::cargo::Workspace;
use crate::ports::fs;

/// The files that took part in a build, less what the build itself has generated.
pub(super) fn inputs(workspace: &Workspace, built: &Findings) -> BTreeSet<Utf8PathBuf> {
    let lists: BTreeSet<Utf8PathBuf> = built.units.iter().flat_map(|unit| lists_of(unit)).collect();
    let of_compiler = lists.iter().flat_map(|list| named(&workspace.root, of_compiler(&text(list))));
    let of_scripts = built.printed.iter().flat_map(|(list, folder)| named(folder, of_build_script(&text(list))));
    let manifests = built.manifests.iter().cloned();
    of_compiler.chain(of_scripts).chain(manifests).filter(|path| !path.starts_with(&workspace.target_dir)).collect()
}

fn text(list: &Utf8Path) -> String {
    fs::read_text_if_present(list).ok().flatten().unwrap_or_default()
}

fn named(folder: &Utf8Path, paths: Vec<String>) -> Vec<Utf8PathBuf> {
    paths.into_iter().map(|path| folder.join(path)).collect()
}

/// `deps/libx-1a2b.rmeta` and `deps/x-1a2b` have `deps/x-1a2b.d`; `libx.rlib` has `libx.d`.
fn lists_of(unit: &Utf8Path) -> Vec<Utf8PathBuf> {
    let own = match unit.extension() {
        Some("rlib" | "rmeta" | "so" | "a" | "d") => unit.with_extension("d"),
        _ => Utf8PathBuf::from(format!("{unit}.d")),
    };
    let bare = own.file_name().and_then(|name| name.strip_prefix("lib")).map(|name| own.with_file_name(name));
    [Some(own), bare].into_iter().flatten().collect()
}

/// `OUTPUT: INPUT INPUT…` as `make` reads it: a blank within a name has a backslash before it.
fn of_compiler(text: &str) -> Vec<String> {
    let rules = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(": "));
    let mut inputs = Vec::new();
    for (_, names) in rules {
        let mut name = String::new();
        let mut chars = names.chars();
        while let Some(char) = chars.next() {
            match char {
                '\\' => name.extend(chars.next()),
                ' ' => inputs.push(std::mem::take(&mut name)),
                char => name.push(char),
            }
        }
        inputs.push(name);
    }
    inputs.retain(|name| !name.is_empty());
    inputs
}

/// `cargo:rerun-if-changed=PATH`, with one colon or two.
fn of_build_script(text: &str) -> Vec<String> {
    let path = |line: &str| {
        let rest = line.strip_prefix("cargo:").map(|rest| rest.trim_start_matches(':'))?;
        rest.strip_prefix("rerun-if-changed=").map(str::to_owned)
    };
    text.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_read_as_make_does() {
        let text = "/t/deps/x-1.d: src/lib.rs src/a\\ b.rs /else/where.txt\n\n/t/deps/x-1: src/lib.rs\n\nsrc/lib.rs:\n\n# env-dep:A=b: c\n";
        assert_eq!(of_compiler(text), ["src/lib.rs", "src/a b.rs", "/else/where.txt", "src/lib.rs"]);
        let text = "cargo:rerun-if-changed=src/x.c\ncargo::rerun-if-changed=/usr/include/y.h\ncargo:rustc-cfg=a\n";
        assert_eq!(of_build_script(text), ["src/x.c", "/usr/include/y.h"]);
    }

    #[test]
    fn lists_stand_beside_what_was_built() {
        let lists =
            |unit: &str| lists_of(Utf8Path::new(unit)).into_iter().map(Utf8PathBuf::into_string).collect::<Vec<_>>();
        assert_eq!(lists("/t/deps/libx-1.rmeta"), ["/t/deps/libx-1.d", "/t/deps/x-1.d"]);
        assert_eq!(lists("/t/deps/x-1"), ["/t/deps/x-1.d"]);
    }
}
