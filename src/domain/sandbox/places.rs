//! The places of the host that a step's cage holds.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::{MEMORY, SandboxError};
use crate::domain::contract::Sandbox as Wanted;
use crate::ports::cargo::Workspace;
use crate::ports::sandbox::{Access, Cage, Limits};
use crate::ports::{env, fs, git};

/// What of the cargo home a build reads; never its credentials.
const CARGO_HOME: [&str; 6] = ["bin", "registry", "git", "config.toml", "config", "env"];

/// What of it belongs to the toolchain.
const OF_THE_TOOLCHAIN: [&str; 2] = ["bin", "env"];

/// What tools look for in the folders above a workspace.
const SETTINGS: [&str; 10] = [
    ".cargo/config.toml",
    ".cargo/config",
    "rust-toolchain.toml",
    "rust-toolchain",
    "rustfmt.toml",
    ".rustfmt.toml",
    "clippy.toml",
    ".clippy.toml",
    "Cargo.toml",
    ".config/nextest.toml",
];

/// Where things lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// The workspace's root.
    root: Utf8PathBuf,
    /// Where the code lies: the top of the work tree, and the folders outside of it that manifests name.
    code: Vec<Utf8PathBuf>,
    /// What git keeps elsewhere.
    git: Vec<Utf8PathBuf>,
    target: Vec<Utf8PathBuf>,
    harness: Utf8PathBuf,
    home: Option<Utf8PathBuf>,
    cargo_home: Option<Utf8PathBuf>,
    toolchains: Vec<Utf8PathBuf>,
}

impl Places {
    /// Of a workspace on this host.
    pub(crate) fn of(workspace: &Workspace) -> Places {
        let home = env::var("HOME").map(Utf8PathBuf::from).filter(|home| home.as_str() != "/");
        let below_home = |name: &str| home.as_ref().map(|home| home.join(name));
        let cargo_home = env::var("CARGO_HOME").map(Utf8PathBuf::from).or_else(|| below_home(".cargo"));
        let rustup_home = env::var("RUSTUP_HOME").map(Utf8PathBuf::from).or_else(|| below_home(".rustup"));
        let top = top(&workspace.root, home.as_deref());
        let mut code = vec![top.clone()];
        code.extend(workspace.outside(&top).into_iter().map(|folder| self::top(&folder, home.as_deref())));
        Places {
            root: workspace.root.clone(),
            git: code.iter().flat_map(|top| git_folders(top)).collect(),
            code,
            target: [Some(workspace.target_dir.clone()), workspace.build_dir.clone()].into_iter().flatten().collect(),
            harness: workspace.harness_dir(),
            toolchains: toolchains(rustup_home.as_deref(), cargo_home.as_deref()),
            home,
            cargo_home,
        }
    }
}

impl Places {
    /// For containers, whose image has one.
    pub(super) fn without_toolchain(self) -> Places {
        Places { toolchains: Vec::new(), ..self }
    }

    pub(super) fn home(&self) -> Option<&Utf8Path> {
        self.home.as_deref()
    }

    pub(super) fn cargo_home(&self) -> Option<&Utf8Path> {
        self.cargo_home.as_deref()
    }
}

/// The top of the repository that a folder lies in, unless that would show the user's whole home.
fn top(folder: &Utf8Path, home: Option<&Utf8Path>) -> Utf8PathBuf {
    let mut above = folder.ancestors().take_while(|above| home.is_none_or(|home| !home.starts_with(above)));
    above.find(|above| fs::is_present(&above.join(".git"))).unwrap_or(folder).to_owned()
}

/// Where a linked work tree has its files, and where it shares them.
fn git_folders(top: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Some(own) = git::dir(top).filter(|own| *own != top.join(".git")) else { return Vec::new() };
    let shared = fs::read_text(&own.join("commondir")).ok().map(|text| own.join(text.trim_end()));
    // A folder that only calls itself git's would show anything.
    let is_git = |folder: &Utf8PathBuf| fs::exists(&folder.join("HEAD"));
    [Some(own), shared].into_iter().flatten().filter(is_git).collect()
}

