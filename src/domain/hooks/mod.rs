//! Git's hooks: put up beside those of others, taken down without a trace, and what they ask of the gate.

mod demand;
mod place;
mod script;
mod updates;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

pub(crate) use demand::{Demand, Trunk, demand};
pub(crate) use place::Place;
pub(crate) use script::Hook;
pub(crate) use updates::{Form, Update, updates};

use place::program;
use script::Author;

use crate::base::{ExitCode, Explain};
use crate::domain::gate::GateName;
use crate::ports::fs;
use crate::ports::githooks::{self, SettingError};
use crate::ports::objects::ObjectsError;
use crate::ports::source::Source;

/// Why hooks can't be put up or taken down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HooksError {
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error(transparent)]
    Fs(#[from] fs::FsError),
    #[error("harness.manifestPath of git's settings leads to no Cargo.toml of the tree: {0}")]
    Manifest(Utf8PathBuf),
    #[error("{kept} holds the hook that was here before, and {path} is now another one than the harness's")]
    Displaced { path: Utf8PathBuf, kept: Utf8PathBuf },
}

impl Explain for HooksError {
    fn exit_code(&self) -> ExitCode {
        match self {
            HooksError::Objects(error) => error.exit_code(),
            HooksError::Displaced { .. } | HooksError::Manifest(_) => ExitCode::Usage,
            HooksError::Setting(_) | HooksError::Fs(_) => ExitCode::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            HooksError::Objects(error) => error.hint(),
            HooksError::Fs(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Some("the folder of hooks must be writable for this user".to_owned())
            }
            HooksError::Displaced { kept, .. } => Some(format!("remove {kept}, or move it to where it belongs")),
            _ => None,
        }
    }
}

/// What is to be said of one hook.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Said {
    pub(crate) hook: &'static str,
    pub(crate) state: State,
    pub(crate) file: Utf8PathBuf,
    /// What git runs before it.
    pub(crate) after: Option<Utf8PathBuf>,
    /// Whether lefthook has written that, and may write it anew.
    #[serde(skip)]
    pub(crate) with_lefthook: bool,
}

/// How a hook stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Installed,
    Missing,
    /// It was there, and another one has come in its place.
    Displaced,
    Removed,
}

/// The files of one hook.
struct Files {
    hook: Hook,
    path: Utf8PathBuf,
    /// What pre-commit and prek run before their own.
    legacy: Utf8PathBuf,
    /// The hook that was there before.
    kept: Utf8PathBuf,
}

impl Files {
    fn of(place: &Place, hook: Hook) -> Files {
        let file = |end: &str| place.folder.join(format!("{}{end}", hook.name()));
        Files { hook, path: file(""), legacy: file(".legacy"), kept: file(KEPT) }
    }

    /// Where the harness's hook is, if it is.
    fn own(&self) -> fs::Result<Option<&Utf8PathBuf>> {
        let first = author(&self.path)?;
        Ok(match first {
            Some(Author::Harness) => Some(&self.path),
            Some(Author::WithLegacy) if author(&self.legacy)? == Some(Author::Harness) => Some(&self.legacy),
            _ => None,
        })
    }

    fn said(&self, place: &Place) -> fs::Result<Said> {
        let own = self.own()?;
        let state = match own {
            Some(_) if place.is_in_use() => State::Installed,
            None if fs::entry(&self.kept) != fs::Entry::Absent => State::Displaced,
            _ => State::Missing,
        };
        let after = [Some(self.kept.clone()), place.instead_of.as_ref().map(|other| other.join(self.hook.name()))];
        let after = after.into_iter().flatten().find(|path| githooks::is_program(path));
        let after = if own == Some(&self.legacy) { None } else { after };
        let by = after.as_deref().map(author).transpose()?.flatten();
        let file = own.unwrap_or(&self.path).clone();
        let after = after.filter(|_| state == State::Installed);
        Ok(Said { hook: self.hook.name(), state, file, after, with_lefthook: by == Some(Author::Lefthook) })
    }
}

/// How the file ends that keeps a hook which was there before.
const KEPT: &str = ".before-harness";

fn author(path: &Utf8Path) -> fs::Result<Option<Author>> {
    Ok(githooks::read(path)?.map(|whole| Author::of(&whole.bytes)))
}

