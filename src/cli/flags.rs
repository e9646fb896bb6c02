//! Flags that every verb takes.

use camino::Utf8PathBuf;

use crate::commands::{Detail, MessageFormat, Output, Settings};
use crate::ui::Color;

/// Given before or after the verb.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Global {
    /// Path to the Cargo.toml of the workspace or of a member
    #[arg(long, global = true, value_name = "PATH")]
    manifest_path: Option<Utf8PathBuf>,
    /// For whom standard output is written
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human")]
    message_format: MessageFormat,
    /// When to colour
    #[arg(long, global = true, value_name = "WHEN")]
    pub(super) color: Option<Color>,
    /// Print every failure with its excerpt, and every note
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Print failures and the verdict only
    #[arg(short, long, global = true)]
    quiet: bool,
}

impl Global {
    /// As the verbs take it.
    pub(super) fn settings(&self) -> Settings {
        let detail = match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (_, true) => Detail::Verbose,
            _ => Detail::Normal,
        };
        let output = Output { format: self.message_format, detail };
        Settings { manifest_path: self.manifest_path.clone(), output }
    }
}
