//! Workflows for CI: the same text for every repository, but for this program's version and the number of shards.

use camino::Utf8Path;

use crate::base::{Digest, ExitCode, Explain};
use crate::ports::fs;

/// Who runs the workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Github,
    Gitlab,
}

/// The actions that the workflow uses: where the text names them, and the commits that stand for their versions.
const ACTIONS: [(&str, &str); 3] = [
    ("@@CHECKOUT@", "@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"),
    ("@@UPLOAD@", "@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0"),
    ("@@DOWNLOAD@", "@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1"),
];

impl Service {
    /// Where it looks for the file.
    pub(crate) fn path(self) -> &'static Utf8Path {
        Utf8Path::new(match self {
            Service::Github => ".github/workflows/harness.yml",
            Service::Gitlab => ".gitlab-ci.yml",
        })
    }

    /// The file, with a first line by which it is known again.
    pub(crate) fn workflow(self, shards: u32) -> String {
        let text = match self {
            Service::Github => include_str!("github.yml"),
            Service::Gitlab => include_str!("gitlab.yml"),
        };
        let list: Vec<String> = (1..=shards).map(|shard| shard.to_string()).collect();
        let text = ACTIONS.iter().fold(text.to_owned(), |text, (name, commit)| text.replace(name, commit));
        let text = text.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
        let text = text.replace("@LIST@", &list.join(", ")).replace("@SHARDS@", &shards.to_string());
        format!("{MARK}{}\n{text}", digest(&text))
    }
}

/// How the first line begins; the digest of all that follows ends it.
const MARK: &str = "# Written by `cargo harness ci write`; a file with another digest than this has been edited: ";

fn digest(text: &str) -> String {
    Digest::of_fields([text.as_bytes()]).prefix(16).to_owned()
}

/// Whether a file is as it was written, by whichever version.
fn is_unedited(text: &str) -> bool {
    let Some((first, rest)) = text.split_once('\n') else { return false };
    first.strip_prefix(MARK).is_some_and(|told| told == digest(rest))
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Written {
    Wrote,
    Kept,
    /// It was as an earlier version or another number of shards had it.
    Updated,
}

/// Why a file wasn't written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CiError {
    #[error(transparent)]
    Fs(#[from] fs::FsError),
    #[error("{0} is there already, and not as `ci write` would have written it")]
    Edited(&'static Utf8Path),
}

impl Explain for CiError {
    fn exit_code(&self) -> ExitCode {
        match self {
            CiError::Fs(error) => error.exit_code(),
            CiError::Edited(_) => ExitCode::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            CiError::Fs(error) => error.hint(),
            CiError::Edited(path) if *path == Service::Gitlab.path() => {
                Some(format!("move {path} away, write again, and name your own file under `include:`"))
            }
            CiError::Edited(path) => Some(format!("move {path} away, write again, and compare")),
        }
    }
}

/// Writes a workflow below the top of a repository, unless somebody has edited the one that is there.
///
/// # Errors
/// It was edited, or can't be written.
pub(crate) fn write(top: &Utf8Path, service: Service, shards: u32) -> Result<Written, CiError> {
    let path = top.join(service.path());
    let text = service.workflow(shards);
    let present = fs::read_text_if_present(&path)?;
    match present {
        Some(present) if present == text => return Ok(Written::Kept),
        Some(present) if !is_unedited(&present) => return Err(CiError::Edited(service.path())),
        Some(_) => {
            fs::replace(&path, text.as_bytes())?;
            return Ok(Written::Updated);
        }
        None => {}
    }
    if let Some(folder) = path.parent() {
        fs::create_dir(folder)?;
    }
    match fs::create_whole(&path, text.as_bytes())? {
        true => Ok(Written::Wrote),
        false => Err(CiError::Edited(service.path())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in_and_every_action_is_pinned() {
        let placeholder = regex::Regex::new("@[A-Z]+@").unwrap();
        for service in [Service::Github, Service::Gitlab] {
            let text = service.workflow(3);
            assert!(!placeholder.is_match(&text), "{text}");
            assert!(is_unedited(&text));
            assert!(!is_unedited(&text.replace("judge", "trust")));
        }
        let text = Service::Github.workflow(3);
        let pinned = regex::Regex::new("^actions/[a-z-]+@[0-9a-f]{40} # v[0-9.]+$").unwrap();
        let uses: Vec<&str> = text.lines().filter_map(|line| line.split_once("uses: ").map(|(_, uses)| uses)).collect();
        assert!(uses.len() == 7 && uses.iter().all(|uses| pinned.is_match(uses)), "{uses:#?}");
        assert!(text.contains("shard: [1, 2, 3]\n") && text.contains("matrix.shard }}/3\n"), "{text}");
    }

    #[test]
    fn a_file_that_was_edited_is_left_alone_and_one_that_was_not_is_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let top = Utf8Path::from_path(folder.path()).unwrap();
        let path = top.join(Service::Github.path());
        assert_eq!(write(top, Service::Github, 2).unwrap(), Written::Wrote);
        assert_eq!(write(top, Service::Github, 2).unwrap(), Written::Kept);
        assert_eq!(write(top, Service::Github, 3).unwrap(), Written::Updated);
        assert_eq!(fs::read_text(&path).unwrap(), Service::Github.workflow(3));
        let edited = fs::read_text(&path).unwrap().replace("timeout-minutes: 5", "timeout-minutes: 6");
        fs::replace(&path, edited.as_bytes()).unwrap();
        let error = write(top, Service::Github, 3).unwrap_err();
        assert!(matches!(error, CiError::Edited(_)) && error.exit_code() == ExitCode::Usage, "{error}");
        assert_eq!(fs::read_text(&path).unwrap(), edited);
    }
}
