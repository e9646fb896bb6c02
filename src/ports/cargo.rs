//! What cargo knows about the workspace.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Metadata, Package, PackageId, TargetKind};

use super::{env, fs, process};
use crate::base::{ExitCode, Explain};

/// Cargo could not describe the workspace.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CargoError {
    #[error("cargo cannot be started: {0}")]
    NotStarted(std::io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("`cargo metadata` printed what cannot be read: {0}")]
    Unreadable(serde_json::Error),
    #[error("package `{wanted}` is not in this workspace")]
    NoSuchPackage { wanted: String, nearest: Option<String> },
}

impl Explain for CargoError {
    fn exit_code(&self) -> ExitCode {
        match self {
            CargoError::NotStarted(_) => ExitCode::Environment,
            CargoError::Refused(_) | CargoError::Unreadable(_) | CargoError::NoSuchPackage { .. } => ExitCode::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            CargoError::NotStarted(_) => Some("install Rust, or set CARGO".to_owned()),
            CargoError::Refused(text) if text.contains("could not find `Cargo.toml`") => {
                Some("run in a Rust repository, or give --manifest-path".to_owned())
            }
            CargoError::NoSuchPackage { nearest: Some(name), .. } => Some(format!("did you mean `{name}`?")),
            _ => None,
        }
    }
}

/// The beginning of a subcommand's command line, straight to its program: in a repository an alias of the same name, which runs what
/// it likes, would come first. None where it isn't installed.
pub(crate) fn subcommand(name: &str) -> Option<[String; 2]> {
    let home = env::var("CARGO_HOME").or_else(|| env::var("HOME").map(|home| format!("{home}/.cargo")));
    let own = home.map(|home| Utf8Path::new(&home).join("bin"));
    let path = env::var("PATH").unwrap_or_default();
    let on_path: Vec<&Utf8Path> = path.split(':').map(Utf8Path::new).filter(|folder| folder.is_absolute()).collect();
    // Cargo's own order.
    let first = own.as_deref().filter(|own| !on_path.contains(own));
    let mut programs = first.into_iter().chain(on_path).map(|folder| folder.join(format!("cargo-{name}")));
    programs.find(|program| fs::is_program(program)).map(|program| [program.into_string(), name.to_owned()])
}

/// No honest workspace names more crates by path.
const MOST_MANIFESTS: usize = 10_000;

/// Every `path` of a manifest's tables; that of a target names a file and leads nowhere here.
fn named_paths(value: &toml::Value) -> Vec<String> {
    match value {
        toml::Value::Table(table) => {
            let own = table.get("path").and_then(toml::Value::as_str).map(str::to_owned);
            own.into_iter().chain(table.values().flat_map(named_paths)).collect()
        }
        toml::Value::Array(values) => values.iter().flat_map(named_paths).collect(),
        _ => Vec::new(),
    }
}

