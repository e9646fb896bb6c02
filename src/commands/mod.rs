//! The verbs, one per file: arguments, request, domain, exit code.

use crate::base::{ExitCode, Explain};

pub(crate) mod contract;
pub(crate) mod init;

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
