//! The verbs, one per file: arguments, request, domain, exit code.

use camino::Utf8PathBuf;

use crate::base::{ExitCode, Explain};
use crate::domain::report::Detail;

pub(crate) mod contract;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod ladder;

/// What every verb is told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) manifest_path: Option<Utf8PathBuf>,
    pub(crate) message_format: MessageFormat,
    pub(crate) verbose: bool,
    pub(crate) quiet: bool,
}

impl Settings {
    /// How much of a run is told.
    pub(crate) fn detail(&self) -> Detail {
        match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (_, true) => Detail::Verbose,
            _ => Detail::Normal,
        }
    }
}

/// For whom standard output is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MessageFormat {
    /// Brief text
    #[default]
    Human,
    /// One JSON object a line
    Json,
    /// Brief text with annotations, and a job summary
    Github,
}

/// The harness can't watch the processes that it would start.
#[derive(Debug, thiserror::Error)]
#[error("signals cannot be handled: {0}")]
pub(crate) struct Unsupervised(pub(crate) std::io::Error);

impl Explain for Unsupervised {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Environment
    }
}

/// An error on its way to the user.
#[derive(Debug)]
pub(crate) struct Error {
    /// The message with its causes.
    pub(crate) cause: anyhow::Error,
    /// What the process answers.
    pub(crate) code: ExitCode,
    /// The way out, where there is one.
    pub(crate) hint: Option<String>,
}

impl<E: Explain> From<E> for Error {
    fn from(error: E) -> Error {
        Error { code: error.exit_code(), hint: error.hint(), cause: anyhow::Error::new(error) }
    }
}

/// What a verb gives back.
pub(crate) type Result<T = ExitCode> = std::result::Result<T, Error>;