/// The members of a workspace and where its files lie.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    pub(crate) root: Utf8PathBuf,
    pub(crate) target_dir: Utf8PathBuf,
    /// Where what is built on the way lies, where that is elsewhere.
    pub(crate) build_dir: Option<Utf8PathBuf>,
    pub(crate) packages: Vec<Package>,
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// Cargo's own words where there is no workspace or its manifests are broken.
    pub(crate) fn load(manifest_path: Option<&Utf8Path>) -> Result<Workspace, CargoError> {
        Workspace::read(&Workspace::ask(manifest_path)?)
    }

    /// The same by the settings and the toolchain of a folder, and not by those of where the caller stands.
    ///
    /// # Errors
    /// As `load`.
    pub(crate) fn load_in(dir: &Utf8Path, manifest_path: &Utf8Path) -> Result<Workspace, CargoError> {
        Workspace::read(&Workspace::ask_in(dir, Some(manifest_path))?)
    }

    /// Cargo's answer as it stands: without resolving dependencies, so that neither network nor the repository's own programs are
    /// involved.
    ///
    /// # Errors
    /// As `load`.
    pub(crate) fn ask(manifest_path: Option<&Utf8Path>) -> Result<String, CargoError> {
        Workspace::ask_in(Utf8Path::new("."), manifest_path)
    }

    fn ask_in(dir: &Utf8Path, manifest_path: Option<&Utf8Path>) -> Result<String, CargoError> {
        let mut argv =
            vec![env::cargo(), "metadata".into(), "--no-deps".into(), "--format-version=1".into(), "--offline".into()];
        argv.extend(manifest_path.map(|path| format!("--manifest-path={path}")));
        let output = process::capture_in(dir, &argv).map_err(CargoError::NotStarted)?;
        if !output.success {
            let text = output.stderr.trim().trim_start_matches("error: ").to_owned();
            return Err(CargoError::Refused(text));
        }
        Ok(output.stdout)
    }

    /// Reads cargo's answer.
    ///
    /// # Errors
    /// It isn't one.
    pub(crate) fn read(answer: &str) -> Result<Workspace, CargoError> {
        let metadata: Metadata = serde_json::from_str(answer).map_err(CargoError::Unreadable)?;
        let members = metadata.workspace_members.clone();
        let packages = metadata.packages.into_iter().filter(|package| members.contains(&package.id)).collect();
        let (target_dir, build_dir) = (metadata.target_directory, metadata.build_directory);
        Ok(Workspace {
            root: metadata.workspace_root,
            build_dir: build_dir.filter(|dir| *dir != target_dir),
            target_dir,
            packages,
        })
    }

    /// The members with these names, or all where none is named.
    ///
    /// # Errors
    /// A name that no member has.
    pub(crate) fn select(&self, names: &[String]) -> Result<Vec<&Package>, CargoError> {
        for wanted in names {
            if !self.packages.iter().any(|package| package.name.as_str() == wanted) {
                let candidates = self.packages.iter().map(|package| package.name.to_string());
                let nearest = candidates.max_by(|a, b| strsim::jaro(a, wanted).total_cmp(&strsim::jaro(b, wanted)));
                return Err(CargoError::NoSuchPackage { wanted: wanted.clone(), nearest });
            }
        }
        Ok(self
            .packages
            .iter()
            .filter(|package| names.is_empty() || names.contains(&package.name.to_string()))
            .collect())
    }

    /// The folders of a package and of what it depends on by path, directly or not, as far as these are members; of others only the
    /// folders that members name.
    pub(crate) fn folders_below(&self, package: &PackageId) -> BTreeSet<Utf8PathBuf> {
        let folder = |package: &Package| package.manifest_path.parent().map(Utf8Path::to_owned).unwrap_or_default();
        let member_at = |path: &Utf8PathBuf| self.packages.iter().find(|package| folder(package) == *path);
        let mut found = BTreeSet::new();
        let mut queue: Vec<&Package> = self.packages.iter().filter(|one| one.id == *package).collect();
        while let Some(package) = queue.pop() {
            if found.insert(folder(package)) {
                for path in package.dependencies.iter().filter_map(|dependency| dependency.path.as_ref()) {
                    match member_at(path) {
                        Some(member) => queue.push(member),
                        None => drop(found.insert(path.clone())),
                    }
                }
            }
        }
        found
    }

    /// The folders outside of one that manifests name, directly or not: members, path dependencies, patches.
    pub(crate) fn outside(&self, top: &Utf8Path) -> BTreeSet<Utf8PathBuf> {
        let members = self.packages.iter().map(|package| package.manifest_path.clone());
        let mut queue: Vec<Utf8PathBuf> = members.chain([self.root.join("Cargo.toml")]).collect();
        let mut seen = BTreeSet::new();
        while let Some(manifest) = queue.pop().filter(|_| seen.len() < MOST_MANIFESTS) {
            let Some(folder) = manifest.parent().and_then(|folder| folder.canonicalize_utf8().ok()) else { continue };
            if seen.insert(folder.clone()) {
                let text = fs::read_text(&manifest).unwrap_or_default();
                let table = text.parse::<toml::Table>().unwrap_or_default();
                let named = named_paths(&toml::Value::Table(table));
                queue.extend(named.into_iter().map(|path| folder.join(path).join("Cargo.toml")));
            }
        }
        seen.into_iter().filter(|folder| !folder.starts_with(top)).collect()
    }

    /// Whether a package has a library whose documentation examples cargo would test.
    pub(crate) fn has_doctests(package: &Package) -> bool {
        let library = |kind: &TargetKind| matches!(kind, TargetKind::Lib | TargetKind::RLib | TargetKind::ProcMacro);
        package.targets.iter().any(|target| target.doctest && target.kind.iter().any(library))
    }

    /// Where the harness keeps its own files.
    pub(crate) fn harness_dir(&self) -> Utf8PathBuf {
        self.target_dir.join("harness")
    }
}