/// The toolchains, wherever links lead to; without rustup the one that is on the path.
fn toolchains(rustup_home: Option<&Utf8Path>, cargo_home: Option<&Utf8Path>) -> Vec<Utf8PathBuf> {
    let mut found: BTreeSet<Utf8PathBuf> = BTreeSet::new();
    if let Some(rustup) = rustup_home.filter(|home| fs::is_dir(home)) {
        let folder = rustup.join("toolchains");
        let names = fs::names(&folder).unwrap_or_default();
        found.insert(rustup.to_owned());
        found.extend(names.iter().filter_map(|name| folder.join(name).canonicalize_utf8().ok()));
    }
    let path = env::var("PATH").unwrap_or_default();
    let named = ["CARGO", "RUSTC"].into_iter().filter_map(env::var).map(Utf8PathBuf::from);
    let on_path = path.split(':').map(|folder| Utf8Path::new(folder).join("rustc"));
    let programs = named.chain(on_path).filter(|program| program.is_absolute() && fs::is_program(program));
    for program in programs.filter_map(|program| program.canonicalize_utf8().ok()) {
        let root = program.parent().and_then(Utf8Path::parent);
        found.extend(root.filter(|root| fs::is_dir(&root.join("lib/rustlib"))).map(Utf8Path::to_owned));
    }
    let known = |folder: &Utf8PathBuf| {
        folder.starts_with("/usr") || cargo_home.is_some_and(|home| folder == home) || folder.as_str() == "/"
    };
    found.into_iter().filter(|folder| !known(folder)).collect()
}

/// Puts the places into a cage.
///
/// # Errors
/// A folder that steps write to can't be made, or isn't one of the workspace.
pub(super) fn fill(cage: &mut Cage, places: &Places, wanted: &Wanted) -> Result<(), SandboxError> {
    let in_memory = ["/tmp".into()].into_iter().chain(places.home.clone());
    in_memory.for_each(|path: Utf8PathBuf| cage.add(&path, Access::Empty(MEMORY)));
    let of_cargo = CARGO_HOME.into_iter().filter(|name| cage.container.is_none() || !OF_THE_TOOLCHAIN.contains(name));
    let of_cargo: Vec<&str> = of_cargo.collect();
    let cargo_home = places.cargo_home.iter().flat_map(|home| of_cargo.iter().map(|name| home.join(name)));
    let above = places.root.ancestors().skip(1).flat_map(|folder| SETTINGS.map(|name| folder.join(name)));
    let reads = places.toolchains.iter().cloned().chain(cargo_home).chain(above);
    let reads = reads.chain(places.code.iter().chain(&places.git).cloned());
    let reads = reads.chain(wanted.read.iter().map(|path| resolved(places, path)));
    for path in reads.filter(|path| fs::exists(path)).collect::<Vec<_>>() {
        cage.add(&path, Access::Read);
    }
    let named = wanted.write.iter().map(|path| places.root.join(path));
    let named: Vec<Utf8PathBuf> = named.collect();
    if let Some(path) = named.iter().find(|path| !lies_within(&places.root, path)) {
        return Err(SandboxError::Outside(path.clone()));
    }
    let writes = places.target.iter().cloned().chain(named);
    for path in writes.collect::<Vec<_>>() {
        if !fs::exists(&path) {
            fs::create_dir(&path)?;
        }
        cage.add(&path, Access::Write);
    }
    // What earlier runs have found, and what this one finds, is not for the judged code to write.
    fs::create_dir(&places.harness)?;
    cage.add(&places.harness, Access::Read);
    for folder in ["check", "fuzz-build"].map(|name| places.harness.join(name)) {
        fs::create_dir(&folder)?;
        cage.add(&folder, Access::Write);
    }
    let program = cage.program.clone();
    cage.add(&program, Access::Read);
    // Of memory none: what a process maps without touching it, as sanitizers and garbage collectors do, is no memory that it uses, and
    // of what all processes use together the watchdog knows.
    cage.limits = Limits {
        // Without a namespace of their own the user's other processes would count.
        processes: wanted.pids.filter(|_| cage.has_namespaces()).map(u64::from),
        file_size: wanted.disk.map(|size| size.bytes()),
        // Those that hold without a cage as well are set with them.
        ..Limits::default()
    };
    Ok(())
}

/// Whether a place below the root really lies there, wherever links lead; one that isn't there yet, where it would come to lie.
pub(super) fn lies_within(root: &Utf8Path, path: &Utf8Path) -> bool {
    let there = path.ancestors().find(|above| fs::is_present(above));
    let real = there.and_then(|there| there.canonicalize_utf8().ok());
    real.zip(root.canonicalize_utf8().ok()).is_some_and(|(real, root)| real.starts_with(root))
}

/// What cargo writes of its home when it fetches.
///
/// # Errors
/// It has no home yet, and none can be made.
pub(super) fn errands(places: &Places) -> fs::Result<Vec<Utf8PathBuf>> {
    let Some(home) = &places.cargo_home else { return Ok(Vec::new()) };
    for folder in ["registry", "git"] {
        fs::create_dir(&home.join(folder))?;
    }
    let names = ["registry", "git", ".package-cache", ".package-cache-mutate", ".global-cache"];
    Ok(names.map(|name| home.join(name)).to_vec())
}

/// A place that the contract names: relative to the root, or below the user's home.
fn resolved(places: &Places, path: &Utf8Path) -> Utf8PathBuf {
    match (path.strip_prefix("~"), &places.home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => places.root.join(path),
    }
}
