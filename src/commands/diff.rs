//! `cargo harness diff`: the differential tests alone, or new golden files for them.

use super::{Settings, ladder};
use crate::base::{ExitCode, Explain};
use crate::ports::env;

/// What the verb takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// Make what the programs answer now the golden files, instead of comparing with them
    #[arg(long)]
    bless: bool,
    #[command(flatten)]
    climb: ladder::Args,
}

/// What is right is not for a machine to say.
#[derive(Debug, thiserror::Error)]
#[error("golden files are never written in CI")]
struct BlessedInCi;

impl Explain for BlessedInCi {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("run `cargo harness diff --bless` where somebody reads what changes, and commit that".to_owned())
    }
}

/// Compares, or blesses.
pub(crate) fn run(args: &DiffArgs, settings: &Settings) -> super::Result {
    // As every CI service sets it.
    if args.bless && env::var("CI").is_some_and(|value| !matches!(value.as_str(), "" | "0" | "false")) {
        return Err(BlessedInCi.into());
    }
    ladder::differential(args.bless, &args.climb, settings)
}
