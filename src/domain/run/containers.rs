//! The containers of a run: whether the engine and the image are here, asked for each run, and what a container keeps away, asked once
//! per boot.

use camino::Utf8Path;

use super::cache::{Cache, Kind};
use super::context::RunError;
use super::toolchain::Toolchain;
use crate::base::{Digest, Image};
use crate::domain::contract::{Backend, Contract};
use crate::domain::sandbox::{Sandbox, SandboxError};
use crate::ports::cargo::Workspace;
use crate::ports::process::{Runner, Supervised};
use crate::ports::sandbox::container::{Container, Engine, Presence};
use crate::ports::sandbox::probe::{self, Found};
use crate::ports::stamp::Stamp;
use crate::ports::{env, fs, host};

/// The sandbox of a run whose steps run in containers.
///
/// # Errors
/// The engine or the image is not here, or no container can be entered.
pub(super) fn prepare(
    (backend, image): (Backend, &Image),
    contract: &Contract,
    workspace: &Workspace,
    dir: &Utf8Path,
    runner: &dyn Runner,
) -> Result<Sandbox, RunError> {
    let engine = match backend {
        Backend::Podman => Engine::Podman,
        Backend::Docker => Engine::Docker,
    };
    let program = engine.find().ok_or(SandboxError::NoEngine { engine: engine.name() })?;
    let container = Container {
        engine,
        program,
        image: image.clone(),
        notes: workspace.harness_dir().join("containers"),
        moved: Vec::new(),
        user: host::user_and_group(),
    };
    match container.presence(&dir.join(".presence"), runner) {
        Presence::Here => {}
        Presence::NoImage => return Err(SandboxError::NoImage { engine: engine.name(), image: image.clone() }.into()),
        Presence::NoAnswer(why) => return Err(SandboxError::NoAnswer { engine: engine.name(), why }.into()),
    }
    container.clear();
    let own = probe::program_file(dir, &workspace.target_dir)?;
    let found = known(&workspace.harness_dir(), dir, &own, &container, runner);
    Ok(Sandbox::of_containers(&contract.sandbox, workspace, &own, container, &found)?)
}

/// The tools that a contract's runs get: the image's, where its steps run in containers. They are asked at once.
///
/// # Errors
/// As `prepare`.
pub(crate) fn toolchain(workspace: &Workspace, contract: &Contract) -> Result<Toolchain, RunError> {
    let Some(backend) = contract.sandbox.containers() else { return Ok(Toolchain::of(&workspace.root)) };
    fs::create_dir(&workspace.harness_dir())?;
    let folder = fs::temporary_dir(&workspace.harness_dir())?;
    let dir = Utf8Path::from_path(folder.path()).unwrap_or(&workspace.root);
    let runner = Supervised::new().map_err(|error| {
        let why = format!("signals cannot be handled: {error}");
        RunError::Supervision { step: "toolchain".to_owned(), why }
    })?;
    let sandbox = prepare(backend, contract, workspace, dir, &runner)?;
    let toolchain = Toolchain::of_run(&workspace.root, &sandbox, dir, &runner);
    toolchain.warm_up(false);
    Ok(toolchain)
}

/// What was found out since the last boot, or is now.
fn known(harness_dir: &Utf8Path, dir: &Utf8Path, own: &Utf8Path, container: &Container, runner: &dyn Runner) -> Found {
    let cache = Cache::new(harness_dir);
    let stamps = [container.program.as_path(), Utf8Path::new(&env::own_program())].map(Stamp::through);
    let facts = format!("{:?} {stamps:?} {}", container.engine, host::facts());
    let fields = [facts.as_str(), container.image.as_str(), &host::boot(), env!("CARGO_PKG_VERSION")];
    let key = Digest::of_fields(fields.map(str::as_bytes));
    if let Some(found) = cache.read::<Found>(Kind::Sandbox, &key) {
        return found;
    }
    let folder = dir.join(".probe");
    let found = match fs::create_dir(&folder) {
        Ok(()) => probe::look_into(container, &folder, own, runner),
        Err(error) => Found { why: error.to_string(), ..Found::default() },
    };
    let _ = fs::remove_dir(&folder);
    // What keeps one from being entered may be gone the next time, and without the file it is looked at again.
    if found.full.is_some() {
        let _ = cache.write(Kind::Sandbox, &key, &found);
    }
    found
}
