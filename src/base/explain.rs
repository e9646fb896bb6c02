//! What every typed error can say beyond its message.

use super::ExitCode;

/// An expected error: it knows the answer of the process and, where there is one, the way out.
pub(crate) trait Explain: std::error::Error + Send + Sync + 'static {
    /// What the process answers when this error ends it.
    fn exit_code(&self) -> ExitCode;

    /// The text of the `hint:` line.
    fn hint(&self) -> Option<String> {
        None
    }
}
