//! What a build needs from the network is brought in before the network is off.
//!
//! Cargo does that in a cage that reaches the network: by its configuration a repository could have cargo start any program, which
//! then sees no more of the host than a step does. The settings by which it would are overridden besides.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::cache::{Cache, Kind};
use super::context::{Context, RunError};
use super::diagnostics::cargo_error;
use super::runner_config;
use crate::base::Digest;
use crate::ports::process::{Job, Wish};
use crate::ports::supervisor::Ended;
use crate::ports::{clock, env, fs};

/// What was there after a fetch, by which is known whether it still is.
#[derive(Debug, Serialize, Deserialize)]
struct Fetched {
    present: Vec<Utf8PathBuf>,
}

/// One package's entry of a lock file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Locked {
    package: Vec<LockedPackage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LockedPackage {
    name: String,
    version: String,
    source: Option<String>,
}

/// Brings in what the workspace of a manifest needs, unless it is known to be there. What cargo says where it can't.
///
/// # Errors
/// Cargo can't be supervised.
pub(super) fn bring_in(run: &Context<'_>, manifest: &Utf8Path) -> Result<Option<String>, RunError> {
    let root = manifest.parent().unwrap_or(&run.workspace.root);
    let cache = Cache::new(run.output.root());
    let is_there = |fetched: Fetched| fetched.present.iter().all(|path| fs::exists(path));
    if !run.sandbox.is_on() || cache.read(Kind::Fetched, &key(run, manifest)).is_some_and(is_there) {
        return Ok(None);
    }
    let log = run.dir.path.join("fetch.log");
    let lock = LockFile::of(root, !run.flags.locked)?;
    let ended = fetch(run, manifest, &lock, &log);
    lock.leave()?;
    let ended = ended?;
    if ended != Ended::Exited(0) {
        return Ok(Some(cargo_error(&log).unwrap_or_else(|| format!("cargo fetch ended with {ended:?}"))));
    }
    // Without it the next run fetches again.
    let _ = cache.write(Kind::Fetched, &key(run, manifest), &Fetched { present: present(root) });
    Ok(None)
}

/// The lock file of a workspace. Cargo writes it in place, so that it may be the only thing there that can be written: where there is
/// none, an empty one is made first, which cargo takes for none.
struct LockFile {
    path: Utf8PathBuf,
    is_made: bool,
}

impl LockFile {
    fn of(root: &Utf8Path, may_be_made: bool) -> fs::Result<LockFile> {
        let path = root.join("Cargo.lock");
        let is_made = may_be_made && !fs::is_present(&path) && fs::create_whole(&path, b"")?;
        Ok(LockFile { path, is_made })
    }

    /// What may be written; nothing where the file isn't really there: a link would lead to any file of the host.
    fn writable(&self) -> Option<&Utf8Path> {
        (fs::is_present(&self.path) && fs::link_target(&self.path).is_none()).then_some(self.path.as_path())
    }

    /// Takes an empty one away again.
    fn leave(&self) -> fs::Result<()> {
        if self.is_made && fs::size(&self.path) == Some(0) { fs::remove_file(&self.path) } else { Ok(()) }
    }
}

fn fetch(run: &Context<'_>, manifest: &Utf8Path, lock: &LockFile, log: &Utf8Path) -> Result<Ended, RunError> {
    let root = manifest.parent().unwrap_or(&run.workspace.root);
    let mut argv = vec![env::cargo(), "fetch".to_owned(), format!("--manifest-path={manifest}")];
    let targets = [run.toolchain.host().map(str::to_owned), Some(runner_config::read(run)?.triple)];
    let mut targets: Vec<String> = targets.into_iter().flatten().filter(|target| !target.is_empty()).collect();
    targets.dedup();
    argv.extend(targets.iter().map(|target| format!("--target={target}")));
    let switches = [(run.flags.locked, "--locked"), (run.flags.offline, "--offline")];
    argv.extend(switches.iter().filter(|(on, _)| *on).map(|(_, flag)| (*flag).to_owned()));
    let rustc = run.toolchain.sysroot().map(|root| root.join("bin/rustc").into_string());
    let set: Vec<(String, Option<String>)> =
        [("RUSTC", rustc), ("RUSTC_WRAPPER", Some(String::new())), ("RUSTC_WORKSPACE_WRAPPER", Some(String::new()))]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
    let cage = run.sandbox.errand(lock.writable(), &set);
    fs::append_bytes(log, format!("$ {}\n", crate::base::shell::quote(&argv)).as_bytes())?;
    let left = run.deadline.saturating_duration_since(clock::now());
    let limit = run.contract.run.step_timeout.duration().min(left);
    let job =
        Job { argv: &argv, dir: root, env: &set, stdout: log, stderr: log, limit, watchdog: None, cage: cage.as_ref() };
    match run.runner.run(&job, &mut || Wish::GoOn).ended {
        Ended::Lost(why) => Err(RunError::Supervision { step: "fetch".to_owned(), why }),
        ended => Ok(ended),
    }
}

/// Of everything that decides which packages are needed.
fn key(run: &Context<'_>, manifest: &Utf8Path) -> Digest {
    let members = run.workspace.packages.iter().map(|package| package.manifest_path.clone());
    let root = manifest.parent().unwrap_or(&run.workspace.root);
    let image = run.sandbox.image().map(|image| ["image".to_owned(), image.to_string()]);
    let own = ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"].map(|name| root.join(name));
    let fields: Vec<[String; 2]> =
        members.chain(own).map(|path| [path.to_string(), fs::digest(&path).unwrap_or_default()]).chain(image).collect();
    Digest::of_fields(fields.iter().flatten().map(String::as_bytes))
}

/// The unpacked packages of a lock file; those that only other targets need may be missing.
fn present(root: &Utf8Path) -> Vec<Utf8PathBuf> {
    let text = fs::read_text(&root.join("Cargo.lock")).unwrap_or_default();
    let locked: Locked = toml::from_str(&text).unwrap_or_default();
    let home = env::var("CARGO_HOME").map(Utf8PathBuf::from);
    let home = home.or_else(|| env::var("HOME").map(|home| Utf8PathBuf::from(home).join(".cargo"))).unwrap_or_default();
    let sources = home.join("registry/src");
    let indexes: Vec<Utf8PathBuf> =
        fs::names(&sources).unwrap_or_default().into_iter().map(|name| sources.join(name)).collect();
    let from_registry = locked.package.iter().filter(|package| package.source.is_some());
    let folders = from_registry.flat_map(|package| {
        indexes.iter().map(move |index| index.join(format!("{}-{}", package.name, package.version)))
    });
    folders.filter(|folder| fs::is_dir(folder)).collect()
}
