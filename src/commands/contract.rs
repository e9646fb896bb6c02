//! `cargo harness contract`: the effective contract, its schema, or where each value comes from.

use anyhow::Context;
use camino::Utf8Path;

use crate::base::ExitCode;
use crate::domain::contract::{self, Origins};
use crate::ports::cargo::Workspace;
use crate::ui;

/// What to print.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the JSON schema of the contract instead
    #[arg(long, conflicts_with = "origin")]
    schema: bool,
    /// Say of each value where it comes from
    #[arg(long)]
    origin: bool,
}

/// Prints what was asked for. The schema is the same everywhere and needs no workspace.
pub(crate) fn run(args: &Args, manifest_path: Option<&Utf8Path>) -> super::Result {
    if args.schema {
        ui::print(&contract::schema());
        return Ok(ExitCode::Green);
    }
    let loaded = contract::load(&Workspace::load(manifest_path)?)?;
    let origins = if args.origin { Origins::Shown } else { Origins::Hidden };
    let text = contract::effective(&loaded, origins)
        .context("the contract cannot be printed")
        .map_err(|cause| super::Error { cause, code: ExitCode::Usage, hint: None })?;
    ui::print(&text);
    Ok(ExitCode::Green)
}
