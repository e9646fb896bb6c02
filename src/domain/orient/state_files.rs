//! PROGRESS.md and KNOWN_FAILURES.md: a marked part of each is written by the harness, and what people wrote stays.

use std::collections::BTreeMap;

use super::Known;
use super::words::dead_end;
use crate::base::text::{capped, one_line};
use crate::domain::queue::{Attempt, Board, State};
use crate::domain::record::{Outcome, StepRecord};

/// The names of the marked parts.
const STATUS: &str = "status";
const NEXT: &str = "next";
const DEAD_ENDS: &str = "dead-ends";

/// How many tasks and failures are listed.
const MOST: usize = 20;

fn marks(name: &str) -> (String, String) {
    (
        format!("<!-- harness {name}: written by `cargo harness brief --write` -->"),
        format!("<!-- harness {name} end -->"),
    )
}

/// The text with the marked part replaced. Where it has none, the part is put below its heading, or with the heading at the end.
fn with_part(text: &str, heading: &str, name: &str, part: &str) -> String {
    let (begin, end) = marks(name);
    let marked = format!("{begin}\n{}\n{end}", part.trim_end());
    if let Some((before, rest)) = text.split_once(&begin)
        && let Some((_, after)) = rest.split_once(&end)
    {
        return format!("{before}{marked}{after}");
    }
    let mut lines: Vec<&str> = text.lines().collect();
    match lines.iter().position(|line| *line == heading) {
        Some(at) => {
            lines.insert(at + 1, "");
            lines.insert(at + 2, &marked);
        }
        None => lines.extend(["", heading, "", &marked]),
    }
    lines.join("\n").trim_start_matches('\n').to_owned() + "\n"
}

/// What stands in a marked part; nothing where it isn't there.
pub(super) fn part<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (begin, end) = marks(name);
    Some(text.split_once(&begin)?.1.split_once(&end)?.0.trim())
}

/// The status of an earlier session, for a clone that has no verdict of its own.
pub(crate) fn last_status(progress: &str) -> Option<&str> {
    part(progress, STATUS)
}

/// PROGRESS.md with its marked parts as things stand.
pub(crate) fn progress(text: &str, known: &Known, board: Option<&Board>) -> String {
    let text = if text.trim().is_empty() { "# Progress\n" } else { text };
    let text = with_part(text, "## Current Status", STATUS, &status(known));
    with_part(&text, "## Next Tasks (priority order)", NEXT, &next(known, board))
}

fn status(known: &Known) -> String {
    let Some(run) = &known.run else { return "- No verdict yet: `cargo harness full` gives one".to_owned() };
    let counts = run.counts();
    let mut lines = vec![format!(
        "- {} of tiers {}: {} passed, {} failed, {} skipped",
        run.verdict.word(),
        run.tiers,
        counts.passed,
        counts.failed,
        counts.skipped
    )];
    let line = |step: &StepRecord| {
        let word = match step.outcome {
            Outcome::Ok => "green",
            Outcome::Failed => "RED",
            Outcome::None => "none",
            _ => "not judged",
        };
        let detail = if step.detail.is_empty() { String::new() } else { format!(", {}", one_line(&step.detail)) };
        format!("- Tier {} {}: {word}{detail}", step.tier, step.name)
    };
    lines.extend(run.steps.iter().map(line));
    lines.join("\n")
}

fn next(known: &Known, board: Option<&Board>) -> String {
    let tasks = board.map_or(&[][..], |board| &board.entries);
    let task = |entry: &crate::domain::queue::Entry| {
        let how = match &entry.state {
            State::Free | State::Expired(_) => String::new(),
            State::Held(held) => format!(" (held by {})", held.claim.worker),
            State::Blocked(held) => format!(" (blocked: {})", held.claim.blocked.as_deref().unwrap_or_default()),
            State::Unfit(why) => format!(" (unfit: {why})"),
        };
        format!("{}: {}{how}", entry.task.id, entry.task.title)
    };
    let has_task = |id: &crate::base::FailureId| tasks.iter().any(|entry| entry.task.failure.as_ref() == Some(id));
    let failures =
        known.open.iter().map(|open| &open.failure).filter(|failure| !has_task(&failure.id)).map(|failure| {
            let subject = failure.subject.as_deref().map(|subject| format!("{subject}: ")).unwrap_or_default();
            format!("{}: {}", failure.id, capped(&one_line(&format!("{subject}{}", failure.message)), 160))
        });
    let lines: Vec<String> = tasks
        .iter()
        .map(task)
        .chain(failures)
        .take(MOST)
        .enumerate()
        .map(|(number, line)| format!("{}. {line}", number + 1))
        .collect();
    if lines.is_empty() { "Nothing is open.".to_owned() } else { lines.join("\n") }
}

/// KNOWN_FAILURES.md with its marked part as things stand.
pub(crate) fn known_failures(text: &str, attempts: &BTreeMap<String, Vec<Attempt>>) -> String {
    let text = if text.trim().is_empty() { "# Known Failures\n" } else { text };
    let entry = |(key, attempts): (&String, &Vec<Attempt>)| {
        let lines: String = attempts.iter().map(|attempt| format!("- {}\n", dead_end(attempt))).collect();
        format!("### {key}\n\n{lines}")
    };
    let part = attempts.iter().map(entry).collect::<Vec<_>>().join("\n");
    let part = if part.is_empty() { "None is recorded.".to_owned() } else { part };
    with_part(text, "## Dead ends", DEAD_ENDS, &part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marked_part_is_rewritten_and_what_people_wrote_stays() {
        let hand = "# Progress\n\nMine.\n\n## Current Status\n\n- by hand\n\n## More\n\nKept.\n";
        let first = progress(hand, &Known::default(), None);
        for kept in ["Mine.", "- by hand", "## More", "Kept."] {
            assert!(first.contains(kept), "{first}");
        }
        assert_eq!(progress(&first, &Known::default(), None), first, "the second time nothing changes");
        assert_eq!(last_status(&first), Some("- No verdict yet: `cargo harness full` gives one"));
        assert!(first.find("- by hand").unwrap() > first.find("No verdict yet").unwrap());
        let empty = progress("", &Known::default(), None);
        assert!(empty.starts_with("# Progress\n\n## Current Status\n"), "{empty}");
    }

    #[test]
    fn dead_ends_stand_under_what_they_are_found_by() {
        let attempt = Attempt {
            task: "a".to_owned(),
            worker: "ada".to_owned(),
            why: "it changes nothing".to_owned(),
            tried: String::new(),
            kept: String::new(),
        };
        let text =
            known_failures("# Known Failures\n\nOurs.\n", &BTreeMap::from([("t-00000001".to_owned(), vec![attempt])]));
        assert!(text.contains("### t-00000001\n\n- dead end: it changes nothing, by ada\n"), "{text}");
        assert!(text.contains("Ours."));
    }
}
