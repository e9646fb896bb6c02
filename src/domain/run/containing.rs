//! How a run's steps are contained: what is to be had here, asked once per boot, and what must be here before the network is off.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::cache::{Cache, Kind};
use super::containers;
use super::context::RunError;
use super::output::RunDir;
use crate::base::Digest;
use crate::domain::contract::{Containment, Contract};
use crate::domain::sandbox::Sandbox;
use crate::ports::cargo::Workspace;
use crate::ports::process::Runner;
use crate::ports::sandbox::probe::{self, Found};
use crate::ports::stamp::Stamp;
use crate::ports::{fs, host};

/// What tells one host from another as far as sandboxes go; cheap enough for every run.
pub(crate) fn facts() -> String {
    let bubblewrap = probe::bubblewrap();
    let stamp = bubblewrap.as_deref().and_then(Stamp::through);
    format!("{bubblewrap:?} {stamp:?} {} {}", host::facts(), host::containment())
}

/// The sandbox of a run.
///
/// # Errors
/// It is required and not to be had.
pub(crate) fn prepare(
    asked: Containment,
    contract: &Contract,
    workspace: &Workspace,
    dir: &RunDir,
    runner: &dyn Runner,
) -> Result<Sandbox, RunError> {
    if let Some(backend) = contract.sandbox.containers().filter(|_| asked != Containment::Off) {
        return containers::prepare(backend, contract, workspace, &dir.path, runner);
    }
    let program = probe::program_file(&dir.path, &workspace.target_dir)?;
    let found = || known(&workspace.harness_dir(), dir, &program, runner);
    let scratch = dir.path.join("scratch");
    Ok(Sandbox::prepare(asked, &contract.sandbox, workspace, (&program, scratch), found)?)
}

/// What was found out since the last boot, or is now.
fn known(harness_dir: &Utf8Path, dir: &RunDir, program: &Utf8Path, runner: &dyn Runner) -> Found {
    let cache = Cache::new(harness_dir);
    let version = env!("CARGO_PKG_VERSION");
    let key = Digest::of_fields([facts().as_bytes(), host::boot().as_bytes(), version.as_bytes()]);
    if let Some(found) = cache.read(Kind::Sandbox, &key) {
        return found;
    }
    let folder = dir.path.join(".probe");
    let found = match fs::create_dir(&folder) {
        Ok(()) => probe::look(&folder, program, runner),
        Err(error) => Found { why: error.to_string(), ..Found::default() },
    };
    // Without them the next run looks again.
    let _ = fs::remove_dir(&folder);
    let _ = cache.write(Kind::Sandbox, &key, &found);
    found
}

/// The folders of a step's that its commands write: those beside its log that are its own, and the log.
pub(super) fn writes(dir: &Utf8Path, step: &str, log: &Utf8Path) -> Vec<Utf8PathBuf> {
    let prefix = format!("{step}.");
    let names = fs::names(dir).unwrap_or_default();
    let own: BTreeSet<Utf8PathBuf> = names
        .iter()
        .filter(|name| name.starts_with(&prefix))
        .map(|name| dir.join(name))
        .filter(|path| fs::is_dir(path))
        .collect();
    // A step whose commands have logs of their own may have none.
    own.into_iter().chain([log.to_owned()].into_iter().filter(|log| fs::exists(log))).collect()
}