/// Puts hooks up; one that is there already stays, or becomes what this version writes.
///
/// # Errors
/// A file or a setting can't be written, or a hook was displaced by another one.
pub(crate) fn install(place: &Place, hooks: &[Hook], gate: Option<GateName>) -> Result<Vec<Said>, HooksError> {
    place.take()?;
    let place = place.in_use();
    hooks.iter().map(|hook| put_up(&place, *hook, gate)).collect()
}

fn put_up(place: &Place, hook: Hook, gate: Option<GateName>) -> Result<Said, HooksError> {
    let files = Files::of(place, hook);
    let whole = program(hook.script(gate));
    let target = match files.own()? {
        Some(own) => own,
        None => match author(&files.path)? {
            Some(Author::WithLegacy) if !fs::is_present(&files.legacy) => &files.legacy,
            // Nothing, or something that git doesn't run: a link to nowhere.
            None if fs::entry(&files.path) == fs::Entry::Absent => &files.path,
            _ if fs::entry(&files.kept) != fs::Entry::Absent => {
                return Err(HooksError::Displaced { path: files.path, kept: files.kept });
            }
            _ => {
                fs::rename(&files.path, &files.kept)?;
                &files.path
            }
        },
    };
    if githooks::read(target)?.as_ref() != Some(&whole) {
        githooks::write(target, &whole)?;
    }
    Ok(files.said(place)?)
}

/// Takes the hooks down, and restores what was there.
///
/// # Errors
/// A file or a setting can't be written, or a hook was displaced by another one.
pub(crate) fn uninstall(place: &Place, hooks: &[Hook]) -> Result<Vec<Said>, HooksError> {
    let mut all = Vec::new();
    for hook in hooks {
        let files = Files::of(place, *hook);
        let mut said = files.said(place)?;
        if let Some(own) = files.own()? {
            fs::remove_file(own)?;
            said.state = State::Removed;
        }
        if fs::entry(&files.kept) != fs::Entry::Absent {
            if fs::entry(&files.path) != fs::Entry::Absent {
                return Err(HooksError::Displaced { path: files.path, kept: files.kept });
            }
            fs::rename(&files.kept, &files.path)?;
        }
        all.push(said);
    }
    place.give_back()?;
    Ok(all)
}

/// How a hook stands.
///
/// # Errors
/// A file can't be read.
pub(crate) fn status(place: &Place, hook: Hook) -> Result<Said, HooksError> {
    Ok(Files::of(place, hook).said(place)?)
}

/// The hook of somebody else that comes before the harness's own, which git has called by this file.
pub(crate) fn foreign(place: &Place, hook: Hook, called: &Utf8Path) -> Option<Utf8PathBuf> {
    // As the legacy of another one it has nothing before it.
    if called.file_name() != Some(hook.name()) {
        return None;
    }
    let other = place.instead_of.as_ref().map(|other| other.join(hook.name()));
    let kept = Files::of(place, hook).kept;
    [Some(kept), other].into_iter().flatten().find(|path| githooks::is_program(path))
}

/// The setting that says where a tree has its manifest, if not at its top.
const MANIFEST: &str = "harness.manifestPath";

/// Where a tree of this repository has its manifest, from its top.
///
/// # Errors
/// Git can't say, or the setting leads out of the tree.
pub(crate) fn manifest(source: &Source) -> Result<Utf8PathBuf, HooksError> {
    let Some(setting) = githooks::setting(source.root(), MANIFEST)? else { return Ok("Cargo.toml".into()) };
    let path = Utf8PathBuf::from(setting.value);
    if path.components().all(|part| matches!(part, Utf8Component::Normal(_))) && path.file_name() == Some("Cargo.toml")
    {
        return Ok(path);
    }
    Err(HooksError::Manifest(path))
}

/// Keeps where a tree of this repository has its manifest, or with `None` forgets it.
///
/// # Errors
/// The setting can't be written.
pub(crate) fn keep_manifest(source: &Source, path: Option<&Utf8Path>) -> Result<(), HooksError> {
    let value = path.filter(|path| *path != "Cargo.toml").map(Utf8Path::as_str);
    if githooks::setting(source.root(), MANIFEST)?.map(|setting| setting.value).as_deref() == value {
        return Ok(());
    }
    Ok(githooks::set(&githooks::path(source.root(), "config")?, MANIFEST, value)?)
}
