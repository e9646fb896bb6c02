//! `cargo harness fallback`: what still leans on something else, how far it is from being replaced, and whether it comes nearer.

use serde::Serialize;

use super::{MessageFormat, Settings};
use crate::base::ExitCode;
use crate::base::text::{counted, one_line};
use crate::domain::contract;
use crate::domain::gate::fallbacks::{Standing, standings};
use crate::domain::report::json_line;
use crate::ports::cargo::Workspace;
use crate::ports::objects;
use crate::ui;

/// What the verb has to say.
#[derive(Serialize)]
struct Facts {
    commit: String,
    fallbacks: Vec<Row>,
}

/// One fallback, with where it leads.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    standing: Standing,
    distance: usize,
    trend: &'static str,
}

/// Prints the table of the contract's fallbacks, as of the last commit.
pub(crate) fn run(settings: &Settings) -> super::Result {
    let workspace = Workspace::load(settings.manifest_path.as_deref())?;
    let loaded = contract::load(&workspace)?;
    let (commit, standings) = standings(&workspace.root, &loaded.contract)?;
    let row =
        |standing: Standing| Row { distance: standing.distance(standing.now), trend: standing.trend().1, standing };
    let facts = Facts { commit, fallbacks: standings.into_iter().map(row).collect() };
    ui::print(&match settings.output.format {
        MessageFormat::Json => json_line("fallback", &facts),
        MessageFormat::Human | MessageFormat::Github => text(&facts),
    });
    Ok(ExitCode::Green)
}

/// A table in Markdown, and the sum of it.
fn text(facts: &Facts) -> String {
    let commit = objects::short(&facts.commit);
    if facts.fallbacks.is_empty() {
        return format!("FALLBACKS: none at {commit}\n");
    }
    let mut text = "## Fallback Status\n| Component | Fallback To | Files Affected | Uses | Trend | Tracking |\n\
                    |-----------|-------------|----------------|------|-------|----------|\n"
        .to_owned();
    for Row { standing, .. } in &facts.fallbacks {
        let (values, word) = standing.trend();
        let values: Vec<String> = values.iter().map(usize::to_string).collect();
        let uses = if standing.counts_uses { standing.now.uses.to_string() } else { "-".to_owned() };
        let tracking = standing.tracking.as_deref().unwrap_or("none");
        text.push_str(&format!(
            "| {} | {} | {} | {uses} | {}, {word} | {} |\n",
            cell(&standing.name),
            cell(&standing.to),
            counted(standing.now.files as u64, "file"),
            values.join(" > "),
            cell(tracking)
        ));
    }
    let distance: usize = facts.fallbacks.iter().map(|row| row.distance).sum();
    let fallbacks = counted(facts.fallbacks.len() as u64, "fallback");
    text + &format!("FALLBACKS: {fallbacks} at {commit}, distance to replacement {distance}\n")
}

fn cell(text: &str) -> String {
    one_line(text).replace('|', "\\|")
}
