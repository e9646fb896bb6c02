//! One page from which a fresh session can start. It is made of verdicts and of the queue, and kept by nobody's hand.

use super::Known;
use super::words;
use crate::base::text::{capped, one_line};
use crate::domain::contract::{Contract, Role};
use crate::domain::queue::{Attempt, Census, Task};
use crate::domain::record::Outcome;
use crate::domain::report::error_line;

/// The most that a page has, in lines and in bytes: about 1,500 tokens.
const LINES: usize = 60;
const BYTES: usize = 6000;
/// How many failures, dead ends and steps are on it.
const FAILURES: usize = 10;
const DEAD_ENDS: usize = 6;
const STEPS: usize = 12;

/// What a session works on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Assignment<'a> {
    pub(crate) task: &'a Task,
    pub(crate) role: Option<(&'a str, &'a Role)>,
    /// Whether an earlier session was ended in the middle of it, and its work is still there.
    pub(crate) is_resumed: bool,
}

/// What the page is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) name: &'a str,
    pub(crate) contract: &'a Contract,
    pub(crate) known: &'a Known,
    /// What PROGRESS.md says, for a clone without a verdict.
    pub(crate) status: Option<&'a str>,
    pub(crate) assignments: &'a [Assignment<'a>],
    pub(crate) attempts: &'a [&'a Attempt],
    /// Or why the queue can't be read.
    pub(crate) queue: Result<Census, &'a str>,
}

/// The page.
pub(crate) fn brief(facts: &Facts<'_>) -> String {
    let mut lines = vec![format!("# Brief: {}", one_line(facts.name))];
    lines.extend(contract(facts.contract));
    lines.extend(verdict(facts));
    let open = &facts.known.open;
    lines.extend(open.iter().take(FAILURES).map(|open| error_line(&open.failure)));
    if open.len() > FAILURES {
        lines.push(format!("… and {} more: cargo harness show", open.len() - FAILURES));
    }
    if let Some(first) = open.first() {
        lines.push(format!("REPRO: cargo harness repro {}", first.failure.id));
    }
    for Assignment { task, role, is_resumed } in facts.assignments {
        lines.push(format!("TASK: {}", task.id));
        lines.extend(words::task(task, &[]).lines().map(|line| capped(line, 300)));
        lines.extend(role.map(|(name, role)| capped(words::scope(name, role).trim_end(), 400)));
        if *is_resumed {
            lines.push("An earlier session was ended in the middle of it; its work is in this folder.".to_owned());
        }
    }
    lines.extend(facts.attempts.iter().take(DEAD_ENDS).map(|attempt| capped(&words::dead_end(attempt), 400)));
    lines.push(match facts.queue {
        Ok(Census { free, held, blocked }) => format!("QUEUE: {free} free, {held} held, {blocked} blocked"),
        Err(why) => format!("QUEUE: none: {}", capped(&one_line(why), 200)),
    });
    lines.push(
        "RULES: the gate judges the commit, not what is said of it; tests, contract and CI stay as they are".to_owned(),
    );
    let next = format!("NEXT: {}", next(facts));
    bounded(lines, next)
}

fn contract(contract: &Contract) -> Vec<String> {
    let done = &contract.done;
    let mut parts: Vec<String> = done.tiers.iter().map(|tiers| format!("tiers {tiers} green")).collect();
    parts.extend(done.binaries.iter().map(|binary| {
        let size = binary.max_size.map(|size| format!(" within {size}")).unwrap_or_default();
        format!("binary {}{size}", binary.name)
    }));
    parts.extend(done.targets.iter().map(|target| format!("target {target}")));
    parts.extend(done.budgets.iter().map(|budget| format!("budget {}", budget.name)));
    let parts = if parts.is_empty() { "tiers 0-3 green".to_owned() } else { parts.join(", ") };
    let mut lines = vec![capped(&one_line(&format!("DONE: {parts}")), 400)];
    if !done.non_goals.is_empty() {
        lines.push(capped(&one_line(&format!("NON-GOALS: {}", done.non_goals.join("; "))), 300));
    }
    lines
}

