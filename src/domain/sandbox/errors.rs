//! What keeps a sandbox from being built.

use camino::Utf8PathBuf;

use crate::base::{ExitCode, Explain, Image};
use crate::ports::fs;

/// There is no sandbox, and the run may not do without.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SandboxError {
    #[error("the sandbox is required and not to be had here: {0}")]
    Lacking(String),
    #[error("the sandbox is to be a container, and {engine} is not installed")]
    NoEngine { engine: &'static str },
    #[error("{engine} does not answer: {why}")]
    NoAnswer { engine: &'static str, why: String },
    #[error("{engine} has no image {image}")]
    NoImage { engine: &'static str, image: Image },
    #[error("no container of {image} can be entered: {why}")]
    NotEntered { image: Image, why: String },
    #[error("`sandbox.write` names {0}, which lies outside of the workspace or leads there")]
    Outside(Utf8PathBuf),
    #[error(transparent)]
    Fs(#[from] fs::FsError),
}

impl Explain for SandboxError {
    fn exit_code(&self) -> ExitCode {
        match self {
            SandboxError::Lacking(_)
            | SandboxError::NoEngine { .. }
            | SandboxError::NoAnswer { .. }
            | SandboxError::NoImage { .. }
            | SandboxError::NotEntered { .. } => ExitCode::Environment,
            SandboxError::Outside(_) => ExitCode::Usage,
            SandboxError::Fs(error) => error.exit_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            SandboxError::Lacking(_) => {
                Some("`cargo harness doctor` says what is missing and how to get it".to_owned())
            }
            SandboxError::NoEngine { engine } => Some(format!(
                "install it with the system's package manager, such as apt-get install {engine}, or remove `sandbox.backend`"
            )),
            SandboxError::NoAnswer { engine, .. } => Some(format!("see what `{engine} info` says")),
            SandboxError::NoImage { engine, image } => Some(format!("{engine} pull {image}")),
            SandboxError::NotEntered { why, .. } if why.contains("GLIBC") || why.contains("no such file") => {
                Some("this program needs a C library in the image that is as new as the one it was built with: build it statically, or on an older system".to_owned())
            }
            SandboxError::NotEntered { .. } => None,
            SandboxError::Outside(_) => Some(
                "name files and folders of the workspace; what a step may read elsewhere, `sandbox.read` names"
                    .to_owned(),
            ),
            SandboxError::Fs(error) => error.hint(),
        }
    }
}
