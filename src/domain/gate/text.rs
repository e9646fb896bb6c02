//! A gate's answer as text, and as JSON lines.

use serde::Serialize;

use super::finding::{Check, Finding, State};
use super::{GateRecord, GateVerdict};
use crate::base::text::{capped, one_line};
use crate::domain::contract::Level;
use crate::domain::record::{RunRecord, Verdict};
use crate::domain::report::{Detail, ErrorLine, Tally, json_line, seconds, step_lines, within_limit};
use crate::ports::objects::short;

const DETAIL_BYTES: usize = 120;
const NOTES: usize = 20;

/// As a person or an agent reads it.
pub(crate) fn gate_text(gate: &GateRecord, detail: Detail) -> String {
    let failures = gate.ladder.iter().flat_map(RunRecord::failures);
    let mut errors: Vec<String> = failures.map(|failure| ErrorLine::from(failure).to_string()).collect();
    let findings = || gate.checks.iter().flat_map(|check| check.findings.iter().map(move |finding| (check, finding)));
    errors.extend(findings().map(|(check, finding)| finding_line(check, finding)));
    let mut lines = match detail {
        Detail::Verbose => errors,
        _ => within_limit(errors, |more| format!("… and {more} more in {}", gate.log)),
    };
    if detail != Detail::Quiet {
        match &gate.ladder {
            Some(ladder) if ladder.verdict == Verdict::Green => lines.push(ladder_line(ladder)),
            Some(ladder) => lines.extend(step_lines(&ladder.steps)),
            None => {}
        }
        let width = gate.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        lines.extend(gate.checks.iter().map(|check| check_line(check, width)));
        let notes = gate.notes.iter().chain(gate.ladder.iter().flat_map(|ladder| &ladder.notes));
        let told: Vec<String> = notes.map(|note| format!("NOTE: {}", capped(&one_line(note), 240))).collect();
        let more = told.len().saturating_sub(NOTES);
        lines.extend(told.into_iter().take(NOTES));
        lines.extend((more > 0).then(|| format!("NOTE: … and {more} more with --message-format json")));
        let all = gate.ladder.iter().flat_map(RunRecord::failures).map(|failure| failure.category.as_str());
        let tally: Tally = all.chain(findings().map(|(check, _)| category(check))).collect();
        if tally.total() > 0 {
            lines.push(format!("TOP_ERRORS: {tally}"));
        }
    }
    lines.push(verdict_line(gate));
    lines.push(String::new());
    lines.join("\n")
}

/// What the findings of a check are counted under.
fn category(check: &Check) -> &'static str {
    match check.name.as_str() {
        "role" => "ROLE",
        "fallbacks" | "ratchets" => "RATCHET",
        "ladder" | "fix" | "done" | "freeze" => "GATE",
        _ => "TAMPER",
    }
}

fn finding_line(check: &Check, finding: &Finding) -> String {
    let head = match (check.state, finding.level) {
        (_, Level::Report) => "REPORT",
        (State::Approved, Level::Approve) => "APPROVED",
        (_, Level::Approve) => "APPROVE",
        (_, Level::Deny) => "ERROR",
    };
    let message = format!("{}: {}", finding.check, finding.message);
    let line = ErrorLine {
        category: category(check),
        subject: Some(&finding.subject),
        message: &message,
        place: None,
        id: finding.id.as_str(),
    };
    line.to_string().replacen("ERROR", head, 1)
}

fn ladder_line(ladder: &RunRecord) -> String {
    let counts = ladder.counts();
    let names: Vec<&str> = ladder.steps.iter().map(|step| step.name.as_str()).collect();
    let text =
        format!("{} passed, {} failed, {} skipped: {}", counts.passed, counts.failed, counts.skipped, names.join(", "));
    format!("T{} ladder  ok  {}  {}", ladder.tiers, seconds(ladder.ms), capped(&one_line(&text), DETAIL_BYTES))
}

fn check_line(check: &Check, width: usize) -> String {
    let detail = capped(&one_line(&check.detail), DETAIL_BYTES);
    format!("G  {:width$}  {:<8}  {detail}", check.name, check.word()).trim_end().to_owned()
}

fn verdict_line(gate: &GateRecord) -> String {
    let at = match (&gate.verdict, gate.ladder.as_ref().and_then(|ladder| ladder.stopped_at)) {
        (GateVerdict::Ladder(Verdict::Green), _) => format!(" tiers {}", gate.tiers),
        (GateVerdict::Ladder(_), Some(tier)) => format!(" at tier {tier}"),
        _ => {
            let bad = gate.checks.iter().filter(|check| matches!(check.state, State::Red | State::Approve));
            let names: Vec<&str> = bad.map(|check| check.name.as_str()).collect();
            if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
        }
    };
    let (gate_name, head, base) = (gate.gate.key(), short(&gate.head), short(&gate.base));
    let cached = if gate.cached { ", cached" } else { "" };
    let seed = gate.ladder.as_ref().map_or(String::new(), |ladder| format!(", seed {}", ladder.seed));
    let (word, time, log) = (gate.verdict.word(), seconds(gate.ms), &gate.log);
    format!("VERDICT: {word}{at} of gate {gate_name}: {head} onto {base} in {time}{cached}{seed}, log {log}")
}

#[derive(Serialize)]
struct VerdictFacts<'a> {
    gate: &'a str,
    verdict: &'a str,
    code: u8,
    base: &'a str,
    head: &'a str,
    subject: &'a str,
    role: Option<&'a str>,
    tiers: String,
    ms: u64,
    cached: bool,
    notes: &'a [String],
    log: &'a str,
}

/// One JSON object a line: the ladder's failures and steps, the checks with their findings, and the verdict last.
pub(crate) fn gate_json(gate: &GateRecord) -> String {
    let mut text = String::new();
    for failure in gate.ladder.iter().flat_map(RunRecord::failures) {
        text.push_str(&json_line("failure", failure));
    }
    for step in gate.ladder.iter().flat_map(|ladder| &ladder.steps) {
        text.push_str(&json_line("step", step));
    }
    for check in &gate.checks {
        text.push_str(&json_line("check", check));
    }
    let facts = VerdictFacts {
        gate: gate.gate.key(),
        verdict: gate.verdict.word(),
        code: gate.verdict.exit_code().code(),
        base: &gate.base,
        head: &gate.head,
        subject: &gate.subject,
        role: gate.role.as_deref(),
        tiers: gate.tiers.to_string(),
        ms: gate.ms,
        cached: gate.cached,
        notes: &gate.notes,
        log: gate.log.as_str(),
    };
    text.push_str(&json_line("gate", &facts));
    text
}