fn verdict(facts: &Facts<'_>) -> Vec<String> {
    let Some(run) = &facts.known.run else {
        let mut lines = vec!["VERDICT: none in this clone yet".to_owned()];
        lines
            .extend(facts.status.into_iter().flat_map(str::lines).take(STEPS).map(|line| capped(&one_line(line), 200)));
        return lines;
    };
    let counts = run.counts();
    let mut lines = vec![format!(
        "VERDICT: {} of tiers {} by {}; {} passed, {} failed, {} skipped",
        run.verdict.word(),
        run.tiers,
        one_line(&run.asked),
        counts.passed,
        counts.failed,
        counts.skipped
    )];
    let bad = run.steps.iter().filter(|step| !matches!(step.outcome, Outcome::Ok | Outcome::None)).take(STEPS);
    lines.extend(bad.map(|step| format!("T{} {} {}", step.tier, step.name, capped(&one_line(&step.detail), 160))));
    lines
}

fn next(facts: &Facts<'_>) -> String {
    let first = facts.assignments.first();
    match (first.and_then(|first| first.task.failure.as_ref()), first, &facts.known.run, facts.queue) {
        (Some(failure), ..) => format!("cargo harness repro {failure}"),
        (None, Some(_), ..) => "cargo harness fast, after each change".to_owned(),
        (None, None, None, _) => "cargo harness fast".to_owned(),
        (None, None, _, Ok(Census { free: 1.., .. })) => "cargo harness task claim --next".to_owned(),
        _ => match facts.known.open.first() {
            Some(open) => format!("cargo harness repro {}", open.failure.id),
            None => "cargo harness full".to_owned(),
        },
    }
}

/// The lines as a page; its last line is always on it.
fn bounded(lines: Vec<String>, last: String) -> String {
    let mut page = String::new();
    for (number, line) in lines.iter().enumerate() {
        if number + 2 > LINES || page.len() + line.len() + last.len() + 40 > BYTES {
            page.push_str("… cut: cargo harness show\n");
            break;
        }
        page.push_str(line);
        page.push('\n');
    }
    page + &last + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::queue::Task;

    fn facts<'a>(contract: &'a Contract, known: &'a Known) -> Facts<'a> {
        Facts {
            name: "demo",
            contract,
            known,
            status: None,
            assignments: &[],
            attempts: &[],
            queue: Ok(Census::default()),
        }
    }

    #[test]
    fn a_fresh_clone_is_told_what_to_do_first() {
        let (contract, known) = (Contract::default(), Known::default());
        let page = brief(&Facts { status: Some("- RED of tiers 0-1"), ..facts(&contract, &known) });
        insta::assert_snapshot!(page, @r"
        # Brief: demo
        DONE: tiers 0-3 green
        VERDICT: none in this clone yet
        - RED of tiers 0-1
        QUEUE: 0 free, 0 held, 0 blocked
        RULES: the gate judges the commit, not what is said of it; tests, contract and CI stay as they are
        NEXT: cargo harness fast
        ");
    }

    #[test]
    fn a_page_is_a_page_whatever_stands_in_a_task() {
        let (contract, known) = (Contract::default(), Known::default());
        let mut task = Task::new("a".parse().unwrap(), "Title");
        task.text = format!("{}\n", "x".repeat(2000)).repeat(100);
        let assignment = Assignment { task: &task, role: None, is_resumed: true };
        let assignments = [assignment; 9];
        let page = brief(&Facts { assignments: &assignments, ..facts(&contract, &known) });
        assert!(page.lines().count() <= LINES && page.len() <= BYTES, "{} bytes", page.len());
        assert!(page.ends_with("NEXT: cargo harness fast, after each change\n"), "{page}");
    }
}
