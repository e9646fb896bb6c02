//! Where hooks are put: the repository's own folder of them, or, where `core.hooksPath` leads elsewhere, a folder of the harness's own
//! that takes its place and passes on to it. Files that may be tracked, or serve other repositories, are left alone.

use camino::{Utf8Path, Utf8PathBuf};

use super::HooksError;
use super::script;
use crate::ports::fs;
use crate::ports::githooks::{self, Whole};
use crate::ports::source::Source;

/// The setting that names the folder of hooks, and the one that keeps what it named before.
const NAMED: &str = "core.hooksPath";
pub(super) const BEFORE: &str = "harness.hooksPath";
/// Hooks whose mere presence costs git nothing.
const COMMON: [&str; 13] = [
    "applypatch-msg",
    "pre-applypatch",
    "post-applypatch",
    "pre-merge-commit",
    "prepare-commit-msg",
    "commit-msg",
    "post-commit",
    "pre-rebase",
    "post-checkout",
    "post-merge",
    "post-rewrite",
    "pre-auto-gc",
    "sendemail-validate",
];

/// The folder that hooks are put into.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(super) folder: Utf8PathBuf,
    /// Of a folder of the harness's own: the one whose place it takes, or has taken.
    pub(super) instead_of: Option<Utf8PathBuf>,
    /// The file of settings in which `core.hooksPath` counts, or is to.
    settings: Utf8PathBuf,
    /// What `core.hooksPath` says now, if it says anything.
    named: Option<String>,
}

impl Place {
    /// Finds it.
    ///
    /// # Errors
    /// Git can't say.
    pub(crate) fn of(source: &Source) -> Result<Place, HooksError> {
        let root = source.root();
        let common = source.common_dir()?;
        let own = common.join("harness-hooks");
        let now = githooks::path(root, "hooks")?;
        let named = githooks::setting(root, NAMED)?;
        let is_of_work_tree = named.as_ref().is_some_and(|setting| setting.scope == "worktree");
        let settings = githooks::path(root, if is_of_work_tree { "config.worktree" } else { "config" })?;
        let named = named.map(|setting| setting.value);
        if now == own {
            let before = githooks::path_setting(root, BEFORE)?;
            return Ok(Place { folder: own, instead_of: before, settings, named });
        }
        if now == common.join("hooks") || named.is_none() {
            return Ok(Place { folder: now, instead_of: None, settings, named });
        }
        Ok(Place { folder: own, instead_of: Some(now), settings, named })
    }

    /// Whether git looks here already.
    pub(super) fn is_in_use(&self) -> bool {
        self.instead_of.is_none() || self.named.as_deref() == Some(self.folder.as_str())
    }

    /// The same once it is taken.
    pub(super) fn in_use(&self) -> Place {
        Place { named: Some(self.folder.to_string()), ..self.clone() }
    }

    fn kept_settings(&self) -> Utf8PathBuf {
        let name = self.settings.file_name().unwrap_or("config");
        self.folder.join(format!("{name}.before"))
    }

    /// From now on git looks here, and finds what it found in the other folder.
    pub(super) fn take(&self) -> Result<(), HooksError> {
        let Some(other) = &self.instead_of else { return Ok(fs::create_dir(&self.folder)?) };
        fs::create_dir(&self.folder)?;
        let present = fs::names(other)?;
        let more = present.iter().filter(|name| is_hook_name(name) && githooks::is_program(&other.join(name)));
        for name in COMMON.into_iter().chain(more.map(String::as_str)) {
            let file = self.folder.join(name);
            if !fs::is_present(&file) {
                githooks::write(&file, &program(script::forwarder(name)))?;
            }
        }
        if self.is_in_use() {
            return Ok(());
        }
        let before = githooks::read(&self.settings)?.unwrap_or(Whole { bytes: Vec::new(), mode: 0o644 });
        githooks::write(&self.kept_settings(), &before)?;
        self.redirect(&self.settings, self.named.as_deref().unwrap_or_default())
    }

    fn redirect(&self, settings: &Utf8Path, before: &str) -> Result<(), HooksError> {
        githooks::set(settings, BEFORE, Some(before))?;
        Ok(githooks::set(settings, NAMED, Some(self.folder.as_str()))?)
    }

    /// Git looks where it looked before. Settings that nobody has touched since are again what they were, to the byte.
    pub(super) fn give_back(&self) -> Result<(), HooksError> {
        if self.instead_of.is_none() {
            return Ok(());
        }
        let kept = self.kept_settings();
        let before = githooks::setting_in(&self.settings, BEFORE)?;
        if let (Some(before), Some(whole)) = (&before, githooks::read(&kept)?) {
            // What `take` made of them then.
            let trial = self.folder.join("config.trial");
            githooks::write(&trial, &whole)?;
            self.redirect(&trial, before)?;
            let untouched = githooks::read(&trial)?.map(|whole| whole.bytes);
            if githooks::read(&self.settings)?.map(|whole| whole.bytes) == untouched {
                githooks::write(&self.settings, &whole)?;
            } else {
                self.set_back(githooks::setting_in(&kept, NAMED)?.as_deref())?;
            }
        } else if before.is_some() {
            self.set_back(None)?;
        }
        Ok(fs::remove_dir(&self.folder)?)
    }

    fn set_back(&self, value: Option<&str>) -> Result<(), HooksError> {
        if self.is_in_use() {
            githooks::set(&self.settings, NAMED, value)?;
        }
        Ok(githooks::set(&self.settings, BEFORE, None)?)
    }
}

/// A hook file with this text.
pub(super) fn program(text: String) -> Whole {
    Whole { bytes: text.into_bytes(), mode: 0o755 }
}

fn is_hook_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
