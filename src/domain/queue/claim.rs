//! A claim: who works on a task, by which nonce, and for how long it holds without a word.

use std::time::Duration;

use serde::Serialize;

use super::task::TaskId;
use crate::base::TimeLimit;
use crate::base::text::{capped, one_line};

/// How often a claim may run out before the task waits for a person.
pub(crate) const MOST_EXPIRIES: u32 = 3;

/// Longest lease that is believed; nobody can hold a task for ever by writing a large number.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What stands in a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Claim {
    pub(crate) id: TaskId,
    pub(crate) worker: String,
    /// What tells this claim from every other, so that no two are the same object.
    pub(crate) nonce: String,
    /// In seconds: so long unchanged, anybody may take it.
    pub(crate) lease: u64,
    /// How many claims of this task ran out before.
    pub(crate) expiries: u32,
    /// How often it was renewed.
    pub(crate) renewed: u32,
    /// Why the task waits for a person; then it doesn't run out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blocked: Option<String>,
}

impl Claim {
    /// Of a worker who begins.
    pub(crate) fn new(id: TaskId, worker: &str, nonce: String, lease: TimeLimit) -> Claim {
        let lease = lease.duration().as_secs().max(1);
        Claim { id, worker: worker.to_owned(), nonce, lease, expiries: 0, renewed: 0, blocked: None }
    }

    /// How long it holds unchanged.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.lease).min(LONGEST)
    }

    /// Its lines, as the lock-file layout has them above the task's own.
    pub(crate) fn lines(&self) -> String {
        let Claim { worker, nonce, lease, expiries, renewed, blocked, .. } = self;
        let blocked = blocked.as_ref().map(|why| format!("Blocked: {}\n", reason(why))).unwrap_or_default();
        format!(
            "Claimed-By: {worker}\nNonce: {nonce}\nLease: {lease}\nExpiries: {expiries}\nRenewed: {renewed}\n{blocked}"
        )
    }

    /// The message of the commit that a claim's ref points at.
    pub(crate) fn message(&self) -> String {
        format!("Claim {}\n\n{}", self.id, self.lines())
    }

    /// Reads the lines of a claim wherever they stand in a text; none where nobody is named. What is missing or no number is as if it
    /// were the least.
    pub(crate) fn read(id: &TaskId, text: &str) -> Option<Claim> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        let number = |key: &str| value(key).and_then(|text| text.trim().parse::<u32>().ok());
        Some(Claim {
            id: id.clone(),
            worker: capped(&one_line(value("Claimed-By")?), 64),
            nonce: capped(&one_line(value("Nonce").unwrap_or_default()), 64),
            lease: u64::from(number("Lease").unwrap_or(1).max(1)),
            expiries: number("Expiries").unwrap_or(0),
            renewed: number("Renewed").unwrap_or(0),
            blocked: value("Blocked").map(reason),
        })
    }
}

fn reason(text: &str) -> String {
    capped(&one_line(text), 300)
}

/// Whether a text may stand for a worker: it becomes part of commits and lines of output.
pub(crate) fn is_worker(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@');
    (1..=64).contains(&name.len())
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_reads_back_from_its_commit_and_a_foreign_text_is_none() {
        let id: TaskId = "a".parse().unwrap();
        let mut claim = Claim::new(id.clone(), "ada", "n1".to_owned(), TimeLimit::seconds(1800));
        claim.blocked = Some("no compiler\nClaimed-By: eve".to_owned());
        let read = Claim::read(&id, &claim.message()).unwrap();
        assert_eq!((read.worker.as_str(), read.lease), ("ada", 1800));
        assert_eq!(read.blocked.as_deref(), Some("no compiler Claimed-By: eve"));
        assert_eq!(Claim::read(&id, "nothing"), None);
        let greedy = Claim::read(&id, "Claimed-By: eve\nLease: 4000000000\nExpiries: -1").unwrap();
        assert_eq!((greedy.duration(), greedy.expiries), (LONGEST, 0));
    }

    #[test]
    fn a_worker_has_a_name_that_moves_no_cursor() {
        assert!(is_worker("agent-1") && is_worker("ada@box"));
        for name in ["", "-x", "a b", "a\n", "é", &"a".repeat(65)] {
            assert!(!is_worker(name), "{name}");
        }
    }
}
