//! `cargo harness kill`: end every run of this repository, whole process trees.

use super::{MessageFormat, Settings, audit};
use crate::base::text::counted;
use crate::base::{ExitCode, Explain};
use crate::domain::report;
use crate::domain::run::{self, Killed, Output};
use crate::ports::fs;
use crate::ui;

/// Whether runs may begin afterwards.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Let no run begin until `kill --release`, by a file STOP in target/harness
    #[arg(long, conflicts_with = "release")]
    hold: bool,
    /// Remove that file, and end nothing
    #[arg(long)]
    release: bool,
}

/// Some live on.
#[derive(Debug, thiserror::Error)]
#[error("{} could not be ended: {}", counted(self.0.len() as u64, "process"), list(&self.0))]
struct Immortal(Vec<i32>);

fn list(pids: &[i32]) -> String {
    pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Explain for Immortal {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Environment
    }

    fn hint(&self) -> Option<String> {
        Some("the kernel holds them, or they are another user's".to_owned())
    }
}

/// Ends what runs. Nothing to end is no error.
pub(crate) fn run(args: &Args, settings: &Settings) -> super::Result {
    let place = audit::place(settings.manifest_path.as_deref())?;
    let output = Output::new(place.harness_dir());
    let stop = output.stop_file();
    if args.release {
        fs::remove_file(&stop)?;
        audit::record(&output, &place.root, None, None, ("released", ExitCode::Green))?;
        say(settings, "released", &format!("RELEASED: runs may begin, {stop} is gone\n"), &Killed::default());
        return Ok(ExitCode::Green);
    }
    if args.hold {
        fs::create_dir(output.root())?;
        fs::create(&stop)?;
    }
    let killed = run::kill(&output);
    let outcome = if args.hold { "held" } else { "killed" };
    let code = if killed.left.is_empty() { ExitCode::Green } else { ExitCode::Environment };
    audit::record(&output, &place.root, None, None, (outcome, code))?;
    let mut text: String = killed.ended.iter().map(line).collect();
    if killed.ended.is_empty() {
        text.push_str("STOPPED: nothing, as no run of this repository is under way\n");
    }
    if args.hold {
        text.push_str(&format!("HELD: no run begins while {stop} is there\n"));
    }
    say(settings, outcome, &text, &killed);
    if killed.left.is_empty() { Ok(code) } else { Err(Immortal(killed.left).into()) }
}

fn line(ended: &run::EndedRun) -> String {
    let how = if ended.forced { ", by force" } else { "" };
    format!("STOPPED: {}, {}{how}\n", ended.run, counted(ended.processes as u64, "process"))
}

fn say(settings: &Settings, outcome: &'static str, text: &str, killed: &Killed) {
    match settings.output.format {
        MessageFormat::Json => {
            let facts = serde_json::json!({ "outcome": outcome, "runs": killed.ended, "left": killed.left });
            ui::print(&report::json_line("kill", &facts));
        }
        _ => ui::print(text),
    }
}
