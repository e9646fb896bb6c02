//! What decides about a candidate: the gate, and the task's own check. What an agent says, or how it ended, decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::check::Checker;
use crate::base::text::{capped, one_line};
use crate::base::{ExitCode, Explain, FailureId, Tier};
use crate::domain::contract::Level;
use crate::domain::gate::{self, Check, GateError, GateName, GateRecord, Question, State};
use crate::domain::queue::Task;
use crate::domain::record::RunRecord;
use crate::domain::report::error_line;
use crate::ports::process::{Runner, Supervised};
use crate::ports::repository::Oid;
use crate::ports::source::Source;

/// What a candidate came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    Green,
    /// The branch is red, and the candidate takes away so many of its failures and adds none.
    Progress(usize),
    Red(String),
    /// A loosening of policy, which somebody must agree to.
    NeedsApproval(String),
    /// The gate came to no verdict.
    Unjudged(String),
    /// The user ended it.
    Interrupted(ExitCode),
}

impl Judgement {
    /// Whether the candidate may land.
    pub(crate) fn lands(&self) -> bool {
        matches!(self, Judgement::Green | Judgement::Progress(_))
    }

    /// In a line.
    pub(crate) fn reason(&self) -> String {
        match self {
            Judgement::Green => "the gate is green".to_owned(),
            Judgement::Progress(fixed) => format!("{fixed} of the branch's failures are gone"),
            Judgement::Red(why) => format!("the gate is red: {why}"),
            Judgement::NeedsApproval(why) => format!("it needs approval: {why}"),
            Judgement::Unjudged(why) => format!("the gate came to no verdict: {why}"),
            Judgement::Interrupted(_) => "interrupted".to_owned(),
        }
    }

    /// What a process answers that does nothing else.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Judgement::Green | Judgement::Progress(_) => ExitCode::Green,
            Judgement::Red(_) => ExitCode::Red,
            Judgement::NeedsApproval(_) => ExitCode::NeedsApproval,
            Judgement::Unjudged(_) => ExitCode::Environment,
            Judgement::Interrupted(code) => *code,
        }
    }
}

/// Judges a commit as a change of another.
pub(crate) trait Judge: Sync {
    /// What `head`, which follows from `base`, comes to in a role.
    fn judge(&self, base: &Oid, head: &Oid, role: Option<&str>, task: &Task) -> Judgement;
}

/// The real one: the gate before a merge.
pub(crate) struct Gate<'a> {
    /// The workspace's root.
    pub(crate) root: &'a Utf8Path,
    pub(crate) caller: &'a Supervised,
    pub(crate) checker: Checker<'a>,
}

/// What counts of a gate's answer when two are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    code: Option<ExitCode>,
    failures: BTreeMap<FailureId, Tier>,
    /// What a check denies or leaves to somebody's approval.
    findings: BTreeSet<FailureId>,
    /// The tier that stopped the climb.
    stopped_at: Option<Tier>,
}

impl Seen {
    fn of(record: &GateRecord) -> Seen {
        let ladder = record.ladder.iter();
        let open = record.checks.iter().filter(|check| matches!(check.state, State::Red | State::Approve));
        let findings = open.flat_map(|check| &check.findings).filter(|finding| finding.level != Level::Report);
        Seen {
            code: Some(record.verdict.exit_code()),
            failures: ladder.flat_map(RunRecord::failures).map(|failure| (failure.id.clone(), failure.tier)).collect(),
            findings: findings.map(|finding| finding.id.clone()).collect(),
            stopped_at: record.ladder.as_ref().and_then(|ladder| ladder.stopped_at),
        }
    }

    /// How many of a red base's failures are gone, where nothing came in their stead. Tiers above the one that stopped the base's climb
    /// were never asked of it, so that what fails there is not new.
    fn progress_from(&self, base: &Seen) -> Option<usize> {
        let is_known = |(id, tier): (&FailureId, &Tier)| {
            base.failures.contains_key(id) || base.stopped_at.is_some_and(|stopped| *tier > stopped)
        };
        // On fewer tiers than the base was, what is gone may only not have been asked.
        let climbs_less = match (base.stopped_at, self.stopped_at) {
            (Some(base), Some(own)) => own < base,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        let is_clean = self.failures.iter().all(is_known) && self.findings.is_subset(&base.findings) && !climbs_less;
        let fixed = base.failures.keys().filter(|id| !self.failures.contains_key(*id)).count();
        let both_red = [base.code, self.code] == [Some(ExitCode::Red); 2];
        (both_red && is_clean && !self.failures.is_empty() && fixed > 0).then_some(fixed)
    }
}

/// What a gate complains of, in a line.
fn complaint(record: &GateRecord) -> String {
    let failures = record.ladder.iter().flat_map(RunRecord::failures).map(error_line);
    let open = |check: &&Check| matches!(check.state, State::Red | State::Approve);
    let findings = record.checks.iter().filter(open).flat_map(|check| &check.findings);
    let findings = findings.map(|finding| format!("{}: {}: {}", finding.check, finding.subject, finding.message));
    let mut all = failures.chain(findings);
    let first = all.next().unwrap_or_else(|| record.verdict.word().to_lowercase());
    let more = match all.count() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    format!("{}{more}", capped(&one_line(first.trim_start_matches("ERROR: ")), 240))
}

impl Gate<'_> {
    fn ask(&self, base: &Oid, head: &Oid, role: Option<&str>) -> Result<GateRecord, Judgement> {
        let source = Source::at(Utf8Path::new(self.root)).map_err(|error| unanswered(&error.into()))?;
        let question = Question {
            name: GateName::Merge,
            base: Some(base.to_string()),
            head: Some(head.to_string()),
            role: role.map(str::to_owned),
            dir: Utf8PathBuf::from(self.root),
            source,
            index: None,
            pushed_tags: Vec::new(),
            reuse: true,
        };
        let answer = gate::judge(&question, self.caller);
        match (self.caller.interrupted(), answer) {
            (Some(signal_hook::consts::SIGINT), _) => Err(Judgement::Interrupted(ExitCode::Interrupted)),
            (Some(_), _) => Err(Judgement::Interrupted(ExitCode::Terminated)),
            (None, Ok(record)) => Ok(record),
            (None, Err(error)) => Err(unanswered(&error)),
        }
    }

