//! What keeps a sandbox from being built.

use crate::base::{ExitCode, Explain};
use crate::ports::fs;

/// There is no sandbox, and the run may not do without.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SandboxError {
    #[error("the sandbox is required and not to be had here: {0}")]
    Lacking(String),
    #[error(transparent)]
    Fs(#[from] fs::FsError),
}

impl Explain for SandboxError {
    fn exit_code(&self) -> ExitCode {
        match self {
            SandboxError::Lacking(_) => ExitCode::Environment,
            SandboxError::Fs(error) => error.exit_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            SandboxError::Lacking(_) => {
                Some("`cargo harness doctor` says what is missing and how to get it".to_owned())
            }
            SandboxError::Fs(error) => error.hint(),
        }
    }
}
