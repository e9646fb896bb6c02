//! What lies outside of the tree and yet decides a verdict: tools, their configuration up the folder chain, the machine.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::Tree;
use crate::base::Digest;
use crate::ports::stamp::{Stamp, Witness};
use crate::ports::{env, fs, host};

/// Files that cargo, rustup, rustfmt, clippy and nextest look for in a folder and in those above it.
const SETTINGS: [&str; 11] = [
    "Cargo.toml",
    "Cargo.lock",
    "Harness.toml",
    ".cargo/config.toml",
    ".cargo/config",
    ".config/nextest.toml",
    "rust-toolchain.toml",
    "rust-toolchain",
    "rustfmt.toml",
    ".rustfmt.toml",
    "clippy.toml",
];
const DOTTED_CLIPPY: &str = ".clippy.toml";

/// Programs that a run starts by name, or that those start.
const PROGRAMS: [&str; 17] = [
    "cargo",
    "rustc",
    "rustdoc",
    "rustfmt",
    "cargo-fmt",
    "cargo-clippy",
    "clippy-driver",
    "cargo-nextest",
    "cargo-fuzz",
    "cargo-mutants",
    "git",
    "cc",
    "gcc",
    "clang",
    "ld",
    "lld",
    "mold",
];

/// Folders of a package in which cargo finds targets that no manifest names, be they ignored by git or not.
const OF_TARGETS: [&str; 5] = ["src", "src/bin", "tests", "examples", "benches"];

/// Where tools look for settings, seen from one folder: its own and those of every folder above.
pub(crate) fn settings_files(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let names = || SETTINGS.iter().chain([&DOTTED_CLIPPY]);
    folder.ancestors().flat_map(|above| names().map(move |name| above.join(name))).collect()
}

/// The files by which clippy's findings may change without cargo noticing: one that was not there before is in no list of
/// dependencies.
pub(crate) fn clippy_settings(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    folder.ancestors().flat_map(|above| ["clippy.toml", DOTTED_CLIPPY].map(|name| above.join(name))).collect()
}

