//! Where gates work: a folder outside of the repository, so that no settings of the work tree lie above a checkout.

use std::fs::File;

use camino::{Utf8Path, Utf8PathBuf};

use super::GateError;
use crate::base::Digest;
use crate::ports::{clock, env, fs};

/// So many gates' checkouts stay for a look at their logs.
const KEPT: usize = 2;

/// The folder of one repository's gates.
#[derive(Debug)]
pub(super) struct Area {
    root: Utf8PathBuf,
}

/// The folder of one gate's checkouts.
#[derive(Debug)]
pub(super) struct RunArea {
    root: Utf8PathBuf,
}

impl Area {
    /// That of the repository which has this folder of its own.
    pub(super) fn of(common_dir: &Utf8Path) -> Result<Area, GateError> {
        let cache = env::var("XDG_CACHE_HOME").filter(|path| path.starts_with('/')).map(Utf8PathBuf::from);
        let home =
            || env::var("HOME").filter(|path| path.starts_with('/')).map(|home| Utf8PathBuf::from(home).join(".cache"));
        let cache = cache.or_else(home).ok_or(GateError::NoArea)?;
        let key = Digest::of_fields([common_dir.as_str().as_bytes()]);
        let root = cache.join("cargo-harness/gate").join(key.prefix(16));
        fs::create_dir(&root)?;
        Ok(Area { root })
    }

    pub(super) fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// One gate at a time works here; the others wait.
    pub(super) fn lock(&self) -> Result<File, GateError> {
        let file = fs::create(&self.root.join("lock"))?;
        // Where locks can't be had, two gates at a time are the user's to avoid.
        let _ = file.lock();
        Ok(file)
    }

    /// A new folder; the oldest ones go.
    pub(super) fn begin(&self) -> Result<RunArea, GateError> {
        let runs = self.root.join("runs");
        let names = fs::names(&runs)?;
        for name in names.iter().take(names.len().saturating_sub(KEPT - 1)) {
            fs::remove_dir(&runs.join(name))?;
        }
        let root = runs.join(format!("{}-{}", clock::timestamp(), std::process::id()));
        fs::create_dir(&root)?;
        Ok(RunArea { root })
    }
}

impl RunArea {
    /// The checkout of a phase.
    pub(super) fn tree(&self, phase: &str) -> Utf8PathBuf {
        self.root.join(phase)
    }

    /// Where what is true of a base, whatever is judged against it, is kept.
    pub(super) fn bases(&self) -> Utf8PathBuf {
        self.root.ancestors().nth(2).unwrap_or(&self.root).join("bases")
    }
}
