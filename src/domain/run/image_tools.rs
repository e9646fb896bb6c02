//! What the tools of an image say of themselves, asked within one container.

use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};

use super::cache::{Cache, Kind};
use crate::base::Digest;
use crate::domain::contract::needs::Tool;
use crate::domain::sandbox::Sandbox;
use crate::ports::fs;
use crate::ports::process::Supervised;
use crate::ports::sandbox::{Cage, ask};

/// The tools of an image, asked when the first answer is wanted.
#[derive(Debug)]
pub(super) struct ImageTools {
    cage: Cage,
    /// For what the container prints.
    folder: Utf8PathBuf,
    runner: Supervised,
    answers: OnceLock<Vec<Option<String>>>,
}

impl ImageTools {
    /// Those of a run's containers; none where steps don't run in containers.
    pub(super) fn of(sandbox: &Sandbox, folder: &Utf8Path, runner: &Supervised) -> Option<ImageTools> {
        sandbox.image()?;
        let cage = sandbox.cage(&[], &[], None)?;
        Some(ImageTools { cage, folder: folder.join(".tools"), runner: runner.clone(), answers: OnceLock::new() })
    }

    /// What a question's program prints, where it is there and succeeds.
    pub(super) fn answer(&self, dir: &Utf8Path, question: &[String]) -> Option<&str> {
        let answers = self.answers.get_or_init(|| {
            // A container that can't be entered fails the steps as well, in more words.
            ask::ask(&self.cage, &questions(), dir, &self.folder, &self.runner).unwrap_or_default()
        });
        let at = questions().iter().position(|known| known == question)?;
        answers.get(at)?.as_deref()
    }

    /// Takes over what the same tools have said before.
    pub(super) fn recall(&self, cache: &Cache, ground: &Digest) {
        if let Some(answers) = cache.read::<Vec<Option<String>>>(Kind::Tools, ground) {
            let _ = self.answers.set(answers);
        }
    }

    /// Keeps what they have said, if there is a compiler.
    ///
    /// # Errors
    /// The cache can't be written.
    pub(super) fn keep(&self, cache: &Cache, ground: &Digest) -> fs::Result<()> {
        let Some(answers) = self.answers.get().filter(|answers| answers.first().is_some_and(Option::is_some)) else {
            return Ok(());
        };
        let known: Option<Vec<Option<String>>> = cache.read(Kind::Tools, ground);
        if known.as_ref() == Some(answers) { Ok(()) } else { cache.write(Kind::Tools, ground, answers) }
    }
}

/// What the compiler is asked.
pub(super) fn rustc() -> Vec<String> {
    ["rustc", "-vV", "--print=sysroot"].map(str::to_owned).into()
}

/// How a tool of an image is asked for its version.
pub(super) fn version(tool: Tool) -> Vec<String> {
    // Straight to the program: in a repository an alias of the same name would come first.
    let program = tool.subcommand().map_or(tool.name().to_owned(), |name| format!("cargo-{name}"));
    let rest = tool.subcommand().into_iter().chain(["--version"]).map(str::to_owned);
    [program].into_iter().chain(rest).collect()
}

/// Everything that a run may want to know; the compiler's first.
fn questions() -> Vec<Vec<String>> {
    [rustc()].into_iter().chain(Tool::ALL.map(version)).chain([super::fuzz::question()]).collect()
}
