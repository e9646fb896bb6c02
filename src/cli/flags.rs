//! Flags that every verb takes.

use camino::Utf8PathBuf;

use crate::commands::{Detail, MessageFormat, Output};
use crate::ui::Color;

/// Given before or after the verb.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Global {
    /// Path to the Cargo.toml of the workspace or of a member
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) manifest_path: Option<Utf8PathBuf>,
    /// When to colour
    #[arg(long, global = true, value_name = "WHEN")]
    pub(super) color: Option<Color>,
    /// The form of what is printed
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human")]
    pub(super) message_format: MessageFormat,
    /// Everything, without limits, and an excerpt of the output of each failure
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(super) verbose: bool,
    /// Only errors and the verdict
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
}

impl Global {
    /// In which form, and how much.
    pub(super) fn output(&self) -> Output {
        let detail = match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (_, true) => Detail::Verbose,
            _ => Detail::Normal,
        };
        Output { format: self.message_format, detail }
    }
}
