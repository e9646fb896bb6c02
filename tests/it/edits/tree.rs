//! The repository that is edited: small, and its verdict hangs on every kind of input.
//!
//! Everything lies in one folder: the repository, the crate outside of it that it depends on, and the homes of the user, of
//! cargo and of rustup.

/// Every file as it begins; that is well.
pub(super) const FILES: [(&str, &str); 22] = [
    (
        "repo/Cargo.toml",
        r#"[package]
name = "inputs"
version = "0.1.0"
edition = "2024"
publish = false

[features]
default = []
broken = []

[dependencies]
outside = { path = "../outside" }

[lints.rust]
unexpected_cfgs = { level = "warn", check-cfg = ["cfg(broken)"] }

[profile.dev]
debug = false
"#,
    ),
    (
        "repo/src/lib.rs",
        r#"//! Whose tests hang on every kind of input.
#![deny(clippy::disallowed_names)]

mod generated;

/// The sum of two numbers.
///
/// ```
/// assert_eq!(inputs::sum(2, 2), 4);
/// ```
pub fn sum(a: u32, b: u32) -> u32 {
    // Adds.
    a + b
}

/// Twice a number.
pub fn twice(a: u32) -> u32 {
    let total: u32 = 2;

    let _spare = 1;

    total * a
}

/// What was generated.
pub fn name() -> &'static str {
    generated::NAME
}

/// Whether two numbers are the same.
pub fn same(a: u32, b: u32) -> bool {
    a == b
}

#[cfg(test)]
mod tests {
    use super::{name, same, sum, twice};

    #[test]
    fn numbers_are_right() {
        assert_eq!((sum(1, 2), twice(3), same(4, 4)), (3, 6, true));
    }

    #[test]
    fn what_was_compiled_in_is_good() {
        assert_eq!(include_str!("included.txt").trim(), "good");
        assert_eq!(env!("BUILT_FROM").trim(), "good");
        assert_eq!(env!("BUILT_BY"), "good");
        assert_eq!(name(), "good");
        assert_eq!(option_env!("COMPILED_IN").unwrap_or("good"), "good");
        assert_eq!(outside::answer(), 42);
    }

    #[test]
    fn the_manifest_and_the_flags_are_good() {
        assert_ne!(env!("CARGO_PKG_VERSION"), "9.9.9");
        let broken = (cfg!(feature = "broken"), cfg!(broken));
        assert_eq!(broken, (false, false));
    }

    #[test]
    fn a_data_file_is_good() {
        let text = std::fs::read_to_string("tests/data/text.txt");
        assert_eq!(text.unwrap().trim(), "good");
    }
}
"#,
    ),
    ("repo/src/included.txt", "good\n"),
    ("repo/src/generated.rs", "pub(crate) const NAME: &str = \"good\";\n"),
    (
        "repo/build.rs",
        r#"//! Takes a file in, and says something of its own.

fn main() {
    let input = std::fs::read_to_string("build-input.txt").unwrap();
    println!("cargo::rerun-if-changed=build-input.txt");
    println!("cargo::rustc-env=BUILT_FROM={}", input.trim());
    println!("cargo::rustc-env=BUILT_BY=good");
}
"#,
    ),
    ("repo/build-input.txt", "good\n"),
    (
        "repo/tests/reads.rs",
        r#"//! Reads what nobody compiled.

use std::fs;
use std::os::unix::fs::PermissionsExt;

fn is_good(path: &str) -> bool {
    fs::read_to_string(path).unwrap().trim() == "good"
}

#[test]
fn sources_are_tidy() {
    let text = fs::read_to_string("src/lib.rs").unwrap();
    assert!(!text.contains("FIXME"));
}

#[test]
fn files_are_good() {
    assert!(is_good("tests/data/assumed.txt"));
    assert!(is_good("tests/data/skipped.txt"));
    assert!(is_good("tests/data/forced.txt"));
    assert!(is_good("tests/data/moved.txt"));
    assert!(is_good("nested/data.txt"));
    assert!(is_good("private.txt"));
    assert!(is_good("../outside/named/data.txt"));
}

#[test]
fn what_is_linked_is_good() {
    assert!(is_good("tests/data/linked.txt"));
    assert!(is_good("tests/data/folder/data.txt"));
}

#[test]
fn a_folder_has_one_file() {
    assert_eq!(fs::read_dir("tests/data/list").unwrap().count(), 1);
}

#[test]
fn a_script_can_be_run() {
    let metadata = fs::metadata("scripts/check.sh").unwrap();
    assert_eq!(metadata.permissions().mode() & 0o100, 0o100);
}

#[test]
fn variables_are_good() {
    let flavour = std::env::var("FLAVOUR");
    assert_eq!(flavour.as_deref().unwrap_or("good"), "good");
}
"#,
    ),
    ("repo/tests/data/text.txt", "good\n"),
    ("repo/tests/data/one.txt", "good\n"),
    ("repo/tests/data/two.txt", "evil\n"),
    ("repo/tests/data/assumed.txt", "good\n"),
    ("repo/tests/data/skipped.txt", "good\n"),
    ("repo/tests/data/moved.txt", "good\n"),
    ("repo/tests/data/list/only.txt", "\n"),
    ("repo/scripts/check.sh", "#!/bin/sh\nexit 0\n"),
    (
        "repo/Harness.toml",
        r#"run.test-timeout = "60s"
run.inputs = ["private.txt", "../outside/named"]

[tiers]
1 = ["unit", "doc", "script"]

[steps.script]
uses = "command"
run = ["sh", "{root}/scripts/check.sh"]
"#,
    ),
    ("repo/.cargo/config.toml", "[env]\n\n[build]\nrustflags = []\n"),
    ("repo/.gitignore", "/target\n/src/generated.rs\n/tests/hidden.rs\n/private.txt\nforced.txt\n"),
    ("repo/nested/data.txt", "good\n"),
    ("outside/Cargo.toml", "[package]\nname = \"outside\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
    ("outside/src/lib.rs", "//! Outside.\n\n/// The answer.\npub fn answer() -> u32 {\n    42\n}\n"),
    ("outside/folder/data.txt", "good\n"),
];

/// Links and where they lead.
pub(super) const LINKS: [(&str, &str); 2] =
    [("repo/tests/data/linked.txt", "one.txt"), ("repo/tests/data/folder", "../../../outside/folder")];
