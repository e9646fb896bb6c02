//! What a gate's checks find, and what that comes to.

use serde::{Deserialize, Serialize};

use crate::base::{ExitCode, FailureId, FailureKind};
use crate::domain::contract::Level;
use crate::domain::record::Verdict;

/// One thing that a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) id: FailureId,
    /// The check that found it.
    pub(crate) check: String,
    pub(crate) level: Level,
    /// What it is about: a file, a test, a key.
    pub(crate) subject: String,
    /// One line.
    pub(crate) message: String,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Ok,
    /// It found something that is only said.
    Reported,
    /// Somebody outside of the change must approve of what it found.
    Approve,
    /// Somebody outside of the change has approved of what it found.
    Approved,
    Red,
    /// There was nothing for it to judge.
    None,
    /// This gate doesn't ask for it, or the ladder was red before.
    NotRun,
}

/// One check: a line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) ms: u64,
    pub(crate) detail: String,
    pub(crate) findings: Vec<Finding>,
}

impl Check {
    /// A check that found what it found.
    pub(crate) fn of(name: &str, level: Level, found: Vec<(String, String)>, ok: &str) -> Check {
        Check::mixed(name, found.into_iter().map(|(subject, message)| (level, subject, message)).collect(), ok)
    }

    /// The same with a level for each finding.
    pub(crate) fn mixed(name: &str, found: Vec<(Level, String, String)>, ok: &str) -> Check {
        let findings: Vec<Finding> = found
            .into_iter()
            .map(|(level, subject, message)| Finding {
                id: FailureId::new(FailureKind::Gate, &[name, &subject, &message]),
                check: name.to_owned(),
                level,
                subject,
                message,
            })
            .collect();
        let detail = match findings.len() {
            0 => ok.to_owned(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        };
        let state = match findings.iter().map(|finding| finding.level).max() {
            None => State::Ok,
            Some(Level::Report) => State::Reported,
            Some(Level::Approve) => State::Approve,
            Some(Level::Deny) => State::Red,
        };
        Check { name: name.to_owned(), state, ms: 0, detail, findings }
    }

    /// One that had nothing to judge.
    pub(crate) fn none(name: &str, detail: &str) -> Check {
        Check { state: State::None, ..Check::of(name, Level::Report, Vec::new(), detail) }
    }

    /// One that this gate doesn't ask for, or that was of no use any more.
    pub(crate) fn not_run(name: &str, detail: &str) -> Check {
        Check { state: State::NotRun, ..Check::of(name, Level::Report, Vec::new(), detail) }
    }

    /// The word in its line.
    pub(crate) fn word(&self) -> &'static str {
        match self.state {
            State::Ok => "ok",
            State::Reported => "reported",
            State::Approve => "APPROVAL",
            State::Approved => "approved",
            State::Red => "FAILED",
            State::None => "none",
            State::NotRun => "not run",
        }
    }
}

/// What a gate answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GateVerdict {
    /// As the ladder has it; green only where no check says otherwise.
    Ladder(Verdict),
    /// A check denies.
    Red,
    /// Nothing is red, and somebody must approve.
    NeedsApproval,
}

impl GateVerdict {
    /// The ladder's and the checks' together: what isn't green comes first, then what is denied, then what needs approval.
    pub(crate) fn of(ladder: Verdict, checks: &[Check]) -> GateVerdict {
        let any = |state: State| checks.iter().any(|check| check.state == state);
        match ladder {
            Verdict::Green if any(State::Red) => GateVerdict::Red,
            Verdict::Green if any(State::Approve) => GateVerdict::NeedsApproval,
            other => GateVerdict::Ladder(other),
        }
    }

    /// The words in the `VERDICT:` line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            GateVerdict::Ladder(verdict) => verdict.word(),
            GateVerdict::Red => Verdict::Red.word(),
            GateVerdict::NeedsApproval => "NEEDS APPROVAL",
        }
    }

    /// The process's answer.
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            GateVerdict::Ladder(verdict) => verdict.exit_code(),
            GateVerdict::Red => ExitCode::Red,
            GateVerdict::NeedsApproval => ExitCode::NeedsApproval,
        }
    }

    /// Whether the same question would be answered the same again.
    pub(crate) fn keeps(self) -> bool {
        match self {
            GateVerdict::Ladder(verdict) => matches!(verdict, Verdict::Green | Verdict::Red),
            GateVerdict::Red | GateVerdict::NeedsApproval => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(level: Level) -> Check {
        Check::of("x", level, vec![("a".to_owned(), "b".to_owned())], "")
    }

    #[test]
    fn red_comes_before_approval_and_nothing_makes_a_bad_ladder_green() {
        let both = [found(Level::Approve), found(Level::Deny)];
        assert_eq!(GateVerdict::of(Verdict::Green, &both).exit_code(), ExitCode::Red);
        assert_eq!(GateVerdict::of(Verdict::Green, &both[..1]).exit_code(), ExitCode::NeedsApproval);
        assert_eq!(GateVerdict::of(Verdict::Green, &[found(Level::Report)]).exit_code(), ExitCode::Green);
        for (ladder, code) in [
            (Verdict::Red, ExitCode::Red),
            (Verdict::NothingVerified, ExitCode::NothingVerified),
            (Verdict::Lacking, ExitCode::Environment),
            (Verdict::TimeLimit, ExitCode::TimeLimit),
        ] {
            assert_eq!(GateVerdict::of(ladder, &both[..1]).exit_code(), code);
        }
    }
}
