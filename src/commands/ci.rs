//! `cargo harness ci write`: workflows that judge pull requests, the merge queue, each night and each week.

use super::{MessageFormat, Settings};
use crate::base::{ExitCode, Explain};
use crate::domain::ci::{self, Service, Written};
use crate::domain::report::json_line;
use crate::ports::cargo::Workspace;
use crate::ports::source::Source;
use crate::ui;

/// What to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write a workflow; one that somebody has edited is left alone
    Write(WriteArgs),
}

#[derive(Debug, clap::Args)]

struct WriteArgs {
    /// .github/workflows/harness.yml
    #[arg(long, required_unless_present = "gitlab")]
    github: bool,
    /// .gitlab-ci.yml
    #[arg(long)]
    gitlab: bool,
    /// Over how many machines the ladder is spread
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u32).range(1..=100))]
    shards: u32,
}

/// The workflow's commands run at the top.
#[derive(Debug, thiserror::Error)]
#[error("the workspace lies in {0}, and not at the top of its repository")]
struct Below(camino::Utf8PathBuf);

impl Explain for Below {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(
            "the workflow of a workspace at the top can serve as a pattern: give its steps a working-directory"
                .to_owned(),
        )
    }
}

/// Writes what is asked for.
pub(crate) fn run(args: &Args, settings: &Settings) -> super::Result {
    let Verb::Write(args) = &args.verb;
    let workspace = Workspace::load(settings.manifest_path.as_deref())?;
    let root = workspace.root.canonicalize_utf8().unwrap_or_else(|_| workspace.root.clone());
    let top = Source::at(&root)?.root().to_owned();
    if let Some(below) = root.strip_prefix(&top).ok().filter(|below| !below.as_str().is_empty()) {
        return Err(Below(below.to_owned()).into());
    }
    let asked = [(args.github, Service::Github), (args.gitlab, Service::Gitlab)];
    for (_, service) in asked.into_iter().filter(|(wanted, _)| *wanted) {
        let written = ci::write(&top, service, args.shards)?;
        let path = service.path();
        ui::print(&match (settings.output.format, written) {
            (MessageFormat::Json, _) => json_line("file", &serde_json::json!({ "path": path, "state": written })),
            (_, Written::Wrote) => format!("wrote {path}\n"),
            (_, Written::Kept) => format!("kept {path}\n"),
            (_, Written::Updated) => format!("updated {path}\n"),
        });
    }
    Ok(ExitCode::Green)
}
