//! What keeps a sandbox from being built.

use camino::Utf8PathBuf;

use crate::base::{ExitCode, Explain};
use crate::ports::fs;

/// There is no sandbox, and the run may not do without.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SandboxError {
    #[error("the sandbox is required and not to be had here: {0}")]
    Lacking(String),
    #[error("`sandbox.write` names {0}, which lies outside of the workspace or leads there")]
    Outside(Utf8PathBuf),
    #[error(transparent)]
    Fs(#[from] fs::FsError),
}

impl Explain for SandboxError {
    fn exit_code(&self) -> ExitCode {
        match self {
            SandboxError::Lacking(_) => ExitCode::Environment,
            SandboxError::Outside(_) => ExitCode::Usage,
            SandboxError::Fs(error) => error.exit_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            SandboxError::Lacking(_) => {
                Some("`cargo harness doctor` says what is missing and how to get it".to_owned())
            }
            SandboxError::Outside(_) => Some(
                "name files and folders of the workspace; what a step may read elsewhere, `sandbox.read` names"
                    .to_owned(),
            ),
            SandboxError::Fs(error) => error.hint(),
        }
    }
}