/// The settings of the user's own, wherever the workspace lies.
fn user_settings() -> Vec<Utf8PathBuf> {
    let folder = |name: &str| env::var(name).map(Utf8PathBuf::from);
    let home = folder("HOME");
    let below_home = |name: &str| home.as_ref().map(|home| home.join(name));
    let cargo = folder("CARGO_HOME").or_else(|| below_home(".cargo"));
    let rustup = folder("RUSTUP_HOME").or_else(|| below_home(".rustup"));
    let config = folder("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
    let clippy = folder("CLIPPY_CONF_DIR");
    let mut files = Vec::new();
    let mut add = |folder: &Option<Utf8PathBuf>, names: &[&str]| {
        files.extend(folder.iter().flat_map(|folder| names.iter().map(|name| folder.join(name))));
    };
    add(&cargo, &["config.toml", "config"]);
    add(&rustup, &["settings.toml"]);
    add(&home, &["rustfmt.toml", ".rustfmt.toml"]);
    add(&config, &["rustfmt/rustfmt.toml", "rustfmt/.rustfmt.toml"]);
    add(&clippy, &["clippy.toml", DOTTED_CLIPPY]);
    files
}

/// Everything outside of the tree that a verdict rests on, as it was when the verdict was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Surroundings(Vec<Witness>);

impl Surroundings {
    /// The settings seen from the workspace's root and from its members, the tools on the path, and the toolchain.
    pub(crate) fn look(root: &Utf8Path, members: &[&Utf8Path], sysroot: Option<&Utf8Path>) -> Surroundings {
        let mut settings: Vec<Utf8PathBuf> =
            [root].iter().chain(members).flat_map(|folder| settings_files(folder)).chain(user_settings()).collect();
        settings.sort();
        settings.dedup();
        let mut witnesses: Vec<Witness> = settings.into_iter().map(Witness::content).collect();
        let programs = programs().into_values().chain(programs_of_cargo()).chain(compilers_of_rustup());
        witnesses.extend(programs.map(Witness::status));
        witnesses.extend(sysroot.iter().flat_map(|sysroot| toolchain(sysroot)).map(Witness::status));
        Surroundings(witnesses)
    }

    /// Adds the folders in which a package's targets are found.
    pub(crate) fn add_targets(&mut self, package: &Utf8Path) {
        self.add(OF_TARGETS.map(|name| package.join(name)));
    }

    /// Adds files that the compiler has read from outside of the tree.
    pub(crate) fn add(&mut self, files: impl IntoIterator<Item = Utf8PathBuf>) {
        self.0.extend(files.into_iter().map(Witness::content));
    }

    /// Whether all of it is as it was.
    pub(crate) fn hold(&self) -> bool {
        self.0.iter().all(Witness::holds)
    }

    /// Of all of it.
    pub(crate) fn digest(&self) -> Digest {
        let fields: Vec<[String; 2]> = self.0.iter().map(Witness::fields).collect();
        Digest::of_fields(fields.iter().flatten().map(String::as_bytes))
    }

    /// Drops one file.
    pub(crate) fn leave_out(&mut self, path: &Utf8Path) {
        self.0.retain(|witness| witness.path() != path);
    }

    /// Drops the files that a tree has: they are in its digest.
    pub(crate) fn leave_to(&mut self, tree: &Tree) {
        self.0.retain(|witness| tree.file(witness.path()).is_none());
    }

    /// The files that were changed after a moment in nanoseconds since 1970.
    pub(crate) fn touched_since(&self, moment: i64) -> impl Iterator<Item = &Utf8Path> {
        self.0.iter().filter(move |witness| !witness.is_older_than(moment)).map(Witness::path)
    }
}

/// The programs and libraries of a toolchain. Its own update replaces them.
fn toolchain(sysroot: &Utf8Path) -> Vec<Utf8PathBuf> {
    let below = |folder: &str| {
        let folder = sysroot.join(folder);
        let names = fs::names(&folder).unwrap_or_default();
        names.into_iter().map(move |name| folder.join(name)).collect::<Vec<_>>()
    };
    let mut files = below("bin");
    files.extend(below("lib").into_iter().filter(|path| path.as_str().contains(".so")));
    files
}

/// The programs by name, each where the path leads to it first.
fn programs() -> BTreeMap<&'static str, Utf8PathBuf> {
    let path = env::var("PATH").unwrap_or_default();
    let find = |name: &&'static str| {
        let mut candidates = path.split(':').filter(|dir| !dir.is_empty()).map(|dir| Utf8Path::new(dir).join(name));
        candidates.find(|path| Stamp::through(path).is_some_and(|stamp| stamp.is_file())).map(|path| (*name, path))
    };
    PROGRAMS.iter().filter_map(find).collect()
}

/// Where cargo looks for its subcommands first.
fn programs_of_cargo() -> Vec<Utf8PathBuf> {
    let home = env::var("CARGO_HOME").map(Utf8PathBuf::from);
    let home = home.or_else(|| env::var("HOME").map(|home| Utf8PathBuf::from(home).join(".cargo")));
    home.iter().flat_map(|home| PROGRAMS.map(|name| home.join("bin").join(name))).collect()
}

/// The compiler of each of rustup's toolchains, some of which may be links.
fn compilers_of_rustup() -> Vec<Utf8PathBuf> {
    let home = env::var("RUSTUP_HOME").map(Utf8PathBuf::from);
    let home = home.or_else(|| env::var("HOME").map(|home| Utf8PathBuf::from(home).join(".rustup")));
    let Some(toolchains) = home.map(|home| home.join("toolchains")) else { return Vec::new() };
    let names = fs::names(&toolchains).unwrap_or_default();
    names.into_iter().map(|name| toolchains.join(name).join("bin/rustc")).collect()
}

/// Of what is asked, by whom, with which environment, by which harness, on which machine.
pub(crate) fn request_digest(asked: &str, root: &Utf8Path, environment: &Digest) -> Digest {
    let own = Stamp::through(Utf8Path::new(&env::own_program())).map(|stamp| format!("{stamp:?}")).unwrap_or_default();
    let programs = format!("{:?}", programs());
    let machine = host::facts();
    let fields = [env!("CARGO_PKG_VERSION"), &own, asked, root.as_str(), &environment.to_string(), &programs, &machine];
    Digest::of_fields(fields.map(str::as_bytes))
}
