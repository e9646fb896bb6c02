//! Flags that every verb takes.

use camino::Utf8PathBuf;

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
}
