//! How a test binary is started as cargo would start it: its folder and its environment.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Package, PackageId};

use crate::domain::run::context::{Context, RunError};
use crate::domain::run::diagnostics::{Findings, TestExecutable};
use crate::ports::env;

/// What a test binary gets beyond the caller's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) dir: Utf8PathBuf,
    pub(super) env: BTreeMap<String, String>,
}

impl Launch {
    /// From what cargo has said while it built.
    ///
    /// # Errors
    /// Cargo's configuration can't be read.
    pub(super) fn of(
        run: &Context<'_>,
        test: &TestExecutable,
        built: &Findings,
        set: &[(String, Option<String>)],
    ) -> Result<Launch, RunError> {
        let mut variables = configured(run)?;
        variables.extend(set.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))));
        let package = run.workspace.packages.iter().find(|package| package.id == test.package);
        variables.extend(package.iter().flat_map(|package| of_package(package)));
        for script in built.scripts.iter().filter(|script| script.package_id == test.package) {
            variables.insert("OUT_DIR".to_owned(), script.out_dir.to_string());
            variables.extend(script.env.iter().cloned());
        }
        if test.is_integration {
            let binaries = binaries(built, &test.package);
            variables.extend(binaries.map(|(name, path)| (format!("CARGO_BIN_EXE_{name}"), path.to_string())));
        }
        let sysroot = run.toolchain.sysroot();
        if env::var("CARGO").is_none() || run.sandbox.image().is_some() {
            variables.extend(sysroot.iter().map(|root| ("CARGO".to_owned(), root.join("bin/cargo").into_string())));
        }
        variables.insert("LD_LIBRARY_PATH".to_owned(), library_path(run, test, built, sysroot.as_deref()));
        let dir = package.and_then(|package| package.manifest_path.parent()).unwrap_or(&run.workspace.root);
        Ok(Launch { dir: dir.to_owned(), env: variables })
    }

    /// As a call takes it.
    pub(super) fn variables(&self) -> Vec<(String, Option<String>)> {
        self.env.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect()
    }
}

/// The programs of a package by name.
pub(super) fn binaries<'a>(
    built: &'a Findings,
    package: &'a PackageId,
) -> impl Iterator<Item = (&'a str, &'a Utf8Path)> {
    let own = built.programs.iter().filter(move |program| program.package == *package && program.is_binary);
    own.map(|program| (program.name.as_str(), program.path.as_path()))
}

/// The `[env]` of cargo's configuration; what the caller has set wins unless it is forced.
fn configured(run: &Context<'_>) -> Result<BTreeMap<String, String>, RunError> {
    let config = cargo_config2::Config::load_with_cwd(&run.workspace.root)
        .map_err(|error| RunError::CargoConfig(error.to_string()))?;
    let is_set = |name: &str| env::var(name).is_some();
    let values = config.env.into_iter().filter(|(name, value)| value.force || !is_set(name));
    Ok(values.map(|(name, value)| (name, value.value.to_string_lossy().into_owned())).collect())
}

/// As the cargo book lists them for tests that run.
fn of_package(package: &Package) -> Vec<(String, String)> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let path = |value: &Option<Utf8PathBuf>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    let version = &package.version;
    let folder = package.manifest_path.parent().map(ToString::to_string).unwrap_or_default();
    let rust_version = package.rust_version.as_ref().map(ToString::to_string).unwrap_or_default();
    [
        ("CARGO_MANIFEST_DIR", folder),
        ("CARGO_MANIFEST_PATH", package.manifest_path.to_string()),
        ("CARGO_PKG_AUTHORS", package.authors.join(":")),
        ("CARGO_PKG_DESCRIPTION", text(&package.description)),
        ("CARGO_PKG_HOMEPAGE", text(&package.homepage)),
        ("CARGO_PKG_LICENSE", text(&package.license)),
        ("CARGO_PKG_LICENSE_FILE", path(&package.license_file)),
        ("CARGO_PKG_NAME", package.name.to_string()),
        ("CARGO_PKG_README", path(&package.readme)),
        ("CARGO_PKG_REPOSITORY", text(&package.repository)),
        ("CARGO_PKG_RUST_VERSION", rust_version),
        ("CARGO_PKG_VERSION", version.to_string()),
        ("CARGO_PKG_VERSION_MAJOR", version.major.to_string()),
        ("CARGO_PKG_VERSION_MINOR", version.minor.to_string()),
        ("CARGO_PKG_VERSION_PATCH", version.patch.to_string()),
        ("CARGO_PKG_VERSION_PRE", version.pre.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Where the dynamic linker looks: what build scripts have named within the target folder, the build's own folders, the
/// toolchain's libraries, then what the caller has set.
fn library_path(run: &Context<'_>, test: &TestExecutable, built: &Findings, sysroot: Option<&Utf8Path>) -> String {
    let linked = built.scripts.iter().flat_map(|script| &script.linked_paths).map(|path| {
        let text = path.as_str();
        Utf8PathBuf::from(text.split_once('=').map_or(text, |(_, path)| path))
    });
    let mut folders: Vec<Utf8PathBuf> = linked.filter(|path| path.starts_with(&run.workspace.target_dir)).collect();
    let deps = test.path.parent();
    folders.extend(deps.and_then(Utf8Path::parent).map(Utf8Path::to_owned));
    folders.extend(deps.map(Utf8Path::to_owned));
    let host = run.toolchain.host().unwrap_or_default();
    folders.extend(sysroot.map(|root| root.join("lib/rustlib").join(host).join("lib")));
    folders.extend(sysroot.map(|root| root.join("lib")));
    let own: Vec<String> = folders.into_iter().map(Utf8PathBuf::into_string).collect();
    // An image has other libraries than the host.
    let callers = env::var("LD_LIBRARY_PATH").filter(|path| !path.is_empty() && run.sandbox.image().is_none());
    own.into_iter().chain(callers).collect::<Vec<_>>().join(":")
}