    fn decide(&self, base: &Oid, head: &Oid, role: Option<&str>, task: &Task) -> Result<Judgement, Judgement> {
        let record = self.ask(base, head, role)?;
        let judgement = match record.verdict.exit_code() {
            ExitCode::Green => Judgement::Green,
            ExitCode::NeedsApproval => return Ok(Judgement::NeedsApproval(complaint(&record))),
            ExitCode::Red => {
                let red = || Judgement::Red(complaint(&record));
                let before = Seen::of(&self.ask(base, base, None)?);
                Seen::of(&record).progress_from(&before).map_or_else(red, Judgement::Progress)
            }
            _ => return Ok(Judgement::Unjudged(complaint(&record))),
        };
        if !judgement.lands() {
            return Ok(judgement);
        }
        let is_there =
            |failure: &&FailureId| record.ladder.iter().flat_map(RunRecord::failures).any(|f| f.id == **failure);
        if let Some(failure) = task.failure.as_ref().filter(is_there) {
            return Ok(Judgement::Red(format!("{failure} is still there")));
        }
        Ok(match self.checker.check(base, head, task) {
            Ok(None) => judgement,
            Ok(Some(why)) => Judgement::Red(why),
            Err(why) => Judgement::Unjudged(why),
        })
    }
}

fn unanswered(error: &GateError) -> Judgement {
    let text = capped(&one_line(&error.to_string()), 300);
    match error.exit_code() {
        ExitCode::Red => Judgement::Red(text),
        _ => Judgement::Unjudged(text),
    }
}

impl Judge for Gate<'_> {
    fn judge(&self, base: &Oid, head: &Oid, role: Option<&str>, task: &Task) -> Judgement {
        self.decide(base, head, role, task).unwrap_or_else(|judgement| judgement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(code: ExitCode, stopped_at: Option<u8>, failures: &[(&str, u8)], findings: &[&str]) -> Seen {
        Seen {
            code: Some(code),
            failures: failures.iter().map(|(id, tier)| (id.parse().unwrap(), (*tier).try_into().unwrap())).collect(),
            findings: findings.iter().map(|id| id.parse().unwrap()).collect(),
            stopped_at: stopped_at.map(|tier| tier.try_into().unwrap()),
        }
    }

    #[test]
    fn on_a_red_branch_only_what_takes_failures_away_and_adds_none_may_land() {
        let red = |stopped_at, failures: &[(&str, u8)], findings: &[&str]| {
            seen(ExitCode::Red, stopped_at, failures, findings)
        };
        let base = red(Some(1), &[("t-00000001", 1), ("t-00000002", 1)], &["g-0000000a", "g-0000000b"]);
        let progress = |head: &Seen| head.progress_from(&base);
        assert_eq!(progress(&red(Some(1), &[("t-00000002", 1)], &["g-0000000b"])), Some(1));
        assert_eq!(progress(&red(Some(2), &[("p-00000003", 2)], &[])), Some(2), "tier 2 was never asked of the branch");
        assert_eq!(progress(&red(Some(1), &[("t-00000001", 1), ("t-00000002", 1)], &[])), None);
        assert_eq!(progress(&red(Some(1), &[("t-00000002", 1), ("t-00000003", 1)], &[])), None);
        assert_eq!(progress(&red(Some(0), &[("c-00000004", 0)], &[])), None);
        assert_eq!(progress(&red(Some(1), &[("t-00000002", 1)], &["g-00000005"])), None);
        assert_eq!(progress(&red(None, &[], &[])), None, "red without a failure is not understood");
        let green = seen(ExitCode::Green, None, &[], &[]);
        assert_eq!(red(Some(1), &[("t-00000002", 1)], &[]).progress_from(&green), None);
    }
}
