//! What the verbs of the queue say to a reader.

use crate::domain::orient::words;
use crate::domain::queue::{Attempt, Board, Census, Claim, Entry, State};

/// Every task in a line, and the count of each state.
pub(super) fn list(board: &Board) -> String {
    let width = board.entries.iter().map(|entry| entry.task.id.as_str().len()).max().unwrap_or(0);
    let mut text: String = board.entries.iter().map(|entry| line(entry, width)).collect();
    let Census { free, held, blocked } = board.census();
    text.push_str(&format!("TASKS: {free} free, {held} held, {blocked} blocked\n"));
    text
}

fn line(entry: &Entry, width: usize) -> String {
    let Entry { task, state } = entry;
    let how = match state {
        State::Free => String::new(),
        State::Held(held) | State::Expired(held) => format!(" by {}", held.claim.worker),
        State::Blocked(held) => format!(": {}", held.claim.blocked.as_deref().unwrap_or_default()),
        State::Unfit(why) => format!(": {why}"),
    };
    let role = task.role.as_ref().map(|role| format!(" ({role})")).unwrap_or_default();
    format!("{} {:width$}  {}{how}  {}{role}\n", task.priority, task.id, state.word(), task.title)
}

/// One task with all that is known of it.
pub(super) fn show(entry: &Entry, attempts: &[Attempt]) -> String {
    let how = match entry.state.held() {
        Some(held) => format!(" by {}", held.claim.worker),
        None => String::new(),
    };
    let title = format!("{}: {}\n", entry.task.id, entry.task.title);
    format!("{title}state: {}{how}\n{}", entry.state.word(), words::task(&entry.task, attempts))
}

/// For how long a claim holds.
pub(super) fn length(claim: &Claim) -> String {
    match claim.duration().as_secs() {
        seconds if seconds >= 60 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}
