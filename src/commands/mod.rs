//! The verbs, one per file: arguments, request, domain, exit code.

use camino::Utf8PathBuf;

use crate::base::{ExitCode, Explain};
use crate::domain::report::json_error;
use crate::ui;

pub(crate) mod audit;
pub(crate) mod brief;
pub(crate) mod ci;
pub(crate) mod contract;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod fallback;
pub(crate) mod gate;
pub(crate) mod hook;
pub(crate) mod hooks;
pub(crate) mod init;
pub(crate) mod judge;
pub(crate) mod kill;
pub(crate) mod ladder;
pub(crate) mod lock;
pub(crate) mod merge;
pub(crate) mod repro;
pub(crate) mod role;
pub(crate) mod show;
pub(crate) mod summarize;
pub(crate) mod task;
pub(crate) mod watch;

pub(crate) use crate::domain::report::Detail;

/// What every verb is told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) manifest_path: Option<Utf8PathBuf>,
    pub(crate) output: Output,
}

/// In which form a verb answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MessageFormat {
    /// Lines for people and agents
    #[default]
    Human,
    /// One JSON object a line
    Json,
    /// The human form with annotations for GitHub Actions, and a job summary
    Github,
}

/// In which form a verb answers, and how much it says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Output {
    pub(crate) format: MessageFormat,
    pub(crate) detail: Detail,
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

/// The folder that the command was given in is gone, or its name is no text.
#[derive(Debug, thiserror::Error)]
#[error("the current folder cannot be read: {0}")]
pub(crate) struct NoFolder(pub(crate) std::io::Error);

impl Explain for NoFolder {
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

/// Says what ended a verb: on standard error, and for a program that reads JSON lines as one of them. Of a followed run the
/// follower shows what stands on standard output, and nothing else.
pub(crate) fn report_error(error: &Error, format: MessageFormat, followed: bool) {
    let message = with_causes(&error.cause);
    let hint = error.hint.as_deref();
    match format {
        MessageFormat::Json => ui::print(&json_error(&message, hint, error.code)),
        _ if followed => return ui::print(&ui::error_text(&message, hint)),
        _ => {}
    }
    ui::note(ui::error_text(&message, hint).trim_end());
}

/// An error's message with its causes, for a program that passes it on.
fn message(error: &Error) -> String {
    with_causes(&error.cause)
}

/// The message and its causes; one that the message ends with already is not said again.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| match cause.to_string() {
        cause if said.is_empty() => cause,
        cause if said.ends_with(&cause) => said,
        cause => format!("{said}: {cause}"),
    })
}
