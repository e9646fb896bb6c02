//! What the queue's verbs and the brief say in the same words.

use crate::base::shell;
use crate::base::text::{one_line, printable};
use crate::domain::contract::Role;
use crate::domain::queue::{Attempt, Task};

/// What whoever takes a task must know: what proves it done, its text, and what was tried in vain.
pub(crate) fn task(task: &Task, attempts: &[Attempt]) -> String {
    let mut text = format!("title: {}\ntype: {}\n", task.title, task.kind.word());
    if let Some(failure) = &task.failure {
        text.push_str(&format!("failure: {failure}\nREPRO: cargo harness repro {failure}\n"));
    }
    if let Some(check) = &task.check {
        text.push_str(&format!("check: {}\n", one_line(&shell::quote(check))));
    }
    if let Some(tier) = &task.tier {
        text.push_str(&format!("tiers: {tier}\n"));
    }
    for line in task.text.lines().take(20) {
        text.push_str(&format!("  {}\n", printable(line)));
    }
    text.extend(attempts.iter().map(|attempt| format!("{}\n", dead_end(attempt))));
    text
}

/// An attempt that landed nothing, in a line.
pub(crate) fn dead_end(attempt: &Attempt) -> String {
    let Attempt { worker, why, tried, kept, .. } = attempt;
    let tried = if tried.is_empty() { String::new() } else { format!("; tried {tried}") };
    let kept = if kept.is_empty() { String::new() } else { format!("; kept on {kept}") };
    format!("dead end: {why}{tried}, by {worker}{kept}")
}

/// What a role allows, in a line.
pub(crate) fn scope(name: &str, role: &Role) -> String {
    let may = if role.may.is_empty() { "any file".to_owned() } else { role.may.join(" ") };
    let lines = role.max_lines.map(|lines| format!(", at most {lines} lines")).unwrap_or_default();
    format!("scope: {name} may change {may}{lines}\n")
}
