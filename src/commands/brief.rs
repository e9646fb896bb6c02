//! `cargo harness brief`: one page from which a fresh session can start, and the state files that keep it for the next clone.

use super::task::{Ground, Who};
use super::{MessageFormat, Settings};
use crate::base::ExitCode;
use crate::domain::orient::{self, Assignment, Facts, Known, brief};
use crate::domain::queue::{Attempt, Board, Entry, Queue, QueueError, State};
use crate::domain::report::json_line;
use crate::domain::roles::Roles;
use crate::ports::fs;
use crate::ui;

/// Whose page, and whether to keep it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    who: Who,
    /// Write the marked parts of PROGRESS.md and KNOWN_FAILURES.md instead
    #[arg(long)]
    write: bool,
}

/// Prints the page, or writes the files.
pub(crate) fn run(args: &Args, settings: &Settings) -> super::Result {
    let ground = Ground::find(settings.manifest_path.as_deref())?;
    let known = Known::read(&ground.workspace.harness_dir());
    // Without a remote to reach, or before the first commit, the page has still the verdicts.
    let seen = look(&ground);
    if args.write {
        let (board, attempts) = seen?;
        let root = &ground.workspace.root;
        for (name, text) in [
            (
                "PROGRESS.md",
                Box::new(|text: &str| orient::progress(text, &known, Some(&board))) as Box<dyn Fn(&str) -> String>,
            ),
            ("KNOWN_FAILURES.md", Box::new(|text: &str| orient::known_failures(text, &attempts))),
        ] {
            let path = root.join(name);
            let before = fs::read_text_if_present(&path)?.unwrap_or_default();
            let after = text(&before);
            if after != before {
                fs::replace(&path, after.as_bytes())?;
            }
            ui::print(&format!("{} {name}\n", if after == before { "kept" } else { "wrote" }));
        }
        return Ok(ExitCode::Green);
    }
    let worker = args.who.name()?;
    let roles = Roles::of(&ground.contract);
    let why = seen.as_ref().err().map(ToString::to_string).unwrap_or_default();
    let board = seen.as_ref().ok().map(|(board, _)| board);
    let is_mine = |entry: &&Entry| matches!(&entry.state, State::Held(held) if held.claim.worker == worker);
    let mine: Vec<&Entry> = board.iter().flat_map(|board| &board.entries).filter(is_mine).collect();
    let role = |entry: &'_ Entry| entry.task.role.clone();
    let named: Vec<Option<String>> = mine.iter().map(|entry| role(entry)).collect();
    let assignments: Vec<Assignment<'_>> = mine
        .iter()
        .zip(&named)
        .map(|(entry, name)| {
            let role = name.as_deref().and_then(|name| Some((name, roles.find(name).ok()?)));
            Assignment { task: &entry.task, role, is_resumed: false }
        })
        .collect();
    let all: Vec<&Attempt> = seen.iter().flat_map(|(_, attempts)| attempts.values().flatten()).collect();
    let is_on_mine = |attempt: &&&Attempt| mine.iter().any(|entry| entry.task.id.as_str() == attempt.task);
    let attempts: Vec<&Attempt> = match mine.is_empty() {
        true => all,
        false => all.iter().filter(is_on_mine).copied().collect(),
    };
    let progress = fs::read_text_if_present(&ground.workspace.root.join("PROGRESS.md"))?.unwrap_or_default();
    let facts = Facts {
        name: ground.workspace.root.file_name().unwrap_or("this repository"),
        contract: &ground.contract,
        known: &known,
        status: orient::last_status(&progress),
        assignments: &assignments,
        attempts: &attempts,
        queue: board.map(Board::census).ok_or(why.as_str()),
    };
    let page = brief(&facts);
    ui::print(&match settings.output.format {
        MessageFormat::Json => json_line("brief", &serde_json::json!({ "text": page })),
        _ => page,
    });
    Ok(ExitCode::Green)
}

type Seen = (Board, std::collections::BTreeMap<String, Vec<Attempt>>);

fn look(ground: &Ground) -> Result<Seen, QueueError> {
    let queue = Queue::open(&ground.repository, &ground.contract.queue)?;
    Ok((queue.board()?, queue.attempts()?))
}
